"""`HDF5Reader`: segments of a recording, or random ones, as a service."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from circus_live.crepe.modus import CrepeModus
from circus_live.crepe.queue_service import QueueService
from circus_live.crepe.random_source import RandomSource, random_segment
from circus_live.crepe.settings import SEGMENT_FRAMES
from circus_live.source import Source
from circus_live.sources.file import FileSource

__all__ = ["HDF5Reader"]


class HDF5Reader(QueueService):
    """Puts segments (n_channels, n_frames) into its queue.

    Parameters
    ----------
    file_path : path, optional
        A recording in any format; needed unless `mode` is TEST.
    mode : CrepeModus
        FILE or TEST.
    pace : {'fast', 'real_time'} or float
    **settings
        ``queue_out``; anything else is of `FileSource`, such as ``stream``.

    Attributes
    ----------
    source : Source
        Its `info` has the rate, the gain and the labels.
    """

    def __init__(
        self,
        file_path: str | os.PathLike[str] | None = None,
        mode: CrepeModus = CrepeModus.FILE,
        pace: str | float = "fast",
        **settings: Any,
    ) -> None:
        names = settings.keys() & {"queue_in", "queue_out"}
        queues = {name: settings.pop(name) for name in names}
        QueueService.__init__(self, name="HDF5READER", **queues)
        self.source: Source = RandomSource()
        if mode is not CrepeModus.TEST:
            if file_path is None:
                raise ValueError("HDF5Reader needs file_path, a recording")
            self.source = FileSource(file_path, SEGMENT_FRAMES, pace, **settings)

    def run(self) -> None:
        """Put all segments, and then the end."""
        for segment in self.generate_H5_stream():
            self.put(segment)
        self.end()

    def generate_H5_stream(self) -> Iterator[np.ndarray]:  # noqa: N802 -- CREPE's
        """Give all segments in the type of the file; the last one may be shorter."""
        for block in self.source:
            yield np.ascontiguousarray(block.traces.T)

    def _generate_random_test_segment(self, n: int) -> np.ndarray:
        """Return a segment of `n` frames, float64 (60, n)."""
        return random_segment(np.random.default_rng(), n)

    def _generate_random_test_segment_list(self, n: int) -> list[np.ndarray]:
        """Return `n` segments."""
        generator = np.random.default_rng()
        return [random_segment(generator) for _ in range(n)]
