"""Devices that drive electrodes: what a stimulus is, what is allowed, who sends it.

Devices of acquisition systems stand where those are: the stimulator behind MEAME is
`circus_live.speaker.MeameStimulator`, with the contract of this package.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stim.dose import Dose
    from stim.program import Program
    from stim.pulse import Phase, Pulse
    from stim.safety import CheckedProgram, SafetyLimits
    from stim.scale import Scale
    from stim.stimulator import Stimulator
    from stim.waveform import Waveform, compress, decompress

__all__ = [
    "CheckedProgram",
    "Dose",
    "Phase",
    "Program",
    "Pulse",
    "SafetyLimits",
    "Scale",
    "Stimulator",
    "Waveform",
    "compress",
    "decompress",
]

_HOMES = {
    "CheckedProgram": "stim.safety",
    "Dose": "stim.dose",
    "Phase": "stim.pulse",
    "Program": "stim.program",
    "Pulse": "stim.pulse",
    "SafetyLimits": "stim.safety",
    "Scale": "stim.scale",
    "Stimulator": "stim.stimulator",
    "Waveform": "stim.waveform",
    "compress": "stim.waveform",
    "decompress": "stim.waveform",
}


def __getattr__(name: str) -> Any:
    """Import on first use: to read a stimulus file, no device has to be loaded."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
