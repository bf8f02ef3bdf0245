"""The filtered file is what SciPy makes of each stream as a whole, sample by sample."""

import numpy as np
import pytest
from scipy import signal

import sorting.config
from circus_io import ArrayRecording, JoinedRecording
from circus_io.synthetic import make_probe

RATE_HZ = 20_000.0
EXTENSION_MS = 30
LEAST_CHUNK = 4096
TOLERANCE = 1e-3  # of the MAD of the filtered noise


def make_counts(n_frames, n_channels=3, seed=0):
    """Noise of 50 counts, a drift of 2000 and an offset of 20 000, as uint16."""
    rng = np.random.default_rng([seed, n_frames])
    seconds = np.arange(n_frames)[:, np.newaxis] / RATE_HZ
    drift = 2000 * np.sin(2 * np.pi * 0.7 * seconds + np.arange(n_channels))
    noise = rng.normal(0, 50, (n_frames, n_channels))
    return np.rint(52_768 + drift + noise).astype(np.uint16)


def whole_stream(counts, band=(300, 0.95 * RATE_HZ / 2), gain=0.2):
    """Filter a stream at once, in float64."""
    traces = gain * (counts.astype(np.float64) - 2**15)
    kind = "band" if len(band) == 2 else "highpass"
    sos = signal.butter(3, np.squeeze(band), kind, fs=RATE_HZ, output="sos")
    extension = min(round(EXTENSION_MS * RATE_HZ / 1000), len(counts) - 1)
    return signal.sosfiltfilt(sos, traces, axis=0, padtype="odd", padlen=extension)


def read_filtered(folder, n_channels):
    return np.fromfile(folder / "filtered.dat", "<f4").reshape(-1, n_channels)


def assert_same_samples(found, expected):
    assert found.shape == expected.shape
    mad = np.median(np.abs(expected - np.median(expected, axis=0)), axis=0)
    assert np.max(np.abs(found - expected) / mad) < TOLERANCE


@pytest.fixture
def filtered(sort_here, tmp_path, monkeypatch):
    """``filtered(streams, changes)``: the file, from chunks as short as they can be."""
    monkeypatch.setattr(sorting.config, "CHUNK_FRAMES", LEAST_CHUNK)

    def filtered(streams, changes=None, probe=None):
        n_channels = streams[0].shape[1]
        probe = probe or make_probe("linear", n_channels)
        parts = [ArrayRecording(counts, RATE_HZ, gain=0.2) for counts in streams]
        recording = JoinedRecording(parts) if len(parts) > 1 else parts[0]
        changes = {"circus.filtered_file": True, **(changes or {})}
        sort_here(recording, probe, changes, steps=["filtering"])
        return read_filtered(tmp_path / "out", probe.n_channels)

    return filtered


@pytest.mark.parametrize(
    "lengths",
    [
        [3 * LEAST_CHUNK],
        [5 * LEAST_CHUNK + 1],  # a last chunk of one frame
        [LEAST_CHUNK - 1, 3 * LEAST_CHUNK + 700],
        [2 * LEAST_CHUNK + 5, LEAST_CHUNK, 2 * LEAST_CHUNK - 1],
        [500, LEAST_CHUNK + 100, 1000],  # shorter than the reflection, and than a chunk
    ],
)
def test_chunks_tile_into_whole_streams(filtered, lengths):
    streams = [make_counts(length, seed=n) for n, length in enumerate(lengths)]
    expected = np.concatenate([whole_stream(counts) for counts in streams])
    assert_same_samples(filtered(streams), expected)


def test_band_edges(filtered):
    counts = make_counts(3 * LEAST_CHUNK + 33)
    found = filtered([counts], {"filtering.cut_off": (150, 5000)})
    assert_same_samples(found, whole_stream(counts, (150, 5000)))
    found = filtered([counts], {"filtering.cut_off": (500, 9900)})  # above 0.95 Nyquist
    assert_same_samples(found, whole_stream(counts, (500,)))


def test_without_filter_the_samples_are_those_of_the_recording(filtered):
    counts = make_counts(2 * LEAST_CHUNK + 9)
    found = filtered([counts], {"filtering.filter": False})
    expected = np.float32(0.2) * (counts.astype(np.float32) - 2**15)
    np.testing.assert_array_equal(found, expected)


def test_remove_median_takes_the_median_of_each_shank(filtered):
    counts = make_counts(2 * LEAST_CHUNK, n_channels=8)
    probe = make_probe("linear", 8)
    groups = np.array([1, 1, 1, 1, 2, 2, 2, 2])
    probe = type(probe)(probe.channels, groups, probe.contact_positions)
    expected = whole_stream(counts)
    for shank in (slice(0, 4), slice(4, 8)):
        median = np.median(expected[:, shank], axis=1, keepdims=True)
        expected[:, shank] -= median
    found = filtered([counts], {"filtering.remove_median": True}, probe)
    assert_same_samples(found, expected)


def test_common_ground_is_subtracted_from_its_shank(filtered):
    counts = make_counts(2 * LEAST_CHUNK, n_channels=5)
    probe = make_probe("linear", 5)
    groups = np.array([1, 1, 1, 2, 2])
    probe = type(probe)(probe.channels, groups, probe.contact_positions)
    expected = whole_stream(counts)
    expected[:, :3] -= expected[:, [1]]
    found = filtered([counts], {"filtering.common_ground": {1: 1}}, probe)
    np.testing.assert_array_equal(found[:, 1], 0)
    others = [0, 2, 3, 4]
    assert_same_samples(found[:, others], expected[:, others])


PARAMETERS = """
[data]
file_format = raw_binary
stream_mode = multi-files
data_dtype = uint16
sampling_rate = 20000
nb_channels = 3
gain = 0.2
mapping = rec.prb

[circus]
filtered_file = True
"""


def test_ranks_write_the_same_bytes(tmp_path, mpi_run):
    streams = [make_counts(n, seed=n) for n in (70_000, 30_720, 40_001)]
    for number, counts in enumerate(streams):
        counts.tofile(tmp_path / f"rec_{number}.dat")
    make_probe("linear", 3).write_prb(tmp_path / "rec.prb")
    (tmp_path / "rec_0.params").write_text(PARAMETERS)
    files = set()
    for n_ranks in (1, 2, 3):
        folder = tmp_path / f"on-{n_ranks}"
        command = ["sort", tmp_path / "rec_0.dat", "--output-dir", folder]
        done = mpi_run(n_ranks, "-m", "circus_cli", *command, "-m", "filtering")
        assert done.returncode == 0, done.stderr
        files.add((folder / "filtered.dat").read_bytes())
    assert len(files) == 1
    expected = np.concatenate([whole_stream(counts) for counts in streams])
    assert_same_samples(read_filtered(folder, 3), expected)
