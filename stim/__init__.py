"""Devices that drive electrodes: what a stimulus is, what is allowed, who sends it.

Devices of acquisition systems stand where those are: the stimulator behind MEAME is
`circus_live.speaker.MeameStimulator`, with the contract of this package.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stim.dat_file import DatFile, read_dat, write_dat
    from stim.dose import Dose
    from stim.limits_file import read_limits
    from stim.opening import open_stimulator
    from stim.program import Program
    from stim.pulse import Phase, Pulse
    from stim.pulse_file import PulseFile, PulseFileAlternative, dump, entrain
    from stim.safety import CheckedProgram, SafetyLimits
    from stim.scale import Scale
    from stim.stg.stg4000 import STG4000
    from stim.stimulator import Stimulator
    from stim.train import Train
    from stim.waveform import Waveform, compress, decompress

__all__ = [
    "STG4000",
    "CheckedProgram",
    "DatFile",
    "Dose",
    "Phase",
    "Program",
    "Pulse",
    "PulseFile",
    "PulseFileAlternative",
    "SafetyLimits",
    "Scale",
    "Stimulator",
    "Train",
    "Waveform",
    "compress",
    "decompress",
    "dump",
    "entrain",
    "open_stimulator",
    "read_dat",
    "read_limits",
    "write_dat",
]

_HOMES = {
    "CheckedProgram": "stim.safety",
    "DatFile": "stim.dat_file",
    "Dose": "stim.dose",
    "Phase": "stim.pulse",
    "Program": "stim.program",
    "Pulse": "stim.pulse",
    "PulseFile": "stim.pulse_file",
    "PulseFileAlternative": "stim.pulse_file",
    "SafetyLimits": "stim.safety",
    "STG4000": "stim.stg.stg4000",
    "Scale": "stim.scale",
    "Stimulator": "stim.stimulator",
    "Train": "stim.train",
    "Waveform": "stim.waveform",
    "compress": "stim.waveform",
    "decompress": "stim.waveform",
    "dump": "stim.pulse_file",
    "entrain": "stim.pulse_file",
    "open_stimulator": "stim.opening",
    "read_dat": "stim.dat_file",
    "read_limits": "stim.limits_file",
    "write_dat": "stim.dat_file",
}


def __getattr__(name: str) -> Any:
    """Import on first use: to read a stimulus file, no device has to be loaded."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
