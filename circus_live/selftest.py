"""`self_test`: how fast blocks reach a service on this machine, as it is loaded now."""

from dataclasses import dataclass

import numpy as np

from circus_live.block import Block, BlockFlag
from circus_live.flow import Flow
from circus_live.latency import bin_edges_ms
from circus_live.ring import ReaderStatistics
from circus_live.sources.synthetic import SyntheticSource

__all__ = ["SelfTest", "self_test"]

EDGES_MS = (0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 20, 50, 100)


@dataclass(frozen=True)
class SelfTest:
    """What `self_test` has measured.

    Attributes
    ----------
    n_channels, sampling_rate, block_frames
        Of the stream.
    counts : ReaderStatistics
        Of the service, whose policy is to drop the oldest.
    n_late : int
        Blocks that the source itself gave late: the machine is too busy for it.
    """

    n_channels: int
    sampling_rate: float
    block_frames: int
    counts: ReaderStatistics
    n_late: int

    def histogram(self) -> list[tuple[str, int]]:
        """Return rows of a histogram: latency as text, and number of blocks."""
        upper_ms = bin_edges_ms()[1:]
        places = np.searchsorted(EDGES_MS, upper_ms * (1 - 1e-9))
        n_blocks = np.bincount(places, self.counts.latencies, len(EDGES_MS) + 1)
        names = [f"to {edge:g} ms" for edge in EDGES_MS]
        names.append(f"over {EDGES_MS[-1]:g} ms")
        return list(zip(names, n_blocks.astype(int).tolist(), strict=True))


def self_test(
    duration_s: float = 5.0,
    n_channels: int = 60,
    sampling_rate: float = 50_000.0,
    block_frames: int = 50,
    realtime: bool = False,
) -> SelfTest:
    """Stream in real time from one process to another, and time each block.

    Parameters
    ----------
    duration_s : float
        s.
    n_channels, sampling_rate, block_frames
        Of the stream; by default one block each ms.
    realtime : bool
        As of `Flow`.
    """
    source = SyntheticSource(
        n_channels=n_channels,
        sampling_rate=sampling_rate,
        block_frames=block_frames,
        duration_s=duration_s,
        loop_s=0.5,
        n_units=min(5, n_channels),
        dtype="int32",
    )
    flow = Flow(source, realtime=realtime)
    flow.add(_LateBlocks, name="callback", policy="drop_oldest")
    late = flow.output()
    with flow:
        n_late = sum(message.value for message in late)
    counts = flow.statistics().link("callback").counts
    return SelfTest(n_channels, sampling_rate, block_frames, counts, n_late)


class _LateBlocks:
    """Tell which blocks were late already; look at all samples, as a user would."""

    def process(self, block: Block) -> int | None:
        block.traces.max(axis=0)
        return 1 if block.flags & BlockFlag.LATE else None
