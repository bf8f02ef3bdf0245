"""The template bank: what fitting and pruning match with."""

import numpy as np

from sorting.kernels.basis import correlations
from sorting.kernels.matching import Bank
from sorting.kernels.overlaps import overlap_table
from sorting.kernels.template_shapes import template_norms

__all__ = ["make_bank"]


def make_bank(
    coefficients: np.ndarray,
    basis: np.ndarray,
    *,
    bounds: tuple[float, float],
    amplitude_sd: float,
    min_norm: float,
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
    """
    norms = template_norms(coefficients)
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
