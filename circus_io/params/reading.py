"""Entries → `Parameters`: names are matched, values typed, problems collected."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from circus_io.errors import ParameterError
from circus_io.fields import MANDATORY
from circus_io.params.checks import check_files, check_values
from circus_io.params.legacy import DEAD_KEYS, special_notice
from circus_io.params.lines import Entry, Problem, parse_lines
from circus_io.params.parameters import Parameters
from circus_io.schema import (
    FORMAT_KEYS,
    KEYS,
    SECTIONS,
    FormatFields,
    Key,
    Section,
    spelling,
)

__all__ = ["Assembly", "build_params", "flatten", "params_path", "read_params"]

KnownFields = Iterable[str] | Callable[[str | None], Iterable[str]]


def params_path(data_path: str | Path) -> Path:
    """Path of the parameter file that belongs to a recording: its suffix replaced."""
    return Path(data_path).with_suffix(".params")


def read_params(
    path: str | Path,
    overrides: Mapping[str, Any] | None = None,
    known_fields: KnownFields | None = None,
) -> Parameters:
    """Read a parameter file, which stays as it is.

    Parameters
    ----------
    path : path
        ``.params`` file.
    overrides : mapping, optional
        Values that win over the file: ``{"section.key": value}`` or nested. Their
        paths are relative to the working directory, those of the file to its folder.
    known_fields : iterable of str, or callable, optional
        Fields of ``[data]`` that the file format declares, or a function from the name
        of the format to them. Without it, the fields of all built-in formats are.

    Raises
    ------
    ParameterError
        Every problem at once: file, line, section, key, what was given, what is
        allowed, and the nearest valid name.
    """
    path = Path(path)
    if not path.is_file():
        raise ParameterError(
            f"no parameter file at {path}; copy one from another recording, or start "
            "from the template"
        )
    entries, problems = parse_lines(_decode(path.read_bytes()))
    assembly = Assembly(known_fields, folder=path.resolve().parent)
    assembly.problems += problems
    assembly.add(entries)
    assembly.add(flatten(overrides or {}))
    assembly.require("data", "file_format")
    return assembly.build(path)


def build_params(
    overrides: Mapping[str, Any], known_fields: KnownFields | None = None
) -> Parameters:
    """Build parameters from values alone, without a file.

    Parameters
    ----------
    overrides : mapping
        ``{"section.key": value}`` or ``{section: {key: value}}``; text is read as in a
        file. Relative paths are relative to the working directory.
    known_fields : iterable of str, or callable, optional
        As in `read_params`.

    Raises
    ------
    ParameterError
        Every problem at once.
    """
    assembly = Assembly(known_fields)
    assembly.add(flatten(overrides))
    return assembly.build(None)


def flatten(values: Mapping[str, Any]) -> list[Entry]:
    """List given values as entries; a name without a section keeps an empty one."""
    entries = []
    for name, value in values.items():
        section, _, key = name.rpartition(".")
        if isinstance(value, Mapping) and not section and spelling(name) in KEYS:
            entries += [Entry(spelling(name), k, item) for k, item in value.items()]
        else:
            entries.append(Entry(section.strip().lower(), key.strip(), value))
    return entries


# A template leaves these empty; they are then as good as not given.
TO_FILL_IN = ("data_dtype", "sampling_rate", "nb_channels")


class Assembly:
    """Collects entries and what is wrong with them, then builds the sections."""

    def __init__(
        self, known_fields: KnownFields | None = None, folder: Path | None = None
    ):
        self.problems: list[Problem] = []
        self.notices: list[str] = []
        self._known_fields = known_fields
        self._folder = folder
        self._entries: dict[tuple[str, str], Entry] = {}
        self._bad: set[str] = set()

    def add(self, entries: Iterable[Entry]) -> None:
        """Take entries; a later one replaces an earlier one of the same key."""
        for entry in entries:
            self._entries[entry.section, spelling(entry.name)] = entry

    def require(self, section: str, name: str) -> None:
        """Note a problem unless a key has a value."""
        entry = self._entries.get((section, spelling(name)))
        if entry is None or entry.value in ("", None):
            self.problems.append(
                Problem(f"[{section}] {name} is required", entry and entry.line)
            )

    def build(self, path: Path | None, with_files: bool = True) -> Parameters:
        """Validate everything.

        Raises
        ------
        ParameterError
            Every problem at once.
        """
        matched = self._match()
        fields = self._validate(FormatFields, matched.pop("format_fields"))
        others = {
            name: entry.value for name, entry in matched.pop("other_fields").items()
        }
        given = fields.model_dump(exclude_unset=True) | others
        sections = {
            name: self._validate(model, matched[name])
            for name, model in SECTIONS.items()
        }
        parameters = Parameters(
            **sections
            | {"data": sections["data"].model_copy(update={"format_fields": given})},
            given=frozenset(f"{section}.{name}" for section, name in self._entries),
            notices=tuple(self.notices),
            path=path,
        )
        self._check(parameters, with_files)
        self._raise(path)
        return parameters

    # names --------------------------------------------------------------------

    def _match(self) -> dict[str, dict[str, Entry]]:
        """Sort entries by section and attribute; format fields apart."""
        matched = {name: {} for name in [*SECTIONS, "format_fields", "other_fields"]}
        fields = self._declared_fields()
        strangers = set()
        for (section, name), entry in self._entries.items():
            if section not in KEYS:
                strangers.add(section)
            elif name in KEYS[section]:
                matched[section][KEYS[section][name].attribute] = entry
            elif section == "data" and name in FORMAT_KEYS:
                if name in TO_FILL_IN and entry.value in ("", None):
                    continue
                if fields is None or name in fields:
                    matched["format_fields"][FORMAT_KEYS[name].attribute] = entry
                else:
                    self._note(entry, "the file format does not take it")
            elif section == "data" and fields is not None and name in fields:
                matched["other_fields"][fields[name]] = entry
            elif name in DEAD_KEYS.get(section, {}):
                self._pass_over(entry, name)
            else:
                self._blame(entry, _unknown_key(entry, fields or ()))
        for section in sorted(strangers):
            self._blame_section(section)
        return matched

    def _declared_fields(self) -> dict[str, str] | None:
        """Give folded name → name as the file format declares it."""
        fields = self._known_fields
        if callable(fields):
            entry = self._entries.get(("data", "file_format"))
            fields = fields(entry and (str(entry.value) or None))
        if fields is None:
            return None
        return {spelling(name): name for name in [*fields, *MANDATORY, "data_offset"]}

    def _pass_over(self, entry: Entry, name: str) -> None:
        dead = DEAD_KEYS[entry.section][name]
        if dead.harmless is None or str(entry.value).lower() in dead.harmless:
            self._note(entry, f"no effect: {dead.reason}")
        else:
            self._blame(entry, f"{entry.label} = {entry.value}: {dead.reason}")

    def _blame_section(self, section: str) -> None:
        entries = [
            entry for entry in self._entries.values() if entry.section == section
        ]
        if not section:
            for entry in entries:
                self._blame(entry, _without_section(entry.name))
            return
        hint = _nearest(section, KEYS) or f"sections are {', '.join(KEYS)}"
        self._blame(entries[0], f"[{section}] is not a section; {hint}")

    # values -------------------------------------------------------------------

    def _validate(self, model: type[Section], entries: dict[str, Entry]) -> Section:
        raw = {_alias(model, name): entry.value for name, entry in entries.items()}
        # paths of a file are relative to it, others to the working directory
        in_file = {name for name, entry in entries.items() if entry.line is not None}
        context = {"folders": dict.fromkeys(in_file, self._folder)}
        try:
            section = model.model_validate(raw, context=context)
        except ValidationError as error:
            bad = {_attribute(model, item["loc"][0]) for item in error.errors()}
            good = {name: entry for name, entry in entries.items() if name not in bad}
            for name in bad:
                self._blame_value(model, name, entries[name])
            return self._validate(model, good)
        for name, entry in entries.items():
            self._note_value(_key_of(model, entry), name, entry, section)
        return section

    def _blame_value(self, model: type[Section], name: str, entry: Entry) -> None:
        allowed = _key_of(model, entry).allowed
        self._bad.add(f"{entry.section}.{name}")
        self._blame(entry, f"{entry.label} = {entry.value!s:.60}: allowed is {allowed}")

    def _note_value(self, key: Key, name: str, entry: Entry, section: Section) -> None:
        value = getattr(section, name)
        special = special_notice(entry, name, value)
        if special is not None:
            self._note(entry, special)
        elif not key.used and entry.section == "data" and name in FORMAT_KEYS:
            return
        elif not key.used and value != key.default:
            self._note(entry, "no effect here")

    def _check(self, parameters: Parameters, with_files: bool) -> None:
        findings = list(check_values(parameters))
        if with_files:
            findings += check_files(parameters)
        for keys, sentence in findings:
            if self._bad.isdisjoint(keys):
                section, name = keys[0].split(".")
                entry = self._entries.get((section, spelling(name)))
                entry = entry or Entry(section, name, None)
                self._blame(entry, f"{entry.label}: {sentence}")

    # messages -----------------------------------------------------------------

    def _blame(self, entry: Entry, text: str) -> None:
        self.problems.append(Problem(text, entry.line))

    def _note(self, entry: Entry, text: str) -> None:
        where = "" if entry.line is None else f" (line {entry.line})"
        self.notices.append(f"{entry.label} = {entry.value}{where}: {text}")

    def _raise(self, path: Path | None) -> None:
        if not self.problems:
            return
        problems = sorted(self.problems, key=lambda found: found.line or 0)
        name = "the given values" if path is None else str(path)
        count = f"{len(problems)} problem" + "s" * (len(problems) > 1)
        raise ParameterError("\n  ".join([f"{name}: {count}", *map(str, problems)]))


def _decode(content: bytes) -> str:
    """Read as UTF-8, else as the Latin-1 of older Windows editors."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _alias(model: type[Section], attribute: str) -> str:
    return model.model_fields[attribute].alias or attribute


def _attribute(model: type[Section], name: str | int) -> str:
    aliases = {
        field.alias: attribute for attribute, field in model.model_fields.items()
    }
    return aliases.get(name, str(name))


def _key_of(model: type[Section], entry: Entry) -> Key:
    table = FORMAT_KEYS if model is FormatFields else KEYS[entry.section]
    return table[spelling(entry.name)]


def _nearest(name: str, names: Iterable[str]) -> str | None:
    close = difflib.get_close_matches(spelling(name), list(names), n=1)
    return f"did you mean {close[0]}?" if close else None


def _unknown_key(entry: Entry, fields: Iterable[str]) -> str:
    """Say that a key does not exist, and which one was probably meant."""
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


def _without_section(name: str) -> str:
    sections = [section for section, keys in KEYS.items() if spelling(name) in keys]
    if spelling(name) in FORMAT_KEYS:
        sections.append("data")
    if sections:
        choices = " or ".join(f"{section}.{name}" for section in sections)
        return f"{name} needs its section: {choices}"
    return f"{name} is not section.key, such as detection.spike_thresh"
