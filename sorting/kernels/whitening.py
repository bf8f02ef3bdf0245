"""Spatial whitening from each channel's neighbourhood, applied block by block."""

from dataclasses import dataclass

import numpy as np

__all__ = ["BandedMatrix", "local_whitening"]

RIDGE = 1e-2  # of the mean neighbourhood variance, keeps rank-deficient noise finite


def local_whitening(covariance: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """Row c of the inverse square root of the covariance around channel c.

    For each channel the noise covariance of its neighbourhood N is regularised and
    decomposed, Q = E (D + ridge)^(-1/2) E^T (ZCA: the whitened channel stays the one
    closest to the original), and only the channel's own row of Q is kept. Rows are
    scaled so that each whitened channel has noise variance 1.

    Parameters
    ----------
    covariance : float64 (n_channels, n_channels)
        Of the noise. Channels of variance 0 (dead) whiten to nothing.
    neighbours : bool (n_channels, n_channels)

    Returns
    -------
    float32 (n_channels, n_channels)
        Whitened traces are ``traces @ matrix.T``; 0 outside of the neighbourhoods.
    """
    n_channels = covariance.shape[0]
    alive = np.diag(covariance) > 0
    matrix = np.zeros((n_channels, n_channels))
    for channel in np.flatnonzero(alive):
        members = np.flatnonzero(neighbours[channel] & alive)
        local = covariance[np.ix_(members, members)]
        row = _whitening_row(local, int(np.searchsorted(members, channel)))
        matrix[channel, members] = row
    return matrix.astype(np.float32)


def _whitening_row(covariance: np.ndarray, index: int) -> np.ndarray:
    """Row of the inverse root, scaled so that its output has variance 1."""
    ridge = RIDGE * np.trace(covariance) / covariance.shape[0]
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 0)  # pairs measured on different frames may disagree
    row = (vectors[index] / np.sqrt(values + ridge)) @ vectors.T
    return row / np.sqrt(((row @ vectors) ** 2 * values).sum())


@dataclass(frozen=True)
class BandedMatrix:
    """A sparse square matrix kept as dense blocks of consecutive output channels.

    A product then costs in proportion to the neighbourhoods, at the speed of dense
    matrix multiplication.
    """

    n_channels: int
    blocks: tuple[tuple[slice, np.ndarray, np.ndarray], ...]

    @classmethod
    def from_dense(cls, matrix: np.ndarray, block_size: int = 32) -> "BandedMatrix":
        """Cut rows into blocks and keep the input channels that each one uses."""
        n_channels = matrix.shape[0]
        blocks = []
        for start in range(0, n_channels, block_size):
            rows = slice(start, min(start + block_size, n_channels))
            inputs = np.flatnonzero(np.any(matrix[rows] != 0, axis=0))
            blocks.append((rows, inputs, np.ascontiguousarray(matrix[rows, inputs].T)))
        return cls(n_channels, tuple(blocks))

    def apply(self, traces: np.ndarray) -> np.ndarray:
        """Multiply each frame: ``traces @ matrix.T``.

        Parameters
        ----------
        traces : float32 (n_frames, n_channels)

        Returns
        -------
        float32 (n_frames, n_channels)
        """
        product = np.empty((traces.shape[0], self.n_channels), np.float32)
        for rows, inputs, block in self.blocks:
            product[:, rows] = traces[:, inputs] @ block
        return product

    def apply_rows(self, signals: np.ndarray) -> np.ndarray:
        """Multiply channel-major signals: ``matrix @ signals``.

        Parameters
        ----------
        signals : float32 (n_channels, n_frames)

        Returns
        -------
        float32 (n_channels, n_frames)
        """
        product = np.empty((self.n_channels, signals.shape[1]), np.float32)
        for rows, inputs, block in self.blocks:
            product[rows] = block.T @ signals[inputs]
        return product
