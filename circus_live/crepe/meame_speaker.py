"""`MeameSpeaker`: stimulates with the period that belongs to each label it gets."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from circus_io.errors import FormatError, SafetyError
from circus_live.crepe.queue_service import QueueService
from circus_live.event import Event
from circus_live.speaker import MeameStimulator
from circus_live.speaker.words import SCALE, TICK_US
from stim import Pulse, SafetyLimits, Waveform

__all__ = ["MeameSpeaker"]

logger = logging.getLogger(__name__)


class MeameSpeaker(QueueService):
    """The last service of a closed loop: labels in, stimuli out.

    Parameters
    ----------
    periods : dict
        Period of each label, in ticks of 20 µs.
    name : str
    limits : SafetyLimits
        There are none by default: what an electrode and a culture bear, nobody else
        knows.
    electrodes : sequence of int
        By their labels.
    pulse : Pulse
    group : int
        Of the three of the DSP.
    host : str
    port : int
        Of the commands of the MEAME server.
    stimulator : dict, optional
        Other settings of `MeameStimulator`: ``dry_run``, ``firmware``, ...

    Raises
    ------
    SafetyError
        No limits, or a pulse or period beyond them; before anything is sent.

    Notes
    -----
    The stimulator is silent until the first label comes, and after the last one, in
    whatever way it ends. A label without a period changes nothing; it is logged, and
    listed in `unknown_labels`. Its queue carries an `Event` of each that was sent: the
    label, and when its command left.
    """

    def __init__(
        self,
        periods: Mapping[Any, int],
        name: str = "MEAMESPEAKER",
        *,
        limits: SafetyLimits | None = None,
        electrodes: Iterable[int] = (),
        pulse: Pulse | None = None,
        group: int = 0,
        host: str = "127.0.0.1",
        port: int = 8888,
        stimulator: Mapping[str, Any] | None = None,
        **queues: Any,
    ) -> None:
        QueueService.__init__(self, name=name, **queues)
        self.check(periods, limits=limits, electrodes=electrodes, pulse=pulse)
        self.periods, self.group = dict(periods), group
        self.pulse, self.electrodes = pulse, list(electrodes)
        self.unknown_labels: list[Any] = []
        self.stimulator = MeameStimulator(limits, host, port, **(stimulator or {}))

    @staticmethod
    def check(
        periods: Mapping[Any, int],
        limits: SafetyLimits | None = None,
        electrodes: Iterable[int] = (),
        pulse: Pulse | None = None,
        **_: Any,
    ) -> None:
        """Raise `SafetyError` or `FormatError` for what would be refused later."""
        if limits is None or pulse is None or not list(electrodes):
            raise SafetyError(
                "a MeameSpeaker needs limits=SafetyLimits(...), pulse=Pulse(...) and "
                "electrodes=[...]; CREPE's own pulse is not balanced, so it is no "
                "default"
            )
        if not periods:
            raise FormatError("periods: give at least one label")
        program = SCALE.quantize(Waveform.from_pulse(pulse), TICK_US)
        for ticks in periods.values():
            limits.check_program(program, ticks * TICK_US, repeats=None)

    def meame_encoder(self, label: Any) -> int | None:
        """Return the period of a label in ticks; None for one that has none."""
        for key in (label, str(label)):
            try:
                if key in self.periods:
                    return self.periods[key]
            except TypeError:  # it does not hash
                continue
        return None

    def run(self) -> None:
        """Set the signal up, then the period of each label that comes."""
        slowest = max(self.periods.values())
        with self.stimulator as stimulator:
            stimulator.set_signal(
                self.group,
                self.pulse,
                period_us=slowest * TICK_US,
                electrodes=self.electrodes,
            )
            while True:
                label = self.get()
                if label is False and self.has_ended:
                    return
                self._stimulate(stimulator, label)

    def _stimulate(self, stimulator: MeameStimulator, label: Any) -> None:
        ticks = self.meame_encoder(label)
        if ticks is None:
            logger.warning("%s: %r has no period; left out", self.name, label)
            self.unknown_labels.append(label)
            return
        sent = stimulator.set_period(self.group, ticks * TICK_US)
        if not stimulator.is_running:
            stimulator.start()
            sent = stimulator.transcript[-1]  # the group was enabled last
        self.put(Event(str(label), host_time_ns=sent.sent_ns))
