"""Electrodes and devices characterised: drive waves in, record answers, make data sets.

The counterpart of `bspysmg.data`, whose names are here as well::

    from stim.sampling import Sampler, get_dataloaders, post_process

    folder = Sampler(configs).sample()
    inputs, outputs, info = post_process(folder)

For other designs and devices: `Characterisation`, `make_design`, `SimulatedDevice`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stim.sampling.characterisation import Characterisation
    from stim.sampling.dataset import ModelDataset, get_dataloaders, get_info_dict
    from stim.sampling.designs import make_design
    from stim.sampling.device import Response, SamplingDevice, Wave
    from stim.sampling.devices.kept import KeptDevice
    from stim.sampling.devices.recorded_stimulator import RecordedStimulator
    from stim.sampling.devices.simulated import SimulatedDevice
    from stim.sampling.limits import DriveLimits
    from stim.sampling.postprocess import post_process
    from stim.sampling.sampling import Sampler
    from stim.sampling.store import SampleStore
    from stim.sampling.timing import convert

_HOMES = {
    "Characterisation": "characterisation",
    "DriveLimits": "limits",
    "KeptDevice": "devices.kept",
    "ModelDataset": "dataset",
    "RecordedStimulator": "devices.recorded_stimulator",
    "Response": "device",
    "SampleStore": "store",
    "Sampler": "sampling",
    "SamplingDevice": "device",
    "SimulatedDevice": "devices.simulated",
    "Wave": "device",
    "convert": "timing",
    "get_dataloaders": "dataset",
    "get_info_dict": "dataset",
    "make_design": "designs",
    "post_process": "postprocess",
}
__all__ = [
    "Characterisation",
    "DriveLimits",
    "KeptDevice",
    "ModelDataset",
    "RecordedStimulator",
    "Response",
    "SampleStore",
    "Sampler",
    "SamplingDevice",
    "SimulatedDevice",
    "Wave",
    "convert",
    "get_dataloaders",
    "get_info_dict",
    "make_design",
    "post_process",
]


def __getattr__(name: str) -> Any:
    """Import on first use: designs need no h5py, and loaders no designs."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
