"""`FlowStatistics`: how a flow is doing, at one moment."""

from dataclasses import dataclass

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
    """

    host_time_ns: int
    n_frames: int
    gap_frames: int
    source_state: SourceState
    verdicts: tuple[Verdict, ...]
    links: tuple[LinkStatistics, ...]

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
