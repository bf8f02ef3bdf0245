"""The ``.prb`` layout: assignments ↔ contacts, checked all at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from circus_io.errors import ProbeError
from circus_io.prb_literals import read_assignments

__all__ = [
    "PrbContents",
    "channel_problems",
    "format_prb",
    "name_numbers",
    "parse_prb",
    "raise_listed",
]


@dataclass(frozen=True)
class PrbContents:
    """What a ``.prb`` file states, contact by contact in dictionary order."""

    channels: list[int]
    groups: list[int | str]
    positions: list[tuple[float, ...]]
    total_nb_channels: int | None = None
    radius_um: float | None = None


def parse_prb(text: str, name: str) -> PrbContents:
    """Read the text of a ``.prb`` file.

    Parameters
    ----------
    text : str
        Never executed.
    name : str
        File name for messages.

    Raises
    ------
    ProbeError
        Refused content, or every inconsistency at once.
    """
    values = read_assignments(text, name)
    problems: list[str] = []
    total = _positive(values.get("total_nb_channels"), "total_nb_channels", problems)
    radius = _positive(values.get("radius"), "radius", problems, zero=True)
    if total is not None and total != int(total):
        problems.append(f"total_nb_channels = {total} is not a whole number")
    groups = _groups(values.get("channel_groups"), problems)
    contacts = [contact for group in groups.values() for contact in group]
    problems += channel_problems([channel for channel, _ in contacts], total)
    problems += _geometry_problems(groups)
    raise_listed(name, problems)
    return PrbContents(
        channels=[channel for channel, _ in contacts],
        groups=_labels(groups),
        positions=[position for _, position in contacts],
        total_nb_channels=None if total is None else int(total),
        radius_um=radius,
    )


def format_prb(contents: PrbContents) -> str:
    """Write contents as ``.prb`` text; a missing radius or total is left out."""
    lines = []
    if contents.total_nb_channels is not None:
        lines.append(f"total_nb_channels = {contents.total_nb_channels}")
    if contents.radius_um is not None:
        lines.append(f"radius = {contents.radius_um:g}  # um")
    lines.append("channel_groups = {")
    for label in dict.fromkeys(contents.groups):
        lines += _format_group(label, contents)
    return "\n".join([*lines, "}", ""])


def _format_group(label: int | str, contents: PrbContents) -> list[str]:
    contacts = zip(contents.groups, contents.channels, contents.positions, strict=True)
    geometry = {channel: place for group, channel, place in contacts if group == label}
    return [
        f"    {label!r}: {{",
        f"        'channels': {list(geometry)},",
        "        'graph': [],",
        "        'geometry': {",
        *(f"            {channel}: {list(at)}," for channel, at in geometry.items()),
        "        },",
        "    },",
    ]


# what may be wrong ------------------------------------------------------------

_Contact = tuple[int, tuple[float, ...] | None]


def channel_problems(channels: Iterable[int], total: float | None) -> list[str]:
    """List what is wrong with the file columns of a probe, naming the channels."""
    channels = np.asarray(list(channels), dtype=np.int64)
    values, counts = np.unique(channels, return_counts=True)
    problems = []
    if (counts > 1).any():
        problems.append(
            f"channels {name_numbers(values[counts > 1])} are listed more than once"
        )
    if (channels < 0).any():
        problems.append(f"channels {name_numbers(values[values < 0])} are negative")
    if total is not None and (channels >= total).any():
        problems.append(
            f"channels {name_numbers(values[values >= total])} do not exist with "
            f"total_nb_channels = {total:g} (0 to {total - 1:g})"
        )
    return problems


def _geometry_problems(groups: dict[Any, list[_Contact]]) -> list[str]:
    problems, widths = [], set()
    for label, contacts in groups.items():
        missing = [channel for channel, position in contacts if position is None]
        if missing:
            problems.append(
                f"group {label!r}: channels {name_numbers(missing)} have no geometry "
                "of 1 to 3 finite numbers, in µm"
            )
        widths |= {len(position) for _, position in contacts if position is not None}
    if len(widths) > 1:
        problems.append(f"some contacts have {min(widths)} coordinates, some more")
    return problems


def _positive(
    value: Any, name: str, problems: list[str], zero: bool = False
) -> float | None:
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not (value > 0 or (zero and value == 0)):
        problems.append(f"{name} = {value!r} is not a positive number")
        return None
    return value


def _groups(channel_groups: Any, problems: list[str]) -> dict[Any, list[_Contact]]:
    """Collect the listed channels of each group with their places, if they have one."""
    if not isinstance(channel_groups, dict) or not channel_groups:
        problems.append(
            "channel_groups must be a dictionary such as "
            "{1: {'channels': [0, 1], 'geometry': {0: [0, 0], 1: [0, 25]}}}"
        )
        return {}
    return {
        label: _contacts(label, group, problems)
        for label, group in channel_groups.items()
    }


def _contacts(label: Any, group: Any, problems: list[str]) -> list[_Contact]:
    if not isinstance(group, dict):
        problems.append(f"group {label!r} must be a dictionary with 'channels'")
        return []
    channels, geometry = group.get("channels"), group.get("geometry", {})
    if not isinstance(channels, list | tuple | set) or not channels:
        problems.append(f"group {label!r} has no channels")
        return []
    strange = [c for c in channels if not isinstance(c, int) or isinstance(c, bool)]
    if strange:
        problems.append(f"group {label!r}: {strange[:5]} are not channel numbers")
        return []
    places = geometry if isinstance(geometry, dict) else {}
    return [(channel, _position(places.get(channel))) for channel in channels]


def _position(place: Any) -> tuple[float, ...] | None:
    """Read coordinates in µm; a single one lies on the x axis of a flat probe."""
    values = place if isinstance(place, list | tuple) else [place]
    if not 1 <= len(values) <= 3 or not all(map(_is_finite, values)):
        return None
    coordinates = tuple(float(value) for value in values)
    return (*coordinates, 0.0) if len(coordinates) == 1 else coordinates


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))


def _labels(groups: dict[Any, list[_Contact]]) -> list[int | str]:
    labels = [label for label, contacts in groups.items() for _ in contacts]
    if all(isinstance(label, int) for label in labels):
        return labels
    return [str(label) for label in labels]


def name_numbers(values: Iterable[int], most: int = 12) -> str:
    """Join numbers for a message; a long list is cut and counted."""
    values = [int(value) for value in values]
    shown = ", ".join(str(value) for value in values[:most])
    return shown if len(values) <= most else f"{shown}, … ({len(values)} in all)"


def raise_listed(name: str, problems: list[str]) -> None:
    """Raise one ProbeError that lists the problems, if there are any."""
    if len(problems) == 1:
        raise ProbeError(f"{name}: {problems[0]}")
    if problems:
        lines = [f"{name}: {len(problems)} problems", *problems]
        raise ProbeError("\n  - ".join(lines))
