"""Spatial whitening from each channel's neighbourhood, applied block by block."""

from dataclasses import dataclass

import numpy as np

__all__ = ["BandedMatrix", "band", "band_blocks", "local_whitening"]

RIDGE = 1e-2  # of the mean neighbourhood variance, keeps rank-deficient noise finite
BLOCK_CHANNELS = 32  # of output: smaller ones multiply slower, larger ones more zeros
TILE_FRAMES = 1024  # a tile of all channels stays in cache


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


@dataclass(frozen=True, eq=False)
class BandedMatrix:
    """A sparse square matrix kept as dense blocks of consecutive output channels.

    A product then costs in proportion to the neighbourhoods, at the speed of dense
    matrix multiplication. A block reads the band from its first to its last input
    channel where it stands, and gathers the channels only if most of the band is not
    its own (contacts of an array, row after row).
    """

    n_channels: int
    blocks: tuple[tuple[slice, slice | np.ndarray, np.ndarray], ...]

    @classmethod
    def from_dense(
        cls, matrix: np.ndarray, block_size: int = BLOCK_CHANNELS
    ) -> "BandedMatrix":
        """Cut rows into blocks and keep the input channels that each one uses."""
        blocks = [
            (rows, inputs, np.ascontiguousarray(matrix[rows, inputs]))
            for rows, inputs in band_blocks(matrix != 0, block_size)
        ]
        return cls(matrix.shape[0], tuple(blocks))

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
        for start in range(0, traces.shape[0], TILE_FRAMES):
            frames = slice(start, start + TILE_FRAMES)  # stay in cache for all blocks
            for rows, inputs, block in self.blocks:
                np.matmul(traces[frames, inputs], block.T, out=product[frames, rows])
        return product

    def apply_by_channel(self, traces: np.ndarray) -> np.ndarray:
        """Multiply each frame, and lay the product out channel by channel.

        Parameters
        ----------
        traces : float32 (n_frames, n_channels)

        Returns
        -------
        float32 (n_channels, n_frames)
        """
        product = np.empty((self.n_channels, traces.shape[0]), np.float32)
        for start in range(0, traces.shape[0], TILE_FRAMES):
            frames = slice(start, start + TILE_FRAMES)
            for rows, inputs, block in self.blocks:
                np.matmul(block, traces[frames, inputs].T, out=product[rows, frames])
        return product

    def apply_rows(
        self, signals: np.ndarray, out: np.ndarray | None = None
    ) -> np.ndarray:
        """Multiply channel-major signals: ``matrix @ signals``.

        Parameters
        ----------
        signals : float32 (n_channels, n_frames)
        out : float32 (n_channels, n_frames), optional
            Memory for the result.

        Returns
        -------
        float32 (n_channels, n_frames)
        """
        if out is None:
            out = np.empty((self.n_channels, signals.shape[1]), np.float32)
        for rows, inputs, block in self.blocks:
            np.matmul(block, signals[inputs], out=out[rows])
        return out


def band(used: np.ndarray) -> slice | np.ndarray:
    """Index the channels that are used: the band that holds them, or each by itself.

    Reading a band costs arithmetic with zeros, gathering channels costs copying them.

    Parameters
    ----------
    used : bool (n_channels,)

    Returns
    -------
    slice or int64 (n_used,)
    """
    inputs = np.flatnonzero(used)
    if inputs.size == 0:
        return slice(0, 0)
    width = inputs[-1] + 1 - inputs[0]
    return slice(inputs[0], inputs[-1] + 1) if width <= 2 * inputs.size else inputs


def band_blocks(
    used: np.ndarray, block_size: int = BLOCK_CHANNELS
) -> list[tuple[slice, slice | np.ndarray]]:
    """Cut the rows of a sparse matrix into blocks, with the columns of each.

    Parameters
    ----------
    used : bool (n_channels, n_channels)
    block_size : int
    """
    starts = range(0, len(used), block_size)
    rows = [slice(start, min(start + block_size, len(used))) for start in starts]
    return [(some, band(used[some].any(axis=0))) for some in rows]
