"""`NeoFile`: what neo reads, as a recording."""

# ruff: noqa: RUF012 -- DataFile makes the declared mappings read-only

import copy
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from circus_io.datafile import DataFile
from circus_io.errors import FormatError
from circus_io.events import Events
from circus_io.files.global_heap import check_heaps
from circus_io.files.neo_bridge.arguments import arguments_of, stream_in_name
from circus_io.files.neo_bridge.buffers import OpenBuffer
from circus_io.files.neo_bridge.catalogue import CATALOGUE, NeoFormat, find_format
from circus_io.files.neo_bridge.companions import folders_beside, lines_of
from circus_io.files.neo_bridge.events import read_neo_events
from circus_io.files.neo_bridge.failures import named_neo_failures, say_reader
from circus_io.files.neo_bridge.layout import (
    Segment,
    StreamLayout,
    choose_stream,
    count,
    read_layout,
)
from circus_io.files.neo_bridge.reader import NeoReader
from circus_io.files.neo_bridge.units import is_voltage
from circus_io.indexing import Nodes
from circus_io.streams import follow_each_other, one_after_another

__all__ = ["NeoFile"]

logger = logging.getLogger(__name__)

OF_NEO = ("description", "file_origin", "name")  # notes that say nothing of the file


class NeoFile(DataFile):
    """Whatever neo reads; the reader is found by suffix and first bytes.

    `reader` names the format (``circus formats`` lists them) where suffix and first
    bytes do not tell. `stream` is the name, id or number of one of several streams;
    `block` and `segment` count from 0. Segments, the pieces between gaps, are streams
    of the recording unless one is chosen. `gap_tolerance_ms` bridges shorter gaps
    where neo can (Neuralynx, Blackrock).
    """

    description = "neo"
    is_streamable = ("multi-files", "single-file")
    _default_values = {
        "stream": "",
        "block": 0,
        "segment": "",
        "gap_tolerance_ms": "",
        "reader": "",
    }

    row: ClassVar[NeoFormat | None] = None
    """The format; None where the file tells."""

    _open_buffer: OpenBuffer | None = None
    _living: Any = None

    @classmethod
    def recognises(cls, path: Path) -> bool | None:
        """Tell whether a file or folder is of this format, without importing neo."""
        return False if cls.row is None else cls.row.recognises(Path(path))

    # --------------------------------------------------------------------------- header

    def _check_extension(self) -> None:
        is_read_whole = self.row is None or self.row.is_folder
        if not (is_read_whole and Path(self.file_name).is_dir()):
            super()._check_extension()

    def _read_from_header(self) -> Mapping[str, Any]:
        path = Path(self.file_name)
        row = self._find_format(path)
        self._format_name = row.name
        if path.is_file():
            check_heaps(self.file_name)  # neo opens HDF5 itself
        arguments = arguments_of(row, path, self.params)
        self._neo = NeoReader(row, arguments, self.file_name)
        with self._neo as reader, named_neo_failures(row.reader, self.file_name):
            self._layout = self._read_layout(reader)
            self._metadata = self._read_metadata(reader)
        self._channel_labels = self._layout.labels
        self._channel_positions = self._layout.places
        self._segment = self._choose_segment()
        self._shape = (self._segment.n_frames, len(self._layout.labels))
        self._warn_of_units()
        return self._described()

    @property
    def _format(self) -> NeoFormat:
        return CATALOGUE[self._format_name]

    def _find_format(self, path: Path) -> NeoFormat:
        if self.row is not None:
            return self.row
        wanted = self.params["reader"].lower()
        for row in CATALOGUE.values():
            if wanted and wanted in (row.name, row.reader.lower()):
                return row
        row = None if wanted else find_format(path)
        if row is None:
            given = (
                f"there is no reader {wanted}" if wanted else "its format is unclear"
            )
            raise FormatError(
                f"{path.name}: {given}; give reader = {', '.join(sorted(CATALOGUE))}"
            )
        return row

    def _read_layout(self, reader: Any) -> StreamLayout:
        where = self._short_name()
        n_blocks = int(reader.block_count())
        block = count(str(self.params["block"]), n_blocks, "block", where)
        streams = reader.header["signal_streams"]
        if not len(streams):
            raise FormatError(
                f"{say_reader(self._format.reader)} finds no continuous signals in "
                f"{where}, but {len(reader.header['spike_channels'])} channels of "
                f"spikes and {len(reader.header['event_channels'])} of events"
            )
        counts = [reader.signal_channels_count(i) for i in range(len(streams))]
        wanted = self.params["stream"] or self._stream_in_name()
        stream = choose_stream(streams, counts, wanted, self._format.electrodes, where)
        layout = read_layout(reader, block, stream)
        if n_blocks > 1 and "block" not in self._given:
            logger.warning(
                "%s holds %d blocks; block 0 is read, block = gives another",
                where,
                n_blocks,
            )
        return layout

    def _stream_in_name(self) -> str:
        path = Path(self.file_name)
        return "" if path.is_dir() else stream_in_name(self._format, path, self.params)

    def _read_metadata(self, reader: Any) -> dict[str, Any]:
        notes = getattr(reader, "raw_annotations", {"blocks": []})["blocks"]
        notes = notes[self._layout.block] if notes else {}
        plain = str, int, float, np.generic
        found = {
            str(key): value.item() if isinstance(value, np.generic) else value
            for key, value in notes.items()
            if isinstance(value, plain) and str(key) not in OF_NEO and value != ""
        }
        if notes.get("rec_datetime"):
            found["date"] = str(notes["rec_datetime"])
        units = self._layout.units
        return {
            **found,
            "stream": self._layout.name,
            "units": units[0] if len(set(units)) == 1 else units,
            "reader": say_reader(self._format.reader),
        }

    def _choose_segment(self) -> Segment:
        segments = self._layout.segments
        if not segments:
            raise FormatError(f"{self._short_name()} holds no segment of signals")
        if self.params["segment"]:
            wanted, n_segments = self.params["segment"], len(segments)
            return segments[count(wanted, n_segments, "segment", self._short_name())]
        in_file = [segment for segment in segments if self._is_in_file(segment)]
        if len(in_file) == 1:
            return in_file[0]
        if self.stream_mode is None:
            self.stream_mode, self.is_stream = "single-file", True
        return segments[0]

    def _is_in_file(self, segment: Segment) -> bool:
        """Tell whether a segment may be what the given file holds.

        Where neo reads a folder, and a file of it was given, it is the segment in it.
        """
        path = Path(self.file_name)
        if path.is_dir() or segment.buffer is None or not self._format.is_folder:
            return True
        held = Path(segment.buffer.path)
        others = [Path(s.buffer.path) for s in self._layout.segments if s.buffer]
        named = [other for other in others if other.stem == path.stem]
        return not named or held.stem == path.stem

    def _warn_of_units(self) -> None:
        others = sorted({unit for unit in self._layout.units if not is_voltage(unit)})
        if others:
            logger.warning(
                "%s: %d of %d channels of %s are in %s, not in volts; their values "
                "stay in that unit",
                self._short_name(),
                sum(not is_voltage(unit) for unit in self._layout.units),
                len(self._layout.units),
                self._layout.name,
                ", ".join(unit.strip() or "an unknown unit" for unit in others),
            )

    def _described(self) -> dict[str, Any]:
        scale = self._layout.scale
        same = np.all(scale.gain == scale.gain[0])
        zeros = np.unique(scale.zero)
        return {
            "nb_channels": len(self._layout.labels),
            "sampling_rate": self._layout.rate,
            "data_dtype": self._layout.dtype,
            "gain": float(scale.gain[0]) if same else scale.gain,
            # only one number fits here; reading uses that of each channel
            "dtype_offset": float(zeros[0]) if len(zeros) == 1 else 0,
        }

    # -------------------------------------------------------------------------- samples

    def _open(self, mode: str = "r") -> None:
        if self._segment.buffer is not None:
            self._open_buffer = OpenBuffer(self._segment.buffer)
        else:
            self._living = self._neo.open()

    def _close(self) -> None:
        if self._open_buffer is not None:
            self._open_buffer.close()
        if self._living is not None:
            self._neo.close()
        self._open_buffer = self._living = None

    def _read_frames(
        self, t_start: int, t_stop: int, nodes: np.ndarray | None
    ) -> np.ndarray:
        with named_neo_failures(self._format.reader, self.file_name):
            if self._open_buffer is not None:
                return self._open_buffer.read(t_start, t_stop, nodes)
            return self._read_by_neo(t_start, t_stop, nodes)

    def _read_by_neo(
        self, t_start: int, t_stop: int, nodes: np.ndarray | None
    ) -> np.ndarray:
        # neo takes a stop of 0 for the end, and some readers want sorted channels
        n_columns = self.nb_channels if nodes is None else len(nodes)
        if t_start == t_stop or not n_columns:
            return np.empty((t_stop - t_start, n_columns), self.data_dtype)
        asked, back = (None, None) if nodes is None else _sorted(nodes)
        frames = self._living.get_analogsignal_chunk(
            block_index=self._layout.block,
            seg_index=self._segment.index,
            i_start=t_start,
            i_stop=t_stop,
            stream_index=self._layout.index,
            channel_indexes=asked,
        )
        return frames if back is None else np.take(frames, back, axis=1)

    @property
    def channel_scale(self) -> tuple[np.ndarray, np.ndarray]:
        """µV per count, and the count of 0 µV, as the file states them by channel."""
        return self._layout.scale.gain, self._layout.scale.zero

    def _scale_data_to_float32(
        self, data: np.ndarray, nodes: Nodes | None = None
    ) -> np.ndarray:
        """Return raw samples in µV, each channel by its own gain and zero."""
        chosen = None if nodes is None else np.asarray(nodes, np.int64)
        return self._layout.scale.to_float32(data, chosen)

    # ----------------------------------------------------------------- streams, events

    def set_streams(self, stream_mode: str) -> list[DataFile]:
        """Return the segments of this file, or those of all files; see `DataFile`."""
        if stream_mode != "single-file":
            return one_after_another(self._files_alone())
        segments = [self._segment] if self.params["segment"] else self._layout.segments
        sources = [self._of_segment(segment, segments[0]) for segment in segments]
        follow_each_other(sources)
        return sources

    def _files_alone(self) -> list[DataFile]:
        """Return the files, folders or lines of the list as recordings of their own."""
        path = Path(self.file_name)
        if self.stream_mode == "multi-folders":
            paths = folders_beside(self._format, path)
            return [type(self)(path, dict(self._given)) for path in paths]
        if self.stream_mode == "mapping-file":
            lines = lines_of(Path(self.params["mapping_file"]))
            return [
                type(self)(path, {**self._given, "idx_mapping": str(number)})
                for number in range(len(lines))
            ]
        return super()._files_alone()

    def _of_segment(self, segment: Segment, first: Segment) -> "NeoFile":
        """Return a source for a segment, which shares the reader."""
        source = copy.copy(self)
        source.stream_mode, source.is_stream, source._sources = None, False, []
        source.params = source._params = dict(self.params)
        source._given = dict(self._given)
        source._segment = segment
        source._shape = (segment.n_frames, self.nb_channels)
        since_s = segment.t_start_s - first.t_start_s
        source._t_start = round(since_s * self.sampling_rate)
        source._update_table()
        return source

    def read_events(self) -> dict[str, Events]:
        """Return events, epochs (`values`: durations, s) and spikes of the file."""
        if self.stream_mode not in (None, "single-file"):
            return self._events_of(self._files_alone(), self._sources)
        clock = [
            (
                source._segment.index,
                source._segment.t_start_s,
                source.t_start / self.sampling_rate,
            )
            for source in self.streams
        ]
        since_segment = self._format.events_since_segment
        with (
            self._neo as reader,
            named_neo_failures(self._format.reader, self.file_name),
        ):
            return read_neo_events(reader, self._layout.block, clock, since_segment)

    @property
    def flat_layout(self) -> tuple[str, str, int] | None:
        """Path, type and offset of the samples, if a frame is all that lies there."""
        buffer = self._segment.buffer
        return None if buffer is None else buffer.flat_layout

    def _own_files(self) -> list[str]:
        """Return what the reader maps; a folder changes for other reasons too."""
        buffers = [segment.buffer for segment in self._layout.segments]
        paths = {buffer.path for buffer in buffers if buffer} | self._neo.paths
        if not Path(self.file_name).is_dir():
            paths.add(self.file_name)
        return sorted(paths)


def _sorted(nodes: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Return the channels once each in order, and how to get back to `nodes`."""
    once, back = np.unique(nodes, return_inverse=True)
    return once.tolist(), back
