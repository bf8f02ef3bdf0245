"""The sorters that are compared: where each lives and what it is told."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from known_sets import KnownSet

__all__ = ["DEFAULT", "OURS", "SORTERS", "Sorter"]

OURS = "circus-toolkit"


def _defaults(known: KnownSet) -> dict[str, Any]:
    return {}


def _motion_along_probes(known: KnownSet) -> dict[str, Any]:
    """Its default is on, and fails where there is no depth to see motion along."""
    return {} if known.is_long else {"apply_motion_correction": False}


def _motion_if_drifting(known: KnownSet) -> dict[str, Any]:
    """Its default is off."""
    return {"apply_motion_correction": True} if known.drifts else {}


def _blocks_along_probes(known: KnownSet) -> dict[str, Any]:
    """Its default is on, and fails where there is no depth to see motion along."""
    return {} if known.is_long else {"nblocks": 0}


def _smaller_radii(known: KnownSet) -> dict[str, Any]:
    """With its defaults it does not finish on dense electrodes."""
    if known.settings["n_channels"] <= 4:
        return {}
    radii = ("snippet_mask", "scheme1_detect_channel", "scheme2_phase1_detect_channel")
    return {f"{name}_radius": 100 for name in radii} | {
        "scheme2_training_duration_sec": 60
    }


@dataclass(frozen=True)
class Sorter:
    """How a sorter is started.

    Attributes
    ----------
    environment : str or None
        One of `environments.REQUIREMENTS`; None is the environment of this program.
    program : str
        In ``peer_programs``.
    options_for : callable
        What it is told of a set, beside its defaults.
    """

    environment: str | None
    program: str
    options_for: Callable[[KnownSet], dict[str, Any]] = _defaults


INTERNAL = ("spikeinterface", "sort_spikeinterface.py")
SORTERS = {
    OURS: Sorter(None, "sort_circus_toolkit.py"),
    "spykingcircus2": Sorter(*INTERNAL, _motion_along_probes),
    "tridesclous2": Sorter(*INTERNAL, _motion_if_drifting),
    "lupin": Sorter(*INTERNAL, _motion_if_drifting),
    "mountainsort5": Sorter("mountainsort5", INTERNAL[1], _smaller_radii),
    "spikesift": Sorter("spikesift", "sort_spikesift.py"),
    "kilosort4": Sorter("kilosort4", "sort_kilosort4.py", _blocks_along_probes),
    "spyking-circus": Sorter("spyking-circus", "sort_spyking_circus.py"),
}
DEFAULT = (OURS, "spykingcircus2", "tridesclous2", "lupin")
