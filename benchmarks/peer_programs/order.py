"""What a program that sorts is asked for, and what it has to leave behind.

This folder is on the path of the environments of other sorters: it imports nothing of
this project, and needs numpy alone.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Order", "read_order", "write_result"]


@dataclass(frozen=True)
class Order:
    """One recording to sort.

    Attributes
    ----------
    sorter : str
        As `SORTERS` of this benchmark calls it.
    recording : str
        Raw int16, frames × channels; ``.prb`` and ``.params`` stand beside it.
    sampling_rate : float
        Hz.
    gain_uv : float
        µV per count.
    positions_um : list of (float, float)
        Of each channel.
    n_jobs : int
        Processes that may be used.
    options : dict
        Settings of the sorter that are not its defaults.
    folder : str
        Its own, and empty.
    result : str
        Where spikes are expected, see `write_result`.
    """

    sorter: str
    recording: str
    sampling_rate: float
    gain_uv: float
    positions_um: list[list[float]]
    n_jobs: int
    options: dict[str, Any]
    folder: str
    result: str

    @property
    def n_channels(self) -> int:
        """Channels of the recording."""
        return len(self.positions_um)


def read_order() -> Order:
    """Read the file that the command line names."""
    return Order(**json.loads(Path(sys.argv[1]).read_text()))


def write_result(order: Order, times, units) -> None:
    """Write frames and labels of all spikes, int64 (n_spikes,)."""
    np.savez(
        order.result,
        times=np.asarray(times).astype(np.int64).ravel(),
        units=np.asarray(units).astype(np.int64).ravel(),
    )
