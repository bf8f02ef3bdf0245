"""`SharedBytes`: memory that processes share, and that has no name."""

import mmap
import os
import tempfile
from multiprocessing import reduction
from pathlib import Path
from typing import Any

__all__ = ["SharedBytes"]


class SharedBytes:
    """Zeroed memory shared by the processes that this object is handed to.

    It has no name in any file system, so there is nothing to remove: the system frees
    it when the last process that maps it has ended, in whatever way.

    Parameters
    ----------
    n_bytes : int

    Raises
    ------
    OSError
        There is not so much memory.
    """

    def __init__(self, n_bytes: int) -> None:
        self._map(_nameless_file(), n_bytes)

    def _map(self, handle: int, n_bytes: int) -> None:
        self.handle = handle
        self.n_bytes = n_bytes
        os.ftruncate(handle, n_bytes)
        self.buffer = mmap.mmap(handle, n_bytes)

    def close(self) -> None:
        """Let go of the memory; views of it keep it until they are gone."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"handle": reduction.DupFd(self.handle), "n_bytes": self.n_bytes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._map(state["handle"].detach(), state["n_bytes"])


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("circus_live")
    handle, path = tempfile.mkstemp(prefix="circus_live-")
    Path(path).unlink()
    return handle
