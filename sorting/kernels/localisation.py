"""Where along the probe a spike comes from."""

import numpy as np

from sorting.kernels.interpolation import parabola_vertices

__all__ = ["depth_grid", "locate_depths", "spatial_profile"]

REACH_UM = 40.0  # a spike is nearer than this to the channel where it is largest
STEP_UM = 2.0
SIDES_UM = (-24.0, -12.0, 0.0, 12.0, 24.0)
WIDTHS_UM = (12.0, 18.0, 26.0)  # of spikes, after whitening has sharpened them


def depth_grid() -> np.ndarray:
    """Depths that are tried, relative to the channel, rising, in µm."""
    return np.arange(-REACH_UM, REACH_UM + STEP_UM / 2, STEP_UM)


def spatial_profile(features: np.ndarray) -> np.ndarray:
    """Amplitude on each channel of the waveform that the first channel shows.

    Parameters
    ----------
    features : float (n_spikes, n_channels, n_components)
        In noise standard deviations; the first channel is that of the peak.

    Returns
    -------
    float (n_spikes, n_channels)
        With noise of standard deviation 1.
    """
    shape = features[:, 0]
    norm = np.sqrt((shape**2).sum(axis=1, keepdims=True))
    return np.einsum("ncp,np->nc", features, shape / np.maximum(norm, 1e-9))


def locate_depths(
    profile: np.ndarray, positions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fit bell-shaped profiles of several widths at places of a grid.

    The best of a fine grid does not favour the depths of the contacts, which the centre
    of mass does; such a preference would stay with the probe when the tissue moves.

    Parameters
    ----------
    profile : float (n_spikes, n_channels)
        From `spatial_profile`.
    positions : float64 (n_channels, 2)
        Across and along the probe, relative to the first channel, in µm.

    Returns
    -------
    depths : float64 (n_spikes,)
        Relative to the first channel, in µm.
    sizes : float64 (n_spikes,)
        Norm of the profile that fits, in noise standard deviations.
    """
    grid = depth_grid()
    depth, side, width = np.meshgrid(grid, SIDES_UM, WIDTHS_UM, indexing="ij")
    across = positions[:, 0] - side[..., None]
    along = positions[:, 1] - depth[..., None]
    bells = np.exp(-0.5 * (across**2 + along**2) / width[..., None] ** 2)
    bells /= np.sqrt((bells**2).sum(axis=-1, keepdims=True))
    fit = profile @ bells.reshape(-1, len(positions)).T
    fit = fit.reshape(len(profile), grid.size, bells[0, ..., 0].size).max(axis=2)
    best, offset = parabola_vertices(fit)
    return grid[best] + STEP_UM * offset, fit.max(axis=1)
