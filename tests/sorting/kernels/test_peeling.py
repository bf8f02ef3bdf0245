"""Peaks against a search by brute force; spikes against those that were put in."""

from typing import NamedTuple

import numpy as np
import pytest

from sorting.bank import make_peak_bank
from sorting.kernels.neighbours import neighbour_lists
from sorting.kernels.peeling import BLOCK, SIGNS, find_peaks, peel

N_FRAMES = 31  # of a template
BEFORE = 10
N_CHANNELS = 8
NEAR = np.abs(np.subtract.outer(np.arange(N_CHANNELS), np.arange(N_CHANNELS))) <= 2
EXCLUDE = 8


class Spike(NamedTuple):
    frame: int
    unit: int
    shift: float = 0.0
    amplitude: float = 1.0


def shape(unit: int, time: np.ndarray) -> np.ndarray:
    """Unit 2 c has its trough on channel 2 c + 1; odd ones are broader."""
    width = 1.8 + 1.2 * (unit % 2)
    x = time - BEFORE
    trough = -np.exp(-0.5 * (x / width) ** 2)
    after = 0.4 * np.exp(-0.5 * ((x - 3 * width) / (1.5 * width)) ** 2)
    spread = np.zeros(N_CHANNELS)
    spread[2 * (unit // 2) : 2 * (unit // 2) + 3] = 0.4, 1.0, 0.3
    return 14 * (trough + after)[:, None] * spread


N_UNITS = 6
FULL = np.array([shape(k, np.arange(N_FRAMES)) for k in range(N_UNITS)])
BASIS = np.linalg.svd(FULL.transpose(0, 2, 1).reshape(-1, N_FRAMES))[2][:4]
BASIS = np.ascontiguousarray(BASIS, np.float32)
COEFFICIENTS = np.einsum("ktc,pt->kcp", FULL, BASIS).astype(np.float32)
COEFFICIENTS[np.abs(FULL).max(axis=1) == 0] = 0


def traces_of(spikes: list[Spike], n_frames: int, noise: float = 0.0) -> np.ndarray:
    """Sum of the spikes, exact between frames, float32 (n_channels, n_frames)."""
    traces = noise * np.random.default_rng(1).normal(size=(n_frames, N_CHANNELS))
    time = np.arange(n_frames, dtype=float)
    for spike in spikes:
        local = time - spike.frame - spike.shift
        traces += spike.amplitude * shape(spike.unit, local)
    return np.ascontiguousarray(traces.T, np.float32)


def bank_of(polarity: str = "negative", coefficients: np.ndarray = COEFFICIENTS):
    return make_peak_bank(
        coefficients,
        BASIS,
        polarity,
        bounds=(0.5, 2.0),
        amplitude_sd=0.1,
        min_norm=6.5,
    )


def find(traces: np.ndarray, polarity: str = "negative", passes: int = 4):
    signs = SIGNS[polarity]
    return peel(
        traces,
        bank_of(polarity),
        *neighbour_lists(NEAR),
        3.4,
        signs,
        EXCLUDE,
        10,
        passes,
    )


def brute_force(heights: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    """Peaks (frame, channel): first in (height falling, frame, channel) around."""
    found = []
    for channel, frame in zip(*np.nonzero(heights > threshold), strict=True):
        start = max(0, frame - EXCLUDE)
        around = heights[NEAR[channel], start : frame + EXCLUDE + 1]
        others, frames = np.nonzero(around == around.max())
        channels = np.flatnonzero(NEAR[channel])[others]
        ties = sorted(zip(frames + start, channels, strict=True))
        if ties[0] == (frame, channel):
            found.append((int(frame), int(channel)))
    key = {peak: (-heights[peak[::-1]], *peak) for peak in found}
    return sorted(found, key=key.__getitem__)


@pytest.mark.parametrize(
    ("polarity", "height"),
    [("negative", np.negative), ("positive", np.positive), ("both", np.abs)],
)
def test_peaks_are_those_of_a_search_by_brute_force(polarity, height):
    # one decimal: there are many ties
    traces = np.random.default_rng(0).normal(size=(N_CHANNELS, 700)).round(1)
    traces = traces.astype(np.float32)
    stale = np.ones((N_CHANNELS, 700 // BLOCK + 1), bool)
    signs = SIGNS[polarity]
    frames, channels = find_peaks(
        traces, stale, *neighbour_lists(NEAR), 1.5, signs, EXCLUDE
    )
    expected = brute_force(height(traces), np.float32(1.5))
    assert len(expected) > 50
    assert list(zip(frames.tolist(), channels.tolist(), strict=True)) == expected


def test_only_stale_blocks_are_searched():
    traces = np.zeros((N_CHANNELS, 4 * BLOCK), np.float32)
    traces[3, [10, BLOCK + 10, 3 * BLOCK + 10]] = -5
    stale = np.zeros((N_CHANNELS, 5), bool)
    stale[3, 1] = True
    frames, channels = find_peaks(
        traces, stale, *neighbour_lists(NEAR), 3, SIGNS["negative"], EXCLUDE
    )
    assert (frames.tolist(), channels.tolist()) == ([BLOCK + 10], [3])


def test_spikes_are_found_at_their_times_and_sizes():
    spikes = [
        Spike(60 + 50 * i, i % N_UNITS, -0.45 + 0.1 * (i % 10), 0.8 + 0.02 * (i % 17))
        for i in range(40)
    ]
    traces = traces_of(spikes, 2200)
    frames, units, shifts, amplitudes, gains = find(traces)
    assert units.tolist() == [s.unit for s in spikes]
    np.testing.assert_allclose(
        frames + shifts, [s.frame + s.shift for s in spikes], atol=0.1
    )
    np.testing.assert_allclose(amplitudes, [s.amplitude for s in spikes], atol=0.03)
    assert np.abs(traces).max() < 1.0  # of peaks of 14: the residual
    norms = (COEFFICIENTS[units].astype(float) ** 2).sum(axis=(1, 2))
    b = np.array([s.amplitude for s in spikes]) * norms
    expected = (b + 100) ** 2 / (norms + 100) - 100
    np.testing.assert_allclose(gains, expected, rtol=0.05)


@pytest.mark.parametrize("lag", [0, 3, 9])
def test_a_smaller_spike_beside_a_larger_one_is_found_in_a_later_pass(lag):
    spikes = [Spike(100, 0, 0.0, 1.3), Spike(100 + lag, 3, 0.0, 0.9)]
    frames, units, _, _, _ = find(traces_of(spikes, 300))
    assert sorted(zip(frames.tolist(), units.tolist(), strict=True)) == sorted(
        (s.frame, s.unit) for s in spikes
    )
    assert find(traces_of(spikes, 300), passes=1)[0].size < 2


def test_nothing_is_found_in_noise_and_little_is_missed_beside_it():
    spikes = [Spike(60 + 45 * i, i % N_UNITS) for i in range(60)]
    frames, units, *_ = find(traces_of(spikes, 3000, noise=1.0))
    assert units.tolist() == [s.unit for s in spikes]
    assert np.abs(frames - [s.frame for s in spikes]).max() <= 1
    assert find(traces_of([], 20_000, noise=1.0))[0].size == 0


def test_a_unit_does_not_fire_again_within_its_refractory_period():
    spikes = [Spike(100, 0), Spike(107, 0)]
    frames, units, *_ = find(traces_of(spikes, 300))
    gaps = np.diff(frames[units == 0])
    assert (gaps > 10).all()


def test_positive_peaks_are_found_where_they_count():
    spikes = [Spike(60 + 50 * i, i % N_UNITS) for i in range(12)]
    flipped = bank_of("positive", -COEFFICIENTS)
    traces = -traces_of(spikes, 800)
    lists = neighbour_lists(NEAR)
    found = peel(traces, flipped, *lists, 3.4, SIGNS["positive"], EXCLUDE, 10, 4)
    assert found[1].tolist() == [s.unit for s in spikes]
    np.testing.assert_allclose(flipped.heights, bank_of().heights, rtol=1e-6)


def test_templates_are_tried_on_channels_of_half_their_peak():
    bank = bank_of()
    on_1 = bank.candidates[bank.candidate_ptr[1] : bank.candidate_ptr[2]]
    assert bank.owners[on_1].tolist() == [0, 1]  # not on 0 and 2, of 0.4 and 0.3
    assert bank.candidate_ptr[1] == 0
    np.testing.assert_array_equal(bank.peaks[on_1], BEFORE)
    waveforms = np.zeros((N_UNITS, N_CHANNELS, N_FRAMES))
    waveforms[bank.owners, bank.channels] = bank.waveforms
    np.testing.assert_allclose(
        waveforms, np.einsum("kcp,pt->kct", COEFFICIENTS, BASIS), atol=1e-5
    )


def test_no_templates_and_no_frames_give_no_spikes():
    empty = bank_of(coefficients=COEFFICIENTS[:0])
    lists = neighbour_lists(NEAR)
    traces = traces_of([Spike(60, 0)], 200)
    assert peel(traces, empty, *lists, 3.4, (-1.0, -1.0), 8, 10, 4)[0].size == 0
    assert find(np.zeros((N_CHANNELS, 0), np.float32))[0].size == 0
