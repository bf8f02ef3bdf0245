"""A recording that a library parses, opened in a process of its own first.

Compiled libraries may end the process on a damaged file, so that nobody is left to say
so. What is lost is then a copy of this process, and the user reads which file it was.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from circus_io.errors import FormatError
from circus_io.files.first_bytes import first_bytes
from circus_io.parallel import launched_size

if TYPE_CHECKING:
    from circus_io.datafile import DataFile

__all__ = ["open_with_care"]

HDF5 = b"\x89HDF\r\n\x1a\n"
LOOK_FRAMES = 100  # at both ends


def open_with_care(
    path: Path, file_format: str | None, open_it: Callable[[], DataFile]
) -> DataFile:
    """Return what `open_it` returns, unless that ends the process.

    Only where a compiled library parses the file, and where a process can be copied: on
    Linux, before MPI starts.

    Parameters
    ----------
    path : Path
        The recording, or its first file.
    file_format : str or None
        What it will be opened as, if that is known.
    open_it : callable

    Raises
    ------
    FormatError
        A copy of this process crashed.
    CircusError
        As `open_it`.
    """
    library, *others = _modules(path, file_format)
    if library and sys.platform == "linux" and launched_size() is None:
        for name in (library, *others):  # once for both processes
            with suppress(ImportError):
                importlib.import_module(name)
        number = _signal_that_ends(open_it)
        if number:
            raise FormatError(
                f"{library} crashes on {path} ({signal.Signals(number).name}), so that "
                "it is not opened: the file is damaged, or made by a version that the "
                f"library does not know; get another copy of it, or update {library}"
            )
    return open_it()


def _modules(path: Path, file_format: str | None) -> list[str]:
    """Return the compiled library that parses a file, or "", and what else does."""
    from circus_io.files.neo_bridge.catalogue import CATALOGUE, find_format

    row = CATALOGUE.get(file_format) if file_format else find_format(path)
    library = row.library if row else ""
    if first_bytes(path, len(HDF5)) == HDF5:
        library = "h5py"
    return [library, *(["neo.rawio"] if row else [])]


def _signal_that_ends(open_it: Callable[[], DataFile]) -> int:
    """Return the signal that ends a process which opens and reads; 0 if none does."""
    process = os.fork()
    if not process:
        _open_here(open_it)
    return -min(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), 0)


def _open_here(open_it: Callable[[], DataFile]) -> NoReturn:
    """Open and read a little without a word: all of that comes again."""
    import resource

    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        logging.disable()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        with open_it() as recording:
            last = recording.streams[-1]
            recording.streams[0].read_chunk(0, LOOK_FRAMES)
            n_before = max(len(last) - LOOK_FRAMES, 0)
            last.read_chunk(0, LOOK_FRAMES, (n_before, n_before))
    finally:
        os._exit(0)
