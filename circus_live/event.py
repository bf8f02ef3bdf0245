"""`Event`: something that happened at a moment, on its way to a file.

A service that returns one sends it as a `Message`; a `Recorder` after that service
writes it into the event stream of its file::

    class Loop(Service):
        def process(self, block):
            if self.is_time(block):
                sent = self.stimulator.enable(0)
                return Event("stimulus", host_time_ns=sent.sent_ns)

    flow.add(Loop, name="loop")
    flow.add(Recorder("rec.h5"), after=["source", "loop"])
"""

from dataclasses import dataclass

from circus_io.errors import FormatError

__all__ = ["Event"]


@dataclass(frozen=True)
class Event:
    """A label and a moment; on the clock of the samples, or on that of this machine.

    Attributes
    ----------
    label : str
    sample_index : float, optional
        Frame of the stream, or between two.
    host_time_ns : int, optional
        `time.monotonic_ns`, where the frame is not known: who records it looks it up.
    duration_us : int

    Raises
    ------
    FormatError
        No moment, or two, or a duration below 0.
    """

    label: str
    sample_index: float | None = None
    host_time_ns: int | None = None
    duration_us: int = 0

    def __post_init__(self) -> None:
        """Check that it is one moment, and does not end before."""
        if self.duration_us < 0:
            raise FormatError(
                f"the event {self.label!r} lasts {self.duration_us} us; from 0 on"
            )
        if (self.sample_index is None) == (self.host_time_ns is None):
            raise FormatError(
                f"the event {self.label!r} needs sample_index or host_time_ns, one of "
                "the two"
            )
