"""The stimulator behind a MEAME server: what its DSP is told, word by word."""

from circus_live.speaker.functions import DspError, DspFunction, Firmware
from circus_live.speaker.messages import Call, Write, electrode_words
from circus_live.speaker.registers import Register
from circus_live.speaker.stimulator import MeameStimulator
from circus_live.speaker.transmitter import Sent, Transmitter

__all__ = [
    "Call",
    "DspError",
    "DspFunction",
    "Firmware",
    "MeameStimulator",
    "Register",
    "Sent",
    "Transmitter",
    "Write",
    "electrode_words",
]
