"""The template bank: what fitting and pruning match with."""

import numpy as np

from sorting.kernels.basis import correlations
from sorting.kernels.matching import Bank
from sorting.kernels.overlaps import OverlapTable, overlap_table
from sorting.kernels.peeling import SIGNS, PeakBank
from sorting.kernels.template_shapes import template_norms

__all__ = ["make_bank", "make_peak_bank"]

LEAST_SHARE = 0.5  # of its largest peak: noise and overlaps move it to such channels


def make_bank(
    coefficients: np.ndarray,
    basis: np.ndarray,
    *,
    bounds: tuple[float, float],
    amplitude_sd: float,
    min_norm: float,
    table: OverlapTable | None = None,
) -> Bank:
    """Tabulate norms, priors, thresholds and overlaps of templates.

    Parameters
    ----------
    coefficients : float32 (n_templates, n_channels, n_components)
    basis : float32 (n_components, n_template_frames)
    bounds : (float, float)
        Of the amplitudes.
    amplitude_sd : float
    min_norm : float
        A spike gains at least the square of this.
    table : OverlapTable, optional
        Of these templates, where they are known.
    """
    norms = template_norms(coefficients)
    if table is None:
        table = overlap_table(coefficients, correlations(basis))
    return Bank(
        norms=norms,
        lams=np.full(norms.size, amplitude_sd**-2),
        floors=np.full(norms.size, min_norm**2),
        a_min=np.full(norms.size, float(bounds[0])),
        a_max=np.full(norms.size, float(bounds[1])),
        ptr=table.ptr,
        neighbours=table.neighbours,
        overlaps=table.values,
    )


def make_peak_bank(
    coefficients: np.ndarray,
    basis: np.ndarray,
    polarity: str,
    *,
    bounds: tuple[float, float],
    amplitude_sd: float,
    min_norm: float,
) -> PeakBank:
    """Lay templates out by channel, with the peaks that they may explain.

    Parameters
    ----------
    coefficients : float32 (n_templates, n_channels, n_components)
    basis : float32 (n_components, n_template_frames)
    polarity : {"negative", "positive", "both"}
    bounds, amplitude_sd, min_norm
        As for `make_bank`.
    """
    owners, channels = np.nonzero(np.any(coefficients != 0, axis=2))
    waveforms = coefficients[owners, channels] @ basis
    low, high = SIGNS[polarity]
    sizes = np.maximum(low * waveforms, high * waveforms)
    heights = sizes.max(axis=1, initial=0).astype(np.float64)
    norms = template_norms(coefficients)
    ptr = np.searchsorted(owners, np.arange(norms.size + 1))
    largest = np.zeros(norms.size)
    np.maximum.at(largest, owners, heights)
    candidates = np.flatnonzero(heights >= LEAST_SHARE * largest[owners])
    candidates = candidates[np.argsort(channels[candidates], kind="stable")]
    return PeakBank(
        waveforms=waveforms,
        channels=channels,
        owners=owners,
        peaks=sizes.argmax(axis=1),
        heights=heights,
        ptr=ptr,
        candidate_ptr=np.searchsorted(
            channels[candidates], np.arange(coefficients.shape[1] + 1)
        ),
        candidates=candidates,
        norms=norms,
        lams=np.full(norms.size, amplitude_sd**-2),
        floors=np.full(norms.size, min_norm**2),
        a_min=np.full(norms.size, float(bounds[0])),
        a_max=np.full(norms.size, float(bounds[1])),
    )
