"""Devices that drive electrodes: what a stimulus is, what is allowed, who sends it.

Devices of acquisition systems stand where those are: the stimulator behind MEAME is
`circus_live.speaker.MeameStimulator`, with the contract of this package.
"""

from stim.pulse import Phase, Pulse
from stim.safety import SafetyLimits
from stim.stimulator import Stimulator

__all__ = ["Phase", "Pulse", "SafetyLimits", "Stimulator"]
