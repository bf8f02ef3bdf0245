"""`PinnedArrays`: arrays of .NET that numpy writes into.

Making an array of .NET from a list takes 0.2 µs per sample; copying into the memory of
one that is there takes 0.2 µs in all. .NET arrays know their length, so there is one
for each length that is in use; they are pinned, that is, never moved by its collector.
"""

import weakref
from collections import OrderedDict
from ctypes import c_byte
from typing import Any

import numpy as np

from circus_io.errors import DeviceRefusedError
from stim.mcs.runtime import is_over

__all__ = ["PinnedArrays", "array_of_net", "net_array"]

MAX_LENGTHS = 128


class PinnedArrays:
    """Arrays of one type, one for each length; for one thread at a time.

    Parameters
    ----------
    dtype : numpy dtype
        int16 or uint16, among others.
    """

    def __init__(self, dtype: Any) -> None:
        self._dtype = np.dtype(dtype)
        self._arrays: OrderedDict[int, tuple[Any, Any, np.ndarray]] = OrderedDict()
        # not earlier: freed while a thread writes, the memory would be somebody else's
        weakref.finalize(self, _free, self._arrays).atexit = False

    def filled(self, values: np.ndarray) -> Any:
        """Return an array of .NET with these values, valid until the next call.

        Raises
        ------
        TypeError
            They are of another type.
        """
        if values.dtype != self._dtype or values.ndim != 1:
            raise TypeError(
                f"words are {values.dtype} {values.shape}, not {self._dtype} (n,)"
            )
        entry = self._arrays.get(values.size)
        if entry is None:
            entry = self._add(values.size)
        array, _, view = entry
        view[:] = values
        return array

    def _add(self, n: int) -> tuple[Any, Any, np.ndarray]:
        if len(self._arrays) == MAX_LENGTHS:
            _, (_, handle, _) = self._arrays.popitem(last=False)
            handle.Free()
        array = _empty(self._dtype, n)
        handle, view = _pin(array, self._dtype, n)
        self._arrays[n] = array, handle, view
        return self._arrays[n]


def _free(arrays: dict[int, tuple[Any, Any, np.ndarray]]) -> None:
    while arrays and not is_over():
        _, (_, handle, _) = arrays.popitem()
        handle.Free()


def net_array(values: Any, dtype: Any) -> Any:
    """Return a new array of .NET with integers, copied.

    Raises
    ------
    DeviceRefusedError
        One of them does not fit into `dtype`.
    """
    dtype = np.dtype(dtype)
    exact = [int(value) for value in values]
    limits = np.iinfo(dtype)
    if exact and not limits.min <= min(exact) <= max(exact) <= limits.max:
        raise DeviceRefusedError(f"{min(exact)} to {max(exact)}: not all are {dtype}")
    array = _empty(dtype, len(exact))
    if exact:
        handle, view = _pin(array, dtype, len(exact))
        view[:] = exact
        handle.Free()
    return array


def array_of_net(array: Any, dtype: Any) -> np.ndarray:
    """Return a copy of an array of .NET."""
    if not array.Length:
        return np.empty(0, dtype)
    handle, view = _pin(array, np.dtype(dtype), array.Length)
    copy = view.copy()
    handle.Free()
    return copy


def _empty(dtype: np.dtype, n: int) -> Any:
    import System

    kind = f"{'U' if dtype.kind == 'u' else ''}Int{8 * dtype.itemsize}"
    return System.Array.CreateInstance(getattr(System, kind), n)


def _pin(array: Any, dtype: np.dtype, n: int) -> tuple[Any, np.ndarray]:
    from System.Runtime.InteropServices import GCHandle, GCHandleType

    handle = GCHandle.Alloc(array, GCHandleType.Pinned)
    address = handle.AddrOfPinnedObject().ToInt64()
    memory = (c_byte * (n * dtype.itemsize)).from_address(address)
    return handle, np.frombuffer(memory, dtype)
