"""Words of the waveform memories: a DAC or switches, for a number of ticks.

::

    bit  31 ... 27   26          25 ... 16   15 ... 0
         0           time base   repeats     DAC: 0x8000 + steps; or switches

A word lasts its repeats, in ticks of 20 µs, or in 1000 ticks if the time base is set.
The time base is bit 26, as the documentation of SHODAN says; its encoder for the DAC
sets bit 25, which is part of the repeats. What a repeat of 0 means is not known: none
is made here, and it is read as nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntFlag

from circus_io.errors import SafetyError
from stim import Scale

__all__ = [
    "SCALE",
    "STEP_UV",
    "TICK_US",
    "Switch",
    "Word",
    "decode",
    "encode_dac",
    "encode_switches",
]

TICK_US = 20
STEP_UV = 571  # of the DAC in voltage mode
DAC_ZERO = 0x8000
MOST_UV = 12_000_000  # what the output reaches; the DAC could be told more
MOST_REPEATS = 0x3FF
SCALE = Scale(STEP_UV, 16, MOST_UV, "uV")
TICKS_OF_TIME_BASE = 1000
TIME_BASE = 1 << 26


class Switch(IntFlag):
    """What a word of the sideband switches on."""

    AMPLIFIER_PROTECTION = 1 << 0
    STIMULATION = 1 << 3
    STIMULUS_SELECT = 1 << 4
    LIST_INCREMENT = 1 << 8

    PULSE = AMPLIFIER_PROTECTION | STIMULATION | STIMULUS_SELECT


@dataclass(frozen=True)
class Word:
    """What a word says.

    Attributes
    ----------
    low : int
        Its low 16 bits.
    ticks : int
        How long it lasts, 20 µs each; 0 where the repeats are 0.
    """

    low: int
    ticks: int

    @property
    def counts(self) -> int:
        """Steps of the DAC away from 0 V."""
        return self.low - DAC_ZERO

    @property
    def amplitude_uv(self) -> int:
        """Output of the DAC in voltage mode, µV."""
        return self.counts * STEP_UV

    @property
    def switches(self) -> Switch:
        """Switches that are on."""
        return Switch(self.low)


def decode(word: int) -> Word:
    """Return what a word says.

    Raises
    ------
    SafetyError
        It has bits that no word has.
    """
    if not 0 <= word < 1 << 27:
        raise SafetyError(f"0x{word:X} is no word of a waveform: it has 27 bits")
    repeats = (word >> 16) & MOST_REPEATS
    unit = TICKS_OF_TIME_BASE if word & TIME_BASE else 1
    return Word(word & 0xFFFF, repeats * unit)


def ticks_of(duration_us: int) -> int:
    """Return a duration in ticks.

    Raises
    ------
    SafetyError
        It is no whole number of them, or none.
    """
    ticks, rest = divmod(duration_us, TICK_US)
    if rest or ticks < 1:
        raise SafetyError(
            f"{duration_us} µs: the DSP counts in {TICK_US} µs; choose a multiple"
        )
    return ticks


def encode_dac(phases: Iterable[tuple[int, int]]) -> list[int]:
    """Return the words for some ``(counts, ticks)``, and a tick of 0 V after them."""
    words = []
    for counts, ticks in (*phases, (0, 1)):
        words += _with_repeats(DAC_ZERO + counts, ticks)
    return words


def encode_switches(ticks: int, switches: Switch = Switch.PULSE) -> list[int]:
    """Return the words that keep switches on for a time, and then put them off."""
    return [*_with_repeats(int(switches), ticks), *_with_repeats(0, 1)]


def _with_repeats(low: int, ticks: int) -> list[int]:
    """Return as many words as it takes to last `ticks`."""
    thousands, rest = divmod(ticks, TICKS_OF_TIME_BASE)
    words = []
    while thousands:
        repeats = min(thousands, MOST_REPEATS)
        words.append(TIME_BASE | repeats << 16 | low)
        thousands -= repeats
    if rest:
        words.append(rest << 16 | low)
    return words
