"""Ready-made electrode layouts."""

import math
from collections.abc import Callable

import numpy as np

from circus_io.errors import ProbeError
from circus_io.probe import Probe

__all__ = ["make_probe"]


def make_probe(
    layout: str,
    n_channels: int,
    pitch_um: float | None = None,
    radius_um: float = 100.0,
) -> Probe:
    """Make a probe whose channel numbers are its electrode numbers.

    Parameters
    ----------
    layout : {"tetrode", "linear", "staggered", "grid"}
        A square of four; one column; two columns, half a pitch apart in height; rows
        and columns of an array.
    n_channels : int
        4 for a tetrode.
    pitch_um : float, optional
        Distance of neighbours in a column, µm: 20, 25, 20 and 40 by default.
    radius_um : float
        Reach of a unit, µm.

    Raises
    ------
    ProbeError
        Unknown layout, or a number of channels that it cannot have.
    """
    if layout not in _LAYOUTS:
        raise ProbeError(
            f"layout {layout!r} is unknown; choose from {', '.join(_LAYOUTS)}"
        )
    if n_channels < 1 or (layout == "tetrode" and n_channels != 4):
        raise ProbeError(f"a {layout} probe cannot have {n_channels} channels")
    place, default_um = _LAYOUTS[layout]
    index = np.arange(n_channels)
    columns, rows = place(index, n_channels)
    positions = np.column_stack([columns, rows]) * (pitch_um or default_um)
    return Probe(
        channels=index,
        groups=np.ones(n_channels, dtype=np.int64),
        contact_positions=positions,
        total_nb_channels=n_channels,
        radius_um=radius_um,
        name=f"{layout} of {n_channels}",
    )


def _square(index: np.ndarray, n_channels: int) -> tuple[np.ndarray, np.ndarray]:
    side = math.ceil(math.sqrt(n_channels))
    return index % side, index // side


def _column(index: np.ndarray, n_channels: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(n_channels), index


def _zigzag(index: np.ndarray, n_channels: int) -> tuple[np.ndarray, np.ndarray]:
    return index % 2 * 1.6, index / 2


_Place = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]
_LAYOUTS: dict[str, tuple[_Place, float]] = {
    "tetrode": (_square, 20.0),
    "linear": (_column, 25.0),
    "staggered": (_zigzag, 20.0),
    "grid": (_square, 40.0),
}
