"""`Digest`: blocks of a stream → columns; each frame is looked at once."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from circus_io.errors import FormatError
from circus_live.block import Block, BlockFlag
from circus_live.source import SourceInfo
from circus_live.view.columns import Column, Columns
from circus_live.view.high_pass import HighPass
from circus_live.view.reduction import crossings, extremes, mean_square, noise_levels

__all__ = ["Digest"]

COLUMN_S = 0.0005
HISTORY_S = 12.0
MOST_BYTES = 128e6  # of the history, where channels are many
BYTES_PER_CHANNEL = 2 * 14  # of a column; see Columns
NOISE_EVERY_S = 0.5
NOISE_VALUES = 200_000  # the median of more would take too long
NOISE_WEIGHT = 0.2  # of the newest estimate
USUAL_HIGH_PASS_HZ = 300.0
LEAST_RATE_HZ = 2000.0  # below it, a stream is no trace of spikes


class Digest:
    """Takes blocks as they come, filters them, and keeps the columns.

    Parameters
    ----------
    info : SourceInfo
    threshold : float
        Crossings are those of minus so many times the noise of a channel.
    high_pass_hz : float, optional
        Of what is shown; 0 shows traces as they are. By default 300 Hz, and 0 for
        streams of less than 2 kHz.

    Attributes
    ----------
    columns : Columns
    column_s : float
        Length of a column, s.
    noise_uv : ndarray, shape (n_channels,)
        NaN before the first block.
    n_blocks : Counter
        How many blocks had which `BlockFlag`.
    host_time_ns : int
        When the newest block was complete; 0 before the first one.
    t_stop : int
        One past its last frame.

    Raises
    ------
    FormatError
        The stream is too slow for the filter.
    """

    def __init__(
        self,
        info: SourceInfo,
        threshold: float = 5.0,
        high_pass_hz: float | None = None,
    ) -> None:
        rate, n_channels = info.sampling_rate, info.n_channels
        if high_pass_hz is None:
            high_pass_hz = USUAL_HIGH_PASS_HZ if rate >= LEAST_RATE_HZ else 0.0
        if not 0 <= high_pass_hz < rate / 2:
            raise FormatError(
                f"high_pass_hz = {high_pass_hz:g}: expected 0 (none) to less than half "
                f"of the sampling rate, {rate / 2:g} Hz"
            )
        self.info, self.threshold, self.high_pass_hz = info, threshold, high_pass_hz
        self._filter = HighPass(high_pass_hz, rate) if high_pass_hz else None
        self._gain = np.asarray(info.gain, np.float32)
        self._offset = np.asarray(info.dtype_offset)
        self._column_frames = max(1, round(COLUMN_S * rate))
        self.column_s = self._column_frames / rate
        fits = int(MOST_BYTES / (BYTES_PER_CHANNEL * n_channels))
        self.columns = Columns(min(round(HISTORY_S / self.column_s), fits), n_channels)
        self.noise_uv = np.full(n_channels, np.nan, np.float32)
        self.n_blocks: Counter[BlockFlag] = Counter()
        self.host_time_ns = self.t_stop = 0
        self._noise_due = 0
        self._restart()

    def take(self, blocks: Sequence[Block]) -> None:
        """Look at blocks in the order of time."""
        blocks = [block for block in blocks if block.n_frames]
        for run in _runs(blocks):
            first = run[0].sample_index
            if first != self.t_stop:
                self._restart()
            self.t_stop = run[-1].t_stop
            self._look(first, np.concatenate([block.traces for block in run]))
        for block in blocks:
            self.n_blocks.update(flag for flag in BlockFlag if flag & block.flags)
            self.host_time_ns = block.host_time_ns

    # ------------------------------------------------------------------------ its parts

    def _restart(self) -> None:
        """Begin anew: what comes does not follow what has come."""
        empty = np.empty((0, self.info.n_channels), np.float32)
        self._left, self._before = empty, None
        if self._filter is not None:
            self._filter.restart()

    def _look(self, first: int, counts: np.ndarray) -> None:
        traces = (counts - self._offset).astype(np.float32) * self._gain
        if self._filter is not None:
            traces = self._filter(traces)
        self._note_noise(first, traces)
        start, size = first - len(self._left), self._column_frames
        traces = np.concatenate([self._left, traces])
        # after a gap, begin with a whole column
        traces = traces[min(-start % size, len(traces)) :]
        n_whole = len(traces) // size * size
        self._left = traces[n_whole:].copy()
        if n_whole:
            self._keep(-(-start // size), traces[:n_whole])

    def _note_noise(self, first: int, traces: np.ndarray) -> None:
        if first < self._noise_due:
            return
        self._noise_due = first + round(NOISE_EVERY_S * self.info.sampling_rate)
        step = -(-traces.size // NOISE_VALUES)
        new = noise_levels(traces[::step])
        known = np.isfinite(self.noise_uv)
        weight = np.where(known, NOISE_WEIGHT, 1.0)
        old = np.where(known, self.noise_uv, 0.0)
        self.noise_uv = (old + weight * (new - old)).astype(np.float32)

    def _keep(self, number: int, traces: np.ndarray) -> None:
        """Add whole columns, of which the first one has that number."""
        size = self._column_frames
        before = traces[0] if self._before is None else self._before
        self._before = traces[-1].copy()
        low, high = extremes(traces, size)
        column = Column(
            low=low,
            high=high,
            power=mean_square(traces, size),
            n_crossings=crossings(
                traces, before, -self.threshold * self.noise_uv, size
            ),
        )
        self.columns.skip(number - self.columns.stop)
        self.columns.append(column)


def _runs(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Cut blocks where frames are missing between them."""
    borders = [
        i for i, (a, b) in enumerate(pairwise(blocks), 1) if a.t_stop != b.sample_index
    ]
    for start, stop in pairwise([0, *borders, len(blocks)]):
        if stop > start:
            yield list(blocks[start:stop])
