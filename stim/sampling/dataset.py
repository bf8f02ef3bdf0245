"""Data sets for training models: the counterpart of `bspysmg.data.dataset`.

numpy does all of it; with ``backend="torch"`` the loaders are those of PyTorch, which
is imported then.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.errors import MissingDependencyError, ParameterError
from stim.sampling.configs import amplification_of, plain, setting
from stim.sampling.npz_file import array_names, read_arrays, read_info
from stim.sampling.splits import correlation_length, split_blocks

__all__ = ["DataLoader", "ModelDataset", "get_dataloaders", "get_info_dict"]

TAGS = ("train", "validation", "test")


class ModelDataset:
    """Samples of a file, as pairs of inputs and targets.

    Targets are outputs over the amplification: V at the converter, so that they do not
    depend on the set-up. Samples with a clipped output are left out.

    Parameters
    ----------
    filename : path
        An npz file of `post_process`.
    steps : int
        Take every so manieth sample.
    keep_clipped : bool
        Leave none out.

    Attributes
    ----------
    inputs, outputs : float array, shape (n, n_inputs or n_outputs)
        Mapped from the file; outputs are not divided.
    rows : int64 array
        Which of them are samples of the data set.
    amplification : float64 array, shape (n_outputs,)
    sampling_configs : dict
    """

    def __init__(
        self,
        filename: str | os.PathLike[str],
        steps: int = 1,
        *,
        keep_clipped: bool = False,
    ) -> None:
        self.filename = Path(filename)
        loaded = self.load_data_from_npz(filename, steps)
        self.inputs, self.outputs, self.sampling_configs = loaded
        self.amplification = amplification_of(self.sampling_configs)
        self.rows = np.arange(len(self.inputs))
        if not keep_clipped:
            self.rows = self.rows[~self._is_clipped(steps)]

    def _is_clipped(self, steps: int) -> np.ndarray:
        """Return which samples have an output that is clipped."""
        if "clipped" not in array_names(self.filename):
            return np.zeros(len(self.inputs), dtype=bool)
        (clipped,) = read_arrays(self.filename, "clipped")
        return np.any(clipped[::steps], axis=1)

    @staticmethod
    def load_data_from_npz(
        filename: str | os.PathLike[str], steps: int
    ) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """Return every so manieth input and output, and the configuration.

        Raises
        ------
        FormatError
            It is no such file; for one of `bspysmg`, says how it is imported.
        """
        if not isinstance(steps, int | np.integer) or steps < 1:
            raise ParameterError(
                f"steps = {steps}: expected a whole number of at least 1"
            )
        configs = read_info(filename)
        inputs, outputs = read_arrays(filename, "inputs", "outputs")
        return inputs[::steps], outputs[::steps], configs

    def __len__(self) -> int:
        """Return how many samples there are."""
        return len(self.rows)

    def __getitem__(
        self, index: int | slice | Sequence[int] | np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs and targets, float32, of one sample or of several."""
        rows = self.rows[index]
        targets = np.asarray(self.outputs[rows]) / self.amplification
        return np.asarray(self.inputs[rows], np.float32), targets.astype(np.float32)


class DataLoader:
    """Batches of a data set, as arrays.

    Parameters
    ----------
    dataset : ModelDataset
    rows : int array
        Which of its samples.
    batch_size : int
    tag : {'train', 'validation', 'test'}
    is_shuffled : bool
        Another order in each pass, the same ones for the same seed.
    seed : int
    """

    def __init__(
        self,
        dataset: ModelDataset,
        rows: np.ndarray,
        batch_size: int,
        tag: str,
        *,
        is_shuffled: bool = False,
        seed: int = 0,
    ) -> None:
        if batch_size < 1:
            raise ParameterError(f"batch_size = {batch_size}: expected at least 1")
        self.dataset, self.rows, self.batch_size, self.tag = (
            dataset,
            rows,
            batch_size,
            tag,
        )
        self.is_shuffled, self.seed, self.n_passes = is_shuffled, seed, 0

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        rows = self.rows
        if self.is_shuffled:
            generator = np.random.default_rng([self.seed, self.n_passes])
            rows = generator.permutation(rows)
        self.n_passes += 1
        for start in range(0, len(rows), self.batch_size):
            yield self.dataset[rows[start : start + self.batch_size]]


def get_info_dict(
    training_configs: Mapping[str, Any], sampling_configs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is saved with a model; the arguments are left as they are.

    Returns
    -------
    dict
        ``model_structure`` with ``D_in`` and ``D_out``, ``electrode_info``,
        ``training_configs``, ``sampling_configs``.

    Raises
    ------
    ParameterError
        The sampling configuration has no ``electrode_info``, as that of the charging
        signal.
    """
    training, sampling = plain(training_configs), plain(sampling_configs)
    electrodes = setting(sampling, "electrode_info")
    structure = dict(training.pop("model_structure", {}) or {})
    structure["D_in"] = electrodes["activation_electrodes"]["electrode_no"]
    structure["D_out"] = electrodes["output_electrodes"]["electrode_no"]
    del sampling["electrode_info"]
    return {
        "model_structure": structure,
        "electrode_info": electrodes,
        "training_configs": training,
        "sampling_configs": sampling,
    }


def get_dataloaders(
    configs: Mapping[str, Any], *, backend: str = "numpy"
) -> tuple[list[Any], np.ndarray, dict[str, Any]]:
    """Return the loaders of the files of a training configuration.

    Parameters
    ----------
    configs : mapping
        ``data`` with ``dataset_paths`` (train, validation, test; None leaves one out),
        ``batch_size``, and optionally ``steps``, ``split_percentages`` (a single file
        is divided, see `split_blocks`), ``split_gap`` and ``split_block`` (samples),
        ``seed``, ``worker_no``, ``pin_memory``.
    backend : {'numpy', 'torch'}

    Returns
    -------
    loaders : list
        With `tag`; only that of train is shuffled.
    amplification : float64 array, shape (n_outputs,)
    info_dict : dict

    Raises
    ------
    ParameterError
        There is no file, or they are not of one set-up.
    """
    if backend not in ("numpy", "torch"):
        raise ParameterError(f"backend = {backend}: choose from numpy, torch")
    data = setting(configs, "data")
    paths = setting(configs, "data.dataset_paths")
    steps, seed = int(data.get("steps") or 1), int(data.get("seed") or 0)
    parts = _one_file(data, paths, steps, seed) or _several_files(paths, steps)
    amplification = _same_amplification([dataset for _, dataset, _ in parts])
    make = _torch_loader if backend == "torch" else _numpy_loader
    loaders = [make(tag, dataset, rows, data, seed) for tag, dataset, rows in parts]
    info = get_info_dict(configs, parts[0][1].sampling_configs)
    return loaders, amplification, info


Part = tuple[str, ModelDataset, np.ndarray]


def _one_file(
    data: Mapping[str, Any], paths: Sequence[Any], steps: int, seed: int
) -> list[Part]:
    """Return the parts of a single file, or nothing if there are several."""
    if len(paths) != 1 or paths[0] is None:
        return []
    dataset = ModelDataset(paths[0], steps)
    fractions = data.get("split_percentages") or [1.0]
    gap = data.get("split_gap")
    if gap is None:
        gap = correlation_length(dataset.inputs)
    # samples of the file, so that what is clipped does not bring others together
    pieces = split_blocks(
        len(dataset.inputs), fractions, int(gap), data.get("split_block"), seed
    )
    rows = [np.flatnonzero(np.isin(dataset.rows, piece)) for piece in pieces]
    return [(tag, dataset, part) for tag, part in zip(TAGS, rows, strict=False)]


def _several_files(paths: Sequence[Any], steps: int) -> list[Part]:
    if len(paths) > len(TAGS) or all(path is None for path in paths):
        raise ParameterError(
            f"data.dataset_paths = {list(paths)}: expected up to three files, for "
            "train, validation and test, at least one of them not None"
        )
    datasets = [
        (tag, ModelDataset(path, steps))
        for tag, path in zip(TAGS, paths, strict=False)
        if path is not None
    ]
    return [(tag, dataset, np.arange(len(dataset))) for tag, dataset in datasets]


def _same_amplification(datasets: Sequence[ModelDataset]) -> np.ndarray:
    first = datasets[0]
    for dataset in datasets[1:]:
        if not np.array_equal(dataset.amplification, first.amplification):
            raise ParameterError(
                f"{dataset.filename} has an amplification of {dataset.amplification}, "
                f"and {first.filename} of {first.amplification}: they cannot be used "
                "together"
            )
    return first.amplification


def _numpy_loader(
    tag: str,
    dataset: ModelDataset,
    rows: np.ndarray,
    data: Mapping[str, Any],
    seed: int,
) -> DataLoader:
    batch_size = int(setting(data, "batch_size"))
    return DataLoader(
        dataset, rows, batch_size, tag, is_shuffled=tag == "train", seed=seed
    )


def _torch_loader(
    tag: str,
    dataset: ModelDataset,
    rows: np.ndarray,
    data: Mapping[str, Any],
    seed: int,
) -> Any:
    try:
        import torch
        from torch.utils import data as torch_data
    except ImportError as error:
        raise MissingDependencyError(
            f"loaders of PyTorch need torch: {error}; install it with: pip install "
            "'circus-toolkit[torch]', or use those of numpy"
        ) from error
    loader = torch_data.DataLoader(
        torch_data.Subset(dataset, rows.tolist()),
        batch_size=int(setting(data, "batch_size")),
        shuffle=tag == "train",
        num_workers=int(data.get("worker_no") or 0),
        pin_memory=bool(data.get("pin_memory")),
        generator=torch.Generator().manual_seed(seed),
    )
    loader.tag = tag
    return loader
