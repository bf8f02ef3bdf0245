"""`Scale`: amplitudes in nA or µV as the counts of a channel's converter."""

from dataclasses import dataclass

import numpy as np

from circus_io.errors import SafetyError
from stim.program import Program
from stim.pulse import UNITS
from stim.rounding import nearest, round_balanced
from stim.waveform import GRID_US, Waveform

__all__ = ["Scale"]

WORD_BITS = 16


@dataclass(frozen=True)
class Scale:
    """What one channel of a device makes of an amplitude. Nothing of it is a constant.

    Attributes
    ----------
    resolution : int
        Step of the converter, in `unit`, as the device tells it.
    dac_bits : int
        Bits of the converter, its sign among them.
    range : int
        Largest amplitude of either sign, in `unit`, as the device tells it.
    unit : {'nA', 'uV'}

    Raises
    ------
    SafetyError
        No such converter; by `quantize`, an amplitude beyond its range.

    Notes
    -----
    A streamed sample is a word of 16 bits with the counts in its upper ``dac_bits``, so
    that ``2 ** (16 - dac_bits) / resolution`` words make one nA or µV.
    """

    resolution: int
    dac_bits: int
    range: int
    unit: str = "nA"

    def __post_init__(self) -> None:
        """Check that it can be a converter."""
        if self.unit not in UNITS:
            raise SafetyError(f"unit = {self.unit}: choose from {', '.join(UNITS)}")
        if not 2 <= self.dac_bits <= WORD_BITS:
            raise SafetyError(
                f"dac_bits = {self.dac_bits}: expected 2 to {WORD_BITS}; the device "
                "told something that it cannot be"
            )
        if not 0 < self.resolution <= self.range:
            raise SafetyError(
                f"resolution = {self.resolution}, range = {self.range} {self.unit}: "
                "expected both above 0, and the range to hold at least one step"
            )

    @property
    def shift(self) -> int:
        """Bits of a streamed word below its counts."""
        return WORD_BITS - self.dac_bits

    @property
    def words_per_unit(self) -> float:
        """Streamed words per nA or µV."""
        return 2**self.shift / self.resolution

    @property
    def most_counts(self) -> int:
        """Largest counts of either sign that lie in the range."""
        return min(self.range // self.resolution, 2 ** (self.dac_bits - 1) - 1)

    def counts(self, amplitudes: np.ndarray) -> np.ndarray:
        """Return amplitudes as the nearest counts, halves to 0.

        Parameters
        ----------
        amplitudes : int64 array
            In `unit`; errors are half a step at most.
        """
        self.check(amplitudes)
        return nearest(np.asarray(amplitudes, np.int64), self.resolution)

    def words(self, counts: np.ndarray) -> np.ndarray:
        """Return counts as streamed words: int16, left-justified."""
        if np.any(np.abs(counts) > self.most_counts):
            raise SafetyError(
                f"{np.abs(counts).max()} counts: the channel has ±{self.most_counts}"
            )
        return (np.asarray(counts, np.int64) << self.shift).astype(np.int16)

    def check(self, amplitudes: np.ndarray) -> None:
        """Raise `SafetyError` if an amplitude is beyond the range of the channel."""
        largest = int(np.abs(amplitudes).max(initial=0))
        reached = min(self.range, self.most_counts * self.resolution)
        if largest > reached:
            raise SafetyError(
                f"an amplitude of {largest} {self.unit} is beyond the channel, which "
                f"reaches ±{reached} {self.unit}; choose a smaller one, or a device "
                "with a larger range"
            )

    def quantize(self, waveform: Waveform, grid_us: int = GRID_US) -> Program:
        """Return what the device puts out for a waveform.

        Amplitudes go to the nearest step. Where a stretch of the waveform that leaves
        no charge would then leave some, samples at its end take the other of the two
        steps around them, until it leaves exactly none.

        Parameters
        ----------
        waveform : Waveform
        grid_us : int
            Time resolution of the device, µs.

        Raises
        ------
        SafetyError
            Another unit, beyond the range, off the grid, or so small that nothing
            would leave.
        """
        if waveform.unit != self.unit:
            raise SafetyError(
                f"a waveform in {waveform.unit} for a channel that is driven in "
                f"{self.unit}"
            )
        self.check(waveform.amplitudes)
        ticks, rest = np.divmod(waveform.durations_us, grid_us)
        if rest.any():
            off = int(waveform.durations_us[np.flatnonzero(rest)[0]])
            raise SafetyError(
                f"{off} µs: the device counts in {grid_us} µs; choose a multiple"
            )
        counts, ticks = round_balanced(
            waveform.amplitudes, self.resolution, ticks, waveform.charges
        )
        if waveform.largest and not counts.any():
            raise SafetyError(
                f"an amplitude of {waveform.largest} {self.unit} is too little for the "
                f"steps of the channel, {self.resolution} {self.unit}: nothing would "
                "leave; choose a larger one, or a device with a smaller range"
            )
        return Program(counts, ticks, self, grid_us)
