"""`FlowStatistics`: how a flow is doing, at one moment."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from circus_live.clock import ClockFit
from circus_live.ring import ReaderStatistics
from circus_live.source import SourceState, Verdict

__all__ = ["FlowStatistics", "LinkStatistics"]


@dataclass(frozen=True)
class LinkStatistics:
    """One reader of one member.

    Attributes
    ----------
    sender, receiver : str
        Names of members; ``output`` is a reader in the process of the flow.
    policy : str
    counts : ReaderStatistics
    """

    sender: str
    receiver: str
    policy: str
    counts: ReaderStatistics

    def as_json(self) -> dict[str, Any]:
        """Return names and numbers, latencies as two percentiles."""
        counts = self.counts
        named = dict(vars(counts))
        del named["latencies"]
        return {
            "sender": self.sender,
            "receiver": self.receiver,
            "policy": self.policy,
            **named,
            "latency_p50_ms": _finite(counts.latency_ms(50)),
            "latency_p99_ms": _finite(counts.latency_ms(99)),
        }


@dataclass(frozen=True)
class FlowStatistics:
    """Counts of all links, and what the source says.

    Attributes
    ----------
    host_time_ns : int
        `time.monotonic_ns` of this moment.
    n_frames : int
        Frames that the source has given.
    gap_frames : int
        Frames that it knows to be missing between them.
    source_state : SourceState
    verdicts : tuple of Verdict
    links : tuple of LinkStatistics
    clock : ClockFit, optional
        Sample index against `time.monotonic`, as of the last second.
    """

    host_time_ns: int
    n_frames: int
    gap_frames: int
    source_state: SourceState
    verdicts: tuple[Verdict, ...]
    links: tuple[LinkStatistics, ...]
    clock: ClockFit | None = None

    @property
    def dropped_frames(self) -> int:
        """Frames that readers have lost by their policies, added up."""
        return sum(link.counts.dropped_frames for link in self.links)

    def link(self, receiver: str, sender: str | None = None) -> LinkStatistics:
        """Return the link to a member; name the sender if it has several."""
        for link in self.links:
            if link.receiver == receiver and sender in (None, link.sender):
                return link
        known = ", ".join(sorted({link.receiver for link in self.links}))
        raise KeyError(f"nothing goes from {sender} to {receiver}; receivers: {known}")

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON has it: dicts, lists, text and numbers."""
        return {
            "host_time_ns": self.host_time_ns,
            "n_frames": self.n_frames,
            "gap_frames": self.gap_frames,
            "dropped_frames": self.dropped_frames,
            "source_state": self.source_state.value,
            "verdicts": [asdict(verdict) for verdict in self.verdicts],
            "clock": None if self.clock is None else asdict(self.clock),
            "links": [link.as_json() for link in self.links],
        }


def _finite(value: float) -> float | None:
    """Return what JSON knows; it has no NaN."""
    return value if math.isfinite(value) else None
