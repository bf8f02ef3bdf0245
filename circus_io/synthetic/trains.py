"""When the neurons fire."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from circus_io.synthetic.spec import GroundTruthSpec, generator

__all__ = ["Spikes", "Trains"]

_RATES, _TIMES = 21, 22  # purposes of random numbers
_BLOCK_S = 10.0
_NEARBY_UM = 100.0
_COINCIDENCE_MS = 1.0


@dataclass(frozen=True)
class Spikes:
    """Spikes in the order of time, then of units.

    Attributes
    ----------
    frames : numpy.ndarray
        int64 (n,): frame nearest to the trough, on the clock of the experiment.
    fractions : numpy.ndarray
        float64 (n,), -0.5 to 0.5: trough minus frame.
    units : numpy.ndarray
        int64 (n,).
    amplitudes : numpy.ndarray
        float64 (n,): factor of the template.
    """

    frames: np.ndarray
    fractions: np.ndarray
    units: np.ndarray
    amplitudes: np.ndarray

    def take(self, which: np.ndarray | slice) -> "Spikes":
        """Select spikes by index, mask or slice."""
        return Spikes(
            self.frames[which],
            self.fractions[which],
            self.units[which],
            self.amplitudes[which],
        )


class Trains:
    """Poisson trains with a refractory period, made block of time by block of time.

    The last refractory period of each block is silent, so blocks need not know each
    other; with 10 s and 3 ms this takes 0.03 % of the spikes.

    Attributes
    ----------
    rates_hz : numpy.ndarray
        float64 (n_units,).
    """

    def __init__(self, spec: GroundTruthSpec, positions: np.ndarray):
        self._spec = spec
        self.rates_hz = generator(spec.seed, _RATES).uniform(
            *spec.rate_range_hz, spec.n_units
        )
        self._n_frames = round(_BLOCK_S * spec.sampling_rate)
        # one frame more: rounding to frames may shorten an interval by one
        self._refractory = math.ceil(spec.refractory_ms * spec.sampling_rate / 1000) + 1
        distances = np.linalg.norm(positions[:, None] - positions[None], axis=2)
        near = (distances < _NEARBY_UM) & ~np.eye(spec.n_units, dtype=bool)
        self._partners = [np.flatnonzero(row) for row in near]
        self.block = lru_cache(maxsize=3)(self._make_block)

    def between(self, t_start: int, t_stop: int) -> Spikes:
        """Collect the spikes of frames ``t_start`` to ``t_stop`` (not included)."""
        t_start = max(t_start, 0)
        first, last = t_start // self._n_frames, max(t_stop - 1, 0) // self._n_frames
        parts = []
        for block in map(self.block, range(first, last + 1)):
            bounds = np.searchsorted(block.frames, [t_start, max(t_start, t_stop)])
            parts.append(block.take(slice(*bounds)))
        return _concatenate(parts)

    def _make_block(self, index: int) -> Spikes:
        random = generator(self._spec.seed, _TIMES, index)
        times, units = self._draw_times(random)
        if self._spec.synchrony:
            times, units = self._add_coincidences(random, times, units)
        order = np.lexsort((units, times))
        times, units = times[order], units[order]
        frames = np.rint(times)
        spread = self._spec.amplitude_spread
        deviations = np.clip(random.standard_normal(len(times)), -3, 3)
        return Spikes(
            frames=frames.astype(np.int64) + index * self._n_frames,
            fractions=times - frames,
            units=units,
            amplitudes=1 + spread * deviations,
        )

    def _draw_times(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw times in frames since the start of the block, and their units."""
        intervals = self._spec.sampling_rate / self.rates_hz
        most = self._n_frames / intervals.min(initial=np.inf)
        n_draws = math.ceil(most + 10 * math.sqrt(most) + 10)
        waits = random.standard_exponential((self._spec.n_units, n_draws))
        waits *= (intervals - self._refractory)[:, None]
        times = np.cumsum(waits + self._refractory, axis=1) - self._refractory
        units, _ = kept = np.nonzero(times < self._n_frames - self._refractory)
        return times[kept], units

    def _add_coincidences(
        self, random: np.random.Generator, times: np.ndarray, units: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Add spikes of units nearby within 1 ms, where their refractoriness allows."""
        chosen = np.flatnonzero(random.random(len(times)) < self._spec.synchrony)
        chosen = chosen[[self._partners[unit].size > 0 for unit in units[chosen]]]
        partners = [random.choice(self._partners[unit]) for unit in units[chosen]]
        reach = _COINCIDENCE_MS * self._spec.sampling_rate / 1000
        new_times = times[chosen] + random.uniform(-reach, reach, len(chosen))
        inside = (new_times >= 0) & (new_times < self._n_frames - self._refractory)
        all_times = np.concatenate([times, new_times[inside]])
        all_units = np.concatenate([units, np.array(partners, dtype=int)[inside]])
        is_new = np.arange(len(all_times)) >= len(times)
        return self._respect_refractoriness(all_times, all_units, is_new)

    def _respect_refractoriness(
        self, times: np.ndarray, units: np.ndarray, is_new: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Drop added spikes until no interval is too short."""
        while True:
            order = np.lexsort((times, units))
            times, units, is_new = times[order], units[order], is_new[order]
            close = np.diff(times) < self._refractory
            close &= units[1:] == units[:-1]
            if not close.any():
                return times, units
            later = np.flatnonzero(close) + 1
            keep = np.ones(len(times), dtype=bool)
            keep[np.where(is_new[later], later, later - 1)] = False
            times, units, is_new = times[keep], units[keep], is_new[keep]


def _concatenate(parts: list[Spikes]) -> Spikes:
    return Spikes(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("frames", "fractions", "units", "amplitudes")
        )
    )
