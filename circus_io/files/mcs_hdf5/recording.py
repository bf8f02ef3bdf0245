"""`MCSHDF5File`: HDF5 of the Multi Channel DataManager as a recording."""

# ruff: noqa: RUF012 -- DataFile makes the declared mappings read-only

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.errors import FormatError, StreamError
from circus_io.events import Events
from circus_io.files.hdf5_access import (
    SharedHDF5,
    hdf5_failures,
    open_hdf5,
    read_rows,
    root_attribute,
)
from circus_io.files.mcs_hdf5.events import read_events
from circus_io.files.mcs_hdf5.journal import has_writer, warn_if_left
from circus_io.files.mcs_hdf5.layout import (
    AnalogStream,
    read_metadata,
    read_streams,
)
from circus_io.files.parted import PartedFile, Span
from circus_io.files.superblock import is_marked
from circus_io.growing import GrowingFile

__all__ = ["MCSHDF5File"]

TRIES = 4


class MCSHDF5File(PartedFile, GrowingFile):
    """HDF5 of Multi Channel Systems (DataManager, MEAME), electrodes by default.

    `stream` is the number, the name (``Stream_1``) or the label of an analog stream;
    ``auto`` takes the electrodes, as they were sampled if the file holds them filtered
    as well. `recording_number` is ``auto`` for all recordings of the file. Where one
    begins, and after each gap, a stream begins. While it is recorded, `follow` gives
    its chunks as they become complete.
    """

    description = "mcs_hdf5"
    extension = (".h5", ".hdf5")
    _default_values = {"stream": "auto", "recording_number": "auto"}

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Tell by the vendor's name of its protocol, an attribute of the root."""
        return root_attribute(path, "McsHdf5ProtocolType") == "RawData"

    def _read_from_header(self) -> Mapping[str, Any]:
        self.data = None
        warn_if_left(self.file_name)
        streams = self._read_growing()
        self._shared = SharedHDF5(
            self.file_name, rdcc_nbytes=max(one.cache_bytes for one in streams)
        )
        return self._divide([(one, span) for one in streams for span in one.spans])

    def _read_growing(self) -> list[AnalogStream]:
        """Read the header; again if a writer has changed the file meanwhile."""
        for n_tries_left in reversed(range(TRIES)):
            try:
                with (
                    open_hdf5(self.file_name) as file,
                    hdf5_failures(self._short_name()),
                ):
                    self._file_metadata = read_metadata(file)
                    return read_streams(
                        file, self.params["recording_number"], self.params["stream"]
                    )
            except FormatError:
                if not n_tries_left or not is_marked(self.file_name):
                    raise
                time.sleep(0.01 * 2 ** (TRIES - n_tries_left))
        raise AssertionError  # the last try returns or raises

    def _become(self, part: tuple[AnalogStream, Span]) -> Mapping[str, Any]:
        """Be one span of one stream; return its parameters."""
        analog, span = part
        self._analog, self._first = analog, span.first
        self._shape = (span.stop - span.first, len(analog.labels))
        # a clock that starts at 0 says nothing: the file may follow another one
        self._t_start = span.t_start or None
        self._channel_labels = analog.labels
        self._metadata = {**self._file_metadata, **analog.metadata}
        same_gain = np.all(analog.gain == analog.gain[0])
        self._same_zero = bool(np.all(analog.zeros == analog.zeros[0]))
        return {
            "nb_channels": len(analog.labels),
            "sampling_rate": analog.sampling_rate,
            "data_dtype": analog.data_dtype,
            "gain": float(analog.gain[0]) if same_gain else analog.gain,
            "dtype_offset": int(analog.zeros[0]) if self._same_zero else 0,
        }

    def _open(self, mode: str = "r") -> None:
        file = self._shared.acquire(mode)
        self.data = file[self._analog.key]["ChannelData"]

    def _close(self) -> None:
        self.data = None
        self._shared.release()

    def _read_frames(
        self, t_start: int, t_stop: int, nodes: np.ndarray | None
    ) -> np.ndarray:
        rows, zeros = self._analog.rows, self._analog.zeros
        if nodes is not None:
            rows, zeros = rows[nodes], zeros[nodes]
        with hdf5_failures(self._short_name()):
            block = read_rows(
                self.data, rows, self._first + t_start, self._first + t_stop
            )
        # one offset for all is the scaling's; a difference of int32 needs more bits
        return block.T if self._same_zero else block.T - zeros

    # -------------------------------------------------------------------------- growing

    def refresh(self) -> int:
        """Look how long the file is now; see `GrowingFile`."""
        if self.stream_mode == "multi-files":
            raise StreamError("one file may grow while it is read, not several")
        self.close()
        self._fill_from_header(self._read_from_header())
        self._sources = self._make_sources() if self.is_stream else []
        self._update_table()
        return self.duration

    @property
    def is_growing(self) -> bool | None:
        """Whether its writer is at work; one without a journal may be dead."""
        return has_writer(self.file_name) if is_marked(self.file_name) else False

    def read_events(self) -> dict[str, Events]:
        """Return events, spike times and cutouts by the label of their stream.

        Raises
        ------
        FormatError
            One of them is not what the layout says.
        """
        if self.stream_mode == "multi-files":
            return super().read_events()
        with open_hdf5(self.file_name) as file, hdf5_failures(self._short_name()):
            return read_events(file, self.params["recording_number"])
