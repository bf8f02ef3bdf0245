"""`SpikeInterfaceFile`: what SpikeInterface has saved, or one of its recordings."""

# ruff: noqa: RUF012 -- DataFile makes the declared mappings read-only

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.datafile import DataFile
from circus_io.errors import FormatError, MissingDependencyError
from circus_io.files.neo_bridge.units import Scale
from circus_io.indexing import Nodes
from circus_io.streams import follow_each_other

__all__ = ["SpikeInterfaceFile"]

logger = logging.getLogger(__name__)

# what SpikeInterface leaves in a folder that it saves a recording to
MARKS = ("si_folder.json", "cached.json", "binary.json")
MOST_JSON_BYTES = 2**26


class SpikeInterfaceFile(DataFile):
    """What SpikeInterface has saved: a folder, .zarr, or .json of a recording.

    Segments are streams, unless `segment` chooses one. In
    Python, a recording itself may be given in place of its path. A .json names classes
    that SpikeInterface imports and runs: open only what you trust.
    """

    description = "spikeinterface"
    extension = (".json", ".zarr")
    is_streamable = ("single-file",)
    _default_values = {"segment": ""}

    def __init__(
        self,
        file_name: Any,
        params: Mapping[str, Any] | None = None,
        is_empty: bool = False,
        stream_mode: str | None = None,
    ) -> None:
        self._recording = file_name if hasattr(file_name, "get_traces") else None
        self._given_recording = self._recording
        self.needs_file = self._recording is None
        path = file_name if self.needs_file else None
        super().__init__(path, params, is_empty, stream_mode)

    @classmethod
    def recognises(cls, path: Path) -> bool | None:
        """Tell by what SpikeInterface leaves in a folder, or writes into a .json."""
        try:
            if path.is_dir():
                return any((path / mark).is_file() for mark in MARKS) or _is_zarr(path)
            if path.stat().st_size > MOST_JSON_BYTES:
                return False
            made = json.loads(path.read_text("utf-8"))
            return isinstance(made, dict) and {"class", "kwargs"} <= made.keys()
        except (OSError, ValueError):
            return False

    def _check_extension(self) -> None:
        if not Path(self.file_name).is_dir():
            super()._check_extension()

    def _read_from_header(self) -> Mapping[str, Any]:
        recording = self._given_recording or self._load()
        self._segments = self._choose(recording.get_num_segments())
        self._segment = self._segments[0]
        self._ids = np.asarray(recording.get_channel_ids())
        starts_s = [recording.get_start_time(segment) for segment in self._segments]
        self._starts_s = [float(start) - float(starts_s[0]) for start in starts_s]
        self._lengths = [recording.get_num_samples(s) for s in self._segments]
        self._shape = (int(self._lengths[0]), len(self._ids))
        self._scale = _scale_of(recording, self._short_name())
        self._channel_labels = tuple(map(str, self._ids))
        if recording.has_probe():
            self._channel_positions = recording.get_channel_locations()
        zeros = np.unique(self._scale.zero)
        return {
            "nb_channels": len(self._ids),
            "sampling_rate": float(recording.get_sampling_frequency()),
            "data_dtype": np.dtype(recording.get_dtype()).str,
            "gain": self._scale.gain,
            "dtype_offset": float(zeros[0]) if len(zeros) == 1 else 0,
        }

    def _choose(self, n_segments: int) -> list[int]:
        wanted = self.params["segment"]
        if wanted:
            if not (wanted.isdecimal() and int(wanted) < n_segments):
                raise FormatError(
                    f"segment = {wanted}: there are segments 0 to {n_segments - 1}"
                )
            return [int(wanted)]
        if n_segments > 1 and self.stream_mode is None:
            self.stream_mode, self.is_stream = "single-file", True
        if n_segments > 1 and self.stream_mode != "single-file":
            raise FormatError(
                f"{self._short_name()} holds {n_segments} segments; a list of "
                "recordings takes one of each: choose with segment = 0, 1, ..."
            )
        return list(range(n_segments))

    def _load(self) -> Any:
        try:
            import spikeinterface
        except ImportError as error:
            raise MissingDependencyError(
                f"cannot read {self._short_name()}: {error}; install it with: pip "
                "install 'circus-toolkit[spikeinterface]'"
            ) from error
        try:
            path = Path(self.file_name)
            relative = {} if path.is_dir() else {"base_folder": path.parent}
            return spikeinterface.load(path, **relative)
        except Exception as error:
            raise FormatError(
                f"spikeinterface {spikeinterface.__version__} cannot load "
                f"{self._short_name()}: {type(error).__name__}: {error}"
            ) from error

    def _open(self, mode: str = "r") -> None:
        self._recording = self._given_recording or self._load()

    def _close(self) -> None:
        self._recording = self._given_recording

    def _read_frames(
        self, t_start: int, t_stop: int, nodes: np.ndarray | None
    ) -> np.ndarray:
        once, back = (None, None)
        if nodes is not None:
            once, back = np.unique(nodes, return_inverse=True)
        if t_start == t_stop or (once is not None and not len(once)):
            n_columns = self.nb_channels if nodes is None else len(nodes)
            return np.empty((t_stop - t_start, n_columns), self.data_dtype)
        frames = self._recording.get_traces(
            segment_index=self._segment,
            start_frame=t_start,
            end_frame=t_stop,
            channel_ids=None if once is None else self._ids[once],
        )
        return frames if back is None else np.take(frames, back, axis=1)

    @property
    def channel_scale(self) -> tuple[np.ndarray, np.ndarray]:
        """µV per count, and the count of 0 µV, by channel."""
        return self._scale.gain, self._scale.zero

    def _scale_data_to_float32(
        self, data: np.ndarray, nodes: Nodes | None = None
    ) -> np.ndarray:
        chosen = None if nodes is None else np.asarray(nodes, np.int64)
        return self._scale.to_float32(data, chosen)

    def set_streams(self, stream_mode: str) -> list[DataFile]:
        """Return the segments as streams, at the times that the recording gives."""
        if stream_mode != "single-file":
            return super().set_streams(stream_mode)
        sources = []
        for segment, start_s in zip(self._segments, self._starts_s, strict=True):
            given = self._given_recording or self.file_name
            source = type(self)(given, {**self._given, "segment": str(segment)})
            # a segment without a time of its own starts at 0, too
            source._t_start = round(start_s * self.sampling_rate) or None
            sources.append(source)
        follow_each_other(sources)
        return sources


def _is_zarr(path: Path) -> bool:
    notes = path / ".zattrs"
    return notes.is_file() and "sampling_frequency" in notes.read_text("utf-8")


def _scale_of(recording: Any, name: str) -> Scale:
    n_channels = recording.get_num_channels()
    if recording.has_scaleable_traces():
        gains, offsets = recording.get_channel_gains(), recording.get_channel_offsets()
        return Scale.of(gains, offsets, ["uV"] * n_channels)
    if np.dtype(recording.get_dtype()).kind != "f":
        logger.warning("%s states no gains: a count is taken for 1 µV", name)
    return Scale.of(np.ones(n_channels), np.zeros(n_channels), ["uV"] * n_channels)
