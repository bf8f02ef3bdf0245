"""How a placed template shows up in the correlation of every other template."""

from dataclasses import dataclass

import numpy as np

__all__ = ["OverlapTable", "overlap_table"]


@dataclass(frozen=True)
class OverlapTable:
    """Overlaps of templates that share channels, by template.

    Attributes
    ----------
    ptr : int64 (n_templates + 1,)
        Neighbours of template k are entries ``ptr[k]:ptr[k + 1]``, itself included.
    neighbours : int32 (n_pairs,)
    values : float32 (n_pairs, 2 n_frames - 1)
        ``values[i, lag + n_frames - 1]`` is what a unit spike of k starting at frame s
        adds to the correlation of the neighbour's template at ``s + lag``.
    """

    ptr: np.ndarray
    neighbours: np.ndarray
    values: np.ndarray


def overlap_table(
    coefficients: np.ndarray, basis_correlations: np.ndarray
) -> OverlapTable:
    """Tabulate the overlaps of all pairs with a common channel.

    With U_k = sum_p u_k[c, p] W[p] the overlap is a contraction of the small matrices
    G = sum_c u_k[c]^T u_j[c] with the correlations of the basis.

    Parameters
    ----------
    coefficients : float32 (n_templates, n_channels, n_components)
    basis_correlations : float64 (n_components, n_components, 2 n_frames - 1)
        From `basis.correlations`.
    """
    n_templates, _, n_components = coefficients.shape
    n_lags = basis_correlations.shape[2]
    support = np.any(coefficients != 0, axis=2)
    shared = (support.astype(np.float32) @ support.T.astype(np.float32)) > 0
    np.fill_diagonal(shared, True)
    ptr = np.concatenate([[0], np.cumsum(shared.sum(axis=1))]).astype(np.int64)
    neighbours = np.nonzero(shared)[1].astype(np.int32)
    values = np.empty((neighbours.size, n_lags), np.float32)
    # B_j(s + lag) gains sum_pq u_k[p] u_j[q] <W_p(. - 0), W_q(. - lag)>
    flat = basis_correlations.reshape(n_components**2, n_lags)
    for k in range(n_templates):
        mine = neighbours[ptr[k] : ptr[k + 1]]
        channels = np.flatnonzero(support[k])
        theirs = coefficients[np.ix_(mine, channels)].astype(np.float64)
        product = np.einsum("cp,jcq->jpq", coefficients[k, channels], theirs)
        values[ptr[k] : ptr[k + 1]] = product.reshape(mine.size, -1) @ flat
    return OverlapTable(ptr, neighbours, values)
