import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sorting.kernels.detection import (
    coarsest_stride,
    local_peaks,
    matched_energy,
    spatial_filters,
)
from sorting.kernels.neighbours import neighbour_lists

QUICK = settings(max_examples=80, deadline=None, derandomize=True)


def dense(banded) -> np.ndarray:
    """The matrix itself: what it makes of unit vectors."""
    return banded.apply(np.eye(banded.n_channels, dtype=np.float32)).T


def line(n_channels: int, pitch_um: float = 20.0) -> np.ndarray:
    return np.stack([np.zeros(n_channels), pitch_um * np.arange(n_channels)], axis=1)


# spatial filters --------------------------------------------------------------


def test_filters_are_gaussian_of_unit_norm():
    position = np.random.default_rng(0).uniform(0, 100, (40, 2))
    filters = spatial_filters(
        position, np.zeros(40), (20.0, 40.0), np.ones(40, dtype=bool)
    )
    for width, banded in zip((20.0, 40.0), filters, strict=True):
        weights = dense(banded).astype("f8")
        np.testing.assert_allclose(np.linalg.norm(weights, axis=1), 1, rtol=1e-5)
        for channel, row in enumerate(weights):
            near = np.flatnonzero(row)
            square = ((position[near] - position[channel]) ** 2).sum(axis=1)
            expected = np.exp(-square / (2 * width**2))
            np.testing.assert_allclose(row[near] / row[channel], expected, rtol=1e-4)
        # weights that matter are all there
        distance = np.linalg.norm(position[:, None] - position, axis=2)
        assert np.all(weights[distance < 1.5 * width] > 0)


def test_filters_stay_within_a_shank_and_leave_dead_channels_out():
    groups = np.array(["a", "a", "a", "b", "b", "b"])
    alive = np.array([True, True, False, True, True, True])
    (banded,) = spatial_filters(np.zeros((6, 2)), groups, (30.0,), alive)
    pair, three = 1 / np.sqrt(2), 1 / np.sqrt(3)
    expected = np.zeros((6, 6))
    expected[:2, :2] = pair
    expected[3:, 3:] = three
    np.testing.assert_allclose(dense(banded), expected, atol=1e-6)


# energy -----------------------------------------------------------------------


def unit_prototypes(n_frames: int = 21) -> np.ndarray:
    time = np.arange(n_frames) - 7
    waves = np.array([-np.exp(-0.5 * (time / w) ** 2) for w in (1.5, 2.5, 4.0)])
    waves /= np.linalg.norm(waves, axis=1, keepdims=True)
    return waves.astype(np.float32)


def brute_energy(traces, prototypes, filters, polarity):
    padded = np.pad(traces.astype("f8"), ((0, prototypes.shape[1] - 1), (0, 0)))
    best = np.full(traces.T.shape, -np.inf)
    for prototype in prototypes.astype("f8"):
        response = np.array([np.correlate(c, prototype, "valid") for c in padded.T])
        own = np.eye(traces.shape[1])
        for weights in (own, *(dense(banded).astype("f8") for banded in filters)):
            energy = weights @ response
            signed = {"negative": energy, "positive": -energy, "both": np.abs(energy)}
            best = np.maximum(best, signed[polarity])
    return best


@pytest.mark.parametrize("polarity", ["negative", "positive", "both"])
@pytest.mark.parametrize("n_frames", [1, 20, 300, 4097, 5000])
def test_energy_is_the_largest_response(polarity, n_frames):
    traces = np.random.default_rng(1).normal(size=(n_frames, 5)).astype(np.float32)
    filters = spatial_filters(line(5), np.zeros(5), (15.0, 30.0), np.ones(5, bool))
    energy = matched_energy(traces, unit_prototypes(), filters, polarity)
    expected = brute_energy(traces, unit_prototypes(), filters, polarity)
    assert energy.dtype == np.float32
    np.testing.assert_allclose(energy, expected, atol=1e-4)


def test_energy_of_one_channel_in_white_noise_has_sd_one():
    traces = np.random.default_rng(2).normal(size=(30_000, 8)).astype(np.float32)
    for prototype in unit_prototypes():
        energy = matched_energy(traces, prototype[None], [], "negative")
        assert energy.std() == pytest.approx(1, abs=0.03)
        assert abs(energy.mean()) < 0.03


def test_energy_of_a_spike_is_its_norm_at_the_first_frame_of_its_window():
    prototypes = unit_prototypes()
    traces = np.zeros((200, 3), np.float32)
    traces[90:111, 1] = 12 * prototypes[1]
    filters = spatial_filters(line(3), np.zeros(3), (5.0,), np.ones(3, bool))
    energy = matched_energy(traces, prototypes, filters, "negative")
    assert np.unravel_index(energy.argmax(), energy.shape) == (1, 90)
    assert energy.max() == pytest.approx(12, rel=1e-5)


def test_energy_of_no_frames_is_empty():
    filters = spatial_filters(line(3), np.zeros(3), (5.0,), np.ones(3, bool))
    none = np.zeros((0, 3), np.float32)
    assert matched_energy(none, unit_prototypes(), filters, "both").shape == (3, 0)


def smooth_prototypes(width: float) -> np.ndarray:
    time = np.arange(61) - 25
    waves = np.array([-np.exp(-0.5 * (time / w) ** 2) for w in (width, 2 * width)])
    return (waves / np.linalg.norm(waves, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(("width", "stride"), [(0.5, 1), (0.8, 1), (1.5, 2), (4, 2)])
def test_stride_is_as_coarse_as_the_prototypes_are_smooth(width, stride):
    assert coarsest_stride(smooth_prototypes(width)) == stride


@pytest.mark.parametrize("n_frames", [3000, 2999])
def test_energy_between_correlations_is_interpolated(n_frames):
    prototypes = smooth_prototypes(2.0)
    traces = np.zeros((n_frames, 4), np.float32)
    starts = np.arange(100, 2800, 151)  # even and odd
    for start in starts:
        traces[start : start + 61, start % 4] += 12 * prototypes[0]
    filters = spatial_filters(line(4), np.zeros(4), (15.0,), np.ones(4, bool))
    expected = matched_energy(traces, prototypes, filters, "negative")
    energy = matched_energy(traces, prototypes, filters, "negative", 2)
    assert energy.shape == expected.shape == (4, n_frames)
    near = np.concatenate([s + np.arange(-3, 4) for s in starts])
    # the largest of several smooth curves has corners, which are not
    assert np.abs(energy[:, near] - expected[:, near]).max() < 0.04 * 12
    lists = neighbour_lists(np.eye(4, dtype=bool))
    frames, channels = local_peaks(energy, 10, *lists, 20)
    np.testing.assert_array_equal(frames, starts)
    np.testing.assert_array_equal(channels, starts % 4)


# peaks ------------------------------------------------------------------------


def brute_peaks(energy, threshold, near, exclude_frames) -> list[tuple[int, int]]:
    """The definition, event against event."""
    n_channels, n_frames = energy.shape
    events = [(t, c) for t in range(n_frames) for c in range(n_channels)]

    def rank(event):
        t, c = event
        return (-energy[c, t], t, c)

    def is_peak(event):
        t, c = event
        rivals = [
            (s, d) for s, d in events if abs(s - t) <= exclude_frames and near[c, d]
        ]
        return energy[c, t] > threshold and all(
            rank(event) <= rank(rival) for rival in rivals
        )

    return [event for event in events if is_peak(event)]


def find_peaks(energy, threshold, near, exclude_frames) -> list[tuple[int, int]]:
    lists = neighbour_lists(near)
    frames, channels = local_peaks(energy, threshold, *lists, exclude_frames)
    assert frames.dtype == channels.dtype == np.int64
    return list(zip(frames.tolist(), channels.tolist(), strict=True))


@QUICK
@given(
    arrays.arrays(np.float32, (3, 14), elements=st.integers(0, 4)),
    arrays.arrays(np.bool_, (3, 3)),
    st.integers(1, 5),
)
def test_peaks_equal_the_definition_with_ties(energy, links, exclude_frames):
    near = links | links.T | np.eye(3, dtype=bool)
    expected = brute_peaks(energy, 1.0, near, exclude_frames)
    assert find_peaks(energy, 1.0, near, exclude_frames) == expected


def test_peaks_equal_the_definition_on_noise():
    energy = np.random.default_rng(3).normal(size=(6, 120)).astype(np.float32)
    distance = np.abs(np.arange(6)[:, None] - np.arange(6))
    expected = brute_peaks(energy, 0.8, distance <= 1, 4)
    assert len(expected) > 20
    assert find_peaks(energy, 0.8, distance <= 1, 4) == expected


def test_every_event_above_threshold_is_a_peak_without_exclusion():
    energy = np.array([[0, 3, 5, 4, 1, 2, 2]], dtype=np.float32)
    expected = [(t, 0) for t in (1, 2, 3, 5, 6)]
    assert find_peaks(energy, 1.5, np.eye(1, dtype=bool), 0) == expected


def test_a_plateau_over_frames_and_channels_has_one_peak():
    energy = np.zeros((4, 50), np.float32)
    energy[1:3, 20:24] = 7
    near = np.ones((4, 4), dtype=bool)
    assert find_peaks(energy, 5.0, near, 10) == [(20, 1)]


def test_the_threshold_itself_is_not_above_it():
    energy = np.array([[0, 5, 0, 5.5, 0]], dtype=np.float32)
    assert find_peaks(energy, 5.0, np.eye(1, dtype=bool), 1) == [(3, 0)]


def test_no_frames_have_no_peaks():
    energy = np.zeros((3, 0), np.float32)
    assert find_peaks(energy, 1.0, np.eye(3, dtype=bool), 3) == []
