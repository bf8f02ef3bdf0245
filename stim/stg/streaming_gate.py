"""`StreamingGate`: samples on their way into the rings."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from circus_io.errors import DeviceError, DeviceMemoryError, SafetyError
from stim.dose import Dose
from stim.running_charge import RunningCharge
from stim.safety import CheckedProgram
from stim.stg.gate import Gate
from stim.stg.held_charge import check_charge
from stim.stg.history import History
from stim.stg.limits import MODES, LimitSet, scale_of
from stim.stg.outflow import Interval
from stim.stg.passage import Passage
from stim.stg.port import DeviceFacts
from stim.stg.streamed import Look, Streamed

__all__ = ["StreamingGate"]


class StreamingGate(Gate):
    """The streaming mode, all channels in step.

    Parameters
    ----------
    port : StreamingPort
    facts : DeviceFacts
    limits : LimitSet
    ring_frames : int
        Size of the ring of the host.
    doses : list of Dose
        The account of each channel: of its charge in this stream.
    history : History
    """

    def __init__(
        self,
        port: Any,
        facts: DeviceFacts,
        limits: LimitSet,
        ring_frames: int,
        doses: list[Dose],
        history: History,
    ) -> None:
        super().__init__(port, facts, limits, history)
        self._is_started = self._is_stopping = self._is_moving = False
        self.ring_frames, self.doses = ring_frames, doses
        n = facts.n_channels
        self._most = np.zeros(n, np.int16)  # nothing, until something is admitted
        self._rate_hz = 0
        self._passages: list[Passage] = []
        self._streamed: list[Streamed] = []
        self._held_fc: list[Interval] = []  # what was there before, by channel
        self._counts_per_sample = 0  # of what the assembly says it took: not known yet
        n_maps = min(n, facts.n_triggers)
        # as many triggers as there are, for channels that are all in step
        self.channel_maps = [
            sum(1 << c for c in range(trigger, n, n_maps)) for trigger in range(n_maps)
        ]
        self.used_triggers = (1 << n_maps) - 1

    # -------------------------------------------------------------------------- set-up

    def set_up(self, rate_hz: int, capacity_frames: int, callback_percent: int) -> None:
        """Tell the device how it will stream; nothing leaves yet.

        Raises
        ------
        DeviceMemoryError
            That many frames are more than its memory.
        """
        n_bytes = [
            2 * capacity_frames * bitmap.bit_count() for bitmap in self.channel_maps
        ]
        if sum(n_bytes) > self.facts.total_memory_bytes:
            raise DeviceMemoryError(
                f"a ring of {capacity_frames} frames for {self.facts.n_channels} "
                f"channels is {sum(n_bytes)} bytes, and the device has "
                f"{self.facts.total_memory_bytes}; give a smaller capacity_in_s"
            )
        self._rate_hz = rate_hz
        if not self._passages:  # what has passed counts, however often it is set up
            self._begin()
        elif self._is_moving:  # what is in the device is lost
            self._widen()
        for streamed in self._streamed:
            streamed.n_kept = max(streamed.n_kept, self.ring_frames + capacity_frames)
        self._port.set_continuous(True)  # without data the output is 0
        self._port.set_output_rate(rate_hz)
        self._port.set_capacity(n_bytes)
        nothing = [0] * len(self.channel_maps)
        percents = [callback_percent] * len(self.channel_maps)
        self._port.setup_trigger(self.channel_maps, nothing, nothing, nothing, percents)

    def _begin(self) -> None:
        """Begin the accounts of this stream, on top of what was there before."""
        now_s = self._clock.now()
        for channel, dose in enumerate(self.doses):
            scale = scale_of(self.facts, channel, self.modes[channel])
            passage = Passage(scale.shift, scale.resolution, 1e6 / self._rate_hz)
            limits = self.limits.of(MODES[self.modes[channel]])
            to_fc = partial(passage.charges_fc, limits=limits)
            streamed = Streamed(scale.shift, 0, self._rate_hz, to_fc)
            self._passages.append(passage)
            self._streamed.append(streamed)
            self._held_fc.append(self._history.charges[channel].settle(now_s))
            dose.begin()

    def _widen(self) -> None:
        """Count with it that what was in the rings is lost."""
        now_s = self._clock.now()
        for channel, streamed in enumerate(self._streamed):
            by_fc, (low_fc, high_fc) = streamed.width_fc(now_s), self._held_fc[channel]
            self._history.charges[channel].widen((-by_fc, by_fc))
            self._held_fc[channel] = low_fc - by_fc, high_fc + by_fc

    def start_loop(self) -> None:
        """Let samples move from the host into the device."""
        self._is_moving = True
        self._port.start_loop()

    def stop_loop(self) -> None:
        """Let them move no more."""
        self._port.stop_loop()

    def start(self) -> None:
        """Start all channels at the same moment: one bitmap, one call.

        Raises
        ------
        SafetyError
            The last pulse of one of them was too short a time ago.
        """
        for channel in np.flatnonzero(self._most).tolist():
            limits = self.limits.of(MODES[self.modes[channel]])
            self._history.check_start(channel, limits)
        if any(streamed.has_begun for streamed in self._streamed):
            self._widen()
        self._is_started, self._is_stopping = True, False
        begin_s, is_sure = self._clock.now(), False
        both = zip(self._streamed, self._history.charges, strict=True)
        try:
            for streamed, held in both:
                streamed.begin(begin_s)
                if held.last is not streamed:
                    held.begin(streamed, begin_s)
            self._port.send_start(self.used_triggers)
            is_sure = True
        finally:  # one that failed may have started something
            started_s = self._clock.now()
            for streamed in self._streamed:
                streamed.started(started_s, is_sure=is_sure)

    def send_stop(self, triggers: int | None = None) -> None:
        """Stop the triggers of a bitmap, or all; from any thread, at any time."""
        self._is_stopping = True  # what is found in the rings after it says little
        super().send_stop(triggers)
        if self._is_started:
            self._is_started = False
            for channel in np.flatnonzero(self._most).tolist():
                self._history.pulse(channel)

    def _channel_maps(self) -> Sequence[int]:
        return self.channel_maps

    # ------------------------------------------------------------------------- samples

    def admit(self, channel: int, checked: CheckedProgram) -> None:
        """Let a channel put out amplitudes as large as limits allow, from now on.

        Raises
        ------
        SafetyError
            This is not a checked program for this channel.
        """
        self._check_made(channel, checked)
        if not checked.program.is_silent:
            scale = checked.program.scale
            self._most[channel] = checked.limits.largest_counts(scale) << scale.shift

    def post(self, block: np.ndarray) -> None:
        """Hand on frames of all channels, made of admitted programs that repeat.

        Parameters
        ----------
        block : int16 array, shape (n_channels, n_frames), C order

        Raises
        ------
        SafetyError
            A word is beyond what limits allow, or all of it together is too much;
            nothing of the block was handed on.
        DeviceError
            The ring did not take all of it.
        """
        if block.any():
            self._check_words(block)
            for channel in np.flatnonzero(block.any(axis=1)).tolist():
                self._check_time(channel, block[channel])
                self.doses[channel].add(block[channel])
                self._check_dose(channel, self.doses[channel])
        for channel, words in enumerate(block):
            self._enqueue(channel, words)

    def post_one(self, channel: int, words: np.ndarray) -> None:
        """Hand on any samples of one channel, int16; raises as `post`.

        Nobody has seen before what they follow, so that is looked at, too.
        """
        block = np.zeros((self.facts.n_channels, words.size), np.int16)
        block[channel] = words
        self._check_words(block)
        self._check_time(channel, words)
        limits = self.limits.of(MODES[self.modes[channel]])
        self._check_dose(channel, self.doses[channel].after(words))
        try:
            self._passages[channel].follow(words, limits)
        except SafetyError as error:
            raise SafetyError(f"channel {channel}: {error}") from None
        self.doses[channel].add(words)
        self._enqueue(channel, words)

    def _check_words(self, block: np.ndarray) -> None:
        too_high = block.max(axis=1) > self._most
        beyond = np.flatnonzero(too_high | (block.min(axis=1) < -self._most))
        if beyond.size:
            channel = int(beyond[0])
            words = np.abs(block[channel].astype(np.int64))
            raise SafetyError(
                f"channel {channel}: a word of {words.max()} is beyond the limit of "
                f"{self._most[channel]}; it was not sent"
            )

    def _check_time(self, channel: int, words: np.ndarray) -> None:
        limits = self.limits.of(MODES[self.modes[channel]])
        self._history.check_time(channel, self._on_us(words), limits)

    def _on_us(self, words: np.ndarray) -> float:
        """Return for how long words put out something, µs."""
        return np.count_nonzero(words) * 1e6 / self._rate_hz

    def _check_dose(self, channel: int, dose: Dose) -> None:
        limits = self.limits.of(MODES[self.modes[channel]])
        more = dose.lowest, dose.highest
        more_fc = self._passages[channel].charges_fc(*more, limits)
        check_charge(channel, self._held_fc[channel], more_fc, limits)

    def check_charge(self, channel: int, checked: CheckedProgram) -> None:
        """Raise `SafetyError` if a program is too much on top of what was left before.

        What repetitions add up to is looked at as they are posted.
        """
        program, limits = checked.program, checked.limits
        more = RunningCharge(program).over(1)
        more_fc = limits.charges_fc(*more, program.scale.resolution, program.grid_us)
        check_charge(channel, self._held_fc[channel], more_fc, limits)

    def _enqueue(self, channel: int, words: np.ndarray) -> None:
        self._streamed[channel].post(words)
        self._history.streamed_us[channel] += self._on_us(words)
        self._hand_on(channel, words)
        self._streamed[channel].n_taken += words.size

    def _hand_on(self, channel: int, words: np.ndarray) -> None:
        if not self._counts_per_sample and words.size:
            self._learn_unit(channel, words)
            return
        taken = self._port.enqueue(channel, words)
        if taken not in (0, words.size * self._counts_per_sample):
            # 0 is also what an assembly says that counts nothing; `spaces` tells
            raise DeviceError(
                f"channel {channel}: {taken} of {words.size} samples were taken; "
                "channels would be out of step"
            )

    def _learn_unit(self, channel: int, words: np.ndarray) -> None:
        """Enqueue, and see what the assembly counts in: samples or bytes.

        Nothing drains before the loop has started, so the space that is gone is exact.
        """
        before = self._port.queue_space(channel)
        taken = self._port.enqueue(channel, words)
        gone = before - self._port.queue_space(channel)
        if gone != words.size:
            raise DeviceError(
                f"channel {channel}: {gone} of {words.size} samples went into the ring"
            )
        self._counts_per_sample = max(1, taken // words.size)

    def spaces(self) -> list[int]:
        """Return how many samples the ring of the host can take, by channel."""
        return [self._port.queue_space(c) for c in range(self.facts.n_channels)]

    def buffered(self) -> list[int]:
        """Return how many frames are in the device, by trigger."""
        return [self._port.frames_buffered(t) for t in range(len(self.channel_maps))]

    def look(self) -> tuple[list[int], list[int]]:
        """Look into the rings; return what `buffered` and `spaces` do.

        Samples move meanwhile. Those that were seen in the host and then in the device
        count twice, so that what has been put out is not less than it seems; those that
        were seen in neither are missed, and it is not more. For that the ring of the
        host is looked at before that of the device, and after it.
        """
        begin_s, taken = self._clock.now(), [one.n_taken for one in self._streamed]
        before, buffered, spaces = self.spaces(), self.buffered(), self.spaces()
        end_s = self._clock.now()
        if self._is_started and not self._is_stopping:
            for channel, streamed in enumerate(self._streamed):
                in_both = self.ring_frames + buffered[channel % len(buffered)]
                least = taken[channel] - in_both + before[channel]
                most = streamed.n_posted - in_both + spaces[channel]
                streamed.look(Look(begin_s, end_s, max(0, least), most))
        return buffered, spaces

    def played_surely(self) -> int:
        """Return how many frames all channels had put out at the last look."""
        return min(streamed.n_played for streamed in self._streamed)

    def frames_done(self) -> int:
        """Return how many frames the device says that it has put out."""
        return self._port.frames_done()
