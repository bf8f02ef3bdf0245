"""Drift is measured where there is any, and taken out; elsewhere nothing changes."""

import numpy as np
import pytest

import sorting
from circus_io.params import build_params
from circus_io.synthetic import SyntheticRecording
from sorting.front_end import Piece
from sorting.motion import Motion, SteadyFrontEnd, positions_apart

SETTINGS = {
    "n_channels": 32,
    "duration_s": 60,
    "n_units": 10,
    "snr_range": (8.0, 25.0),
    "rate_range_hz": (5.0, 15.0),
}


def sort(recording, folder, **changes):
    return sorting.sort(
        recording,
        parameters=build_params(changes),
        probe=recording.probe,
        output_dir=folder,
        steps=["filtering", "whitening", "detection", "motion"],
    )


def measured(folder):
    (path,) = folder.rglob("motion.npz")
    with np.load(path) as file:
        return dict(file)


def drifting():
    return SyntheticRecording(**SETTINGS, drift_um=15, drift_period_s=40, seed=3)


def test_displacement_is_measured(tmp_path):
    recording = drifting()
    sort(recording, tmp_path)
    found = measured(tmp_path)
    displacement = found["displacement"][:, 0]
    assert found["axis"] == 1
    middle_s = (np.arange(displacement.size) + 0.5) * 60 / displacement.size
    truth = 15 * np.sin(2 * np.pi * middle_s / 40)
    difference = displacement - truth
    assert (difference - np.median(difference)).std() < 1.5


@pytest.mark.parametrize(
    ("changes", "parameters"),
    [
        ({"drift_um": 0}, {}),
        ({"drift_um": 15, "layout": "tetrode", "n_channels": 4, "n_units": 3}, {}),
        ({"drift_um": 15, "layout": "grid"}, {}),
        ({"drift_um": 15, "n_units": 0}, {}),
        ({"drift_um": 15}, {"circus.follow_drift": False}),
    ],
    ids=["still", "tetrode", "array", "noise", "unwanted"],
)
def test_no_motion_is_exactly_none(tmp_path, changes, parameters):
    recording = SyntheticRecording(**{**SETTINGS, **changes}, seed=3)
    sort(recording, tmp_path, **parameters)
    assert not measured(tmp_path)["displacement"].any()
    assert not list(tmp_path.rglob("motion-peaks"))


def test_drift_does_not_split_units(tmp_path, accuracy):
    recording = drifting()
    result = sorting.sort(
        recording,
        parameters=build_params({}),
        probe=recording.probe,
        output_dir=tmp_path,
    )
    assert np.mean(accuracy(recording.ground_truth, result)) > 0.95
    truth = 15 * np.sin(2 * np.pi * result.motion_times / result.sampling_rate / 40)
    difference = result.motion_um[:, 0] - truth
    assert (difference - np.median(difference)).std() < 1.5
    assert result.motion_axis == 1


def motion_of(*displacement, depths=(0.0,)):
    return Motion(
        1, np.array(depths), np.array(displacement, float).reshape(-1, len(depths))
    )


def test_windows_are_interpolated():
    motion = motion_of(0.0, 10.0, depths=(100.0, 300.0))
    assert motion
    np.testing.assert_allclose(
        motion.at(np.array([50.0, 150.0, 400.0])), [[0, 2.5, 10]]
    )
    positions = np.array([[0.0, 200.0, 7.0]])
    assert motion.levels(0) == (0, 10)
    np.testing.assert_allclose(motion.moved(positions, (0, 10)), [[0.0, 205.0, 7.0]])


def test_displacements_are_rounded():
    motion = motion_of(3.4, -2.6)
    assert (motion.levels(0), motion.levels(1)) == ((3,), (-3,))
    assert motion.levels(0, 2.0) == (2,)


class OneChunk:
    """A front end of one chunk that was made by hand."""

    def __init__(self, traces):
        self.piece = Piece(traces, 0, 0, len(traces), True, True)

    def __len__(self):
        return 1

    def read(self, index, margin=0):
        return self.piece


def field(probe, shift):
    """What contacts see of three smooth sources that moved along the probe."""
    centres = np.array([[10, 80 + shift], [20, 150 + shift], [5, 200 + shift]])
    squared = ((probe.contact_positions - centres[:, None]) ** 2).sum(axis=2)
    return np.exp(-0.5 * squared / 30**2).astype(np.float32)


def test_moved_traces_are_those_of_tissue_that_stands_still():
    probe = drifting().probe
    alive = np.ones(probe.n_channels, bool)
    front_end = OneChunk(field(probe, 12.0))
    steady = SteadyFrontEnd(front_end, motion_of(12.0), probe, alive)
    assert len(steady) == 1
    still = field(probe, 0.0)
    assert np.abs(steady.read(0).traces - still).max() < 0.03
    assert np.abs(front_end.piece.traces - still).max() > 0.2


def test_nothing_is_read_from_dead_channels():
    probe = drifting().probe
    alive = np.ones(probe.n_channels, bool)
    alive[7] = False
    traces = field(probe, 5.0)
    traces[:, 7] = 1e6
    steady = SteadyFrontEnd(OneChunk(traces), motion_of(5.0), probe, alive)
    assert np.abs(steady.read(0).traces).max() < 2


def test_a_chunk_that_did_not_move_is_left_as_it_is():
    probe = drifting().probe
    front_end = OneChunk(field(probe, 0.0))
    steady = SteadyFrontEnd(front_end, motion_of(0.4), probe, np.ones(32, bool))
    assert steady.read(0) is front_end.piece


def test_shanks_are_apart():
    probe = drifting().probe
    places = positions_apart(probe)
    np.testing.assert_array_equal(places[:, :2], probe.contact_positions)
    assert np.ptp(places[:, 2]) == 0
