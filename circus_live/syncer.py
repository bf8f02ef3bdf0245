"""`Syncer`: sees a growing file on the disk, without who writes it having to wait."""

import os
import threading
from pathlib import Path

from circus_io.errors import NotWritableError

__all__ = ["Syncer"]


class Syncer(threading.Thread):
    """A thread that flushes a file to the disk again and again.

    A disk that is busy takes seconds for it, longer than a ring holds. The thread waits
    in the system, where it keeps nobody else from working.

    Parameters
    ----------
    path : Path
        A file that another thread writes, and hands to the system by itself.
    every_s : float
        Pause between two times, s.
    """

    def __init__(self, path: Path, every_s: float) -> None:
        super().__init__(daemon=True, name=f"syncer of {path.name}")
        self._path, self._every_s = path, every_s
        self._is_done = threading.Event()
        self._error: OSError | None = None
        self.n_times = 0

    def run(self) -> None:
        """Flush, until the disk refuses or `close` is called."""
        while not self._is_done.wait(self._every_s):
            try:
                handle = os.open(self._path, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
            except OSError as error:
                self._error = error
                return
            self.n_times += 1

    def check(self) -> None:
        """Raise `NotWritableError` if the disk has refused."""
        if self._error is not None:
            raise NotWritableError(
                f"cannot write {self._path.name}: {self._error}"
            ) from self._error

    def close(self) -> None:
        """Stop, when the flush that is under way is done."""
        self._is_done.set()
        self.join()
