"""What is done around the hooks of a wrapper: its failures get a name."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import numpy as np

from circus_io import indexing
from circus_io.chunks import Padding
from circus_io.errors import (
    CircusError,
    FormatError,
    NotWritableError,
    RecordingNotFoundError,
)
from circus_io.indexing import Nodes

__all__ = ["check_shape", "checked_read", "guarded_write", "named_failures"]


@contextmanager
def named_failures(wrapper: Any, hook: str, mode: str = "r") -> Iterator[None]:
    """Say which hook of which class ended the program, or could not reach its file.

    Parameters
    ----------
    wrapper : DataFile
        Whose hook runs inside of ``with``.
    hook : str
        Its name.
    mode : {'r', 'r+'}
        What the file is opened for.

    Raises
    ------
    FormatError
        The hook called ``sys.exit``, or the operating system refused to read.
    NotWritableError
        It refused to write.
    RecordingNotFoundError
        A file is gone.
    """
    where = f"{type(wrapper).__name__}.{hook}"
    try:
        yield
    except SystemExit as error:
        raise FormatError(
            f"{where} called sys.exit({error.code!r}) on {wrapper.file_name}; a "
            "wrapper raises an error instead"
        ) from error
    except CircusError:
        raise
    except FileNotFoundError as error:
        raise RecordingNotFoundError(
            f"{where}: there is no file {error.filename or wrapper.file_name}"
        ) from error
    except BlockingIOError as error:
        raise FormatError(
            f"{wrapper.file_name} is locked: another program has it open for writing; "
            "close it there, or read a copy"
        ) from error
    except OSError as error:
        reason = error.strerror or error
        if mode == "r":
            raise FormatError(
                f"{where} cannot read {wrapper.file_name}: {reason}; check who may "
                "read it, and that the disk is there"
            ) from error
        raise NotWritableError(
            f"{where} cannot write {wrapper.file_name}: {reason}; change who may write "
            "it, or open it with mode r"
        ) from error


def check_shape(
    wrapper: Any, hook: str, traces: Any, n_frames: int, nodes: Sequence[int] | None
) -> None:
    """Refuse an array of another shape than a hook was asked for.

    Raises
    ------
    FormatError
        Names class and hook.
    """
    expected = (n_frames, wrapper.nb_channels if nodes is None else len(nodes))
    if np.shape(traces) != expected:
        raise FormatError(
            f"{type(wrapper).__name__}.{hook} returned shape {np.shape(traces)} where "
            f"{expected} was asked for, frames first"
        )


def checked_read(read_chunk: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Return a `read_chunk` that opens the file, and keeps a gain with its channel.

    The documented `_scale_data_to_float32` is not told which channels were read.
    """

    @wraps(read_chunk)
    def checked(
        self: Any,
        idx: int,
        chunk_size: int,
        padding: Padding = (0, 0),
        nodes: Nodes | None = None,
    ) -> np.ndarray:
        self._single_source()
        self._make_ready()
        indexing.check_nodes(nodes, self.nb_channels)
        outer = self._nodes_read
        self._nodes_read = nodes = indexing.comparable(nodes)
        try:
            with named_failures(self, "read_chunk"):
                traces = read_chunk(self, idx, chunk_size, padding, nodes)
        finally:
            self._nodes_read = outer
        t_start, t_stop = self._get_t_start_t_stop(idx, chunk_size, padding)
        check_shape(self, "read_chunk", traces, t_stop - t_start, nodes)
        return traces

    return checked


def guarded_write(write_chunk: Callable[..., None]) -> Callable[..., None]:
    """Wrap the `write_chunk` of a subclass: its failures get a name."""

    @wraps(write_chunk)
    def guarded(self: Any, time: int, data: np.ndarray) -> None:
        with named_failures(self, "write_chunk", "r+"):
            write_chunk(self, time, data)

    return guarded
