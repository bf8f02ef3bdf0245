"""What the schema says, for people: one key, a template file, the reference page."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from circus_io.errors import ParameterError
from circus_io.params.hints import unknown_key, unknown_section
from circus_io.params.legacy import DEAD_KEYS
from circus_io.params.lines import Entry
from circus_io.params.reading import Assembly, flatten
from circus_io.registry import get_format
from circus_io.schema import (
    FORMAT_KEYS,
    KEYS,
    SECTIONS,
    Key,
    format_value,
    spelling,
)

__all__ = ["explain", "reference_markdown", "template_text"]


def explain(key: str) -> str:
    """Explain a key: what it does, what is allowed, its default.

    Parameters
    ----------
    key : str
        ``section.key``, or ``key``: then of every section that has it. The name of a
        section lists its keys.

    Raises
    ------
    ParameterError
        There is no such key; names the nearest, or all of the section.
    """
    if key.strip("[] ").lower() in SECTIONS:
        return _explain_section(key.strip("[] ").lower())
    section, _, name = key.rpartition(".")
    section, name = section.strip().lower(), spelling(name)
    texts = [_explain_key(known) for known in _find(section, name)]
    texts += [
        f"{owner}.{dead}\n  Accepted without effect: {keys[dead].reason}."
        for owner, keys in DEAD_KEYS.items()
        for dead in keys
        if dead == name and section in ("", owner)
    ]
    if not texts:
        raise ParameterError(_no_such_key(section, name))
    return "\n\n".join(texts)


def _explain_section(section: str) -> str:
    keys = [*KEYS[section].values()]
    if section == "data":
        keys += FORMAT_KEYS.values()
    doc = (SECTIONS[section].__doc__ or "").strip()
    lines = [f"  {key.name:<16} {key.help}" for key in keys if key.used]
    others = [key.name for key in keys if not key.used]
    if others:
        lines.append(f"  Accepted without effect: {', '.join(others)}")
    return "\n".join([f"[{section}]: {doc}", *lines])


def _no_such_key(section: str, name: str) -> str:
    if section and section not in KEYS:
        return unknown_section(section)
    if section:
        return unknown_key(Entry(section, name, None))
    names = {spelled: found.name for spelled, found in _all_names().items()}
    close = difflib.get_close_matches(name, list(names), n=3)
    if close:
        known = ", ".join(names[word] for word in close)
        return f"no key is named {name!r}; did you mean {known}?"
    return (
        f"no key is named {name!r}; ask for a section to see its keys: "
        f"{', '.join(SECTIONS)}"
    )


def template_text(*blank: str, **values: Any) -> str:
    """Write a commented parameter file with every key that has an effect.

    What the file format may be given stands there with its default.

    Parameters
    ----------
    *blank
        Fields of the file format that the user is to fill in: lines without a value.
    **values
        ``key=value``, or ``**{"section.key": value}`` where the name is in several
        sections. Keys without an effect appear only if given.

    Returns
    -------
    str
        Text of a file that `read_params` accepts.

    Raises
    ------
    ParameterError
        A key does not exist, or a value is not allowed or holds a ``#``.
    """
    given = {entry.label: entry for entry in map(_with_section, flatten(values))}
    given.setdefault("[data] file_format", Entry("data", "file_format", "raw_binary"))
    wrapper = get_format(given["[data] file_format"].value)
    for name, value in wrapper._default_values.items():
        given.setdefault(f"[data] {name}", Entry("data", name, value))
    assembly = Assembly()
    assembly.add(given.values())
    assembly.build(None, with_files=False)
    wanted = {(entry.section, spelling(entry.name)): entry for entry in given.values()}
    lines = ["# Lines are key = value; a value ends at the first #.", ""]
    for section in SECTIONS:
        lines += _template_section(section, wanted, blank)
    return "\n".join(lines)


def reference_markdown() -> str:
    """Write the reference page of all keys."""
    lines = [
        "# Parameter file",
        "",
        "A `.params` file belongs to the recording of the same name. It is read and",
        "never written to. This page is made from the schema that checks the file.",
        "",
        "Keys in *italics* are accepted, so that classic files are read unchanged, and",
        "have no effect; each one that a file gives has a notice.",
        "",
    ]
    for section, model in SECTIONS.items():
        lines += [f"## [{section}]", "", (model.__doc__ or "").strip(), ""]
        lines += _reference_table(KEYS[section].values())
        if section == "data":
            lines += ["Fields of the file formats, in the same section:", ""]
            lines += _reference_table(FORMAT_KEYS.values())
    lines += ["## Keys of older files", ""]
    lines += ["| key | what to know |", "|---|---|"]
    lines += [
        f"| `[{section}]` `{name}` | {dead.reason} |"
        for section, keys in DEAD_KEYS.items()
        for name, dead in keys.items()
    ]
    return "\n".join([*lines, ""])


def _find(section: str, name: str) -> Iterator[Key]:
    for owner, keys in KEYS.items():
        if name in keys and section in ("", owner):
            yield keys[name]
    if name in FORMAT_KEYS and section in ("", "data"):
        yield FORMAT_KEYS[name]


def _all_names() -> Mapping[str, Key]:
    names = dict(FORMAT_KEYS)
    for keys in KEYS.values():
        names.update(keys)
    return names


def _explain_key(key: Key) -> str:
    default = format_value(key.default) or "empty"
    effect = "" if key.used else "\n  No effect here; accepted from classic files."
    return (
        f"{key.section}.{key.name}\n  {key.help}\n  Allowed: {key.allowed}\n"
        f"  Default: {default}\n  Since: {key.since}{effect}"
    )


def _with_section(entry: Entry) -> Entry:
    """Complete a bare key that only one section has."""
    if entry.section:
        return entry
    found = list(_find("", spelling(entry.name)))
    if len(found) != 1:
        names = ", ".join(f"{key.section}.{key.name}" for key in found)
        raise ParameterError(
            f"{entry.name} is in several sections; name one of {names}"
            if found
            else f"no key is named {entry.name!r}"
        )
    return Entry(found[0].section, found[0].name, entry.value)


def _template_section(
    section: str, given: Mapping[tuple[str, str], Entry], blank: Iterable[str]
) -> list[str]:
    keys = dict(KEYS[section])
    empty = {spelling(name) for name in blank if section == "data"}
    if section == "data":
        keys |= FORMAT_KEYS
    lines = [
        _template_line(
            key,
            Entry(section, name, "") if name in empty else given.get((section, name)),
        )
        for name, key in keys.items()
        if name in empty
        or (section, name) in given
        or (key.used and not _is_field(key))
    ]
    return [f"[{section}]", *lines, ""] if lines else []


def _is_field(key: Key) -> bool:
    return spelling(key.name) in FORMAT_KEYS


def _template_line(key: Key, entry: Entry | None) -> str:
    value = format_value(key.default if entry is None else entry.value)
    value = "" if value == "{}" else value
    if "#" in value:
        raise ParameterError(
            f"[{key.section}] {key.name} = {value}: a parameter file cannot hold a #"
        )
    return f"{key.name:<14} = {value:<20} # {key.help} [{key.allowed}]".rstrip()


def _reference_table(keys: Iterable[Key]) -> list[str]:
    lines = ["| key | default | allowed | meaning |", "|---|---|---|---|"]
    for key in keys:
        name = f"`{key.name}`" if key.used else f"*{key.name}*"
        default = format_value(key.default)
        cells = [name, f"`{default}`" if default else "", key.allowed, key.help]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]
