"""Spikes are placed by an analytic formula; what comes back must be those spikes."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from scipy import optimize, stats

from sorting.kernels import matching as kernels
from sorting.kernels.basis import correlations
from sorting.kernels.correlation import correlate
from sorting.kernels.matching import find_spikes
from sorting.kernels.overlaps import overlap_table

N_FRAMES = 41  # of a template
BEFORE = 14
N_CHANNELS = 12


class Spike(NamedTuple):
    frame: int
    unit: int
    shift: float = 0.0
    amplitude: float = 1.0


class Bank(NamedTuple):
    """Units as functions of time, and the templates they give on a basis."""

    shapes: list[Callable[[np.ndarray], np.ndarray]]
    basis: np.ndarray
    coefficients: np.ndarray

    @property
    def templates(self) -> np.ndarray:
        return np.einsum("kcp,pt->ktc", self.coefficients, self.basis.astype("f8"))

    @property
    def norms(self) -> np.ndarray:
        return (self.templates**2).sum(axis=(1, 2))

    def traces(self, spikes: list[Spike], n_frames: int) -> np.ndarray:
        """Sum of the spikes, exact between frames."""
        traces = np.zeros((n_frames, N_CHANNELS))
        time = np.arange(n_frames, dtype=float)
        for spike in spikes:
            local = time - spike.frame - spike.shift
            traces += spike.amplitude * self.shapes[spike.unit](local)
        return traces.astype(np.float32)


def make_bank(n_units: int = 6, peak: float = 12.0) -> Bank:
    """Units on a line of contacts, large on two of them and small on two more.

    They are unlike enough for a greedy search to be right (Tropp, IEEE Trans. Inf.
    Theory 2004: a coherence below 1/3 for two spikes at once).
    """

    def unit(k: int) -> Callable[[np.ndarray], np.ndarray]:
        width = 1.7 + 0.35 * k
        spread = np.zeros(N_CHANNELS + 4)
        spread[2 * k + 1 : 2 * k + 5] = 0.25, 1, 0.7, 0.2
        spread = spread[2:-2]

        def shape(time: np.ndarray) -> np.ndarray:
            x = time - BEFORE
            trough = -np.exp(-0.5 * (x / width) ** 2)
            after = 0.35 * np.exp(-0.5 * ((x - 3 * width) / (1.5 * width)) ** 2)
            return peak * (trough + after)[:, None] * spread

        return shape

    shapes = [unit(k) for k in range(n_units)]
    full = np.array([shape(np.arange(N_FRAMES, dtype=float)) for shape in shapes])
    rows = full.transpose(0, 2, 1).reshape(-1, N_FRAMES)
    basis = np.linalg.svd(rows, full_matrices=False)[2][:n_units].astype(np.float32)
    coefficients = np.einsum("ktc,pt->kcp", full, basis).astype(np.float32)
    coefficients[np.abs(full).max(axis=1) == 0] = 0
    return Bank(shapes, basis, coefficients)


@pytest.fixture(scope="module")
def bank() -> Bank:
    return make_bank()


class Found(NamedTuple):
    frames: np.ndarray
    templates: np.ndarray
    shifts: np.ndarray
    amplitudes: np.ndarray
    gains: np.ndarray
    residue: np.ndarray


def match(
    bank: Bank,
    traces: np.ndarray,
    *,
    lam: float = 100.0,
    least: float = 6.5,
    bounds: tuple[float, float] = (0.5, 2.0),
    refractory: int = 10,
    rounds: int = 40,
) -> Found:
    n_units = len(bank.coefficients)
    correlation = correlate(traces, bank.basis, bank.coefficients)
    overlaps = overlap_table(bank.coefficients, correlations(bank.basis))
    known = kernels.Bank(
        norms=bank.norms,
        lams=np.full(n_units, lam),
        floors=np.full(n_units, least**2),
        a_min=np.full(n_units, bounds[0]),
        a_max=np.full(n_units, bounds[1]),
        ptr=overlaps.ptr,
        neighbours=overlaps.neighbours,
        overlaps=overlaps.values,
    )
    found = find_spikes(correlation, known, refractory, rounds)
    return Found(*found, correlation)


def by_time(found: Found) -> list[tuple[int, int]]:
    return sorted(zip(found.frames.tolist(), found.templates.tolist(), strict=True))


def assert_recovered(
    found: Found, spikes: list[Spike], amplitude: float = 0.05, time: float = 0.25
) -> None:
    """Every spike once, at its time, and no other."""
    times = found.frames + found.shifts
    order = np.lexsort((times, found.templates))
    spikes = sorted(spikes, key=lambda s: (s.unit, s.frame))
    assert found.templates[order].tolist() == [s.unit for s in spikes]
    true_times = [s.frame + s.shift for s in spikes]
    np.testing.assert_allclose(times[order], true_times, atol=time)
    expected = [s.amplitude for s in spikes]
    np.testing.assert_allclose(found.amplitudes[order], expected, atol=amplitude)


def crowd(rng: np.random.Generator, n_spikes: int, interval: int) -> list[Spike]:
    """Spikes of any unit, between frames, nearer to each other than a template."""
    return [
        Spike(60 + interval * i, int(rng.integers(6)), rng.uniform(-0.5, 0.5))
        for i in range(n_spikes)
    ]


# correlation ------------------------------------------------------------------


# recovery ---------------------------------------------------------------------


def test_isolated_spikes_are_recovered(bank):
    spikes = [Spike(100 + 90 * i, i % 6, 0.0, 1.0) for i in range(30)]
    found = match(bank, bank.traces(spikes, 3000))
    assert_recovered(found, spikes, 0.002)
    np.testing.assert_allclose(found.shifts, 0, atol=0.01)
    np.testing.assert_allclose(found.gains, bank.norms[found.templates], rtol=1e-3)


@pytest.mark.parametrize("shift", [-0.49, -0.25, 0.1, 0.4, 0.5])
def test_spikes_between_frames_are_recovered_at_their_shift(bank, shift):
    spikes = [Spike(100 + 90 * i, i % 6, shift) for i in range(18)]
    found = match(bank, bank.traces(spikes, 2000))
    assert_recovered(found, spikes, 0.03)
    times = found.frames + found.shifts
    expected = [s.frame + s.shift for s in spikes]
    np.testing.assert_allclose(np.sort(times), expected, atol=0.1)
    assert np.all(np.abs(found.shifts) <= 0.5)


@pytest.mark.parametrize("true", [0.55, 0.8, 1.3, 1.95])
def test_amplitude_is_the_penalised_least_squares_solution(bank, true):
    spikes = [Spike(200, k, 0.0, true) for k in (0, 3)]
    for spike in spikes:
        found = match(bank, bank.traces([spike], 500))
        norm, lam = bank.norms[spike.unit], 100.0
        shrunk = (true * norm + lam) / (norm + lam)
        assert found.amplitudes.tolist() == [pytest.approx(shrunk, abs=2e-3)]
        assert by_time(found) == [(200, spike.unit)]


@pytest.mark.parametrize(
    ("true", "bounds"), [(1.2, (0.5, 2)), (3.0, (0.5, 2)), (0.7, (0.8, 1.5))]
)
@pytest.mark.parametrize("lam", [25.0, 100.0])
def test_gain_is_the_fall_of_the_penalised_residual(bank, true, bounds, lam):
    traces = bank.traces([Spike(150, 2, 0.0, true)], 400).astype("f8")
    template = np.zeros_like(traces)
    template[150 : 150 + N_FRAMES] = bank.templates[2]

    def residual(a: float) -> float:
        return ((traces - a * template) ** 2).sum() + lam * (a - 1) ** 2

    best = optimize.minimize_scalar(residual, bounds=bounds, method="bounded")
    found = match(bank, traces.astype("f4"), bounds=bounds, lam=lam, refractory=60)
    first = found.templates.tolist().index(2)
    assert found.amplitudes[first] == pytest.approx(best.x, abs=2e-3)
    fall = (traces**2).sum() - best.fun
    assert found.gains[first] == pytest.approx(fall, rel=2e-3)


def test_amplitudes_stay_within_their_bounds(bank):
    spikes = [Spike(100 + 100 * i, 1, 0.0, a) for i, a in enumerate([0.3, 0.6, 1, 4])]
    found = match(bank, bank.traces(spikes, 600), bounds=(0.7, 1.4), least=3)
    assert np.all((found.amplitudes >= 0.7) & (found.amplitudes <= 1.4))
    of_unit = found.frames[found.templates == 1]
    assert set(of_unit) >= {200, 300, 400}


@pytest.mark.parametrize("lag", [0, 1, 3, 6, 10, 17, 25, 33, 40])
@pytest.mark.parametrize("pair", [(0, 1), (3, 2), (4, 5), (0, 5)])
def test_overlapping_spikes_of_two_units_are_recovered(bank, lag, pair):
    spikes = [Spike(200, pair[0]), Spike(200 + lag, pair[1])]
    found = match(bank, bank.traces(spikes, 500))
    # the first one found takes what the other adds to it: at most the coherence
    assert_recovered(found, spikes, 0.25, time=1)


def test_units_are_unlike_enough_for_a_greedy_search(bank):
    table = overlap_table(bank.coefficients, correlations(bank.basis))
    first = np.repeat(np.arange(6), np.diff(table.ptr))
    second = table.neighbours
    sizes = np.sqrt(bank.norms[first] * bank.norms[second])
    coherence = np.abs(table.values).max(axis=1) / sizes
    assert 0.2 < coherence[first != second].max() < 1 / 3


def test_three_units_at_the_same_time_are_recovered(bank):
    spikes = [Spike(300, 0), Spike(300, 1), Spike(300, 5)]
    found = match(bank, bank.traces(spikes, 600))
    assert_recovered(found, spikes, 0.25, time=1)


def test_a_busy_recording_in_noise_is_recovered(bank):
    rng = np.random.default_rng(1)
    frames = np.arange(60, 9900, 47) + rng.integers(-12, 12, 210)
    spikes = [
        Spike(int(f), int(rng.integers(6)), rng.uniform(-0.5, 0.5), rng.normal(1, 0.1))
        for f in frames
    ]
    noise = rng.normal(size=(10_000, N_CHANNELS))
    found = match(bank, (bank.traces(spikes, 10_000) + noise).astype(np.float32))
    true = {(s.frame + d, s.unit): i for i, s in enumerate(spikes) for d in (-1, 0, 1)}
    hits = [true.get(event) for event in by_time(found)]
    assert None not in hits
    assert len(set(hits)) == len(hits) == len(spikes)


def test_what_remains_is_the_correlation_with_the_residual(bank):
    rng = np.random.default_rng(2)
    spikes = crowd(rng, 60, 23)
    traces = bank.traces(spikes, 1600) + rng.normal(0, 0.5, (1600, N_CHANNELS))
    found = match(bank, traces.astype(np.float32))
    fitted = [Spike(*row) for row in zip(*found[:4], strict=True)]
    residual = traces - bank.traces(fitted, 1600)
    expected = correlate(residual.astype("f4"), bank.basis, bank.coefficients)
    scale = bank.norms[:, None]  # what a spike of amplitude 1 gives
    assert np.abs((found.residue - expected) / scale).max() < 0.02


def test_little_correlation_remains_of_isolated_spikes(bank):
    spikes = [Spike(100 + 90 * i, i % 6, 0.083 * (i % 7) - 0.25) for i in range(20)]
    found = match(bank, bank.traces(spikes, 2000), lam=1.0)
    assert (np.abs(found.residue) / bank.norms[:, None]).max() < 0.06


def test_spikes_at_both_ends_are_found(bank):
    spikes = [Spike(0, 1), Spike(500 - N_FRAMES, 4)]
    assert_recovered(match(bank, bank.traces(spikes, 500)), spikes, 0.02)


# refractory time --------------------------------------------------------------


def test_a_unit_fires_again_after_its_refractory_time(bank):
    spikes = [Spike(200, 3), Spike(216, 3)]
    found = match(bank, bank.traces(spikes, 500), refractory=15)
    assert_recovered(found, spikes, 0.2, time=0.5)


@pytest.mark.parametrize("refractory", [16, 30, 41, 42, 100])
def test_a_unit_does_not_fire_again_within_its_refractory_time(bank, refractory):
    frames = [200, 216, 230, 241, 242, 260, 300]
    spikes = [Spike(f, 3) for f in frames] + [Spike(700, 3)]
    found = match(bank, bank.traces(spikes, 1000), refractory=refractory)
    own = np.sort(found.frames[found.templates == 3])
    assert own.size >= 2
    assert np.diff(own).min() > refractory


def test_the_refractory_time_of_one_unit_does_not_hold_for_others(bank):
    spikes = [Spike(200, 0), Spike(205, 4)]
    found = match(bank, bank.traces(spikes, 500), refractory=100)
    assert_recovered(found, spikes, 0.1)


# order and thresholds ---------------------------------------------------------


def test_spikes_come_sorted_by_frame_and_template(bank):
    spikes = [Spike(60 + 31 * i, (5 * i) % 6, 0.0, 1 + 0.02 * i) for i in range(14)]
    spikes += [Spike(700, 0), Spike(700, 2)]
    found = match(bank, bank.traces(spikes, 900))
    pairs = list(zip(found.frames.tolist(), found.templates.tolist(), strict=True))
    assert len(pairs) == len(spikes)
    assert pairs == sorted(pairs)


def test_the_numbering_of_templates_does_not_matter(bank):
    rng = np.random.default_rng(3)
    spikes = crowd(rng, 60, 29)
    noise = rng.normal(size=(1900, N_CHANNELS))
    traces = (bank.traces(spikes, 1900) + noise).astype(np.float32)
    found = match(bank, traces)
    order = np.array([4, 2, 0, 5, 1, 3])
    other = match(bank._replace(coefficients=bank.coefficients[order]), traces)
    events = [(f, order[k]) for f, k in by_time(other)]
    assert sorted(events) == by_time(found)
    np.testing.assert_allclose(
        np.sort(other.amplitudes), np.sort(found.amplitudes), rtol=1e-3
    )


def test_equal_templates_give_the_spike_to_the_lower_one(bank):
    twice = bank._replace(coefficients=np.repeat(bank.coefficients[:2], 2, axis=0))
    found = match(twice, bank.traces([Spike(100, 0), Spike(300, 1)], 500))
    assert by_time(found) == [(100, 0), (300, 2)]


def test_noise_alone_gives_no_spikes():
    # a gain of 6.5^2 needs a correlation of more than 6.8 sd for norms of 100 or more:
    # with 6 templates and 60000 frames fewer than 1e-5 are expected
    bank = make_bank(peak=6.0)
    assert bank.norms.min() > 100
    noise = np.random.default_rng(4).normal(size=(60_000, N_CHANNELS))
    assert match(bank, noise.astype(np.float32)).frames.size == 0


def test_a_low_threshold_finds_no_more_noise_than_a_gaussian_has():
    bank = make_bank(n_units=1, peak=6.0)
    norm, lam, least = bank.norms[0], 100.0, 3.0
    n_frames = 40_000
    noise = np.random.default_rng(5).normal(size=(n_frames, N_CHANNELS))
    found = match(bank, noise.astype(np.float32), least=least)
    # B is Gaussian of variance n, and every spike is one frame above this value
    needed = (np.sqrt((least**2 + lam) * (norm + lam)) - lam) / np.sqrt(norm)
    from_tail = n_frames * stats.norm.sf(needed)
    assert found.frames.size <= from_tail + 5 * np.sqrt(from_tail) + 1
    assert np.all(found.gains >= least**2)


def test_gains_are_above_the_least_gain(bank):
    spikes = [Spike(100 + 90 * i, 0, 0.0, 0.5 + 0.05 * i) for i in range(12)]
    norm = bank.norms[0]
    least = np.sqrt(0.9 * norm)
    found = match(bank, bank.traces(spikes, 1400), least=least, lam=1.0)
    assert 0 < found.frames.size < 12
    assert np.all(found.gains > least**2)
    # o = (B + lambda)^2 / (n + lambda) - lambda, B = a n
    amplitude = np.array([s.amplitude for s in spikes])
    objective = (amplitude * norm + 1) ** 2 / (norm + 1) - 1
    assert found.frames.size == np.count_nonzero(objective > least**2)


def test_rounds_limit_the_work(bank):
    spikes = [Spike(200, 0), Spike(215, 3)]
    traces = bank.traces(spikes, 500)
    assert match(bank, traces, rounds=0).frames.size == 0
    assert match(bank, traces, rounds=1).frames.size == 1


def test_no_frames_no_templates(bank):
    none = match(bank, np.zeros((0, N_CHANNELS), np.float32))
    assert none.frames.shape == none.gains.shape == (0,)
    empty = bank._replace(coefficients=bank.coefficients[:0])
    assert match(empty, np.zeros((50, N_CHANNELS), np.float32)).frames.size == 0
