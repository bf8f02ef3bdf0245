"""`Downloads`: what an STG plays from its memory, as its user asks for it."""

from collections.abc import Callable, Sequence
from typing import Any

from circus_io.errors import SafetyError, StimulatorStateError
from stim.loops import encode
from stim.program import Program
from stim.safety import CheckedProgram
from stim.stg.connection import Connection
from stim.stg.download_gate import DownloadGate
from stim.stg.events import Labels, signal_fields
from stim.stg.guarding import guard

__all__ = ["Downloads"]


class Downloads:
    """Each trigger plays the channel of its number, unless it is told otherwise.

    Parameters
    ----------
    connection : Connection
    labels : Labels
        The numbers of stimuli, for the log.
    log : callable
    is_guarded : bool or None
        Whether a process of its own stops the device when this one is gone; None where
        it would go on for ever.
    """

    def __init__(
        self,
        connection: Connection,
        labels: Labels,
        log: Callable[..., None],
        is_guarded: bool | None,
    ) -> None:
        self._connection, self._labels, self._log = connection, labels, log
        self._is_guarded = is_guarded
        self._guardian: Any = None
        self._repeats: dict[int, int] = {}
        self._is_diagonal = True
        self._n_stops = 0

    @property
    def _gate(self) -> DownloadGate:
        return self._connection.downloads()

    def store(self, channel: int, checked: CheckedProgram, syncout: bool) -> None:
        """Store what a channel plays, as often as it was checked for."""
        gate = self._gate
        if self._is_diagonal:
            self._repeats[channel] = checked.repeats
            # with what is stored now, as many repeats may be too many
            gate.forget(channel)
            self._map_diagonally()
        program = checked.program
        entries = program.amplitudes.tolist(), program.durations_us.tolist()
        if gate.has_loops:
            entries = tuple(part.tolist() for part in encode(*entries))
        gate.send(channel, checked, entries, _marks(program) if syncout else None)
        label = self._labels.of(program)
        self._log("signal", **signal_fields(checked, [channel], label, checked.repeats))

    def diagonalize(self) -> None:
        """Let each trigger play its own channel, once."""
        self._repeats.clear()
        self._is_diagonal = True
        self._map_diagonally()

    def _map_diagonally(self) -> None:
        gate = self._gate
        n = min(gate.facts.n_channels, gate.facts.n_triggers)
        bits = [1 << trigger for trigger in range(n)]
        repeats = [self._repeats.get(trigger, 1) for trigger in range(n)]
        syncouts = [
            bit if i < gate.facts.n_syncouts else 0 for i, bit in enumerate(bits)
        ]
        if gate.maps != (bits, syncouts, repeats):
            gate.map_triggers(bits, syncouts, repeats)

    def map(self, channels: Sequence[Sequence[int]], repeats: Sequence[int]) -> None:
        """Let triggers play several channels, each channel by one trigger at most."""
        gate = self._gate
        flat = [channel for group in channels for channel in group]
        if len(set(flat)) < len(flat) or not set(flat) <= set(
            range(gate.facts.n_channels)
        ):
            raise SafetyError(
                f"channels = {channels}: each of 0 to {gate.facts.n_channels - 1} once "
                "at most"
            )
        if len(channels) != len(repeats) or len(channels) > gate.facts.n_triggers:
            raise SafetyError(
                f"{len(channels)} groups and {len(repeats)} repeats for "
                f"{gate.facts.n_triggers} triggers; give as many of both"
            )
        bits = [sum(1 << int(channel) for channel in group) for group in channels]
        mask = (1 << gate.facts.n_syncouts) - 1
        gate.map_triggers(
            bits, [bitmap & mask for bitmap in bits], list(map(int, repeats))
        )
        self._is_diagonal = False

    def start(self, triggers: Sequence[int]) -> None:
        """Start some triggers, or all that have something to play."""
        gate, n_stops = self._gate, self._n_stops
        chosen = self._bitmap(triggers) or gate.ready_triggers()
        gate.check_start(chosen)
        self._guard_if_endless(gate, chosen)
        self._check_stopped(n_stops)
        before_s = gate.start(chosen)
        if self._n_stops != n_stops:
            gate.send_stop(chosen)
        self._check_stopped(n_stops)
        after_s = self._connection.clock.now()
        self._log(
            "start",
            mode="download",
            triggers=chosen,
            device_sample=0,
            host_s=before_s,
            host_span_s=[before_s, after_s],
        )

    def _check_stopped(self, n_stops: int) -> None:
        """Raise if another thread has stopped what is about to be started."""
        if self._n_stops != n_stops:
            raise StimulatorStateError("stopped before it had started")

    def _guard_if_endless(self, gate: DownloadGate, triggers: int) -> None:
        wanted = gate.is_endless(triggers)
        if self._is_guarded is not None:
            wanted = self._is_guarded
        if wanted and self._guardian is None:
            self._guardian = guard(self._connection)

    def stop(self, triggers: Sequence[int] = ()) -> None:
        """Stop some triggers, or all; at once, from any thread."""
        self._n_stops += 1
        gate = self._connection.gate
        if gate is not None:
            gate.send_stop(self._bitmap(triggers) or None)
            if gate.was_used:
                self._log("stop", reason="stop")

    def close(self) -> None:
        """End the process that guards, without a stop of its own."""
        guardian, self._guardian = self._guardian, None
        if guardian is not None:
            self.stop()
            guardian.dismiss()

    def _bitmap(self, triggers: Sequence[int]) -> int:
        n = self._connection.facts.n_triggers
        for trigger in triggers:
            if not 0 <= trigger < n:
                raise SafetyError(f"trigger {trigger}: the device has 0 to {n - 1}")
        return sum(1 << int(trigger) for trigger in set(triggers))


def _marks(program: Program) -> tuple[list[int], list[int]]:
    """Return what a sync-out does: 1 while something flows."""
    return (program.counts != 0).astype(int).tolist(), program.durations_us.tolist()
