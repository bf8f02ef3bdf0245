"""How far the tissue moved from each period of a recording to each other one."""

import numpy as np

from sorting.kernels.interpolation import parabola_vertices
from sorting.kernels.slices import slices

__all__ = ["pairwise_shifts", "smooth_histograms", "solve_displacement"]

DEPTH_SD_UM = 3.0  # how well a spike is located
RESIDUAL_UM = 3.0  # pairs that disagree by more count less
N_ROUNDS = 20
SMOOTHNESS = 1.0  # of neighbouring periods, in pairs
PERIODS_AT_ONCE = 64  # bounds the memory beside the histograms themselves


def smooth_histograms(counts: np.ndarray, depth_step_um: float) -> np.ndarray:
    """Blur histograms by the error of what they count; stabilise their variance.

    Parameters
    ----------
    counts : int (n_periods, n_sizes, n_depths)
    depth_step_um : float

    Returns
    -------
    float64, same shape
        Square roots, whose noise does not depend on the count.
    """
    reach = int(np.ceil(3 * DEPTH_SD_UM / depth_step_um))
    at = np.arange(-reach, reach + 1) * depth_step_um
    depth = np.exp(-0.5 * (at / DEPTH_SD_UM) ** 2)
    smooth = np.empty(counts.shape)
    for some in slices(len(counts), PERIODS_AT_ONCE):
        blurred = _blur(counts[some].astype(np.float64), depth / depth.sum())
        blurred = _blur(blurred.swapaxes(1, 2), np.array([0.25, 0.5, 0.25]))
        np.sqrt(blurred.swapaxes(1, 2), out=smooth[some])
    return smooth


def _blur(values: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolve along the last axis."""
    reach, length = kernel.size // 2, values.shape[-1]
    padded = np.pad(values, ((0, 0), (0, 0), (reach, reach)))
    return sum(w * padded[..., i : i + length] for i, w in enumerate(kernel))


def pairwise_shifts(
    histograms: np.ndarray, max_shift: int
) -> tuple[np.ndarray, np.ndarray]:
    """Shift along depth that makes each pair of periods most alike.

    Parameters
    ----------
    histograms : float64 (n_periods, n_sizes, n_depths)
        From `smooth_histograms`.
    max_shift : int
        Depth bins.

    Returns
    -------
    shifts : float64 (n_periods, n_periods)
        Entry ``[i, j]``: depth bins by which i lies above j.
    similarity : float64 (n_periods, n_periods)
        Cosine at that shift; 0 where a period has no spikes, and on the diagonal.
    """
    n_periods = len(histograms)
    flat = histograms.reshape(n_periods, -1)
    norms = np.sqrt(np.einsum("pd,pd->p", flat, flat))
    shifts, similarity = np.empty((2, n_periods, n_periods))
    for some in slices(n_periods, PERIODS_AT_ONCE):
        cosines = _cosines(histograms[some], flat, max_shift)
        cosines /= np.maximum(norms[some, None] * norms, 1e-9)[:, :, None]
        best, offset = parabola_vertices(cosines)
        shifts[some] = best + offset - max_shift
        at_best = np.take_along_axis(cosines, best[:, :, None], axis=2)
        similarity[some] = at_best[:, :, 0]
    np.fill_diagonal(similarity, 0.0)
    return shifts, similarity


def _cosines(some: np.ndarray, flat: np.ndarray, max_shift: int) -> np.ndarray:
    """Product of some histograms, moved against all, (n_some, n_periods, n_shifts)."""
    n_depths = some.shape[2]
    padded = np.pad(some, ((0, 0), (0, 0), (max_shift, max_shift)))
    products = np.empty((len(some), len(flat), 2 * max_shift + 1))
    for at in range(2 * max_shift + 1):
        moved = padded[:, :, at : at + n_depths].reshape(len(some), -1)
        products[:, :, at] = moved @ flat.T
    return products


def solve_displacement(
    shifts_um: np.ndarray, weights: np.ndarray, start_um: np.ndarray | None = None
) -> np.ndarray:
    """Displacement of each period that agrees best with all pairs.

    Decentralised registration (Varol et al. 2021): minimise the sum over pairs of
    w_ij rho(d_ij - (p_i - p_j)) with Cauchy's rho, which forgives pairs that were
    matched wrongly, by reweighted least squares. A weak bond between neighbouring
    periods carries over those without spikes.

    Parameters
    ----------
    shifts_um : float64 (n_periods, n_periods)
    weights : float64 (n_periods, n_periods)
    start_um : float64 (n_periods,), optional
        Where to begin; by default all pairs count as they are.

    Returns
    -------
    float64 (n_periods,)
        With median 0.
    """
    n_periods = len(shifts_um)
    steps = np.diff(np.eye(n_periods), axis=0)
    bond = SMOOTHNESS * steps.T @ steps + 1e-6 * np.eye(n_periods)
    displacement = start_um
    for _ in range(N_ROUNDS):
        current = weights
        if displacement is not None:
            residual = shifts_um - (displacement[:, None] - displacement[None])
            current = weights / (1 + (residual / RESIDUAL_UM) ** 2)
        both = current + current.T
        pull = (current * shifts_um).sum(axis=1) - (current * shifts_um).sum(axis=0)
        displacement = np.linalg.solve(np.diag(both.sum(axis=1)) - both + bond, pull)
    return displacement - np.median(displacement)
