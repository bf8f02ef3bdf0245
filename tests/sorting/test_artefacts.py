"""Stimulation artefacts and saturation: what they hide is lost, and nothing else."""

import numpy as np
import pytest

from circus_io import ArrayRecording
from circus_io.errors import ParameterError
from circus_io.synthetic import SyntheticRecording
from sorting.artefacts import Artefacts

RATE_HZ = 20_000.0


@pytest.fixture(scope="module")
def experiment():
    """Two neurons on a tetrode for 20 s."""
    recording = SyntheticRecording(
        n_channels=4,
        layout="tetrode",
        n_units=2,
        duration_s=20,
        rate_range_hz=(4.0, 8.0),
        snr=(12.0, 16.0),
        seed=1,
    )
    return recording, np.array(recording[:])


def stimulate(traces, onsets, sizes, seed=0):
    """Add a jump of millivolts that decays over 5 ms, another one on each channel."""
    time = np.arange(100)[:, np.newaxis] / 20
    scale = np.random.default_rng(seed).uniform(500, 3000, traces.shape[1])
    shape = (scale * np.exp(-time) * np.cos(2 * time)).astype(np.float32)
    traces = traces.copy()
    for onset, size in zip(onsets, sizes, strict=True):
        traces[onset : onset + 100] += size * shape
    return traces


@pytest.fixture
def stimulated(experiment, tmp_path):
    """Every 100 ms, half of them larger; the parameters that take them out."""
    _, traces = experiment
    rng = np.random.default_rng(3)
    onsets = np.arange(1000, traces.shape[0] - 2000, 2000) + rng.integers(0, 200)
    sizes = rng.uniform(0.8, 1.3, onsets.size)
    first = onsets[::2]
    stimulated = stimulate(traces, first, sizes[::2], seed=0)
    stimulated = stimulate(stimulated, onsets[1::2], sizes[1::2], seed=1)
    lines = [f"{i % 2 + 1} {onset / 20}" for i, onset in enumerate(onsets)]
    (tmp_path / "stimuli.txt").write_text("\n".join(lines))
    (tmp_path / "lengths.txt").write_text("1 5 # ms\n2 5\n")
    changes = {
        "triggers.trig_file": str(tmp_path / "stimuli.txt"),
        "triggers.trig_windows": str(tmp_path / "lengths.txt"),
        "triggers.clean_artefact": True,
    }
    return ArrayRecording(stimulated, RATE_HZ), changes


def test_a_sort_without_the_artefacts_is_as_good_as_if_there_were_none(
    experiment, stimulated, sort_here, accuracy
):
    recording, traces = experiment
    spoiled, changes = stimulated
    quiet = sort_here(ArrayRecording(traces, RATE_HZ), recording.probe, name="quiet")
    cleaned = sort_here(spoiled, recording.probe, changes, name="cleaned")
    raw = sort_here(spoiled, recording.probe, name="raw")
    truth = recording.ground_truth
    assert accuracy(truth, cleaned).min() > accuracy(truth, quiet).min() - 0.02
    assert len(cleaned) == len(quiet)
    assert accuracy(truth, raw).min() < accuracy(truth, quiet).min() - 0.05


@pytest.mark.parametrize(
    ("stimuli", "lengths", "words"),
    [
        ("1 100\n2 200", "1 5", "no duration for the label 2"),
        ("1 100\n1 103", "1 5", "before the artefact"),
        ("1 100000000", "1 5", "no trigger lies in the recording"),
        ("1 -3", "1 5", "must be 0 or later"),
        ("1 100", "1 5\n1 6", "label 1 was given before"),
        ("1 100", "1 0", "shorter than one frame"),
    ],
)
def test_times_that_do_not_fit_are_refused(
    experiment, stimulated, sort_here, tmp_path, stimuli, lengths, words
):
    spoiled, changes = stimulated
    (tmp_path / "stimuli.txt").write_text(stimuli)
    (tmp_path / "lengths.txt").write_text(lengths)
    with pytest.raises(ParameterError, match=words):
        sort_here(spoiled, experiment[0].probe, changes)


def test_a_channel_that_saturates_now_and_then_loses_no_other_spikes(
    experiment, sort_here, accuracy
):
    recording, traces = experiment
    counts = np.rint(traces / 0.2).astype(np.int16)
    for onset in range(5000, len(counts), 10_000):
        counts[onset : onset + 100, 1] = 32_767
    spoiled = ArrayRecording(counts, RATE_HZ, gain=0.2)
    truth = recording.ground_truth
    found = sort_here(spoiled, recording.probe, name="on")
    assert len(found) == 2
    assert accuracy(truth, found).min() > 0.9
    kept = {"filtering.sat_value": ""}
    left = sort_here(spoiled, recording.probe, kept, name="off")
    assert accuracy(truth, left).min() < accuracy(truth, found).min()


def test_artefacts_come_back_from_what_a_step_stores():
    rng = np.random.default_rng(0)
    shapes = [rng.normal(size=(n, 3)).astype(np.float32) for n in (5, 9)]
    kinds, sizes = np.array([1, 0, 1]), np.array([1.5, 1.0, 0.5], np.float32)
    artefacts = Artefacts(np.array([10, 30, 50]), kinds, sizes, shapes)
    again = Artefacts.from_arrays(artefacts.to_arrays(3))
    traces = rng.normal(size=(40, 3)).astype(np.float32)
    cleaned = again.subtract(traces, 15)
    expected = traces.astype(np.float64)
    for row in range(40):
        for onset, kind, size in ((10, 1, 1.5), (30, 0, 1.0), (50, 1, 0.5)):
            if 0 <= 15 + row - onset < len(shapes[kind]):
                expected[row] -= size * shapes[kind][15 + row - onset]
    np.testing.assert_allclose(cleaned, expected, atol=1e-6)
    assert again.subtract(traces, 1000) is traces
