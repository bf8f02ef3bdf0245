"""Amplitudes and durations as users write them → a waveform."""

import numpy as np
from numpy.typing import ArrayLike

from circus_io.errors import SafetyError
from stim.stg.limits import MODES
from stim.stg.port import GRID_US
from stim.waveform import Waveform

__all__ = ["silence", "waveform_of"]


def silence(mode: str, duration_us: int = GRID_US) -> Waveform:
    """Return a waveform of zeros."""
    return Waveform([0], [duration_us], MODES[mode])


def waveform_of(
    mode: str,
    amplitudes_in_mA: ArrayLike | None,
    amplitudes_in_mV: ArrayLike | None,
    durations_in_ms: ArrayLike,
    rounding: str,
) -> Waveform:
    """Return what a channel in some mode is to put out.

    Raises
    ------
    SafetyError
        The amplitudes are of the other mode, or no waveform.
    """
    given, others = amplitudes_in_mA, amplitudes_in_mV
    if mode == "voltage":
        given, others = others, given
    if others is not None and np.any(others):
        unit = "mV" if mode == "voltage" else "mA"
        raise SafetyError(
            f"the channel puts out a {mode}; give amplitudes_in_{unit}, or change its "
            "mode"
        )
    if given is None or not np.any(given):
        # nothing has no shape, and may be written without a duration
        total_ms = float(np.sum(durations_in_ms))
        if total_ms <= GRID_US / 1e3:
            return silence(mode)
        given = np.zeros(np.size(durations_in_ms)) if given is None else given
    if mode == "voltage":
        return Waveform.from_mV(given, durations_in_ms, rounding=rounding)
    return Waveform.from_mA(given, durations_in_ms, rounding=rounding)
