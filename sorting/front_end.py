"""From a recording to filtered and whitened traces, one chunk at a time."""

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from circus_io.probe import Probe
from sorting.artefacts import Artefacts
from sorting.config import FilteringConfig
from sorting.kernels.butterworth import butter_sos, settling_frames
from sorting.kernels.filters import band_pass, subtract_median
from sorting.kernels.saturation import all_within, near_saturation

__all__ = ["FrontEnd", "Piece"]


@dataclass(frozen=True, eq=False)
class Piece:
    """Traces of a chunk and of the margin around it.

    Attributes
    ----------
    traces : float32 (n_frames, n_channels)
        Filtered, in µV.
    first_frame : int
        Global frame of row 0.
    t_start, t_stop : int
        Core of the chunk, global frames, half open.
    at_start, at_stop : bool
        Whether row 0 and the last row are ends of the stream.
    """

    traces: np.ndarray
    first_frame: int
    t_start: int
    t_stop: int
    at_start: bool
    at_stop: bool

    @property
    def core(self) -> np.ndarray:
        """The traces without the margin."""
        start = self.t_start - self.first_frame
        return self.traces[start : start + self.t_stop - self.t_start]


class FrontEnd:
    """Read, filter and reference the chunks of a recording.

    A chunk is filtered with enough margin for the filter to settle, and reflected at
    the ends of its stream, so that the pieces tile into what filtering each stream
    whole would give.

    Parameters
    ----------
    recording : DataFile
    probe : Probe
        Its channels are read, in its order.
    config : FilteringConfig
    artefacts : Artefacts, optional
        They are subtracted first of all.
    """

    def __init__(
        self,
        recording: Any,
        probe: Probe,
        config: FilteringConfig,
        artefacts: Artefacts | None = None,
    ):
        self.artefacts = artefacts
        self.recording = recording
        self.nodes = probe.channels
        self.groups = probe.groups
        self.config = config
        self.grid = recording.chunk_grid(config.chunk_frames)
        self.saturation_uv = _saturation_uv(recording, config.saturation, self.nodes)
        self.sos = None
        self.settling = 0
        if config.cut_off_hz is not None:
            rate = recording.sampling_rate
            self.sos = butter_sos(config.cut_off_hz, rate, config.order)
            self.settling = settling_frames(self.sos)

    def with_artefacts(self, artefacts: Artefacts) -> "FrontEnd":
        """Return a front end that also subtracts artefacts."""
        other = copy(self)
        other.artefacts = artefacts
        return other

    def __len__(self) -> int:
        return len(self.grid)

    def read(self, index: int, margin: int = 0) -> Piece:
        """Return a chunk, filtered, with up to `margin` frames on either side."""
        pad = margin + self.settling
        chunk = self.recording.get_chunk(
            index, self.config.chunk_frames, (-pad, pad), self.nodes
        )
        first = chunk.t_start + chunk.padding[0]
        return self._piece(chunk.traces, first, chunk.t_start, chunk.t_stop, margin)

    def moment(self, t_start: int, t_stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return some frames as they are recorded and as the sorter sees them.

        Parameters
        ----------
        t_start, t_stop : int
            Global frames, half open, within one stream.

        Returns
        -------
        raw, filtered : float32 (t_stop - t_start, n_channels)
            In µV, channels in the order of the probe.
        """
        start, stop = self._stream_at(t_start)
        first = max(start, t_start - self.settling)
        last = min(stop, t_stop + self.settling)
        traces = self.recording[first:last, self.nodes.tolist()]
        piece = self._piece(traces, first, t_start, t_stop, 0)
        return traces[t_start - first : t_stop - first], piece.core

    def as_recorded(self, t_start: int, t_stop: int) -> tuple[int, np.ndarray]:
        """Return frames of the stream that holds the last one, before any processing.

        Returns
        -------
        first : int
            Global frame of row 0: `t_start`, or where the stream begins.
        traces : float32 (n_frames, n_channels)
            In µV; they end where the stream does.
        """
        start, stop = self._stream_at(t_stop - 1)
        first, last = max(start, t_start), min(stop, t_stop)
        return first, self.recording[first:last, self.nodes.tolist()]

    def _piece(self, traces, first: int, t_start: int, t_stop: int, margin: int):
        """Filter traces that start at `first`, cut them to the core and its margin."""
        start, stop = self._stream_at(t_start)
        last = first + traces.shape[0]
        cleaned = self._clean(traces, first)
        filtered = self._filter(cleaned, first == start, last == stop)
        begin, end = max(first, t_start - margin), min(last, t_stop + margin)
        return Piece(
            self._reference(filtered[begin - first : end - first]),
            begin,
            t_start,
            t_stop,
            begin == start,
            end == stop,
        )

    def _stream_at(self, frame: int) -> tuple[int, int]:
        """Return the global frames of the stream that holds a frame."""
        table = self.grid.table
        stream = int(np.searchsorted(table.starts, frame, side="right")) - 1
        start = table.starts[max(stream, 0)]
        return start, start + table.lengths[max(stream, 0)]

    def _clean(self, traces: np.ndarray, first: int) -> np.ndarray:
        """Subtract artefacts; bridge what was saturated or no number."""
        if self.artefacts is None and all_within(traces, self._limits_uv()):
            return traces
        saturated = near_saturation(
            traces, self.saturation_uv, self.config.saturation_frames
        )
        if self.artefacts is not None:
            traces = self.artefacts.subtract(traces, first)
        if saturated is not None:
            traces = np.where(saturated, np.float32(np.nan), traces)
        return _finite(traces)

    def _limits_uv(self) -> np.ndarray:
        """Return what samples stay below, float32 (n_channels,)."""
        if self.saturation_uv is None:
            return np.full(self.nodes.size, np.inf, np.float32)
        return self.saturation_uv

    def _filter(self, traces: np.ndarray, at_start: bool, at_stop: bool) -> np.ndarray:
        if self.sos is None:
            return traces
        extension = self.config.extension_frames
        return band_pass(
            traces,
            self.sos,
            extension if at_start else 0,
            extension if at_stop else 0,
        )

    def _reference(self, traces: np.ndarray) -> np.ndarray:
        if self.config.remove_median:
            traces = subtract_median(traces, self.groups)
        for group, ground in self.config.common_ground:
            members = np.flatnonzero(self.groups.astype(str) == group)
            column = np.flatnonzero(self.nodes == ground)
            traces = traces.copy()
            traces[:, members] -= traces[:, column]
        return traces

    def alive(self, times: np.ndarray) -> np.ndarray:
        """Tell which global frames are outside of the dead periods, rising ones."""
        starts, stops = np.array(self.config.dead_intervals or [(0, 0)]).T
        before = np.searchsorted(starts, times, side="right") - 1
        return ~((before >= 0) & (times < stops[np.maximum(before, 0)]))


def _saturation_uv(
    recording: Any, fraction: float | None, nodes: np.ndarray
) -> np.ndarray | None:
    """Return from which µV on samples saturate, (n_channels,); None for floats.

    The range is that of the sample type above its zero.
    """
    dtype = np.dtype(recording.data_dtype)
    if fraction is None or dtype.kind not in "iu":
        return None
    counts = fraction * (np.iinfo(dtype).max - float(recording.dtype_offset))
    gain = np.broadcast_to(np.abs(recording.gain), recording.nb_channels)
    return (counts * gain[nodes]).astype(np.float32)


def _finite(traces: np.ndarray) -> np.ndarray:
    """Replace NaN and infinities by a line between the samples around them.

    One of them would spread over the whole filter; 0 in its place would be a jump, and
    with an offset look like a spike. A channel without any finite sample becomes 0.
    """
    missing = ~np.isfinite(traces)
    if not missing.any():
        return traces
    traces = traces.copy()
    for channel in np.flatnonzero(missing.any(axis=0)):
        lost = missing[:, channel]
        known = np.flatnonzero(~lost)
        traces[lost, channel] = (
            np.interp(np.flatnonzero(lost), known, traces[known, channel])
            if known.size
            else 0
        )
    return traces
