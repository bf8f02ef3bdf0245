"""Flat binary: frames × channels, one sample type, optional byte header."""

# ruff: noqa: RUF012 -- DataFile makes the declared mappings read-only

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.datafile import DataFile
from circus_io.errors import FormatError, NotWritableError
from circus_io.indexing import select_channels

__all__ = ["RawBinaryFile"]

logger = logging.getLogger(__name__)

MOST_CHANNELS = 10_000  # of the channel counts that are proposed


class RawBinaryFile(DataFile):
    """Flat binary: frames × channels, one sample type, optional byte header.

    `data_offset` is the number of header bytes. A file that ends within a frame is read
    up to the last whole one, with a warning. Several ranks may write it.
    """

    description = "raw_binary"
    parallel_write = True
    is_writable = True
    _required_fields = {"data_dtype": str, "sampling_rate": float, "nb_channels": int}
    _default_values = {"dtype_offset": "auto", "data_offset": 0, "gain": 1.0}

    def _read_from_header(self) -> Mapping[str, Any]:
        self.data = None
        if Path(self.file_name).is_dir():
            raise FormatError(f"{self._short_name()} is a folder, not a binary file")
        n_bytes = Path(self.file_name).stat().st_size - self.data_offset
        if n_bytes < 0:
            raise FormatError(
                f"{self._short_name()} is shorter than its header of data_offset = "
                f"{self.data_offset} bytes"
            )
        n_frames, left_over = divmod(n_bytes, self._frame_bytes())
        if left_over:
            self._warn_of_rest(n_bytes, n_frames, left_over)
        self._shape = (n_frames, self.nb_channels)
        return {}

    def _open(self, mode: str = "r") -> None:
        # an empty file cannot be mapped
        self.data = np.zeros(self._shape, self._dtype()) if not self._shape[0] else None
        if self.data is None:
            self.data = np.memmap(
                self.file_name, self._dtype(), mode, self.data_offset, self._shape
            )

    def _close(self) -> None:
        self.data = None

    def _read_frames(
        self, t_start: int, t_stop: int, nodes: np.ndarray | None
    ) -> np.ndarray:
        return select_channels(np.asarray(self.data[t_start:t_stop]), nodes)

    def _write_frames(self, t_start: int, raw: np.ndarray) -> None:
        self.data[t_start : t_start + len(raw)] = raw

    def allocate(self, shape: Sequence[int], data_dtype: Any = None) -> None:
        """Create the file, filled with zero bytes; all ranks call this together.

        Parameters
        ----------
        shape : (int, int)
            Frames and channels.
        data_dtype : dtype_like, optional
            By default that of the parameters.

        Raises
        ------
        NotWritableError
            The recording was not made with ``is_empty=True``: it has content.

        Notes
        -----
        Rank 0 makes the file, in place of one of that name. Disk space is taken when
        frames are written, where the file system knows sparse files.
        """
        if not self.is_empty:
            raise NotWritableError(
                f"{self._short_name()} has content; make one with is_empty=True"
            )
        self.close()
        n_frames, n_channels = (int(n) for n in shape)
        given = {"nb_channels": n_channels, "data_dtype": data_dtype or self.data_dtype}
        self.params.update(given)
        self.params["dtype_offset"] = self._given.get("dtype_offset", "auto")
        self._resolve_dtype()
        if self.is_master:
            with Path(self.file_name).open("wb") as file:
                file.truncate(self.data_offset + n_frames * self._frame_bytes())
        self.comm.Barrier()
        self._shape = (n_frames, n_channels)
        self._update_table()

    def _dtype(self) -> np.dtype:
        return np.dtype(self.data_dtype)

    def _frame_bytes(self) -> int:
        return self.nb_channels * self._dtype().itemsize

    def _warn_of_rest(self, n_bytes: int, n_frames: int, left_over: int) -> None:
        n_samples, rest = divmod(n_bytes, self._dtype().itemsize)
        fitting = [] if rest else _divisors_near(n_samples, self.nb_channels)
        logger.warning(
            "%s: %d frames of %d channels of %s leave %d bytes over, which are not "
            "read. Either the file was cut off, or nb_channels, data_dtype or "
            "data_offset is wrong: %s",
            self._short_name(),
            n_frames,
            self.nb_channels,
            self.data_dtype,
            left_over,
            f"nb_channels = {', '.join(map(str, fitting))} would leave nothing over"
            if fitting
            else "no number of channels would leave nothing over",
        )


def _divisors_near(n_samples: int, wanted: int, most: int = 6) -> list[int]:
    """Return the channel counts nearest to `wanted` that divide `n_samples`."""
    candidates = np.arange(1, min(n_samples, MOST_CHANNELS) + 1)
    divisors = candidates[n_samples % candidates == 0]
    nearest = divisors[np.argsort(np.abs(divisors - wanted), kind="stable")][:most]
    return sorted(nearest.tolist())
