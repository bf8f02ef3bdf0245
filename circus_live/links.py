"""`Links`: the counts of all readers of a flow, seen from any of its processes."""

from dataclasses import dataclass

from circus_live.layout import RingWord
from circus_live.ring import Ring
from circus_live.statistics import LinkStatistics

__all__ = ["Link", "Links"]


@dataclass(frozen=True, eq=False)
class Link:
    """One reader of one ring.

    Attributes
    ----------
    sender, receiver, policy : str
        As of `LinkStatistics`.
    ring : Ring
    number : int
        Of the reader.
    """

    sender: str
    receiver: str
    policy: str
    ring: Ring
    number: int

    def statistics(self) -> LinkStatistics:
        """Return the counts of this moment."""
        counts = self.ring.statistics(self.number)
        return LinkStatistics(self.sender, self.receiver, self.policy, counts)


@dataclass(frozen=True, eq=False)
class Links:
    """All links of a flow; it goes to other processes with the rings.

    Attributes
    ----------
    links : tuple of Link
    source_ring : Ring or None
        Where the source writes, if anybody reads it.
    """

    links: tuple[Link, ...] = ()
    source_ring: Ring | None = None

    def source_frames(self) -> tuple[int, int]:
        """Return how many frames the source has given, and how many were missing."""
        if self.source_ring is None:
            return 0, 0
        words = self.source_ring.words
        return words[RingWord.N_FRAMES], words[RingWord.GAP_FRAMES]

    def statistics(self) -> tuple[LinkStatistics, ...]:
        """Return the counts of all readers."""
        return tuple(link.statistics() for link in self.links)
