"""`RandomSource`: the random segments of CREPE's test mode."""

import time
from collections.abc import Iterator

import numpy as np

from circus_live.block import Block
from circus_live.crepe.settings import DEFAULT_STREAM_DIMENSION, SEGMENT_FRAMES
from circus_live.source import Source, SourceInfo

__all__ = ["RandomSource", "random_segment"]

MOST = 200.0  # values are from 0 to this


def random_segment(
    generator: np.random.Generator, n_frames: int = SEGMENT_FRAMES
) -> np.ndarray:
    """Return float64 (60, n_frames), uniform from 0 to 200."""
    return generator.uniform(0, MOST, (DEFAULT_STREAM_DIMENSION, n_frames))


class RandomSource(Source):
    """Segments of 60 channels and 100 frames, one every 5 ms.

    Parameters
    ----------
    n_segments : int
    seed : int, optional
    """

    def __init__(self, n_segments: int = 600, seed: int | None = None) -> None:
        self.n_segments, self.seed = n_segments, seed

    @property
    def info(self) -> SourceInfo:
        """60 channels at 20 kHz."""
        return SourceInfo(
            "test", 20_000.0, DEFAULT_STREAM_DIMENSION, "f8", SEGMENT_FRAMES
        )

    def blocks(self) -> Iterator[Block]:
        """Give the segments, at their pace."""
        generator = np.random.default_rng(self.seed)
        every_ns = round(1e9 * SEGMENT_FRAMES / self.info.sampling_rate)
        start_ns = time.monotonic_ns()
        for number in range(self.n_segments):
            traces = np.ascontiguousarray(random_segment(generator).T)
            if not self.sleep_until(start_ns + (number + 1) * every_ns):
                return
            yield Block(number * SEGMENT_FRAMES, traces, time.monotonic_ns())
