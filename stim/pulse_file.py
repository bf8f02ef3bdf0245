"""`PulseFile`: bursts of pulses in mA and ms, by the names of the `stg` package.

What these functions return, ``(amplitudes_in_mA, durations_in_ms)``, is what
`STG4000.download` and `STG4000.set_signal` take.
"""

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from circus_io.errors import SafetyError
from stim.dat_file import (
    NEW_LINE,
    check_suffix,
    lines_of_channel,
    lines_of_header,
    write_dat,
)
from stim.waveform import GRID_US, Waveform

__all__ = [
    "PulseFile",
    "PulseFileAlternative",
    "dump",
    "encode",
    "entrain",
    "init_datfile",
]

Runs = tuple[list[float], list[float]]
MODES = ("biphasic", "monophasic")
SHAPES = ("rectangular_assym_biphasic", "symm_biphasic", "monophasic")


class PulseFile:
    """A burst of equal pulses, each followed by a pause.

    Parameters
    ----------
    intensity_in_mA : float
        Of the first phase.
    mode : {'biphasic', 'monophasic'}
        Whether an opposite phase follows.
    pulsewidth_in_ms : float
        Of each phase.
    burstcount : int
        Pulses in the burst.
    isi_in_ms : float
        Pause behind each pulse.

    Attributes
    ----------
    intensity, pulsewidth : list of float
        Of the phases of one pulse; mA and ms.
    isi : float

    Raises
    ------
    SafetyError
        An unknown mode, a duration below 0, or no pulse.

    Examples
    --------
    >>> from stim import PulseFile
    >>> PulseFile(intensity_in_mA=0.5, burstcount=1).compile()
    ([0.5, -0.5, 0.0], [0.1, 0.1, 49.8])
    """

    def __init__(
        self,
        intensity_in_mA: float = 1,
        mode: str = "biphasic",
        pulsewidth_in_ms: float = 0.1,
        burstcount: int = 1,
        isi_in_ms: float = 49.8,
    ) -> None:
        if mode not in MODES:
            raise SafetyError(f"mode = {mode}: choose from {', '.join(MODES)}")
        if not pulsewidth_in_ms > 0:
            raise SafetyError(
                f"pulsewidth_in_ms = {pulsewidth_in_ms}: expected above 0"
            )
        if burstcount < 1 or burstcount % 1:
            raise SafetyError(f"burstcount = {burstcount}: expected 1 or more")
        if not isi_in_ms >= 0:
            raise SafetyError(f"isi_in_ms = {isi_in_ms}: expected 0 or above")
        signs = (1, -1) if mode == "biphasic" else (1,)
        self.mode = mode
        self.intensity = [float(sign * intensity_in_mA) for sign in signs]
        self.pulsewidth = [float(pulsewidth_in_ms)] * len(signs)
        self.burstcount = int(burstcount)
        self.isi = float(isi_in_ms)

    def compile(self) -> Runs:
        """Return ``(amplitudes_in_mA, durations_in_ms)`` of the burst."""
        pause = ([0.0], [self.isi]) if self.isi else ([], [])
        return (
            (self.intensity + pause[0]) * self.burstcount,
            (self.pulsewidth + pause[1]) * self.burstcount,
        )

    def __call__(self) -> Runs:
        """Return what `compile` does."""
        return self.compile()

    @property
    def duration_in_ms(self) -> float:
        """Length of the burst, with the pause behind its last pulse."""
        return self.burstcount * (sum(self.pulsewidth) + self.isi)

    @property
    def waveform(self) -> Waveform:
        """The burst in nA and µs."""
        return Waveform.from_mA(*self.compile())

    def dump(self, fname: str | os.PathLike[str]) -> None:
        """Write it into the first channel of a ``.dat`` file, as `dump` does."""
        dump([self], fname)


class PulseFileAlternative(PulseFile):
    """A train of pulses whose phases differ, and which leave no charge.

    Parameters
    ----------
    pulse_width : float
        Of a pulse with all that belongs to it, ms.
    stimulation_duration : float
        Of the train, s.
    frequency : float
        Hz.
    intensity : float
        Of the first phase, mA, without its sign.
    phase_ratio : pair of float, optional
        Durations of both phases, as parts; for ``'rectangular_assym_biphasic'``.
    first_intensity_negative : bool
        The sign of the first phase.
    max_intensity : float
        Most that is taken for `intensity`, mA. What may reach an electrode is up to
        `SafetyLimits`.
    polarity_change_delay : float
        Pause between the phases, ms; a part of the pulse width.
    waveform : {'rectangular_assym_biphasic', 'symm_biphasic', 'monophasic'}

    Raises
    ------
    SafetyError
        Something of it is not possible.

    Notes
    -----
    Phases go to the nearest 20 µs. The second has the amplitude that takes back the
    charge of the first; where that is no whole number of nA, its last samples are one
    nA off, so that the sum is 0 exactly. Pulses begin within 10 µs of their time.
    """

    def __init__(
        self,
        pulse_width: float,
        stimulation_duration: float,
        frequency: float,
        intensity: float,
        phase_ratio: tuple[float, float] | None = None,
        first_intensity_negative: bool = True,
        max_intensity: float = 3,
        polarity_change_delay: float = 0,
        waveform: str = SHAPES[0],
    ) -> None:
        if not 0 <= intensity <= max_intensity:
            raise SafetyError(
                f"intensity = {intensity}: expected 0 to {max_intensity} mA"
            )
        if waveform not in SHAPES:
            raise SafetyError(f"waveform = {waveform}: choose from {', '.join(SHAPES)}")
        if not 0 <= polarity_change_delay < pulse_width:
            raise SafetyError(
                f"polarity_change_delay = {polarity_change_delay}: expected 0 or "
                f"above, and below the pulse_width of {pulse_width} ms"
            )
        self.mode = waveform
        first = -intensity if first_intensity_negative else intensity
        self._pulse = _shaped(
            waveform, first, pulse_width, polarity_change_delay, phase_ratio
        )
        self.intensity = (self._pulse.amplitudes / 1e6).tolist()
        self.pulsewidth = (self._pulse.durations_us / 1e3).tolist()
        self.burstcount = _n_pulses(stimulation_duration, frequency)
        self.period_us = 1e6 / frequency
        self.isi = (self.period_us - self._pulse.duration_us) / 1e3
        if self.isi < 0:
            raise SafetyError(
                f"a pulse of {pulse_width} ms does not fit into a period of "
                f"{1e3 / frequency:g} ms"
            )

    def compile(self) -> Runs:
        """Return ``(amplitudes_in_mA, durations_in_ms)`` of the train."""
        ticks = [
            round(k * self.period_us / GRID_US) for k in range(self.burstcount + 1)
        ]
        amplitudes, durations = [], []
        for begin, end in pairwise(ticks):
            pause_us = (end - begin) * GRID_US - self._pulse.duration_us
            pause = ([0.0], [pause_us / 1e3]) if pause_us > 0 else ([], [])
            amplitudes += self.intensity + pause[0]
            durations += self.pulsewidth + pause[1]
        return amplitudes, durations


def _shaped(
    shape: str,
    first: float,
    width: float,
    delay: float,
    ratio: tuple[float, float] | None,
) -> Waveform:
    """Return one pulse, on the grid and without a charge."""
    if shape == "monophasic":
        return Waveform.from_mA([first], [width], rounding="keep-charge")
    if shape == "symm_biphasic":
        ratio = (1, 1)
    if ratio is None or not min(ratio) > 0:
        raise SafetyError(f"phase_ratio = {ratio}: expected two numbers above 0")
    n_ticks = [
        max(1, round((width - delay) * part / sum(ratio) * 1e3 / GRID_US))
        for part in ratio
    ]
    second = -first * n_ticks[0] / n_ticks[1]
    durations = [n_ticks[0] * GRID_US / 1e3, delay, n_ticks[1] * GRID_US / 1e3]
    return Waveform.from_mA([first, 0, second], durations, rounding="keep-charge")


def _n_pulses(duration_s: float, frequency_hz: float) -> int:
    """Return how many pulses begin within a duration, of at least one."""
    if not (duration_s > 0 and frequency_hz > 0):
        raise SafetyError(
            f"stimulation_duration = {duration_s}, frequency = {frequency_hz}: "
            "expected both above 0"
        )
    # 0.3 s × 10 Hz is 3, and not the 2 that a float just below 3 would be cut to
    return max(1, int(duration_s * frequency_hz + 1e-9))


def entrain(pulsefile: PulseFile, ibi_in_ms: float, count: int) -> Runs:
    """Return a burst several times, with a pause in between.

    Parameters
    ----------
    pulsefile : PulseFile
    ibi_in_ms : float
        Pause between bursts, ms; behind the last one there is none.
    count : int
        How many bursts.

    Returns
    -------
    amplitudes_in_mA, durations_in_ms : list of float
    """
    if count < 1 or count % 1:
        raise SafetyError(f"count = {count}: expected 1 or more")
    if not ibi_in_ms >= 0:
        raise SafetyError(f"ibi_in_ms = {ibi_in_ms}: expected 0 or above")
    amplitudes, durations = pulsefile.compile()
    pause = ([0.0], [float(ibi_in_ms)]) if ibi_in_ms else ([], [])
    return (
        amplitudes + (pause[0] + amplitudes) * (count - 1),
        durations + (pause[1] + durations) * (count - 1),
    )


# ------------------------------------------------------------- files of MC_Stimulus II


def dump(
    pulsefiles: Sequence[PulseFile],
    filename: str | os.PathLike[str],
    n_channels: int | None = None,
) -> None:
    """Write pulse files into a ``.dat`` file, one channel each, in their order.

    Parameters
    ----------
    pulsefiles : sequence of PulseFile
    filename : path
        ``~`` is the user's folder.
    n_channels : int, optional
        Channels of the stimulator: 2, 4 or 8 as needed, if it is left out.
    """
    waveforms = [pulsefile.waveform for pulsefile in pulsefiles]
    write_dat(Path(filename).expanduser(), waveforms, n_channels=n_channels)


def encode(pulsefile: PulseFile, channel: int = 0) -> list[str]:
    """Return the lines of one channel, from 0 on, of a ``.dat`` file: µA and µs."""
    lines = lines_of_channel(channel, pulsefile.waveform)
    return [line + "\n" for line in lines]


def init_datfile(filename: str | os.PathLike[str], n_channels: int = 2) -> None:
    """Write a ``.dat`` file that has no channel yet."""
    path = Path(filename).expanduser()
    check_suffix(path)
    text = "".join(line + "\n" for line in [*lines_of_header(n_channels), ""])
    path.write_text(text, "ascii", newline=NEW_LINE)
