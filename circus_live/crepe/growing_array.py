"""`GrowingArray`: columns are added to it, and it has room for them."""

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["GrowingArray"]

FIRST_CAPACITY = 100


class GrowingArray:
    """Rows of growing length, at most `max` columns.

    Parameters
    ----------
    rows : int
    max : int, optional
        The newest columns that are kept; older ones are let go. None keeps all.
    dtype : numpy type
    """

    def __init__(self, rows: int, max: int | None = None, dtype: str = "f8") -> None:
        self.rows, self.max = rows, max
        self._columns = np.empty((rows, FIRST_CAPACITY), dtype)
        self._start = self._stop = 0

    @property
    def data(self) -> np.ndarray:
        """A view of what is kept, (rows, n_columns)."""
        return self._columns[:, self._start : self._stop]

    @property
    def capacity(self) -> int:
        """Columns for which there is memory."""
        return self._columns.shape[1]

    def __len__(self) -> int:
        """Return the number of columns."""
        return self._stop - self._start

    def add(self, columns: ArrayLike) -> None:
        """Append columns (rows, n), or one of them (rows,).

        Raises
        ------
        ValueError
            They have another number of rows.
        """
        added = np.asarray(columns)
        added = added[:, None] if added.ndim == 1 else added
        if added.ndim != 2 or len(added) != self.rows:
            raise ValueError(f"columns of shape {added.shape} for {self.rows} rows")
        if self.max is not None:
            added = added[:, max(0, added.shape[1] - self.max) :]
        if self._stop + added.shape[1] > self.capacity:
            self.grow(added.shape[1])
        self._columns[:, self._stop : self._stop + added.shape[1]] = added
        self._stop += added.shape[1]
        if self.max is not None and len(self) > self.max:
            self._start = self._stop - self.max

    def grow(self, n_columns: int = 1) -> None:
        """Make room for more: in what has been let go, or in four times as much."""
        kept = self.data
        needed = kept.shape[1] + n_columns
        capacity = self.capacity
        if self._start < n_columns or 2 * kept.shape[1] > capacity:
            capacity = max(4 * kept.shape[1], 2 * needed)
        columns = np.empty((self.rows, capacity), self._columns.dtype)
        columns[:, : kept.shape[1]] = kept
        self._columns, self._start, self._stop = columns, 0, kept.shape[1]
