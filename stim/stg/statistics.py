"""`StreamStatistics`: how a stream is doing, at one moment."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["State", "StreamStatistics"]


class State(StrEnum):
    """What a stream is doing."""

    IDLE = "idle"
    ARMED = "armed"  # set up, rings filled, nothing leaves yet
    STREAMING = "streaming"
    DRAINING = "draining"  # what is in the rings is put out, and then it ends
    FAULT = "fault"


@dataclass(frozen=True)
class StreamStatistics:
    """Counts since the start of a stream.

    Attributes
    ----------
    state : State
    n_posted : int
        Frames that were handed to the device.
    n_played : int
        Of these, what has been put out.
    n_underruns, n_lost : int
        How often the device ran out of data, at least, and zeros that it put out then,
        in frames.
    skew : int
        Frames by which channels differ in what is still to be put out; more than a
        slice or two only where an underrun has not hit all of them alike. A new start
        is in step again.
    n_steps : int
        Steps of the feeder.
    max_late_s : float
        The longest time by which one came late, s.
    cpu_share : float
        Time of one processor that feeding takes, as a share.
    latency_s : float
        From a change of a signal to its output, s: a configuration, not a measurement.
    charges : tuple of int
        What has left each channel, in steps of its converter × frames.
    error : str or None
        What has stopped it.
    """

    state: State
    n_posted: int = 0
    n_played: int = 0
    n_underruns: int = 0
    n_lost: int = 0
    skew: int = 0
    n_steps: int = 0
    max_late_s: float = 0.0
    cpu_share: float = 0.0
    latency_s: float = 0.0
    charges: tuple[int, ...] = ()
    error: str | None = None
