"""`Recorder`: a service that writes what it gets to files that survive it."""

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.errors import FormatError, NotWritableError
from circus_io.files.mcs_hdf5 import JournaledWriter, complete
from circus_io.files.mcs_hdf5.journal import journal_path
from circus_io.files.mcs_hdf5.skeleton import frame_us
from circus_live.block import Block, Message
from circus_live.clock import SampleClock
from circus_live.event import Event
from circus_live.service import Service
from circus_live.source import SourceInfo
from circus_live.syncer import Syncer

__all__ = ["Recorder"]

logger = logging.getLogger(__name__)

SYNC_EVERY_S = 0.5  # with what HDF5 holds back, less than a second
# counts of traces that are floats: ±2.1 V and noise of nV fit into int32
GAIN_OF_TRACES_UV = 0.001


class Recorder(Service):
    """Write blocks in the MCS HDF5 layout, gaps included, and events beside them.

    The clock of the file is `sample_index`: a file that began at frame 0 and one that
    began later lie in time as they were. Finished files open in McsPyDataTools, in
    SpikeInterface and here; here also while they grow.

    Messages whose value is an `Event`, or a list of them, become the event stream of
    the file: let it come ``after=["source", "loop"]``. Times of this machine are turned
    into frames by the blocks that came until then, at least one (`SampleClock`).

    Parameters
    ----------
    path : path
        ``rec.h5``; there must be no such file. With rotation, files are ``rec_0.h5``,
        ``rec_1.h5``, ...: streams of one recording (``multi-files``).
    rotate_s : float, optional
        Begin another file after so many seconds of recording.
    rotate_bytes : int, optional
        Begin another file after so many bytes of samples.
    compress : bool
        With gzip: half the size or less, and ten times the work.
    comment : str
        For the header of the files.

    Raises
    ------
    FormatError
        A limit that is not above 0, or a rate that the layout does not hold.
    NotWritableError
        There is such a file. If it had been cut short, it is completed first.

    Notes
    -----
    A recorder that is killed loses nothing that it has got: the journal beside the file
    has it, and ``circus recover`` adds it to the file. What waited in its ring is lost,
    and the error of the flow says how much. After a loss of power, about a second is
    lost. Traces that are floats, in any unit, are rounded to nV.
    """

    borrows = True
    is_sink = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        rotate_s: float | None = None,
        rotate_bytes: int | None = None,
        compress: bool = False,
        comment: str = "",
    ) -> None:
        for name, limit in (("rotate_s", rotate_s), ("rotate_bytes", rotate_bytes)):
            if limit is not None and not limit > 0:
                raise FormatError(f"{name} = {limit}: expected more than 0")
        self.path = Path(path).resolve()
        self.rotate_s, self.rotate_bytes = rotate_s, rotate_bytes
        self.compress, self.comment = compress, comment
        self._writer: JournaledWriter | None = None
        self._clock: SampleClock | None = None
        self._early: list[Event] = []  # at times of this machine, before any block
        self._number = 0

    def output_info(self, info: SourceInfo) -> SourceInfo:
        """Refuse what could not be recorded, before anything is started."""
        frame_us(info.sampling_rate)
        if not self.path.parent.is_dir():
            raise NotWritableError(f"there is no folder {self.path.parent}")
        self._check_free(self._file_name())
        if self._rotates:  # a later number in use would end the recording half-way
            for path in sorted(self.path.parent.glob(f"{self.path.stem}_*")):
                if path.suffix == self.path.suffix and self._is_numbered(path):
                    raise NotWritableError(
                        f"there is a file {path.name} already, of an earlier recording "
                        "of several files; choose another name"
                    )
        return info

    def open(self, info: SourceInfo) -> None:
        """Begin the first file."""
        self._info = info
        self._clock = SampleClock(info.sampling_rate)
        frame_bytes = info.n_channels * 4
        limits = [np.inf]
        if self.rotate_s is not None:
            limits.append(self.rotate_s * info.sampling_rate)
        if self.rotate_bytes is not None:
            limits.append(self.rotate_bytes / frame_bytes)
        self._most_frames = max(1, min(limits))
        self._begin()

    def process(self, block: Block | Message) -> None:
        """Write one block, or the events of one message."""
        self._syncer.check()
        if isinstance(block, Message):
            self._mark(block)
            return
        self._clock.note_block(block)
        self._write_early()
        traces, t_start = self._as_counts(block.traces), block.sample_index
        while len(traces):
            left = self._most_frames - self._writer.n_frames
            if left < 1:
                self._rotate()
                continue
            part = traces if left >= len(traces) else traces[: int(left)]
            self._writer.append(part, t_start)
            traces, t_start = traces[len(part) :], t_start + len(part)

    def close(self) -> None:
        """Close the file; it then opens in every program."""
        if self._writer is None:
            return
        try:
            self._write_early()
        finally:
            writer, self._writer = self._writer, None
            self._syncer.close()
            with writer:
                pass

    # ------------------------------------------------------------------------ its parts

    def _mark(self, message: Message) -> None:
        value = message.value
        events = value if isinstance(value, list | tuple) else [value]
        for event in events:
            if not isinstance(event, Event):
                raise FormatError(
                    f"{message.origin} sends a {type(event).__name__}; only blocks and "
                    "events (circus_live.Event) are recorded"
                )
            if event.sample_index is None and not self._clock.is_known:
                self._early.append(event)  # what sent it may be ahead of the source
            else:
                self._write_event(event)

    def _write_early(self) -> None:
        while self._early:
            self._write_event(self._early.pop(0))

    def _write_event(self, event: Event) -> None:
        self._writer.mark(event.label, self._frame_of(event), event.duration_us)

    def _frame_of(self, event: Event) -> float:
        if event.sample_index is not None:
            return event.sample_index
        if not self._clock.is_known:
            return 0.0  # no block has ever come
        return max(self._clock.fit.to_sample(event.host_time_ns * 1e-9), 0.0)

    def _as_counts(self, traces: np.ndarray) -> np.ndarray:
        is_float = np.dtype(self._info.dtype).kind == "f"
        if is_float != (traces.dtype.kind == "f"):
            raise FormatError(
                f"blocks of {traces.dtype} came where {np.dtype(self._info.dtype)} was "
                "said, so their unit is not known; let output_info of the service "
                "before give the dtype and the gain of what it sends"
            )
        if not is_float:
            return traces
        limits = np.iinfo(np.int32)
        microvolts = traces.astype(np.float64) - np.asarray(self._info.dtype_offset)
        microvolts *= np.asarray(self._info.gain)
        counts = np.rint(np.nan_to_num(microvolts / GAIN_OF_TRACES_UV))
        return counts.clip(limits.min, limits.max).astype(np.int32)

    @property
    def _rotates(self) -> bool:
        return self.rotate_s is not None or self.rotate_bytes is not None

    def _is_numbered(self, path: Path) -> bool:
        return path.stem.removeprefix(f"{self.path.stem}_").isdecimal()

    def _file_name(self) -> Path:
        if not self._rotates:
            return self.path
        return self.path.with_name(f"{self.path.stem}_{self._number}{self.path.suffix}")

    def _check_free(self, path: Path) -> None:
        if journal_path(path).exists():
            done = complete(path)
            raise NotWritableError(
                f"{path.name} had been cut short; now it is complete, with "
                f"{done.n_added} frames of its journal: choose another name"
            )
        if path.exists():
            raise NotWritableError(
                f"there is a file {path.name} already; choose another name"
            )

    def _rotate(self) -> None:
        self.close()
        self._number += 1
        self._begin()

    def _begin(self) -> None:
        info, path = self._info, self._file_name()
        self._check_free(path)
        scaling: dict[str, Any] = {"gain": info.gain, "dtype_offset": info.dtype_offset}
        if np.dtype(info.dtype).kind == "f":
            scaling = {"gain": GAIN_OF_TRACES_UV, "dtype_offset": 0}
        self._writer = JournaledWriter(
            path,
            info.sampling_rate,
            info.channel_labels,
            **scaling,
            details={"label": info.name, "comment": self.comment},
            compress=self.compress,
        )
        self._syncer = Syncer(path, SYNC_EVERY_S)
        self._syncer.start()
        logger.info("recording to %s", path)
