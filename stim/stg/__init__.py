"""STG4000 stimulators of Multi Channel Systems: download and streaming."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stim.stg.lateness import preflight
    from stim.stg.opening import list_devices, open_bus
    from stim.stg.signal_mapping import SignalMapping
    from stim.stg.stg4000 import STG4000, STG4000Streamer
    from stim.stg.streamer import diagonalize_triggermap, queue, set_capacity

__all__ = [
    "STG4000",
    "STG4000Streamer",
    "SignalMapping",
    "diagonalize_triggermap",
    "list_devices",
    "open_bus",
    "preflight",
    "queue",
    "set_capacity",
]

_HOMES = {
    "STG4000": "stim.stg.stg4000:STG4000",
    "STG4000Streamer": "stim.stg.stg4000:STG4000Streamer",
    "SignalMapping": "stim.stg.signal_mapping:SignalMapping",
    "diagonalize_triggermap": "stim.stg.streamer:diagonalize_triggermap",
    "list_devices": "stim.stg.opening:list_devices",
    "open_bus": "stim.stg.opening:open_bus",
    "preflight": "stim.stg.lateness:preflight",
    "queue": "stim.stg.streamer:queue",
    "set_capacity": "stim.stg.streamer:set_capacity",
}


def __getattr__(name: str) -> Any:
    """Import on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(import_module(module), attribute)
