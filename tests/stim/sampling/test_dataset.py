"""Data sets and loaders."""

import importlib.util

import numpy as np
import pytest

from circus_io.errors import MissingDependencyError, ParameterError
from stim.sampling.dataset import (
    DataLoader,
    ModelDataset,
    get_dataloaders,
    get_info_dict,
)
from stim.sampling.npz_file import Pieces, write_npz
from stim.sampling.splits import check_fractions, correlation_length, split_blocks

SAMPLING = {
    "driver": {"amplification": [2.0, 4.0]},
    "input_data": {"activation_electrode_no": 3, "readout_electrode_no": 2},
    "electrode_info": {
        "activation_electrodes": {"electrode_no": 3},
        "output_electrodes": {"electrode_no": 2},
    },
}
TRAINING = {"model_structure": {"hidden_sizes": [90, 90]}, "data": {"batch_size": 64}}


def write(path, n_samples=1000, clipped=None, seed=0, sampling=SAMPLING):
    rng = np.random.default_rng(seed)
    inputs, outputs = rng.normal(size=(n_samples, 3)), rng.normal(size=(n_samples, 2))
    arrays = {"inputs": Pieces.of(inputs), "outputs": Pieces.of(outputs)}
    if clipped is not None:
        arrays["clipped"] = Pieces.of(clipped)
    write_npz(path, arrays, sampling)
    return inputs, outputs


def training(paths, **data):
    settings = {
        "dataset_paths": [path and str(path) for path in paths],
        "batch_size": 64,
    }
    return {**TRAINING, "data": settings | data}


def test_targets_do_not_depend_on_the_amplification(tmp_path):
    inputs, outputs = write(tmp_path / "a.npz")
    dataset = ModelDataset(tmp_path / "a.npz")
    assert len(dataset) == 1000
    one, target = dataset[17]
    np.testing.assert_allclose(one, inputs[17], rtol=1e-6)
    np.testing.assert_allclose(target, outputs[17] / [2, 4], rtol=1e-6)
    assert one.dtype == target.dtype == np.float32
    several, targets = dataset[np.array([3, 999, 3])]
    np.testing.assert_allclose(several, inputs[[3, 999, 3]], rtol=1e-6)
    np.testing.assert_allclose(targets, outputs[[3, 999, 3]] / [2, 4], rtol=1e-6)
    thinned = ModelDataset(tmp_path / "a.npz", steps=7)
    assert len(thinned) == 143
    np.testing.assert_allclose(thinned[2][0], inputs[14], rtol=1e-6)
    with pytest.raises(ParameterError, match="steps = 0"):
        ModelDataset(tmp_path / "a.npz", steps=0)


def test_samples_with_a_clipped_output_are_left_out(tmp_path):
    clipped = np.zeros((1000, 2), bool)
    clipped[[10, 500], [0, 1]] = True
    inputs, _ = write(tmp_path / "a.npz", clipped=clipped)
    dataset = ModelDataset(tmp_path / "a.npz")
    assert len(dataset) == 998
    np.testing.assert_allclose(dataset[10][0], inputs[11], rtol=1e-6)
    assert len(ModelDataset(tmp_path / "a.npz", keep_clipped=True)) == 1000
    assert len(ModelDataset(tmp_path / "a.npz", steps=100)) == 9  # 500 is gone, 10 was


def test_loaders_give_each_sample_once(tmp_path):
    inputs, _ = write(tmp_path / "a.npz")
    (loader,), amplification, info = get_dataloaders(training([tmp_path / "a.npz"]))
    assert loader.tag == "train"
    assert len(loader) == 16
    assert amplification.tolist() == [2, 4]
    passes = [np.concatenate([batch for batch, _ in loader]) for _ in range(2)]
    for got in passes:
        np.testing.assert_array_equal(
            np.sort(got, axis=0), np.sort(inputs.astype("f4"), axis=0)
        )
    assert (passes[0] != passes[1]).any()
    (again,), _, _ = get_dataloaders(training([tmp_path / "a.npz"]))
    np.testing.assert_array_equal(np.concatenate([b for b, _ in again]), passes[0])
    assert info["model_structure"] == {"hidden_sizes": [90, 90], "D_in": 3, "D_out": 2}
    with pytest.raises(ParameterError, match="batch_size = 0"):
        DataLoader(loader.dataset, loader.rows, 0, "train")


def test_only_train_is_shuffled(tmp_path):
    written = [
        write(tmp_path / f"{name}.npz", seed=i)[0] for i, name in enumerate("abc")
    ]
    paths = [tmp_path / f"{name}.npz" for name in "abc"]
    loaders, _, _ = get_dataloaders(training(paths))
    assert [loader.tag for loader in loaders] == ["train", "validation", "test"]
    for loader, inputs in zip(loaders, written, strict=True):
        got = np.concatenate([batch for batch, _ in loader])
        assert (got == inputs.astype("f4")).all() == (loader.tag != "train")


def test_files_have_to_be_of_one_amplification(tmp_path):
    write(tmp_path / "a.npz")
    write(
        tmp_path / "b.npz", sampling={**SAMPLING, "driver": {"amplification": [2, 5]}}
    )
    with pytest.raises(ParameterError, match=r"amplification of \[2. 5.\]"):
        get_dataloaders(training([tmp_path / "a.npz", tmp_path / "b.npz"]))


def test_what_is_no_training_configuration(tmp_path):
    write(tmp_path / "a.npz")
    path = tmp_path / "a.npz"
    for configs, words in (
        ({}, "needs data"),
        ({"data": {}}, "needs data.dataset_paths"),
        (training([None, None]), "at least one of them"),
        (training([path] * 4), "up to three"),
        (training([path], split_percentages=[0.5, 0.4]), "sum up to 1"),
        (training([path], split_percentages=[0.25] * 4), "one to three"),
        (training([path], split_percentages=[0.5, 0.5], split_gap=900), "blocks"),
    ):
        with pytest.raises(ParameterError, match=words):
            get_dataloaders(configs)
    with pytest.raises(ParameterError, match="choose from numpy, torch"):
        get_dataloaders(training([path]), backend="jax")


def test_split_parts_are_apart():
    n, gap = 10_000, 50
    parts = split_blocks(n, [0.7, 0.2, 0.1], gap, block=500, seed=3)
    assert [round(len(part) / n, 1) for part in parts] == [0.7, 0.2, 0.1]
    owner = np.full(n, -1)
    for index, part in enumerate(parts):
        assert (owner[part] == -1).all()
        owner[part] = index
    for index in range(3):
        mine, others = np.flatnonzero(owner == index), (owner != index) & (owner >= 0)
        distance = np.abs(mine[:, np.newaxis] - np.flatnonzero(others)).min()
        assert distance > gap
    # what is left out stands between blocks of different parts
    assert (owner == -1).sum() % gap == 0
    again = split_blocks(n, [0.7, 0.2, 0.1], gap, block=500, seed=3)
    assert all((one == other).all() for one, other in zip(parts, again, strict=True))


def test_sizes_of_parts():
    for fractions, expected in (
        ([0.7, 0.2, 0.1], [14, 4, 2]),
        ([0.8, 0.2], [16, 4]),
        ([0.51, 0.49], [11, 9]),
    ):
        parts = split_blocks(2000, fractions, 0, block=100)
        assert [len(part) // 100 for part in parts] == expected
    assert check_fractions(1.0) == [1.0]


def test_the_gap_follows_from_the_correlation():
    time = np.arange(20_000)
    waves = np.stack(
        [np.sin(2 * np.pi * time / period) for period in (400, 410)], axis=1
    )
    # the autocorrelation is a cosine: 1/e at arccos(1/e) / 2π of a period
    expected = np.arccos(np.exp(-1)) / (2 * np.pi) * 405
    assert correlation_length(waves) == pytest.approx(expected, abs=3)
    noise = np.random.default_rng(0).normal(size=(1000, 2))
    assert correlation_length(noise) == 1
    assert correlation_length(np.ones((50, 2))) == 1


def test_loaders_of_torch(tmp_path):
    """Where PyTorch is: it is too heavy to be installed for this."""
    write(tmp_path / "a.npz")
    configs = training([tmp_path / "a.npz"], split_percentages=[0.8, 0.2], split_gap=5)
    if importlib.util.find_spec("torch") is None:
        with pytest.raises(MissingDependencyError, match=r"circus-toolkit\[torch\]"):
            get_dataloaders(configs, backend="torch")
        return
    import torch

    (train, validation), _, _ = get_dataloaders(configs, backend="torch")
    assert (train.tag, validation.tag) == ("train", "validation")
    inputs, targets = next(iter(train))
    assert isinstance(inputs, torch.Tensor)
    assert (inputs.shape, targets.shape) == ((64, 3), (64, 2))
    assert (inputs.dtype, targets.dtype) == (torch.float32, torch.float32)


def test_what_the_charging_signal_knows_is_too_little():
    without = {key: SAMPLING[key] for key in ("driver", "input_data")}
    with pytest.raises(ParameterError, match="needs electrode_info"):
        get_info_dict(TRAINING, without)
