"""The seventeen defects of bspysmg.data, one after the other, none of which is here."""

import copy
import json
import math
from pathlib import Path

import h5py
import numpy as np
import pytest

from circus_io.errors import CircusError, DeviceError, FormatError, ParameterError
from stim.sampling.configs import SamplingConfig
from stim.sampling.dataset import ModelDataset, get_dataloaders, get_info_dict
from stim.sampling.devices.simulated import SimulatedDevice
from stim.sampling.npz_file import Pieces, read_arrays, read_info, write_npz
from stim.sampling.postprocess import clip_data, get_electrode_info, post_process
from stim.sampling.sampling import Sampler
from stim.sampling.splits import check_fractions
from stim.sampling.store import SampleStore


def phases(folder):
    with SampleStore(folder) as store:
        return store.batches["phases"]


def waves(folder):
    with SampleStore(folder) as store:
        return store.read(0, store.n_samples)[0]


@pytest.mark.parametrize(
    ("each", "changes_at"), [(0, []), (1, range(1, 12)), (5, [5, 10])]
)
def test_1_phases_are_drawn_after_so_many_batches(configs, each, changes_at):
    """Any number but 0 drew them anew in every batch."""
    configs["input_data"]["random_phase_shift_each"] = each
    drawn = phases(Sampler(configs).sample())
    changed = np.flatnonzero((np.diff(drawn, axis=0) != 0).any(axis=1)) + 1
    assert changed.tolist() == list(changes_at)
    assert drawn[0].tolist() == configs["input_data"]["phase"]
    assert np.abs(drawn).max() <= 2 * math.pi


def test_2_phase_alone_is_a_configuration(configs):
    """The key of the random phases was looked up after the first batch."""
    del configs["input_data"]["random_phase_shift_each"]
    folder = Sampler(configs).sample()
    assert (phases(folder) == configs["input_data"]["phase"]).all()


def test_3_a_run_can_be_done_again(configs):
    """Phases were neither recorded nor seeded."""
    first = Sampler(configs).sample()
    again = Sampler(configs).sample()
    assert waves(first).tobytes() == waves(again).tobytes()
    drawn = phases(first)[9]
    time = np.arange(9 * 57, 10 * 57)
    expected = 0.9 * np.sin(2 * np.pi * np.sqrt(2) * 0.002 * time + drawn[0]) - 0.3
    np.testing.assert_allclose(waves(first)[time, 0], expected, atol=1e-6)
    del configs["input_data"]["seed"]
    seeds = set()
    for _ in range(2):  # one is drawn, and written down
        folder = Path(Sampler(configs).sample())
        saved = json.loads((folder / "sampler_configs.json").read_text())
        seeds.add(saved["input_data"]["seed"])
        assert waves(Sampler(saved).sample()).tobytes() == waves(folder).tobytes()
    assert len(seeds) == 2


@pytest.mark.parametrize("factor", [None, 0.001, 0.005])
def test_4_factor_is_heard(configs, factor):
    """It was documented, and 0.001 was used."""
    configs["input_data"] |= {"random_phase_shift_each": 0, "phase": [0, 0, 0]}
    configs["input_data"]["factor"] = factor
    time = np.arange(12 * 57)
    expected = np.sin(2 * np.pi * np.sqrt(3) * (factor or 0.001) * time)
    got = (waves(Sampler(configs).sample())[:, 1] + 0.3) / 0.9
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_5_the_configuration_is_left_as_it_was(configs):
    """Arrays and another directory were put into it, after it was saved."""
    before = copy.deepcopy(configs)
    sampler = Sampler(configs)
    folder = Path(sampler.sample())
    assert configs == before
    saved = json.loads((folder / "sampler_configs.json").read_text())
    assert saved["input_data"]["amplitude"] == pytest.approx([0.9, 0.9, 0.5])
    assert saved["input_data"]["offset"] == pytest.approx([-0.3, -0.3, -0.2])
    assert saved["save_directory"] == before["save_directory"]


def test_6_the_charging_signal_is_the_first_and_the_reference_the_last(configs):
    """Both were the last batches, one a part of the other."""
    folder = Sampler(configs).sample()
    whole = waves(folder)
    post_process(folder, None, charging_signal_batch_no=5, reference_signal_batch_no=3)
    (charging,) = read_arrays(f"{folder}/charging_signal.npz", "inputs")
    (reference,) = read_arrays(f"{folder}/reference_batch.npz", "inputs")
    np.testing.assert_array_equal(charging, whole[: 5 * 57])
    np.testing.assert_array_equal(reference, whole[-3 * 57 :])
    with pytest.raises(ParameterError, match="has 12 batches"):
        post_process(folder)  # 40 and 15 would overlap


def test_7_each_output_is_clipped_by_its_own_limits():
    """The mean over outputs was compared; two amplifications were taken for a range."""
    outputs = np.array([[0.0, 0.0], [200.0, -190.0], [0.0, 160.0], [-114.0, 0.0]])
    limits = get_electrode_info(
        {
            "driver": {"amplification": [28.5, 39.5]},
            "input_data": {
                "activation_electrode_no": 1,
                "readout_electrode_no": 2,
                "amplitude": [1],
                "offset": [0],
            },
        }
    )["output_electrodes"]["clipping_value"]
    assert limits == [[-114, 114], [-158, 158]]
    *_, clipped = clip_data(np.zeros((4, 1)), outputs, limits)
    assert clipped.tolist() == [[0, 0], [1, 1], [0, 1], [1, 0]]
    three = np.zeros((2, 3))
    assert not clip_data(three, three, (-4, 4))[2].any()


def test_8_clipping_deletes_nothing(configs):
    """Rows were deleted, and with them the order of time and the borders of batches."""
    folder = Sampler(configs).sample()
    inputs, *_ = post_process(folder, [-20, 20], 5, 3)
    assert len(inputs) == 12 * 57
    np.testing.assert_array_equal(inputs, waves(folder))
    (clipped,) = read_arrays(f"{folder}/postprocessed_data.npz", "clipped")
    assert 0.1 < clipped.mean() < 0.9
    dataset = ModelDataset(f"{folder}/postprocessed_data.npz")
    assert len(dataset) == (~clipped.any(axis=1)).sum()


def test_9_the_record_is_binary_in_chunks(configs):
    """It was a text of GBs that was loaded whole."""
    folder = Path(Sampler(configs).sample())
    names = {path.name for path in folder.iterdir()}
    assert names == {"samples.h5", "sampler_configs.json", "lock"}
    with h5py.File(folder / "samples.h5") as file:
        assert file["inputs"].chunks == (57, 3)
        n_bytes = file["inputs"].id.get_storage_size()
        assert n_bytes == 12 * 57 * 3 * 4


@pytest.mark.parametrize(
    ("batch_s", "ramp_s", "n_batch", "n_ramp"),
    [(0.57, 0.29, 57, 29), (1.1, 0.07, 110, 7), (0.145, 0.015, 15, 2)],
)
def test_10_durations_are_rounded_and_ramps_left_out_exactly(
    configs, limits, batch_s, ramp_s, n_batch, n_ramp
):
    """Products of floats were truncated: 0.29 s at 100 Hz were 28 samples."""
    configs["input_data"] |= {"batch_time": batch_s, "ramp_time": ramp_s}
    configs["driver"]["instruments_setup"]["activation_sampling_frequency"] = 100
    wide = SimulatedDevice(limits, 2, keeps_trace=True)
    object.__setattr__(limits, "max_slew_per_s", 1e9)
    folder = Sampler(configs, wide).sample()
    recorded = waves(folder)
    assert len(recorded) == 12 * n_batch
    for index, driven in enumerate(wide.trace):
        assert len(driven) == n_batch + 2 * n_ramp
        batch = recorded[index * n_batch : (index + 1) * n_batch]
        np.testing.assert_array_equal(driven[n_ramp:-n_ramp].astype("f4"), batch)
        assert not driven[[0, -1]].any()


def test_11_a_run_that_fails_leaves_the_device_at_rest_and_closed(configs, limits):
    """The driver stayed open, and the device at a voltage."""

    class Closing(SimulatedDevice):
        is_closed = False

        def close(self):
            assert not self.output.any()
            self.is_closed = True

    device = Closing(limits, 2, fails_at_sample=400, keeps_trace=True)
    with pytest.raises(DeviceError):
        Sampler(configs, device).sample()
    assert device.is_closed
    assert not device.trace[-1][-1].any()
    slew = np.abs(np.diff(np.concatenate(device.trace), axis=0)) * 100
    assert slew.max() <= limits.max_slew_per_s * 1.0001
    # also where the configuration turns out wrong when the device is open already
    device, configs["input_data"]["readout_electrode_no"] = Closing(limits, 2), 3
    with pytest.raises(ParameterError):
        Sampler(configs, device)
    assert device.is_closed


def test_12_no_pickle_is_loaded_and_runs_are_merged(configs, tmp_path):
    """`allow_pickle=True`; merging was documented, and commented out."""
    np.savez(tmp_path / "a.npz", inputs=1, outputs=1, sampling_configs={"a": 1})
    with pytest.raises(FormatError, match="pickle"):
        ModelDataset(tmp_path / "a.npz")
    folders = [Sampler(configs).sample() for _ in range(3)]
    inputs, *_ = post_process(folders[0], None, 5, 3, list_data=folders[1:])
    assert len(inputs) == 3 * 12 * 57


def test_13_pictures_come_on_request_each_in_a_file_of_its_own(configs, require):
    """There was one for each batch, all of them to the same file."""
    require("matplotlib", extra="plots")
    folder = Path(Sampler(configs).sample())
    assert not list(folder.glob("*.png"))
    folder = Path(Sampler(configs).sample(plot_interval=5))
    names = sorted(path.name for path in folder.glob("*.png"))
    assert names == ["batch_00004.png", "batch_00009.png"]


def test_14_validation_is_apart_from_training(tmp_path):
    """Single samples of a smooth wave were dealt out at random."""
    time = np.arange(40_000)
    inputs = np.stack(
        [np.sin(2 * np.pi * time / 300), np.sin(2 * np.pi * time / 367)], 1
    )
    configs = {
        "driver": {"amplification": [1]},
        "input_data": {"readout_electrode_no": 1},
        "electrode_info": {
            "activation_electrodes": {"electrode_no": 2},
            "output_electrodes": {"electrode_no": 1},
        },
    }
    outputs = time[:, np.newaxis].astype(float)  # tells which sample it is
    arrays = {"inputs": Pieces.of(inputs), "outputs": Pieces.of(outputs)}
    write_npz(tmp_path / "a.npz", arrays, configs)
    data = {"dataset_paths": [tmp_path / "a.npz"], "batch_size": 512}
    data["split_percentages"] = [0.8, 0.2]
    loaders, _, _ = get_dataloaders({"data": data})
    train, validation = (
        np.sort(np.concatenate([targets[:, 0] for _, targets in loader]))
        for loader in loaders
    )
    nearest = np.searchsorted(train, validation).clip(1, len(train) - 1)
    distance = np.minimum(
        np.abs(train[nearest] - validation), np.abs(train[nearest - 1] - validation)
    )
    assert distance.min() > 50  # a sixth of a period
    assert len(train) + len(validation) > 0.9 * len(time)


def test_15_fractions_may_be_floats_and_are_optional(tmp_path):
    """0.7 + 0.2 + 0.1 is not 1 in floats; a single file needed fractions; asserts."""
    assert 0.7 + 0.2 + 0.1 != 1
    assert check_fractions([0.7, 0.2, 0.1]) == [0.7, 0.2, 0.1]
    with pytest.raises(ParameterError, match="sum up to 1"):
        check_fractions([0.7, 0.2])
    sampling = {
        "driver": {"amplification": [1]},
        "input_data": {"readout_electrode_no": 1},
        "electrode_info": {
            "activation_electrodes": {"electrode_no": 1},
            "output_electrodes": {"electrode_no": 1},
        },
    }
    values = Pieces.of(np.arange(100.0)[:, np.newaxis])
    write_npz(tmp_path / "a.npz", {"inputs": values, "outputs": values}, sampling)
    configs = {"data": {"dataset_paths": [tmp_path / "a.npz"], "batch_size": 10}}
    (loader,), _, _ = get_dataloaders(configs)
    assert len(loader.rows) == 100
    # in place of asserts, which -O takes away
    for wrong in ({"input_data": {}}, {}):
        with pytest.raises(CircusError, match="the configuration needs"):
            SamplingConfig.of(wrong)


def test_16_arguments_are_left_alone_and_tags_stay_with_their_files(tmp_path):
    """A second call failed; a None made a TypeError, or turned test into validation."""
    sampling = {
        "driver": {"amplification": [1]},
        "input_data": {"readout_electrode_no": 1},
        "electrode_info": {
            "activation_electrodes": {"electrode_no": 1},
            "output_electrodes": {"electrode_no": 1},
        },
    }
    training = {"model_structure": {"hidden_sizes": [3]}, "data": {"batch_size": 5}}
    before = copy.deepcopy((training, sampling))
    first, again = (get_info_dict(training, sampling) for _ in range(2))
    assert first == again
    assert (training, sampling) == before
    paths = {}
    for value, name in enumerate(("train", "validation", "test")):
        values = Pieces.of(np.full((10, 1), float(value)))
        paths[name] = tmp_path / f"{name}.npz"
        write_npz(paths[name], {"inputs": values, "outputs": values}, sampling)
    for absent in paths:
        given = [None if name == absent else path for name, path in paths.items()]
        loaders, _, _ = get_dataloaders(
            {"data": {"dataset_paths": given, "batch_size": 5}}
        )
        for loader in loaders:
            values = np.concatenate([inputs for inputs, _ in loader])
            assert (values == list(paths).index(loader.tag)).all()
        assert [loader.tag for loader in loaders] == [n for n in paths if n != absent]


def test_17_the_record_says_what_made_it_and_when(configs):
    """No units, no version of the driver, no host, no clock."""
    folder = Sampler(configs).sample()
    with SampleStore(folder) as store:
        assert store.info["units"] == {"inputs": "V", "outputs": "nA"}
        assert store.info["device"]["driver"] == "simulated"
        for name in ("host", "driver", "software"):
            assert (store.batches[name] != b"").all()
        for clock in ("t0_unix_ns", "t0_monotonic_ns", "sample_index"):
            assert (np.diff(store.batches[clock]) > 0).all()
    info = read_info(_processed(folder))
    assert info["units"] == {"inputs": "V", "outputs": "nA"}


def _processed(folder):
    post_process(folder, None, 5, 3)
    return Path(folder) / "postprocessed_data.npz"
