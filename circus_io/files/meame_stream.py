"""A MEAME stream: the bytes of its port in a file, or the port itself.

A dump is what the port sends, as ``nc 127.0.0.1 12340 > culture.meame`` writes it:
segments without header, channel after channel within each.
"""

# ruff: noqa: RUF012 -- DataFile makes the declared mappings read-only

import logging
import os
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from circus_io.errors import FormatError, StreamError
from circus_io.fields import given_values
from circus_io.growing import GrowingFile
from circus_io.indexing import select_channels
from circus_io.meame.channel_maps import get_channel_map
from circus_io.meame.last_sample import (
    N_CHANNELS_ALONE,
    N_TO_CONFIRM,
    POLICIES,
    midway,
    zeroed_segments,
)
from circus_io.meame.settings import SCHEME, StreamSettings

if TYPE_CHECKING:
    from circus_io.meame.spool import Spool

__all__ = ["MeameStreamFile"]

logger = logging.getLogger(__name__)

N_JUDGED = 64  # segments at the start, by which the last sample is judged
N_AT_ONCE = 256  # segments that are looked through together


class MeameStreamFile(GrowingFile):
    """A MEAME stream: a dump of its bytes, or ``meame://host:port`` while it comes.

    `segment_frames` has to be that of the server's first client. The last frame of a
    segment, which MEAME2 sends as 0, is repaired by `last_sample`: ``interpolate``,
    ``hold``, ``mask`` (left at 0, and listed by `zeroed_frames`) or ``keep``. An
    address is that of the commands; samples are spooled to a file from then on, which
    is `spool`, or one that is removed with the recording.
    """

    description = "meame_stream"
    extension = (".meame",)
    _required_fields = {"sampling_rate": float}
    _default_values = {
        "nb_channels": 60,
        "segment_frames": 100,
        "data_dtype": "<i4",
        "order": "channel-major",
        "last_sample": "interpolate",
        "channel_map": "shodan",
        "dtype_offset": "auto",
        "gain": 0.059605,
        "data_port": 12340,
        "spool": "",
    }

    def __init__(
        self,
        file_name: str | os.PathLike[str] | Sequence[Any] | None,
        params: Mapping[str, Any] | None = None,
        is_empty: bool = False,
        stream_mode: str | None = None,
    ) -> None:
        self._spool: Spool | None = None
        if str(file_name).startswith(f"{SCHEME}://"):
            file_name = self._start(str(file_name), params)
        super().__init__(file_name, params, is_empty, stream_mode)

    # ---------------------------------------------------------------------------- hooks

    def _read_from_header(self) -> Mapping[str, Any]:
        self.data = None
        self.settings = self._settings()
        if self.params["last_sample"] not in POLICIES:
            raise FormatError(
                f"last_sample = {self.params['last_sample']}: choose from "
                f"{', '.join(POLICIES)}"
            )
        self._label_channels()
        left_over = self._measure()
        if left_over and self._spool is None:
            logger.warning(
                "%s: %d bytes after the last whole segment are not read; if that is "
                "wrong, so is nb_channels, segment_frames or data_dtype",
                self._short_name(),
                left_over,
            )
        return {}

    def _open(self, mode: str = "r") -> None:
        settings, n_segments = self.settings, self._n_segments
        shape = (n_segments, settings.n_channels, settings.segment_frames)
        if settings.order == "frame-major":
            shape = (n_segments, settings.segment_frames, settings.n_channels)
        if not n_segments:  # an empty file cannot be mapped
            segments = np.zeros(shape, settings.wire_dtype)
        else:
            segments = np.memmap(self.file_name, settings.wire_dtype, mode, 0, shape)
        if settings.order == "channel-major":
            segments = segments.transpose(0, 2, 1)
        self.data = np.asarray(segments)  # segments × frames × channels
        self._is_judged_alone = self._judge()

    def _close(self) -> None:
        self.data = None

    def _read_frames(
        self, t_start: int, t_stop: int, nodes: np.ndarray | None
    ) -> np.ndarray:
        length = self.settings.segment_frames
        first, past = t_start // length, -(-t_stop // length)
        segments = self.data[first:past]
        frames = segments.reshape(-1, self.nb_channels)
        frames = frames[t_start - first * length : t_stop - first * length]
        frames = select_channels(frames, nodes).astype(self.settings.native_dtype)
        if self.params["last_sample"] in ("hold", "interpolate"):
            self._repair(frames, t_start, nodes)
        return frames

    # ---------------------------------------------------------------------- last sample

    def zeroed_frames(self) -> np.ndarray:
        """Return the frames that the server made up, int64, counted from the start.

        All of the file is looked through, whatever `last_sample` says.
        """
        self._make_ready()
        length = self.settings.segment_frames
        found = [
            first + np.flatnonzero(self._zeroed(first, first + N_AT_ONCE))
            for first in range(0, self._n_segments, N_AT_ONCE)
        ]
        segments = np.concatenate([np.zeros(0, np.int64), *found])
        return segments * length + length - 1

    def _zeroed(self, first: int, past: int) -> np.ndarray:
        """Tell which of some segments have a last frame that is made up."""
        segments = self.data[first:past]
        if segments.shape[1] < 2 or not self._is_judged_alone:
            return np.zeros(len(segments), bool)
        return zeroed_segments(segments[:, -1], segments[:, -2])

    def _judge(self) -> bool:
        """Tell whether zeros on all channels are a defect, and not chance."""
        if self.nb_channels >= N_CHANNELS_ALONE:
            return True
        start = self.data[:N_JUDGED]
        if start.shape[1] < 2:
            return False
        bad = zeroed_segments(start[:, -1], start[:, -2])
        runs = np.lib.stride_tricks.sliding_window_view(
            np.pad(bad, (0, N_TO_CONFIRM)), N_TO_CONFIRM
        )
        return bool(runs.all(axis=1).any())

    def _repair(
        self, frames: np.ndarray, t_start: int, nodes: np.ndarray | None
    ) -> None:
        """Replace the made-up frames among `frames`, which start at `t_start`."""
        length = self.settings.segment_frames
        first, past = t_start // length, (t_start + len(frames)) // length
        for segment in first + np.flatnonzero(self._zeroed(first, past)):
            before = self.data[segment, -2]
            is_last = segment + 1 == self._n_segments
            if self.params["last_sample"] == "interpolate" and not is_last:
                native = self.settings.native_dtype
                following = self.data[segment + 1, 0].astype(native)
                before = midway(before.astype(native), following)
            chosen = before if nodes is None else before[nodes]
            frames[(segment + 1) * length - 1 - t_start] = chosen

    # -------------------------------------------------------------------------- growing

    def refresh(self) -> int:
        """Look how long the file is now; see `GrowingFile`."""
        if self.is_stream:
            raise StreamError("one file may grow while it is read, not several")
        before = self._n_segments
        self._measure()
        if self._n_segments != before:
            self.close()
            self._update_table()
        return self.duration

    @property
    def n_unsettled(self) -> int:
        """The last frame may be made up, and wait for the next to be interpolated."""
        return 1

    @property
    def is_growing(self) -> bool | None:
        """Whether samples may still come; of a dump, nobody knows."""
        return None if self._spool is None else self._spool.is_running

    def _check_end(self) -> None:
        if self._spool is not None and self._spool.error is not None:
            raise self._spool.error

    def stop(self) -> None:
        """Leave the server, if this is a live stream; what came can still be read."""
        if self._spool is not None:
            self._spool.close()

    def _start(self, url: str, params: Mapping[str, Any] | None) -> str:
        """Start the server at an address; return the file that its samples go to."""
        from circus_io.meame.connection import start_acquisition
        from circus_io.meame.control import ControlClient
        from circus_io.meame.spool import Spool

        self._given, where = given_values(params), StreamSettings.from_url(url)
        self.params = self._fill_from_params()
        settings = replace(self._settings(), host=where.host, http_port=where.http_port)
        control = ControlClient(where.host, where.http_port)
        if start_acquisition(control, settings).was_running:
            logger.warning(
                "%s was running before, and ignores what is asked now: if its "
                "sampling_rate or segment_frames is another one, channels and times "
                "are mixed up",
                url,
            )
        path = self.params["spool"]
        if not path:
            handle, path = tempfile.mkstemp(suffix=self.extension[0])
            os.close(handle)
        try:
            self._spool = Spool(settings, path)
        except BaseException:
            if not self.params["spool"]:
                Path(path).unlink()
            raise
        # where nobody stops it: the recording is forgotten, or the program ends
        weakref.finalize(self, _end, self._spool, not self.params["spool"])
        return str(path)

    # ------------------------------------------------------------------------- settings

    def _settings(self) -> StreamSettings:
        dtype = np.dtype(self.params["data_dtype"])
        rate = self.params["sampling_rate"]
        if rate != int(rate):
            raise FormatError(f"sampling_rate = {rate}: MEAME knows whole Hz only")
        return StreamSettings(
            data_port=self.params["data_port"],
            n_channels=self.params["nb_channels"],
            segment_frames=self.params["segment_frames"],
            sampling_rate=int(rate),
            dtype=dtype.newbyteorder("=").name,
            byteorder="big" if dtype.str.startswith(">") else "little",
            order=self.params["order"],
        )

    def _label_channels(self) -> None:
        labels = get_channel_map(self.params["channel_map"]).labels
        if len(labels) == self.settings.n_channels:
            self._channel_labels = tuple(str(label) for label in labels)

    def _measure(self) -> int:
        """Count the whole segments of the file; return the bytes after them."""
        if Path(self.file_name).is_dir():
            raise FormatError(f"{self._short_name()} is a folder, not a stream")
        n_bytes = Path(self.file_name).stat().st_size
        self._n_segments, left_over = divmod(n_bytes, self.settings.segment_bytes)
        n_frames = self._n_segments * self.settings.segment_frames
        self._shape = (n_frames, self.settings.n_channels)
        return left_over

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state["_spool"] = None  # elsewhere it is the file that has come so far
        return state


def _end(spool: "Spool", is_temporary: bool) -> None:
    """Leave the server, and remove a file that nobody asked for."""
    spool.close()
    if is_temporary:
        spool.path.unlink(missing_ok=True)
