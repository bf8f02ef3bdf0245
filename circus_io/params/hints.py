"""What to do about a name that does not exist: the nearest one, or all there are."""

import difflib
from collections.abc import Iterable

from circus_io.params.lines import Entry
from circus_io.schema import FORMAT_KEYS, KEYS, spelling

__all__ = ["unknown_key", "unknown_section", "without_section"]


def unknown_section(section: str) -> str:
    """Say that a section does not exist, and which one was probably meant."""
    close = difflib.get_close_matches(spelling(section), list(KEYS), n=1)
    hint = f"did you mean {close[0]}?" if close else f"sections are {', '.join(KEYS)}"
    return f"[{section}] is not a section; {hint}"


def unknown_key(entry: Entry, fields: Iterable[str] = ()) -> str:
    """Say that a key does not exist in its section, and which was probably meant.

    Parameters
    ----------
    entry : Entry
        In a section that there is.
    fields : iterable of str
        What the file format declares in ``[data]``.
    """
    name = spelling(entry.name)
    names = {spelled: key.name for spelled, key in KEYS[entry.section].items()}
    if entry.section == "data":
        names |= {spelled: key.name for spelled, key in FORMAT_KEYS.items()}
        names |= {spelling(field): field for field in fields}
    elsewhere = [section for section, keys in KEYS.items() if name in keys]
    close = difflib.get_close_matches(name, list(names), n=1)
    if elsewhere:
        hint = f"it belongs to [{'] or ['.join(elsewhere)}]"
    elif close:
        hint = f"did you mean {names[close[0]]}?"
    else:
        hint = f"keys of [{entry.section}] are {', '.join(names.values())}"
    return f"{entry.label} is not a key; {hint}"


def without_section(name: str) -> str:
    """Say in which sections a bare key is."""
    sections = [section for section, keys in KEYS.items() if spelling(name) in keys]
    if spelling(name) in FORMAT_KEYS:
        sections.append("data")
    if sections:
        choices = " or ".join(f"{section}.{name}" for section in sections)
        return f"{name} needs its section: {choices}"
    return f"{name} is not section.key, such as detection.spike_thresh"
