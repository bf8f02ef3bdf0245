"""`GrowingFile`: a recording that may grow while it is read; base of such formats."""

import time
from collections.abc import Iterator

from circus_io.chunks import Chunk
from circus_io.datafile import DataFile

__all__ = ["GrowingFile"]

ENDED_S = 2.0  # a file that has not grown for so long is complete
LOOK_EVERY_S = 0.05


class GrowingFile(DataFile):
    """A `DataFile` that can look again how long its file is.

    Such a format implements `refresh`, and `is_growing` where it can tell.
    """

    n_unsettled: int = 0
    """Frames at the end that may still change when others come."""

    def refresh(self) -> int:
        """Look how long the file is now; return the number of frames.

        Chunks keep their numbers: what was there before stays as it was.

        Raises
        ------
        StreamError
            The recording consists of several files.
        """
        raise NotImplementedError(f"{type(self).__name__}.refresh")

    @property
    def is_growing(self) -> bool | None:
        """Whether somebody is still writing it; None where that cannot be told."""
        return None

    def follow(self, chunk_size: int, timeout_s: float = ENDED_S) -> Iterator[Chunk]:
        """Iterate over the chunks of a recording that grows, each when it is complete.

        Parameters
        ----------
        chunk_size : int
            Frames.
        timeout_s : float
            Where it cannot be told whether somebody writes it: a file that does not
            grow for so long has ended, s.

        Yields
        ------
        Chunk
            As `chunks` does; those before a gap and at the end may be shorter.

        Raises
        ------
        StreamStalledError, DeviceError
            A live stream stands still, or its server has closed it. All that came was
            delivered before.
        """
        index, known, grown_s = 0, -1, time.monotonic()
        while True:
            # before it is measured: what comes in between is there then
            is_growing = self.is_growing
            duration = self.refresh()
            for complete in range(index, self._count_complete(chunk_size)):
                yield self.get_chunk(complete, chunk_size)
                index = complete + 1
            silent_s = time.monotonic() - grown_s
            if duration != known:
                known, grown_s = duration, time.monotonic()
            elif is_growing or (is_growing is None and silent_s < timeout_s):
                time.sleep(LOOK_EVERY_S)
            else:
                break
        for last in range(index, len(self.chunk_grid(chunk_size))):
            yield self.get_chunk(last, chunk_size)
        self._check_end()

    def _count_complete(self, chunk_size: int) -> int:
        """Return how many chunks will not change any more."""
        grid = self.chunk_grid(chunk_size)
        for n_chunks in range(len(grid), 0, -1):
            t_start, t_stop = grid.bounds(n_chunks - 1)
            is_in_last = grid.stream(n_chunks - 1) == len(self.streams) - 1
            is_whole = t_stop - t_start == chunk_size
            is_settled = t_stop <= self.t_stop - self.n_unsettled
            if not is_in_last or (is_whole and is_settled):
                return n_chunks
        return 0

    def _check_end(self) -> None:
        """Raise the reason why a stream has ended, if it should not have."""
