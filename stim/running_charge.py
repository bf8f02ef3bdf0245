"""`RunningCharge`: what a program has let flow by any moment since its start.

It is linear while a run lasts, so all of it lies between its ends. Charges are in
counts × ticks, as those of `stim.dose.Account`.
"""

import math

import numpy as np

from stim.program import Program

__all__ = ["RunningCharge"]


class RunningCharge:
    """The running charge of a program, once and over repetitions.

    Parameters
    ----------
    program : Program

    Attributes
    ----------
    net : int
        What one repetition leaves.
    lowest, highest : int
        Extremes within one repetition; 0, at its start, is one of its values.
    """

    def __init__(self, program: Program) -> None:
        self._times_us = np.r_[0, np.cumsum(program.durations_us)]
        self._charges = np.r_[0, np.cumsum(program.counts * program.ticks)]
        self.net = int(self._charges[-1])
        self.lowest, self.highest = int(self._charges.min()), int(self._charges.max())

    def over(self, repeats: int) -> tuple[float, float]:
        """Return the extremes over some repetitions; 0 is for ever."""
        if not self.net:
            return self.lowest, self.highest
        added = (
            self.net * (repeats - 1) if repeats else math.copysign(math.inf, self.net)
        )
        return self.lowest + min(0, added), self.highest + max(0, added)

    def between(
        self, begin_us: float, end_us: float, period_us: int, repeats: int
    ) -> tuple[float, float]:
        """Return the extremes between two moments, both of them included.

        Parameters
        ----------
        begin_us, end_us : float
            Since the start; nothing has flowed before it, and nothing flows behind the
            last repetition.
        period_us : int
            From the start of one repetition to that of the next; no shorter than the
            program.
        repeats : int
            0 is for ever.
        """
        total_us = period_us * repeats if repeats else math.inf
        first, begin = divmod(min(max(0, begin_us), total_us), period_us)
        last, end = divmod(min(max(0, begin_us, end_us), total_us), period_us)
        if first == last:
            parts = [(first, *self._part(begin, end))]
        else:
            whole = self.lowest, self.highest
            # charge grows by as much each time: of those in between, two are enough
            between = {first + 1, last - 1} - {first, last}
            parts = [
                (first, *self._part(begin, period_us)),
                (last, *self._part(0, end)),
                *((nth, *whole) for nth in between),
            ]
        lows, highs = zip(
            *((n * self.net + low, n * self.net + high) for n, low, high in parts),
            strict=True,
        )
        return min(lows), max(highs)

    def _part(self, begin_us: float, end_us: float) -> tuple[float, float]:
        """Return the extremes within one repetition, of which the end is a pause."""
        ends = np.interp([begin_us, end_us], self._times_us, self._charges)
        inner = slice(*np.searchsorted(self._times_us, [begin_us, end_us]))
        values = np.r_[ends, self._charges[inner]]
        return float(values.min()), float(values.max())
