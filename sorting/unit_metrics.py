"""The unit table of a sort: every unit measured and labelled, block by block."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sorting.kernels.amplitudes import AmplitudeCounts, missing_fraction
from sorting.kernels.slices import slices
from sorting.kernels.trains import TrainCounts
from sorting.quality import (
    REFRACTORY_S,
    LabelRule,
    contamination_of,
    count_bins,
    firing_rate_hz,
    peak_and_snr,
)
from sorting.result_tables import StreamTable, UnitTable

__all__ = ["FitFacts", "unit_table"]

CENSORED_MS = 0.3
PRESENCE_BIN_S = 10.0
DRIFT_BIN_S = 60.0


@dataclass(frozen=True, eq=False)
class FitFacts:
    """What the template bank knows of the K units.

    Attributes
    ----------
    norms : float64 (K,)
        Of the whitened templates, in noise sd.
    isolation : float64 (K,)
        Distance to the nearest other template or to nothing, in noise sd.
    smallest : float64 (K,)
        Amplitude from which on spikes are found.
    """

    norms: np.ndarray
    isolation: np.ndarray
    smallest: np.ndarray

    @staticmethod
    def unknown(n_units: int) -> "FitFacts":
        """Return facts of units whose fit is not known."""
        return FitFacts(*np.full((3, n_units), np.nan))


def unit_table(
    spike_times: np.ndarray,
    spike_units: np.ndarray,
    amplitudes: np.ndarray,
    *,
    template_ptr: np.ndarray,
    template_channels: np.ndarray,
    template_waveforms: np.ndarray,
    noise_levels: np.ndarray,
    streams: StreamTable,
    sampling_rate: float,
    facts: FitFacts | None = None,
    rule: LabelRule | None = None,
) -> UnitTable:
    """Measure and label every unit.

    Parameters
    ----------
    spike_times : (N,) int64
        Global frames, ascending.
    spike_units : (N,) int32
        Row of the unit, 0 to K - 1.
    amplitudes : (N,) float32
        Fit coefficients.
    template_ptr, template_channels, template_waveforms : (K + 1,), (P,), (P, T)
        Sparse templates in µV, as in ``Result``.
    noise_levels : (C,) float32
        Noise sd in µV.
    streams : StreamTable
        Where there are data.
    sampling_rate : float
        In Hz.
    facts : FitFacts, optional
        Without them, what follows from them is NaN.
    rule : LabelRule, optional

    Returns
    -------
    UnitTable
    """
    n_units = len(template_ptr) - 1
    rule = rule or LabelRule()
    facts = facts or FitFacts.unknown(n_units)
    trains = _empty_trains(n_units, int(streams.n_frames.sum()), sampling_rate)
    sizes = AmplitudeCounts(n_units, round(DRIFT_BIN_S * sampling_rate))
    for piece in slices(len(spike_times)):
        times, units = np.asarray(spike_times[piece]), np.asarray(spike_units[piece])
        recorded = streams.to_recorded(times)
        trains.add(times, units, recorded)
        sizes.add(amplitudes[piece], units, recorded)
    drift = sizes.drift()
    rows = []
    for unit in range(n_units):
        pairs = slice(template_ptr[unit], template_ptr[unit + 1])
        peak, snr = peak_and_snr(
            template_waveforms[pairs].T, template_channels[pairs], noise_levels
        )
        row = _train_metrics(trains, unit, int(streams.n_frames.sum()), sampling_rate)
        row |= {"peak_channel": peak, "snr": snr, "amplitude_drift": drift[unit]}
        row |= _fit_metrics(facts, sizes, unit)
        rows.append(row | {"label": rule.label(row)})
    return UnitTable(
        **{name: np.array([row[name] for row in rows]) for name in UnitTable.layout}
    )


def _empty_trains(n_units: int, n_frames: int, sampling_rate: float) -> TrainCounts:
    bin_frames = round(PRESENCE_BIN_S * sampling_rate)
    return TrainCounts(
        n_units,
        refractory=round(REFRACTORY_S * sampling_rate),
        censored=round(CENSORED_MS * sampling_rate / 1000),
        bin_frames=bin_frames,
        n_bins=count_bins(n_frames, bin_frames),
    )


def _train_metrics(
    trains: TrainCounts, unit: int, n_frames: int, sampling_rate: float
) -> dict[str, Any]:
    """Return the metrics that need no template."""
    n_spikes = int(trains.n_spikes[unit])
    return {
        "n_spikes": n_spikes,
        "firing_rate_hz": firing_rate_hz(n_spikes, n_frames, sampling_rate),
        "isi_violations": int(trains.n_short[unit]) / max(n_spikes - 1, 1),
        "contamination": contamination_of(
            n_spikes,
            int(trains.n_refractory[unit] - trains.n_censored[unit]),
            n_frames,
            trains.refractory,
            trains.censored,
        ),
        "presence": int(trains.n_occupied[unit]) / (trains.last_bin + 1),
    }


def _fit_metrics(facts: FitFacts, sizes: AmplitudeCounts, unit: int) -> dict[str, Any]:
    """Return the metrics that need to know how the unit was found."""
    smallest = float(facts.smallest[unit])
    cutoff = np.nan
    if np.isfinite(smallest):
        cutoff = missing_fraction(
            int(sizes.n_spikes[unit]),
            float(sizes.total[unit]),
            float(sizes.squares[unit]),
            smallest,
        )
    return {
        "norm": float(facts.norms[unit]),
        "isolation": float(facts.isolation[unit]),
        "amplitude_cutoff": cutoff,
    }
