"""Recordings in memory, and readers of what is written that are not ours."""

import h5py
import numpy as np
import pytest

from circus_io import ArrayRecording, JoinedRecording
from circus_io.conversion import selection

RATE_HZ = 20_000
N_FRAMES, N_CHANNELS = 5_003, 6


@pytest.fixture
def counts():
    """Give int16 counts (n_frames, n_channels)."""
    return np.random.default_rng(5).integers(-900, 900, (N_FRAMES, N_CHANNELS), "i2")


@pytest.fixture
def recording(counts):
    """Give a recording of the counts, 0.25 µV each."""
    return ArrayRecording(counts, RATE_HZ, gain=0.25)


@pytest.fixture
def gappy(counts):
    """Give frames 100 to 3100 and 4000 to 6003; those from 3000 are a stream of theirs.

    The first gap is none: the stream from 3000 on follows the one before.
    """
    starts = (100, 3000, 4000)
    parts = (counts[:2900], counts[2900:3000], counts[3000:])
    return JoinedRecording(
        [
            ArrayRecording(part, RATE_HZ, start, gain=0.25)
            for part, start in zip(parts, starts, strict=True)
        ]
    )


@pytest.fixture
def small_blocks(monkeypatch):
    """Make blocks of 100 frames of 6 channels, so that there are many."""
    monkeypatch.setattr(selection, "BLOCK_SAMPLES", 600)


def read_arrays(path, n_channels):
    """Return the arrays (n_frames, n_channels) of a file, by numpy, h5py or zarr."""
    if path.suffix == ".npy":
        return [np.load(path)]
    if path.suffix in (".h5", ".nwb"):
        return read_hdf5(path)
    if path.suffix == ".zarr":
        import zarr

        root = zarr.open_group(str(path), mode="r")
        return [root[f"traces_seg{i}"][:] for i in range(root.attrs["num_segments"])]
    raise AssertionError(path)


def read_hdf5(path):
    """Return the datasets of samples of an HDF5 or NWB file."""
    with h5py.File(path, "r") as file:
        if path.suffix == ".nwb":
            series = file["acquisition"]
            return [series[name]["data"][:] for name in sorted(series)]
        data = file["data"]
        if isinstance(data, h5py.Dataset):
            return [data[:]]
        return [data[str(i)][:] for i in range(len(data))]


@pytest.fixture
def written():
    """Give the arrays of a file that was converted: ``written(conversion)``."""

    def written(conversion):
        if conversion.file_format == "raw_binary":
            dtype = np.dtype(conversion.data_dtype).newbyteorder("<")
            flat = np.fromfile(conversion.path, dtype)
            return [flat.reshape(-1, conversion.n_channels)]
        return read_arrays(conversion.path, conversion.n_channels)

    return written
