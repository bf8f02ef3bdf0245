"""`Underruns`: frames that the device had no data for, found out from the host.

The device does not tell. But what was posted and is in neither ring has been put out,
and how much should have been is known from the clock; what the first falls behind the
second was zeros.
"""

from collections.abc import Sequence

__all__ = ["Underruns"]

FIRST_LOOKS = 10  # in which it is found out how long the device took to start
SMOOTHING = 0.02  # of the part of the lag that comes from clocks that differ


class Underruns:
    """Compares what was put out with what was due.

    Parameters
    ----------
    rate_hz : int
    tolerance_frames : int
        How far both may differ for other reasons: they are not read at one moment, and
        samples move in slices.

    Attributes
    ----------
    n_underruns : int
        How many times at least the device ran out of data.
    n_lost : int
        Zeros that it put out instead, in frames.
    """

    def __init__(self, rate_hz: int, tolerance_frames: int) -> None:
        self._rate_hz, self._tolerance = rate_hz, tolerance_frames
        self._start_s: float | None = None
        self._lag: float | None = None
        self._is_going_on = False
        self._n_looks = 0
        self.n_underruns = self.n_lost = 0

    def start(self, time_s: float) -> None:
        """Begin at the moment at which the device was started."""
        self._start_s = time_s

    def look(
        self,
        before_s: float,
        after_s: float,
        played: int,
        in_rings: Sequence[int],
    ) -> int:
        """Compare; return how many more frames were lost.

        Parameters
        ----------
        before_s, after_s : float
            Times between which the rings were read, s.
        played : int
            Frames that were posted and are in no ring any more.
        in_rings : sequence of int
            What is in both rings of each channel.
        """
        due = [(time - self._start_s) * self._rate_hz for time in (before_s, after_s)]
        # where the host was held up while it read, both are possible
        least, most = due[0] - played, due[1] - played
        if self._lag is None:  # a device takes a while to start
            self._lag = least
        excess = least - self._lag
        self._n_looks += 1
        if self._n_looks <= FIRST_LOOKS and excess < FIRST_LOOKS * self._tolerance:
            # one that looked while samples moved saw more put out than had been
            self._lag += max(0.0, excess)
            excess = 0.0
        is_dry = min(in_rings) == 0 and most > self._lag  # just now
        if excess > self._tolerance or is_dry:
            self.n_underruns += not self._is_going_on
            self._is_going_on = True
            return self._lose(max(1, round(excess)))
        if self._is_going_on:  # what was lost since the last look, to the frame
            self._is_going_on = False
            return self._lose(max(0, round(excess)))
        nearest = min(max(self._lag, least), most)
        self._lag += SMOOTHING * (nearest - self._lag)
        return 0

    def _lose(self, n: int) -> int:
        self._lag += n
        self.n_lost += n
        return n
