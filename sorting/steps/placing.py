"""Where templates are tried in a chunk: at every frame, or at peaks only."""

from collections.abc import Sequence

import numpy as np

from sorting.bank import make_bank, make_peak_bank
from sorting.kernels.correlation import coarsest_stride, correlate
from sorting.kernels.matching import Bank, find_spikes
from sorting.kernels.neighbours import neighbour_lists
from sorting.kernels.overlaps import OverlapTable
from sorting.kernels.peeling import SIGNS, PeakBank, peel
from sorting.kernels.refit import refit
from sorting.kernels.second_look import find_hidden
from sorting.kernels.spikes import SPIKE
from sorting.steps.context import Context

__all__ = ["AtEveryFrame", "AtPeaks"]

MAX_ROUNDS = 5000  # each places a spike; a second of a large array needs hundreds
MORE_LOOKS = 3  # where the amplitudes of a fit are odd
N_PASSES = 4  # over the peaks of the residual: what hides under two spikes is third


class AtEveryFrame:
    """Correlate all templates with all frames; fit what overlaps together.

    `table` holds the overlaps of templates that stay as they are.
    """

    by_channel = False

    def __init__(
        self, context: Context, basis: np.ndarray, table: OverlapTable | None = None
    ):
        self.config = context.config.fitting
        self.basis, self.table = basis, table

    def make_bank(self, coefficients: np.ndarray) -> Bank:
        """Return what `place` matches with, (n_templates, n_channels, n_components)."""
        return make_bank(
            coefficients,
            self.basis,
            bounds=self.config.amplitude_bounds,
            amplitude_sd=self.config.amplitude_sd,
            min_norm=self.config.min_norm,
            table=self.table,
        )

    def place(
        self, traces: np.ndarray, coefficients: np.ndarray, bank: Bank
    ) -> np.ndarray:
        """Return the spikes, SPIKE (n_spikes,), timed by the first frames of windows.

        `traces` are whitened, float32 (n_frames, n_channels).
        """
        stride = coarsest_stride(bank)
        correlation = correlate(traces, self.basis, coefficients, stride)
        refractory = self.config.refractory_frames
        placed = find_spikes(correlation, bank, refractory, MAX_ROUNDS)
        fit, gone = _fit(correlation, bank, placed[:4])
        changed = placed[0]
        for _ in range(MORE_LOOKS):
            known = _join(fit[:4], gone)
            more = find_hidden(correlation, bank, refractory, *known, changed)
            changed = np.sort(more[0])
            if not changed.size:
                break
            placed = _join(fit[:4], [*more, np.zeros(more[0].size)])
            fit, dropped = _fit(correlation, bank, placed)
            gone = _join(gone, dropped)
        return _spikes(*fit)


class AtPeaks:
    """Try the templates near the peaks of the traces; subtract, look again."""

    by_channel = True

    def __init__(self, context: Context, basis: np.ndarray):
        self.config = context.config.fitting
        self.detection = context.config.detection
        self.basis = basis
        near = context.distance_um <= self.detection.radius_um
        self.lists = neighbour_lists(near)

    def make_bank(self, coefficients: np.ndarray) -> PeakBank:
        """Return what `place` matches with, (n_templates, n_channels, n_components)."""
        return make_peak_bank(
            coefficients,
            self.basis,
            self.detection.polarity,
            bounds=self.config.amplitude_bounds,
            amplitude_sd=self.config.amplitude_sd,
            min_norm=self.config.min_norm,
        )

    def place(
        self, traces: np.ndarray, coefficients: np.ndarray, bank: PeakBank
    ) -> np.ndarray:
        """Return the spikes, as `AtEveryFrame.place` does; `traces` are used up."""
        found = peel(
            traces.T,
            bank,
            *self.lists,
            self.config.least_peak,
            SIGNS[self.detection.polarity],
            self.detection.exclude_frames,
            self.config.refractory_frames,
            N_PASSES,
        )
        return _spikes(*found)


def _fit(
    correlation: np.ndarray, bank: Bank, placed: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Fit amplitudes together; return the spikes that stay, and those that do not."""
    fit = [*placed[:3], *refit(correlation, bank, *placed)]
    stays = fit[3] > 0
    return [part[stays] for part in fit], [part[~stays] for part in fit[:4]]


def _join(some: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Put columns of spikes together, by frame and unit."""
    both = [np.concatenate(pair) for pair in zip(some, others, strict=True)]
    order = np.lexsort(both[1::-1])
    return [column[order] for column in both]


def _spikes(frames, units, shifts, amplitudes, gains) -> np.ndarray:
    spikes = np.empty(frames.size, SPIKE)
    spikes["time"], spikes["unit"] = frames, units
    spikes["shift"], spikes["amplitude"] = shifts, amplitudes
    spikes["objective"] = gains
    return spikes
