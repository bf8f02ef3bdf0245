"""`MCSHDF5File`: HDF5 of the Multi Channel DataManager as a recording."""

# ruff: noqa: RUF012 -- DataFile makes the declared mappings read-only

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from circus_io.datafile import DataFile
from circus_io.events import Events
from circus_io.files.hdf5_access import (
    SharedHDF5,
    hdf5_failures,
    open_hdf5,
    read_rows,
    root_attribute,
)
from circus_io.files.mcs_hdf5.events import read_events
from circus_io.files.mcs_hdf5.layout import (
    AnalogStream,
    Span,
    read_metadata,
    read_streams,
)
from circus_io.streams import follow_each_other, numbered_run

__all__ = ["MCSHDF5File"]


class MCSHDF5File(DataFile):
    """HDF5 of Multi Channel Systems (DataManager, MEAME), electrodes by default.

    `stream` is the number, the name (``Stream_1``) or the label of an analog stream;
    ``auto`` takes the electrodes, as they were sampled if the file holds them filtered
    as well. `recording_number` is ``auto`` for all recordings of the file. Where one
    begins, and after each gap, a stream begins.
    """

    description = "mcs_hdf5"
    extension = (".h5", ".hdf5")
    is_streamable = ("multi-files", "single-file")
    _default_values = {"stream": "auto", "recording_number": "auto"}

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Tell by the vendor's name of its protocol, an attribute of the root."""
        return root_attribute(path, "McsHdf5ProtocolType") == "RawData"

    def _read_from_header(self) -> Mapping[str, Any]:
        self.data = None
        with open_hdf5(self.file_name) as file, hdf5_failures(self._short_name()):
            streams = read_streams(
                file, self.params["recording_number"], self.params["stream"]
            )
            self._file_metadata = read_metadata(file)
        self._shared = SharedHDF5(
            self.file_name, rdcc_nbytes=max(one.cache_bytes for one in streams)
        )
        self._parts = [(one, span) for one in streams for span in one.spans]
        if len(self._parts) > 1 and not self.is_stream:
            # chunks must not cross gaps, whether or not the user knows of any
            self.stream_mode, self.is_stream = "single-file", True
        return self._become(*self._parts[0])

    def _become(self, analog: AnalogStream, span: Span) -> Mapping[str, Any]:
        """Be one span of one stream; return its parameters."""
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

    def set_streams(self, stream_mode: str) -> list[DataFile]:
        """Return the parts between gaps, of this file or of all ``multi-files``."""
        if stream_mode != "multi-files":
            parts = [self._part(*part) for part in self._parts]
            follow_each_other(parts)
            return parts
        paths = self._paths or numbered_run(self.file_name)
        files = [type(self)(path, dict(self._given)) for path in paths]
        return _one_after_another(files)

    def _part(self, analog: AnalogStream, span: Span) -> Self:
        """Return a recording of one part; the header is not read again."""
        part = copy.copy(self)
        part.stream_mode, part.is_stream = None, False
        part._parts, part._sources = [(analog, span)], []
        part.params = part._params = dict(self.params)
        part._fill_from_header(part._become(analog, span))
        return part

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

    def read_events(self) -> dict[str, Events]:
        """Return events, spike times and cutouts by the label of their stream.

        Raises
        ------
        FormatError
            One of them is not what the layout says.
        """
        with open_hdf5(self.file_name) as file, hdf5_failures(self._short_name()):
            return read_events(file, self.params["recording_number"])


def _one_after_another(files: list[MCSHDF5File]) -> list[DataFile]:
    """Return the parts of all files; where the clock starts again, one follows."""
    parts: list[DataFile] = []
    for file in files:
        behind = parts[-1].t_stop - file.t_start if parts else 0
        for part in file.streams:
            part._t_start = part.t_start + max(behind, 0)
            part._update_table()
        parts += file.streams
    return parts
