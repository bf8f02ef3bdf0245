"""Recordings of the toolkit for SpikeInterface, and the other way round.

::

    from circus_io.spikeinterface import as_datafile, read_circus

    recording = read_circus("rec.mcd")          # a BaseRecording
    source = as_datafile(recording)             # a DataFile
"""

import os
import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np

from circus_io.datafile import DataFile
from circus_io.errors import MissingDependencyError
from circus_io.files.neo_bridge.neo_file import NeoFile
from circus_io.files.raw_binary import RawBinaryFile
from circus_io.files.spikeinterface_file import SpikeInterfaceFile
from circus_io.opening import open_recording
from circus_io.streams import PathLike, absolute

try:
    from spikeinterface.core import BaseRecording, BaseRecordingSegment
except ImportError as error:
    raise MissingDependencyError(
        f"spikeinterface cannot be imported ({error}); install it with: pip install "
        "'circus-toolkit[spikeinterface]'"
    ) from error

__all__ = ["CircusRecording", "as_datafile", "read_circus"]


class CircusRecording(BaseRecording):
    """A recording that the toolkit opens, for SpikeInterface.

    Samples are those of the file, with the gain and offset of each channel in µV;
    formats that give nothing but µV are float32. A stream is a segment, at its time.

    Parameters
    ----------
    file_path : path, pattern, or sequence of paths
    file_format, stream_mode : str, optional
    params : mapping, optional
        As in `circus_io.open_recording`.
    """

    def __init__(
        self,
        file_path: PathLike | Sequence[PathLike],
        file_format: str | None = None,
        stream_mode: str | None = None,
        params: dict[str, Any] | None = None,
    ) -> None:
        source = open_recording(file_path, file_format, stream_mode, **(params or {}))
        is_raw = _gives_samples(source)
        dtype = np.dtype(source.data_dtype if is_raw else np.float32)
        super().__init__(source.sampling_rate, list(source.channel_labels), dtype)
        gains, zeros = source.channel_scale if is_raw else (np.ones(1), np.zeros(1))
        self.set_channel_gains(np.broadcast_to(gains, source.nb_channels).copy())
        offsets = -np.asarray(zeros) * gains + 0.0
        self.set_channel_offsets(np.broadcast_to(offsets, source.nb_channels).copy())
        if source.channel_positions is not None:
            self.set_dummy_probe_from_locations(source.channel_positions[:, :2])
        # SpikeInterface saves segments of which all or none know when they start
        is_timed = source.nb_streams > 1 or source.t_start != 0
        for stream in source.streams:
            self.add_recording_segment(CircusSegment(stream, is_raw, is_timed))
        self.extra_requirements.append("circus-toolkit")
        self._layouts = [_flat_layout(stream) for stream in source.streams]
        self._kwargs = {
            "file_path": _as_text(file_path),
            "file_format": file_format,
            "stream_mode": stream_mode,
            "params": {name: _plain(value) for name, value in (params or {}).items()},
        }

    def is_binary_compatible(self) -> bool:
        """Tell whether all streams lie flat in files of one layout."""
        alike = {layout[1:] for layout in self._layouts if layout is not None}
        return len(alike) == 1 and None not in self._layouts

    def get_binary_description(self) -> dict[str, Any]:
        """Return where the samples lie, so that nobody has to copy them."""
        _, dtype, offset = self._layouts[0]
        return {
            "file_paths": [layout[0] for layout in self._layouts],
            "num_chan": self.get_num_channels(),
            "dtype": dtype,
            "time_axis": 0,
            "file_offset": offset,
        }


class CircusSegment(BaseRecordingSegment):
    """A stream of a recording, opened anew in each process.

    Parameters
    ----------
    source : DataFile
        A single stream.
    is_raw : bool
        Give the samples of the file; else µV.
    is_timed : bool
        Say when it starts, even if that is at 0.
    """

    def __init__(self, source: DataFile, is_raw: bool, is_timed: bool) -> None:
        t_start_s = source.t_start / source.sampling_rate
        super().__init__(
            sampling_frequency=source.sampling_rate,
            t_start=t_start_s if is_timed else None,
        )
        self._source = source
        self._is_raw = is_raw
        self._process = os.getpid()

    def get_num_samples(self) -> int:
        """Return the number of frames."""
        return int(self._source.duration)

    def get_traces(
        self,
        start_frame: int | None = None,
        end_frame: int | None = None,
        channel_indices: Any = None,
    ) -> np.ndarray:
        """Return samples (n_frames, n_channels); SpikeInterface's own contract."""
        source = self._source_here()
        start, stop, _ = slice(start_frame, end_frame).indices(source.duration)
        nodes = np.arange(source.nb_channels)
        nodes = nodes if channel_indices is None else nodes[channel_indices]
        if not self._is_raw:
            offset = source.t_start
            return source[offset + start : offset + max(start, stop), nodes.tolist()]
        source._make_ready()
        return np.asarray(source._read_frames(start, max(start, stop), nodes))

    def _source_here(self) -> DataFile:
        """Return the source; in a forked process one with files of its own."""
        if self._process != os.getpid():
            self._source = pickle.loads(pickle.dumps(self._source))
            self._process = os.getpid()
        return self._source


def read_circus(
    file_path: PathLike | Sequence[PathLike],
    file_format: str | None = None,
    stream_mode: str | None = None,
    **params: Any,
) -> CircusRecording:
    """Open what the toolkit reads as a recording of SpikeInterface.

    Parameters
    ----------
    file_path, file_format, stream_mode, **params
        As in `circus_io.open_recording`.

    Returns
    -------
    CircusRecording
        It saves, pickles and runs in SpikeInterface's parallel jobs: its worker
        processes open the file by the same parameters.

    Raises
    ------
    CircusError
        As `open_recording`.
    """
    return CircusRecording(file_path, file_format, stream_mode, params)


def as_datafile(recording: BaseRecording, segment: int | None = None) -> DataFile:
    """Return any recording of SpikeInterface as a recording of the toolkit.

    Parameters
    ----------
    recording : BaseRecording
    segment : int, optional
        By default, all segments are streams.

    Raises
    ------
    FormatError
        There is no such segment.
    """
    chosen = {} if segment is None else {"segment": str(segment)}
    return SpikeInterfaceFile(recording, chosen)


def _gives_samples(source: DataFile) -> bool:
    """Tell whether the format reads samples as stored, and leaves scaling to us."""
    return all(
        type(stream).read_chunk is DataFile.read_chunk for stream in source.streams
    )


def _flat_layout(source: DataFile) -> tuple[str, str, int] | None:
    """Return path, type and offset of samples that lie flat, frame after frame."""
    if isinstance(source, RawBinaryFile):
        return source.file_name, np.dtype(source.data_dtype).str, source.data_offset
    if isinstance(source, NeoFile):
        return source.flat_layout
    return None


def _as_text(paths: PathLike | Sequence[PathLike]) -> str | list[str]:
    if isinstance(paths, str | os.PathLike):
        return absolute(paths)
    return [absolute(path) for path in paths]


def _plain(value: Any) -> Any:
    """Return what JSON can hold."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return os.fspath(value) if isinstance(value, os.PathLike) else value
