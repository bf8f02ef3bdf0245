"""`ClockNotes`: the clock of a stream, in the event log of a stimulator beside it.

The stimulator knows the time of this machine, the recording its frames. With both in
one log, `stim.stimulus_times` says in which frame a stimulus began::

    flow.add(ClockNotes("stimulation.jsonl"), after="source")
    flow.add(Recorder("rec.h5"), after="source")
"""

import os
from pathlib import Path

from circus_io.errors import FormatError
from circus_live.block import Block, BlockFlag, Message
from circus_live.clock import SampleClock
from circus_live.service import Service
from circus_live.source import SourceInfo
from stim.event_log import EventLog

__all__ = ["ClockNotes"]

EVERY_NS = 1_000_000_000


class ClockNotes(Service):
    """Write once a second which frame was when, and how sure that is.

    Parameters
    ----------
    log : path
        Event log; other programs may write to it at the same time.
    """

    name = "clock"
    borrows = True
    is_sink = True

    def __init__(self, log: str | os.PathLike[str]) -> None:
        self.log = Path(log)
        self._notes: EventLog | None = None
        self._next_ns = 0

    def open(self, info: SourceInfo) -> None:
        """Begin: frames of earlier recordings in the log are others."""
        self._clock = SampleClock(info.sampling_rate)
        self._notes = EventLog(self.log)
        self._notes.write("recording", sampling_rate=info.sampling_rate)

    def process(self, block: Block | Message) -> None:
        """Note when a block was complete, and write it down where it is time."""
        if isinstance(block, Message):
            raise FormatError(
                f"{block.origin} sends messages, which have no frames; let ClockNotes "
                "come after the source"
            )
        self._clock.note_block(block)
        if block.host_time_ns >= self._next_ns or block.flags & BlockFlag.RECONNECTED:
            self._next_ns = block.host_time_ns + EVERY_NS
            self._write(block)

    def _write(self, block: Block) -> None:
        fit = self._clock.fit
        self._notes.write(
            "clock",
            host_s=float(fit.to_host_s(block.t_stop)),
            recording_sample=block.t_stop,
            uncertainty_s=float(fit.uncertainty_s(block.t_stop)),
        )

    def close(self) -> None:
        """Close the log."""
        if self._notes is not None:
            self._notes.close()
