"""`DownloadGate`: programs on their way into the memory, and their starts."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import zip_longest
from typing import Any

from circus_io.errors import DeviceError, StimulatorStateError
from stim.program import Program
from stim.running_charge import RunningCharge
from stim.safety import CheckedProgram
from stim.stg.gate import Gate, bits_of
from stim.stg.history import History
from stim.stg.limits import MODES, LimitSet
from stim.stg.outflow import LAG_S, Downloaded, Interval
from stim.stg.port import DeviceFacts

__all__ = ["DownloadGate"]


class DownloadGate(Gate):
    """The download mode: what is stored, who starts it, and how often.

    Parameters
    ----------
    port : DownloadPort
    facts : DeviceFacts
    limits : LimitSet
    history : History

    Notes
    -----
    What an earlier program left in the device was checked by nobody here: it is stopped
    and forgotten before anything else is stored or started.
    """

    def __init__(
        self,
        port: Any,
        facts: DeviceFacts,
        limits: LimitSet,
        history: History,
    ) -> None:
        super().__init__(port, facts, limits, history)
        self._programs: dict[int, CheckedProgram] = {}
        self._maps: tuple[list[int], list[int], list[int]] = ([], [], [])
        # of what is stored: starts have no time
        self._once_us: dict[int, int] = {}
        self._running: dict[int, RunningCharge] = {}
        # channels of which a step has failed: nobody knows what they would play
        self._unknown: set[int] = set()
        self._is_clean = False

    @property
    def was_used(self) -> bool:
        """Whether this gate may have made the device do something."""
        return self._is_clean

    @property
    def maps(self) -> tuple[list[int], list[int], list[int]]:
        """Channels and sync-outs of each trigger, and its repeats; 0 is for ever."""
        return self._maps

    def clean(self) -> None:
        """Forget what others have stored; once."""
        if not self._is_clean:
            self.send_stop()
            for channel in range(self.facts.n_channels):
                self._port.clear_channel(channel)
            self._is_clean = True

    def set_mode(self, channel: int, mode: str) -> None:
        """Let a channel put out currents or voltages; what it had is forgotten."""
        if self.modes[channel] != mode and channel in self._programs:
            self.forget(channel)
        super().set_mode(channel, mode)

    def forget(self, channel: int) -> None:
        """Let a channel play nothing."""
        self._stop_those_of(channel)
        self._programs.pop(channel, None)
        self._unknown.add(channel)
        self._port.clear_channel(channel)
        self._unknown.discard(channel)

    def _channel_maps(self) -> Sequence[int]:
        return self._maps[0]

    # ----------------------------------------------------------------------- downloads

    def send(
        self,
        channel: int,
        checked: CheckedProgram,
        entries: tuple[Sequence[int], Sequence[int]],
        syncout: tuple[Sequence[int], Sequence[int]] | None,
    ) -> None:
        """Store a program; triggers that play this channel are stopped.

        Parameters
        ----------
        channel : int
        checked : CheckedProgram
        entries : pair of sequences of int
            Amplitudes and durations (µs) that say the same, perhaps with loops.
        syncout : pair of sequences of int, optional
            Bit patterns and durations of the sync-out.

        Raises
        ------
        SafetyError
            It is not checked for this channel, or not for as often as it would be
            played.
        """
        self._check_made(channel, checked)
        self.clean()
        with_it = self._programs | {channel: checked}
        for trigger in self._triggers_of(channel):
            self._check_trigger(trigger, with_it, *self._maps)
        self._stop_those_of(channel)
        mode = self.modes[channel]
        self._port.set_mode(mode, channel)
        self._programs.pop(channel, None)
        self._unknown.add(channel)
        self._port.send_data(channel, *entries, mode)
        if syncout is not None:
            self._port.send_data(channel, *syncout, "syncout")
        self._unknown.discard(channel)
        self._programs[channel] = checked
        program = checked.program
        on_ticks = int(program.ticks[program.counts != 0].sum())
        self._once_us[channel] = on_ticks * program.grid_us
        self._running[channel] = RunningCharge(program)

    def map_triggers(
        self,
        channel_maps: Sequence[int],
        syncout_maps: Sequence[int],
        repeats: Sequence[int],
    ) -> None:
        """Say what each trigger plays, and how often.

        Raises
        ------
        SafetyError
            What is stored may not be played as often.
        """
        maps = list(channel_maps), list(syncout_maps), list(repeats)
        self.clean()
        for trigger in range(len(channel_maps)):
            self._check_trigger(trigger, self._programs, *maps)
        self._stop_those_mapped_anew(maps)
        try:
            self._port.setup_trigger(*maps)
        except BaseException:  # it may have come to some of them
            self._maps = [], [], []
            with suppress(DeviceError):
                self.send_stop()
            raise
        self._maps = maps

    def _stop_those_mapped_anew(self, maps: tuple[list[int], ...]) -> None:
        """Stop what may still play: afterwards nobody would know what it is."""
        known = zip(*self._maps, strict=True)
        changed = [
            trigger
            for trigger, (before, after) in enumerate(
                zip_longest(known, zip(*maps, strict=True))
            )
            if before is not None and before != after
        ]
        bitmap = sum(1 << trigger for trigger in changed)
        if self._history.is_open(self._channels_of(bitmap)):
            self._stop(bitmap)

    def _check_trigger(
        self,
        trigger: int,
        programs: dict[int, CheckedProgram],
        channel_maps: Sequence[int],
        _syncout_maps: Sequence[int],
        repeats: Sequence[int],
    ) -> None:
        played = {
            channel: programs[channel]
            for channel in bits_of(channel_maps[trigger])
            if channel in programs
        }
        period_us = _period_us(played)
        for channel, checked in played.items():
            self.limits.check(channel, checked.program, period_us, repeats[trigger])

    def _triggers_of(self, channel: int) -> list[int]:
        channel_maps = self._maps[0]
        return [t for t, bitmap in enumerate(channel_maps) if bitmap >> channel & 1]

    def _stop_those_of(self, channel: int) -> None:
        bitmap = sum(1 << trigger for trigger in self._triggers_of(channel))
        if bitmap:
            self._stop(bitmap)

    def _stop(self, triggers: int) -> None:
        """Stop some triggers for another reason than that they have to stop."""
        with suppress(DeviceError):  # the stop counts
            self._hear_ends(triggers)
        self.send_stop(triggers)

    # -------------------------------------------------------------------------- starts

    def ready_triggers(self) -> int:
        """Return the bitmap of triggers that have something to play."""
        n = len(self._maps[0])
        return sum(1 << trigger for trigger in range(n) if self._played_by(trigger))

    def start(self, triggers: int) -> float:
        """Start the triggers of a bitmap, those that run from the beginning.

        Returns
        -------
        float
            The time just before the device was told, s.

        Raises as `check_start`.
        """
        self.check_start(triggers)
        if self._stop_running(triggers):
            self.check_start(triggers)  # what it has left is known by now
        begin_s, is_sure = self._clock.now(), False
        outflows: list[Downloaded] = []
        try:
            for trigger in bits_of(triggers):  # now: a stop may come while it starts
                outflows += self._note_start(trigger, begin_s)
            self._port.send_start(triggers)
            is_sure = True
        finally:  # one that failed may have started something
            started_s = self._clock.now()
            for outflow in outflows:
                outflow.started(started_s, is_sure=is_sure)
        return begin_s

    def _stop_running(self, triggers: int) -> bool:
        """Stop those that run, or may: a device stops what is started twice."""
        states = self.states()
        running = sum(
            1 << trigger
            for trigger in bits_of(triggers)
            if states[trigger] == "running"
            or self._history.is_open(self._played_by(trigger))
        )
        if running:
            self.send_stop(running)
        return bool(running)

    def _note_start(self, trigger: int, begin_s: float) -> list[Downloaded]:
        repeats, channels = self._maps[2][trigger], self._played_by(trigger)
        played = {channel: self._programs[channel] for channel in channels}
        period_us, outflows = _period_us(played), []
        for channel, checked in played.items():
            outflow = Downloaded(
                self._running[channel],
                period_us,
                repeats,
                partial(self._charges_fc, checked.program),
            )
            outflow.begin(begin_s)
            outflows.append(outflow)
            self._history.charges[channel].begin(outflow, begin_s)
            self._history.downloaded_us[channel] += self._on_us(trigger, channel)
            self._history.begin(channel, begin_s, checked.program, period_us, repeats)
        return outflows

    def _charges_fc(self, program: Program, low: float, high: float) -> Interval:
        limits = self.limits.of(program.scale.unit)
        return limits.charges_fc(low, high, program.scale.resolution, program.grid_us)

    def check_start(self, triggers: int) -> None:
        """See whether the triggers of a bitmap may be started.

        Raises
        ------
        StimulatorStateError
            One of them has nothing to play.
        SafetyError
            They were started too short a time ago, have put out something for too long
            all in all, or would add too much to the charge that was left before.
        """
        if not triggers:
            raise StimulatorStateError(
                "nothing was downloaded to be started; download a signal first"
            )
        self._hear_ends(triggers)
        for trigger in bits_of(triggers):
            self._check_start(trigger)

    def is_endless(self, triggers: int) -> bool:
        """Return whether one of the triggers of a bitmap would play for ever."""
        return any(self._maps[2][trigger] == 0 for trigger in bits_of(triggers))

    def _played_by(self, trigger: int) -> list[int]:
        maps = self._maps[0]
        mapped = bits_of(maps[trigger]) if trigger < len(maps) else []
        return [channel for channel in mapped if channel in self._programs]

    def _check_start(self, trigger: int) -> None:
        self._check_known(trigger)
        channels = self._played_by(trigger)
        if not channels:
            raise StimulatorStateError(
                f"trigger {trigger} has nothing to play; download a signal first"
            )
        for channel in channels:
            limits = self.limits.of(MODES[self.modes[channel]])
            if not self._once_us[channel]:
                continue
            self._history.check_start(channel, limits)
            on_us = self._on_us(trigger, channel)
            self._history.check_time(channel, on_us, limits)
            program = self._programs[channel].program
            charges = self._running[channel].over(self._maps[2][trigger])
            more_fc = self._charges_fc(program, *charges)
            self._history.check_charge(channel, more_fc, limits)

    def _check_known(self, trigger: int) -> None:
        """Raise unless it is known what all channels of a trigger would play."""
        maps = self._maps[0]
        mapped = bits_of(maps[trigger]) if trigger < len(maps) else []
        unknown = self._unknown.intersection(mapped)
        if unknown:
            raise StimulatorStateError(
                f"channel {min(unknown)}: its download has failed, and it may hold a "
                "part of it; download it again"
            )

    def _on_us(self, trigger: int, channel: int) -> int:
        """Return how long something flows if a trigger plays to its end."""
        return self._once_us[channel] * max(1, self._maps[2][trigger])

    def states(self) -> tuple[str, ...]:
        """Return what each trigger does; what has ended by itself is noted."""
        states = self._port.trigger_states()
        for trigger, state in enumerate(states):
            if state != "running":
                for channel in self._played_by(trigger):
                    self._history.hear_end(channel)
        return states

    def _hear_ends(self, triggers: int) -> None:
        """Ask the device where it is not known whether something still plays."""
        channels = self._channels_of(triggers)
        if not self._history.is_open(channels):
            return
        may_begin, states = self._history.may_begin(channels), self.states()
        if may_begin and not any(states[t] == "running" for t in bits_of(triggers)):
            self._clock.sleep(LAG_S)
            self.states()

    def wait(self, triggers: int, timeout_s: float, look_s: float) -> bool:
        """Wait until none of some triggers runs; return whether that is so."""
        end = self._clock.now() + timeout_s
        while self._is_busy(triggers):
            if self._clock.now() >= end:
                return False
            self._clock.sleep(look_s)
        return True

    def _is_busy(self, triggers: int) -> bool:
        """Return whether one of some triggers runs, or is about to."""
        may_begin = self._history.may_begin(self._channels_of(triggers))
        states = self.states()
        return may_begin or any(states[t] == "running" for t in bits_of(triggers))

    @property
    def has_loops(self) -> bool:
        """Whether entries of 0 µs mark loops."""
        return self._port.has_loops

    def free_bytes(self) -> int:
        """Return how much of the memory is free."""
        return self._port.available_memory_bytes()


def _period_us(played: Mapping[int, CheckedProgram]) -> int:
    """Return how long one repetition of a trigger lasts: shorter programs wait."""
    return max((one.program.duration_us for one in played.values()), default=0)
