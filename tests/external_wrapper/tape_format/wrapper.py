"""Samples of a tape: channel after channel, unsigned, behind a header of 16 bytes."""

# ruff: noqa: RUF012 -- DataFile makes the declared mappings read-only

import struct
from pathlib import Path

import numpy as np

from circus_io import DataFile, FormatError
from circus_io.indexing import select_channels

HEADER = struct.Struct("<4sIQ")  # magic, channels, frames


class TapeFile(DataFile):
    """Tape: channels × frames, big-endian uint16, 0.5 µV per count."""

    description = "tape"
    extension = (".tape",)
    _required_fields = {"sampling_rate": float}
    _params = {"data_dtype": ">u2", "dtype_offset": "auto", "gain": 0.5}

    def _read_from_header(self):
        content = Path(self.file_name).read_bytes()[: HEADER.size]
        if len(content) < HEADER.size or not content.startswith(b"TAPE"):
            raise FormatError(f"{self.file_name} is no tape")
        _, n_channels, n_frames = HEADER.unpack(content)
        n_bytes = Path(self.file_name).stat().st_size - HEADER.size
        if n_bytes != 2 * n_channels * n_frames:
            raise FormatError(f"{self.file_name} was cut off")
        self._shape = (n_frames, n_channels)
        return {"nb_channels": n_channels}

    def _open(self, mode="r"):
        flat = np.fromfile(self.file_name, ">u2", offset=HEADER.size)
        self.data = flat.reshape(self.nb_channels, -1)

    def _close(self):
        self.data = None

    def _read_frames(self, t_start, t_stop, nodes):
        return select_channels(self.data[:, t_start:t_stop].T, nodes)
