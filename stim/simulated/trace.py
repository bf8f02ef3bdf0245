"""`OutputTrace`: what has left a simulated device, change by change.

A trace may be written to a file while it grows. Each change is in the file before the
call that made it returns, so nothing is lost when a process is killed.
"""

import os
from pathlib import Path

import numpy as np

__all__ = ["RECORD", "OutputTrace", "read_trace"]

RECORD = np.dtype([("time_ns", "<i8"), ("output", "<i4"), ("level", "<i4")])


class OutputTrace:
    """Times and levels of every output; 0 before the first.

    Parameters
    ----------
    n_outputs : int
        Channels, and after them sync-outs.
    path : path, optional
        Of a file that gets every change.
    """

    def __init__(self, n_outputs: int, path: str | Path | None = None) -> None:
        self.levels = [0] * n_outputs
        self._changes: list[list[np.ndarray]] = [[] for _ in range(n_outputs)]
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        self._file = None if path is None else os.open(path, flags, 0o644)

    def add(self, output: int, times_ns: np.ndarray, levels: np.ndarray) -> None:
        """Note that an output has, from each time on, a level.

        Parameters
        ----------
        output : int
        times_ns : int64 array, shape (n,)
            Not before those that are there.
        levels : int64 array, shape (n,)
            nA or µV; those that change nothing are left out.
        """
        before = np.empty_like(levels)
        before[0], before[1:] = self.levels[output], levels[:-1]
        changed = np.flatnonzero(levels != before)
        if not changed.size:
            return
        records = np.empty(changed.size, RECORD)
        records["time_ns"], records["output"] = times_ns[changed], output
        records["level"] = levels[changed]
        self.levels[output] = int(levels[-1])
        self._changes[output].append(records)
        if self._file is not None:
            os.write(self._file, records.tobytes())

    def set(self, output: int, time_ns: int, level: int) -> None:
        """Note one change."""
        if level != self.levels[output]:
            self.add(output, np.array([time_ns]), np.array([level]))

    def changes(self, output: int) -> tuple[np.ndarray, np.ndarray]:
        """Return times (int64, ns) and levels (int64, nA or µV) of an output."""
        records = np.concatenate([np.empty(0, RECORD), *self._changes[output]])
        return records["time_ns"].astype(np.int64), records["level"].astype(np.int64)

    def at(self, output: int, times_ns: np.ndarray) -> np.ndarray:
        """Return the levels of an output at some times, nA or µV."""
        return _levels_at(*self.changes(output), np.asarray(times_ns))

    def clear(self) -> None:
        """Forget what was; levels stay."""
        self._changes = [[] for _ in self._changes]

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def read_trace(path: str | Path) -> np.ndarray:
    """Return the changes in a file, as an array of `RECORD`, in the order of writing.

    A process that was killed may have cut the last one; it is left out.
    """
    data = Path(path).read_bytes()
    n_whole = len(data) // RECORD.itemsize
    return np.frombuffer(data, RECORD, n_whole)


def _levels_at(
    times_ns: np.ndarray, levels: np.ndarray, asked_ns: np.ndarray
) -> np.ndarray:
    index = np.searchsorted(times_ns, asked_ns, side="right")
    return np.r_[0, levels][index]
