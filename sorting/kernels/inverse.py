"""The inverse of small positive definite matrices, for use in other kernels."""

from numba import njit

__all__ = ["invert"]


@njit(cache=True, nogil=True)
def invert(matrix):
    """Invert a small positive definite matrix in its own memory (Gauss and Jordan).

    Such a matrix needs no pivoting, and numba's LAPACK would load all of scipy.

    Parameters
    ----------
    matrix : float64 (n, n)
        Changed in place.

    Returns
    -------
    float64 (n, n)
        `matrix` itself.
    """
    n = len(matrix)
    for k in range(n):
        pivot = 1.0 / matrix[k, k]
        matrix[k, k] = 1.0
        for j in range(n):
            matrix[k, j] *= pivot
        for i in range(n):
            if i != k:
                factor = matrix[i, k]
                matrix[i, k] = 0.0
                for j in range(n):
                    matrix[i, j] -= factor * matrix[k, j]
    return matrix
