"""What a program does to an electrode, in counts × ticks: integers, so nothing drifts.

`Account` is that of a program, before it is sent; `Dose` is the running one of what was
sent.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from stim.program import Program

__all__ = ["Account", "Dose", "Phases"]


@dataclass(frozen=True)
class Phases:
    """Stretches in which charge goes one way.

    Pauses do not end one, the reversal of the output does, and so does a moment at
    which all charge is back.

    Attributes
    ----------
    charges : int64 array, shape (n_phases,)
        Counts × ticks, with their sign.
    ticks : int64 array, shape (n_phases,)
        How long something flows, pauses not counted.
    """

    charges: np.ndarray
    ticks: np.ndarray

    @classmethod
    def of(cls, counts: np.ndarray, ticks: np.ndarray, *, are_reset: bool) -> Self:
        """Return the phases of runs that are not 0.

        Parameters
        ----------
        counts, ticks : int64 array, shape (n_runs,)
        are_reset : bool
            Whether a moment without charge ends a phase.
        """
        signs, charges = np.sign(counts), counts * ticks
        begins = signs[1:] != signs[:-1]
        if are_reset:
            begins |= np.cumsum(charges)[:-1] == 0
        starts = np.flatnonzero(np.r_[True, begins])
        return cls(np.add.reduceat(charges, starts), np.add.reduceat(ticks, starts))


@dataclass(frozen=True)
class Account:
    """What a program does, once or again and again. Charges are in counts × ticks.

    Attributes
    ----------
    largest_counts : int
        Of either sign.
    phase_charge, phase_ticks : int
        Most of one phase; see `Phases`.
    pulse_charge : int
        What is left at its end, of either sign.
    running_charge : int
        Most at any moment since its start, over all repetitions, of either sign.
    period_ticks : int or None
        Shortest time from the start of one pulse to that of the next, where there are
        two. A pulse goes from no charge to no charge; what does not come back to that
        is cut at pauses.
    on_ticks : int
        How long something flows, over all repetitions.

    Values that grow with every repetition are None where there is no end to them.
    """

    largest_counts: int
    phase_charge: int | None
    phase_ticks: int | None
    pulse_charge: int
    running_charge: int | None
    period_ticks: int | None
    on_ticks: int | None

    @classmethod
    def of(cls, program: Program, repeats: int | None, period_ticks: int) -> Self:
        """Return the account of a program.

        Parameters
        ----------
        program : Program
        repeats : int or None
            How many times it is played; None for without an end.
        period_ticks : int
            From the start of one time to that of the next.
        """
        flows = np.flatnonzero(program.counts)
        if not flows.size:
            return cls(0, 0, 0, 0, 0, None, 0)
        counts, ticks = program.counts[flows], program.ticks[flows]
        net = program.net_counts
        is_balanced = net == 0 or repeats == 1
        phases = Phases.of(counts, ticks, are_reset=is_balanced)
        on_ticks = int(ticks.sum())
        return cls(
            largest_counts=int(np.abs(counts).max()),
            phase_charge=_longest(np.abs(phases.charges), phases, net, repeats),
            phase_ticks=_longest(phases.ticks, phases, net, repeats),
            pulse_charge=abs(net),
            running_charge=_running(counts * ticks, net, repeats),
            period_ticks=_period(program, flows, repeats, period_ticks),
            on_ticks=None if repeats is None else on_ticks * repeats,
        )


class Dose:
    """The running account of the words that a channel was really given.

    Parameters
    ----------
    shift : int
        Bits of a word below its counts: ``scale.shift``.

    Attributes
    ----------
    charge : int
        Counts × samples since `begin`.
    lowest, highest : int
        Extremes of `charge` until now.
    on_samples, n_samples : int
        Samples that were not 0, and all, since it was made.
    """

    def __init__(self, shift: int) -> None:
        self.shift = shift
        self.charge = self.lowest = self.highest = 0
        self.on_samples = self.n_samples = 0

    def begin(self) -> None:
        """Let charge begin anew; time goes on."""
        self.charge = self.lowest = self.highest = 0

    def after(self, words: np.ndarray) -> "Dose":
        """Return the account with some more words, which this one does not get.

        Parameters
        ----------
        words : int16 array, shape (n_samples,)
        """
        more = Dose(self.shift)
        more.__dict__.update(self.__dict__)
        more.add(words)
        return more

    def add(self, words: np.ndarray) -> None:
        """Account for words that were posted.

        Parameters
        ----------
        words : int16 array, shape (n_samples,)
        """
        if not words.size:
            return
        self.n_samples += words.size
        n_on = int(np.count_nonzero(words))
        if not n_on:
            return
        self.on_samples += n_on
        running = np.cumsum(words >> self.shift, dtype=np.int64)
        self.lowest = min(self.lowest, self.charge + int(running.min()))
        self.highest = max(self.highest, self.charge + int(running.max()))
        self.charge += int(running[-1])

    @property
    def running_charge(self) -> int:
        """Most at any moment since `begin`, of either sign; counts × samples."""
        return max(self.highest, -self.lowest)


def _longest(
    sizes: np.ndarray, phases: Phases, net: int, repeats: int | None
) -> int | None:
    """Return the largest of phases, those that go on in the next repetition joined."""
    largest = int(sizes.max())
    if net == 0 or repeats == 1 or phases.charges[0] * phases.charges[-1] < 0:
        return largest
    if sizes.size == 1:  # it never turns: each repetition adds to the one before
        return None if repeats is None else largest * repeats
    return max(largest, int(sizes[0] + sizes[-1]))


def _running(charges: np.ndarray, net: int, repeats: int | None) -> int | None:
    """Return the largest running sum of charges over repetitions, of either sign."""
    if net and repeats is None:
        return None
    running = np.cumsum(charges)
    extremes = min(0, int(running.min())), max(0, int(running.max()))
    added = net * ((repeats or 1) - 1)
    return max(abs(extreme + more) for extreme in extremes for more in (0, added))


def _period(
    program: Program, flows: np.ndarray, repeats: int | None, period_ticks: int
) -> int | None:
    """Return the shortest time between the starts of pulses, in ticks."""
    counts, ticks = program.counts[flows], program.ticks[flows]
    ends = np.cumsum(program.ticks)[flows]
    starts = ends - ticks
    before = np.r_[0, np.cumsum(counts * ticks)[:-1]]
    follows_pause = starts > np.r_[-1, ends[:-1]]
    # behind the last moment without charge, a pulse is what flows after a pause and
    # does not bring charge back
    is_open = np.arange(flows.size) > np.flatnonzero(before == 0)[-1]
    if program.net_counts == 0:
        is_open[:] = False
    begins = (before == 0) | (is_open & follows_pause & (counts * before > 0))
    onsets = starts[begins]
    gaps = np.diff(onsets).tolist()
    if repeats != 1:
        gaps.append(period_ticks - int(onsets[-1] - onsets[0]))
    return min(gaps, default=None)
