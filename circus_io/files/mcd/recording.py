"""`MCDFile`: the wrapper for MC_Rack recordings."""

# ruff: noqa: RUF012 -- DataFile makes the declared mappings read-only

import copy
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from circus_io.chunks import Padding
from circus_io.datafile import DataFile
from circus_io.events import Events
from circus_io.files.first_bytes import first_bytes
from circus_io.files.mcd.chunks import Chunks, Stretch, cut_at_gaps, find_chunks
from circus_io.files.mcd.events import read_events
from circus_io.files.mcd.header import SIGNATURE, Header, Stream, read_header
from circus_io.files.mcd.samples import MICROVOLTS, Scale, map_file, read_frames
from circus_io.files.mcd.selection import select_stream
from circus_io.indexing import Nodes, check_nodes
from circus_io.streams import follow_each_other, one_after_another

__all__ = ["MCDFile"]

logger = logging.getLogger(__name__)

NOT_ON_THE_ARRAY = ("anlg", "digi")


class MCDFile(DataFile):
    """MC_Rack (.mcd): continuous or triggered, one of its streams.

    `stream` chooses among the continuous streams of the file by tag (``elec0001``), by
    the start of a tag (``filt``), by kind (``digital``) or by the name that it had in
    MC_Rack; the electrodes are the default. Sweeps and other stretches between gaps
    are streams of the recording, which keeps the gaps. A file that was cut off or
    never closed is read up to its last whole chunk, with a warning.
    """

    description = "mcd"
    extension = (".mcd",)
    is_streamable = ("multi-files", "single-file")
    _default_values = {"stream": ""}

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Tell by the signature of the file."""
        return first_bytes(path, len(SIGNATURE)) == SIGNATURE

    def _read_from_header(self) -> Mapping[str, Any]:
        self.data = None
        with self._open_file() as file:
            n_bytes = file.seek(0, 2)
            header = read_header(file, n_bytes, self._short_name())
            wanted = self.params["stream"]
            stream = select_stream(header.streams, wanted, self._short_name())
            found, problem = find_chunks(file, header.stop, n_bytes, [stream.tag])
        if problem:
            logger.warning(
                "%s %s; it is read up to its last whole chunk",
                self._short_name(),
                problem,
            )
        self._place_in_time(header, stream, found[stream.tag])
        self._describe(header, stream)
        return self._scaling(stream)

    def _place_in_time(self, header: Header, stream: Stream, chunks: Chunks) -> None:
        """Note which stretches there are, and when."""
        n_channels = len(stream.channels)
        where = f"{stream.describe()} of {self._short_name()}"
        self._stretches = cut_at_gaps(chunks, n_channels, stream.rate_mhz, where)
        self._origin_ns = self._stretches[0].start_ns or header.data_start_ns
        self._rate_mhz = stream.rate_mhz
        self._shape = sum(part.n_frames for part in self._stretches), n_channels
        if len(self._stretches) > 1 and self.stream_mode is None:
            # without, frames before and after a pause would look like neighbours
            self.stream_mode, self.is_stream = "single-file", True

    def _describe(self, header: Header, stream: Stream) -> None:
        """Note what the header says beside the parameters."""
        channels = stream.columns
        self._channel_labels = tuple(channel.label for channel in channels)
        self._channel_positions = _positions(stream)
        self._metadata = {
            **header.metadata,
            "stream": stream.tag,
            "streams": {other.tag: other.describe() for other in header.streams},
            "unit": stream.unit,
            "units_per_count": stream.units_per_count,
            "converter_bits": stream.bits,
            "hardware_ids": tuple(channel.hardware_id for channel in channels),
            "amplifier_gains": tuple(channel.amplifier_gain for channel in channels),
            "amplifier_bands_hz": tuple(channel.band_hz for channel in channels),
        }

    def _scaling(self, stream: Stream) -> Mapping[str, Any]:
        """Return the parameters; a digital stream is read as the numbers it holds."""
        digital = stream.kind == "digital"
        zero = 0 if digital else stream.zero
        gain = 1.0 if digital else stream.units_per_count * MICROVOLTS
        self._scale = Scale.of(zero, gain)
        return {
            "nb_channels": len(stream.channels),
            "sampling_rate": stream.sampling_rate,
            "data_dtype": "<u2",
            "dtype_offset": zero,
            "gain": gain,
        }

    def _open_file(self) -> BinaryIO:
        # not buffered: hopping from chunk to chunk would read what lies between
        return Path(self.file_name).open("rb", buffering=0)

    def _open(self, mode: str = "r") -> None:
        self.data = map_file(self.file_name)

    def _close(self) -> None:
        self.data = None

    def _read_frames(
        self, t_start: int, t_stop: int, nodes: np.ndarray | None
    ) -> np.ndarray:
        return self._read((t_start, t_stop), nodes, None)

    def read_chunk(
        self,
        idx: int,
        chunk_size: int,
        padding: Padding = (0, 0),
        nodes: Nodes | None = None,
    ) -> np.ndarray:
        """Return a chunk in µV, rounded once; see `DataFile`."""
        frames = self._get_t_start_t_stop(idx, chunk_size, padding)
        return self._read(frames, check_nodes(nodes, self.nb_channels), self._scale)

    def _read(
        self, frames: tuple[int, int], nodes: np.ndarray | None, scale: Scale | None
    ) -> np.ndarray:
        (stretch,) = self._stretches
        n_channels = self.nb_channels
        return read_frames(self.data, stretch, frames, n_channels, nodes, scale)

    def set_streams(self, stream_mode: str) -> list[DataFile]:
        """Return the stretches between gaps, of this file or of several in turn."""
        if stream_mode == "single-file":
            pieces = [self._piece(stretch) for stretch in self._stretches]
            follow_each_other(pieces)
            return pieces
        return one_after_another(self._files_alone())

    def _piece(self, stretch: Stretch) -> "MCDFile":
        """Return a stretch as a recording, at its time in the file."""
        piece = copy.copy(self)
        piece.stream_mode, piece.is_stream = None, False
        piece.params = piece._params = dict(self.params)
        piece._stretches = [stretch]
        piece._shape = stretch.n_frames, self.nb_channels
        # in integers: 2**64 ns have more digits than a float
        pause = (stretch.start_ns - self._origin_ns) * self._rate_mhz
        piece._t_start = (2 * pause + 10**12) // (2 * 10**12)
        return piece

    def read_events(self) -> dict[str, Events]:
        """Return spikes, triggers and digital states; see `circus_io.Events`.

        A spike has the label of its channel, its unit as value (0: not sorted) and its
        cutout. A trigger has the count that the converter, or the port, showed. An
        event of a digital stream is a new state of it, counted from 0.
        """
        if self.stream_mode == "multi-files":
            return super().read_events()
        with self._open_file() as file:
            n_bytes = file.seek(0, 2)
            header = read_header(file, n_bytes, self._short_name())
            return read_events(file, header, n_bytes, self._origin_ns)


def _positions(stream: Stream) -> np.ndarray | None:
    """Return where the electrodes are, in µm, unless several are at one place."""
    places = [channel.position_um for channel in stream.columns]
    apart = None not in places and len(set(places)) == len(places)
    if not apart or stream.tag.startswith(NOT_ON_THE_ARRAY):
        return None
    return np.array(places, np.float64)
