"""`Streamed`: the charge of what a channel streams, wherever it may be cut.

What was posted lies in two rings before it leaves, and a stop throws that away. How
much has left is known from looks into the rings, and from the time since.
"""

import math
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from stim.stg.outflow import DRIFT, LAG_S, Interval, Outflow

__all__ = ["Look", "Streamed"]


class Look(NamedTuple):
    """What was found in the rings between two moments.

    Attributes
    ----------
    begin_s, end_s : float
    least, most : int
        Frames that have been put out, at least and at most.
    """

    begin_s: float
    end_s: float
    least: int
    most: int


class Streamed(Outflow):
    """The words of one channel that may not have been put out yet.

    Parameters
    ----------
    shift : int
        Bits of a word below its counts: ``scale.shift``.
    n_kept : int
        Frames that both rings hold at most.
    rate_hz : int
    to_fc
        Of `stim.stg.outflow.Outflow`.

    Attributes
    ----------
    n_posted, n_taken : int
        Frames that are handed on, and those that the ring of the host has taken.
    charge : int
        Of all that was posted, counts × frames.
    """

    def __init__(
        self,
        shift: int,
        n_kept: int,
        rate_hz: int,
        to_fc: Callable[[float, float], Interval],
    ) -> None:
        super().__init__(to_fc)
        self._shift, self.n_kept, self._rate_hz = shift, n_kept, rate_hz
        self.n_posted = self.n_taken = self.charge = 0
        # first frame, charge before it, words: of all that is not silence
        self._parts: deque[tuple[int, int, np.ndarray]] = deque()
        self._looks: deque[Look] = deque(maxlen=2)

    # --------------------------------------------------------------------- what is told

    def begin(self, begin_s: float) -> None:
        """Note a start; after a stop, what was in the rings may be there or not."""
        look = Look(begin_s, math.inf, 0, 0)
        if self._looks:
            least = self._window(self._told_s, self._done_s)[0]
            look = look._replace(least=least, most=self.n_posted)
        super().begin(begin_s)
        self._looks.clear()
        self._looks.append(look)

    def started(self, started_s: float, *, is_sure: bool) -> None:
        """Note that the device has answered."""
        super().started(started_s, is_sure=is_sure)
        if is_sure:
            self._looks[0] = self._looks[0]._replace(end_s=started_s)

    def post(self, words: np.ndarray) -> None:
        """Note words, int16, that are about to be handed on; they must not change."""
        if words.any():
            self._parts.append((self.n_posted, self.charge, words))
            self.charge += int(np.add.reduce(words >> self._shift, dtype=np.int64))
        self.n_posted += words.size
        out = self.n_posted - self.n_kept
        while self._parts and self._parts[0][0] + self._parts[0][2].size <= out:
            self._parts.popleft()

    def look(self, look: Look) -> None:
        """Note what was found in the rings."""
        self._looks.append(look)

    @property
    def n_played(self) -> int:
        """Frames that have been put out for sure."""
        return self._looks[-1].least if self._looks else 0

    def width_fc(self, now_s: float) -> float:
        """Return by how much it may differ if what is in the rings is lost, fC."""
        frames = self._window(min(self._told_s, now_s), self._done_s)[0], self.n_posted
        low_fc, high_fc = self._to_fc(*self._between(*frames))
        return high_fc - low_fc

    # ----------------------------------------------------------------- what may be left

    def _extremes(self, told_s: float, done_s: float) -> Interval:
        return self._between(*self._window(told_s, done_s))

    def _window(self, told_s: float, done_s: float) -> tuple[int, int]:
        """Return how many frames were put out by a stop, at least and at most."""
        if not self._looks:
            return 0, 0
        # one after the stop says little: it may have emptied the ring of the device
        looks = [look for look in self._looks if look.end_s <= told_s]
        look = looks[-1] if looks else self._looks[0]._replace(least=0)
        most_s = max(0.0, (done_s - look.begin_s + LAG_S) * (1 + DRIFT))
        most = look.most + most_s * self._rate_hz
        last = self.n_posted if most >= self.n_posted else math.ceil(most)
        return min(max(look.least, self.n_posted - self.n_kept), last), last

    def _between(self, first: int, last: int) -> Interval:
        """Return the extremes of the charge of `first` to `last` frames."""
        found, end = [], 0  # the end of the part before
        for at, before, words in [*self._parts, (self.n_posted, self.charge, None)]:
            if at >= first and end <= last:
                found.append(before)
            if words is None:
                break
            end = at + words.size
            if end > first and at < last:
                running = before + np.cumsum(words >> self._shift, dtype=np.int64)
                part = running[max(0, first - at - 1) : last - at]
                found += [int(part.min()), int(part.max())]
        return min(found), max(found)
