"""`Feeder`: keeps the ring of the host filled to a level, and sees what was lost.

To a level, not to the brim: the level is the latency that was asked for. Blocks hold
all channels, so those stay in step; a ring larger than the level takes each of them
whole.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from stim.stg.port import Clock
from stim.stg.signals import MAX_BLOCK, Signals
from stim.stg.streaming_gate import StreamingGate
from stim.stg.underruns import Underruns

__all__ = ["Feeder", "Tick"]


@dataclass(frozen=True)
class Tick:
    """What a callback is told before frames are made.

    Attributes
    ----------
    sample_index : int
        Of the first frame of the next block, from the start of the stream on.
    n_lost : int
        Zeros that the device has inserted before; it counts them in its own index.
    late_s : float
        How much later than its period this call came, s.
    """

    sample_index: int
    n_lost: int
    late_s: float


class Feeder:
    """One step posts what is missing to the level.

    Parameters
    ----------
    gate : StreamingGate
    signals : Signals
    clock : Clock
    fill_frames : int
        The level.
    period_s : float
        Time from step to step, s.
    underruns : Underruns
    callback : callable, optional
        Called with a `Tick` before each step.

    Attributes
    ----------
    n_steps : int
    late_s : float
        The longest time by which a step came late, s.
    cpu_s : float
        Time of a processor that steps took, s.
    last_step_s : float
        When the last one began.
    skew : int
        Frames by which channels differed then in what was still to be put out.
    """

    def __init__(
        self,
        gate: StreamingGate,
        signals: Signals,
        clock: Clock,
        *,
        fill_frames: int,
        period_s: float,
        underruns: Underruns,
        callback: Callable[[Tick], None] | None = None,
    ) -> None:
        self._gate, self._signals, self._clock = gate, signals, clock
        self._fill, self._period_s = fill_frames, period_s
        self._callback, self.underruns = callback, underruns
        self.n_steps, self.late_s, self.cpu_s = 0, 0.0, 0.0
        self.last_step_s, self.skew = clock.now(), 0

    def fill(self) -> int:
        """Post what is missing to the level; return how many frames that was."""
        return self._post(min(self._gate.spaces()))

    def _post(self, space: int) -> int:
        missing = self._fill - (self._gate.ring_frames - space)
        posted = missing = max(0, min(missing, space))
        while missing:
            n = min(missing, MAX_BLOCK)
            self._gate.post(self._signals.make(n))
            missing -= n
        return posted

    def step(self) -> int:
        """Call the user, look for underruns, post; return how many frames were lost."""
        cpu_s, now = time.thread_time(), self._clock.now()
        late_s = max(0.0, now - self.last_step_s - self._period_s)
        self.late_s, self.last_step_s = max(self.late_s, late_s), now
        self.n_steps += 1
        if self._callback is not None:
            position = self._signals.position
            self._callback(Tick(position, self.underruns.n_lost, late_s))
        before_s = self._clock.now()
        spaces, in_rings = self._rings()
        after_s = self._clock.now()
        self.skew = max(in_rings) - min(in_rings)
        played = self._signals.position - max(in_rings)
        lost = self.underruns.look(before_s, after_s, played, in_rings)
        self._post(min(spaces))
        self.cpu_s += time.thread_time() - cpu_s
        return lost

    def _rings(self) -> tuple[list[int], list[int]]:
        """Return the space in the host, and what is in both rings, by channel.

        Of the host, as it was after the device was asked: what moves in between is then
        missed, which looks like having been put out a little early. The other way round
        it would be counted twice, and look like an underrun.
        """
        buffered, spaces = self._gate.look()
        size, n = self._gate.ring_frames, len(buffered)
        return spaces, [size - s + buffered[c % n] for c, s in enumerate(spaces)]

    def played(self) -> int:
        """Return how many of the frames that were posted have been put out."""
        return self._signals.position - max(self._rings()[1])
