"""`Columns`: the last seconds of a stream, as columns of pictures."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Columns"]


@dataclass(frozen=True, eq=False)
class Column:
    """What is kept of neighbouring columns; each (n_columns, n_channels).

    Attributes
    ----------
    low, high : ndarray of float32
        µV.
    power : ndarray of float32
        Mean square, µV².
    n_crossings : ndarray of uint16
    """

    low: np.ndarray
    high: np.ndarray
    power: np.ndarray
    n_crossings: np.ndarray


class Columns:
    """A history of bounded length; column i holds frames from ``i * n_frames`` on.

    Parameters
    ----------
    capacity : int
        Columns that are kept.
    n_channels : int

    Attributes
    ----------
    stop : int
        One past the number of the newest column.
    """

    def __init__(self, capacity: int, n_channels: int) -> None:
        self.capacity, self.stop = capacity, 0
        # twice as long, so that what is asked for is one piece: when the end is
        # reached, the newer half moves to the front
        shape = (2 * capacity, n_channels)
        self._all = Column(
            low=np.full(shape, np.nan, np.float32),
            high=np.full(shape, np.nan, np.float32),
            power=np.full(shape, np.nan, np.float32),
            n_crossings=np.zeros(shape, np.uint16),
        )
        self._end = capacity

    def append(self, column: Column) -> None:
        """Add columns that follow directly."""
        n_new = len(column.low)
        if n_new > self.capacity:
            self.skip(n_new - self.capacity)
            column = _tail(column, self.capacity)
        first = self._room(min(n_new, self.capacity))
        for name, values in vars(column).items():
            getattr(self._all, name)[first : self._end] = values

    def skip(self, n_columns: int) -> None:
        """Leave columns empty: nothing is known of them."""
        self.stop += max(0, n_columns - self.capacity)
        first = self._room(min(n_columns, self.capacity))
        for name, values in vars(self._all).items():
            values[first : self._end] = 0 if name == "n_crossings" else np.nan

    def last(self, n_columns: int, stop: int | None = None) -> Column:
        """Return columns up to the newest one, or to `stop`; valid until the next call.

        Raises
        ------
        ValueError
            They are not kept any more, or are yet to come.
        """
        behind = 0 if stop is None else self.stop - stop
        if behind < 0 or n_columns + behind > self.capacity:
            raise ValueError(f"{n_columns} columns to {stop}: not kept")
        end = self._end - behind
        pieces = {n: v[end - n_columns : end] for n, v in vars(self._all).items()}
        return Column(**pieces)

    def _room(self, n_new: int) -> int:
        """Make room at the end; return where it begins."""
        if self._end + n_new > 2 * self.capacity:
            for values in vars(self._all).values():
                values[: self.capacity] = values[self._end - self.capacity : self._end]
            self._end = self.capacity
        self._end += n_new
        self.stop += n_new
        return self._end - n_new


def _tail(column: Column, n_columns: int) -> Column:
    return Column(
        **{name: values[-n_columns:] for name, values in vars(column).items()}
    )
