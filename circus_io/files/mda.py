"""MDA, the array format of MountainLab: channels × frames, memory-mapped.

Little-endian, as MountainLab's description of the format says::

    0   int32     type of the samples, a negative code
    4   int32     bytes of a sample
    8   int32     number of dimensions; negative: they are int64 instead of int32
    12  dimensions: channels, frames
        samples, column after column: frame after frame
"""

# ruff: noqa: RUF012 -- DataFile makes the declared mappings read-only

import logging
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.datafile import DataFile
from circus_io.errors import FormatError
from circus_io.files.first_bytes import first_bytes
from circus_io.indexing import select_channels

__all__ = ["MDAFile"]

logger = logging.getLogger(__name__)

TYPES = {-2: "|u1", -3: "<f4", -4: "<i2", -5: "<i4", -6: "<u2", -7: "<f8", -8: "<u4"}
MOST_DIMENSIONS = 50
MOST_CHANNELS = 2**20


@dataclass(frozen=True)
class Header:
    """What an MDA file says of its array.

    Attributes
    ----------
    n_bytes : int
        Length of the header.
    data_dtype : str
    n_channels, n_frames : int
    """

    n_bytes: int
    data_dtype: str
    n_channels: int
    n_frames: int


class MDAFile(DataFile):
    """MDA of MountainLab: channels × frames, memory-mapped.

    A file that was cut off is read up to its last whole frame, with a warning. Several
    ranks may write it.
    """

    description = "mda"
    extension = (".mda",)
    parallel_write = True
    is_writable = True
    _required_fields = {"sampling_rate": float}
    _default_values = {"dtype_offset": "auto", "gain": 1.0}

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Tell by the code of a sample type beside its size."""
        head = first_bytes(path, 8)
        if len(head) < 8:
            return False
        code, n_bytes = struct.unpack("<2i", head)
        return code in TYPES and np.dtype(TYPES[code]).itemsize == n_bytes

    def _read_from_header(self) -> Mapping[str, Any]:
        self.data = None
        header = _read_header(Path(self.file_name), self._short_name())
        n_frames = self._whole_frames(header)
        self._header_bytes, self._dtype = header.n_bytes, np.dtype(header.data_dtype)
        self._shape = (n_frames, header.n_channels)
        return {"nb_channels": header.n_channels, "data_dtype": header.data_dtype}

    def _whole_frames(self, header: Header) -> int:
        n_bytes = Path(self.file_name).stat().st_size - header.n_bytes
        frame_bytes = header.n_channels * np.dtype(header.data_dtype).itemsize
        n_frames = min(header.n_frames, max(n_bytes, 0) // frame_bytes)
        if n_frames == 0 < header.n_frames:
            raise FormatError(
                f"{self._short_name()} was cut off before the end of its first frame, "
                f"of {header.n_channels} channels"
            )
        if n_frames < header.n_frames:
            logger.warning(
                "%s was cut off: of the %d frames that its header says, %d are read",
                self._short_name(),
                header.n_frames,
                n_frames,
            )
        return n_frames

    def _open(self, mode: str = "r") -> None:
        if self._shape[0] == 0:  # an empty file cannot be mapped
            self.data = np.zeros(self._shape, self._dtype)
        else:
            self.data = np.memmap(
                self.file_name, self._dtype, mode, self._header_bytes, self._shape
            )

    def _close(self) -> None:
        self.data = None

    def _read_frames(
        self, t_start: int, t_stop: int, nodes: np.ndarray | None
    ) -> np.ndarray:
        return select_channels(np.asarray(self.data[t_start:t_stop]), nodes)

    def _write_frames(self, t_start: int, raw: np.ndarray) -> None:
        self.data[t_start : t_start + len(raw)] = raw


def _read_header(path: Path, name: str) -> Header:
    """Return the header of an MDA file.

    Raises
    ------
    FormatError
        It is none, or that of another array than channels × frames.
    """
    with path.open("rb") as file:
        block = file.read(12 + 8 * MOST_DIMENSIONS)
    try:
        code, itemsize, n_dimensions = struct.unpack_from("<3i", block)
        form, size = ("q", 8) if n_dimensions < 0 else ("i", 4)
        n_dimensions = min(abs(n_dimensions), MOST_DIMENSIONS + 1)
        dimensions = struct.unpack_from(f"<{n_dimensions}{form}", block, 12)
    except struct.error:
        raise FormatError(f"{name} is no MDA file: its header is cut off") from None
    if code not in TYPES or np.dtype(TYPES[code]).itemsize != itemsize:
        raise FormatError(
            f"{name} is no MDA file of real numbers: it says type {code} of {itemsize} "
            f"bytes; expected one of {', '.join(map(str, TYPES))}"
        )
    if len(dimensions) < 2 or set(dimensions[2:]) - {1} or min(dimensions) < 0:
        raise FormatError(
            f"{name} holds an array of {' × '.join(map(str, dimensions))}; expected "
            "channels × frames"
        )
    if not 1 <= dimensions[0] <= MOST_CHANNELS:
        raise FormatError(
            f"{name} says that it has {dimensions[0]} channels; expected 1 to "
            f"{MOST_CHANNELS}"
        )
    return Header(12 + size * n_dimensions, TYPES[code], *dimensions[:2])
