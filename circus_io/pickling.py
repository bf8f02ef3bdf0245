"""Objects that travel between processes without their open files."""

import io
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

__all__ = ["PicklesWithoutHandles"]

ABSENT = object()


class PicklesWithoutHandles:
    """Base of recordings: what opening made is left out of a pickle.

    A class that came from a file (``./my_format.py:MyFile``) is pickled as that text,
    because another process cannot import it by name.
    """

    _handles: frozenset[str] = frozenset()

    @contextmanager
    def _noting_handles(self) -> Iterator[None]:
        """Note which attributes the block sets: those are the handles."""
        before = dict(self.__dict__)
        yield
        changed = {
            name
            for name, value in self.__dict__.items()
            if before.get(name, ABSENT) is not value
        }
        self._handles = self._handles | changed

    def __getstate__(self) -> dict[str, Any]:
        state = {
            name: None if name in self._handles or _is_handle(value) else value
            for name, value in self.__dict__.items()
        }
        state["_is_open"] = False
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __reduce__(self) -> tuple[Any, ...]:
        origin = getattr(type(self), "loaded_from", None) or type(self)
        return _restore, (origin,), self.__getstate__()


def _restore(origin: type | str) -> Any:
    if isinstance(origin, str):
        from circus_io.registry import get_format

        origin = get_format(origin)
    return origin.__new__(origin)


def _is_handle(value: Any) -> bool:
    """Tell whether a value is an open file, as a header reader may leave behind."""
    library = type(value).__module__.partition(".")[0]
    return isinstance(value, np.memmap | io.IOBase | mmap.mmap) or library == "h5py"
