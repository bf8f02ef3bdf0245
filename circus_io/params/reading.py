"""Entries → `Parameters`: names are matched, values typed, problems collected."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from circus_io.errors import FormatError, MissingDependencyError, ParameterError
from circus_io.params.checks import check_files, check_values
from circus_io.params.declared import DeclaredFormat
from circus_io.params.hints import unknown_key, unknown_section, without_section
from circus_io.params.legacy import DEAD_KEYS, special_notice
from circus_io.params.lines import Entry, Problem, parse_lines, read_text
from circus_io.params.notices import Notice
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
from circus_io.schema.types import empty_to_none

__all__ = ["TO_FILL_IN", "Assembly", "build_params", "flatten", "read_params"]


def read_params(
    path: str | Path,
    overrides: Mapping[str, Any] | None = None,
    required: Iterable[str] = (),
) -> Parameters:
    """Read a parameter file, which stays as it is.

    The file format is looked up; a wrapper ``./my_format.py:MyFile`` starts at the
    folder of the file that names it, and what it declares may be given.

    Parameters
    ----------
    path : path
        ``.params`` file.
    overrides : mapping, optional
        Values that win over the file: ``{"section.key": value}`` or nested. Their
        paths are relative to the working directory, those of the file to its folder.
    required : iterable of str
        Keys of ``[data]`` that must be given as well, such as ``"mapping"``; what the
        file format needs always has to.

    Raises
    ------
    ParameterError
        Every problem at once: file, line, section, key, what was given, what is
        allowed, and the nearest valid name.
    """
    path = Path(path)
    entries, problems = parse_lines(read_text(path))
    assembly = Assembly(folder=path.resolve().parent)
    assembly.problems += problems
    assembly.add(entries)
    assembly.add(flatten(overrides or {}))
    assembly.require("file_format", *required)
    return assembly.build(path)


def build_params(overrides: Mapping[str, Any]) -> Parameters:
    """Build parameters from values alone, without a file.

    Parameters
    ----------
    overrides : mapping
        ``{"section.key": value}`` or ``{section: {key: value}}``; text is read as in a
        file. Relative paths are relative to the working directory.

    Raises
    ------
    ParameterError
        Every problem at once.
    """
    assembly = Assembly()
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

    def __init__(self, folder: Path | None = None):
        self.problems: list[Problem] = []
        self.notices: list[Notice] = []
        self._folder = folder
        self._entries: dict[tuple[str, str], Entry] = {}
        self._bad: set[str] = set()
        self._needs_fields = False

    def add(self, entries: Iterable[Entry]) -> None:
        """Take entries; a later one replaces an earlier one of the same key."""
        for entry in entries:
            self._entries[entry.section, spelling(entry.name)] = entry

    def require(self, *names: str) -> None:
        """Note keys of ``[data]`` without a value, and those the format needs."""
        self._needs_fields = True
        for name in names:
            if self._value_of(name) is None:
                self._blame_absence(name, KEYS["data"][spelling(name)].help)

    def build(self, path: Path | None, with_files: bool = True) -> Parameters:
        """Validate everything.

        Raises
        ------
        ParameterError
            Every problem at once.
        """
        declared = self._declared_format()
        matched = self._match(declared)
        fields = self._validate(FormatFields, matched.pop("format_fields"))
        others = self._others(declared, matched.pop("other_fields"))
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

    # file format --------------------------------------------------------------

    def _declared_format(self) -> DeclaredFormat | None:
        """Look the file format up, and check what hangs on it."""
        entry = self._entries.get(("data", "file_format"))
        if self._value_of("file_format") is None:
            return None
        in_file = entry.line is not None and self._folder is not None
        try:
            declared = DeclaredFormat(
                str(entry.value), self._folder if in_file else Path()
            )
        except (FormatError, MissingDependencyError) as error:
            self._blame(entry, f"{entry.label} = {entry.value}: {error}")
            return None
        self._entries["data", "file_format"] = replace(entry, value=declared.name)
        self._check_stream_mode(declared)
        if self._needs_fields:
            given = {
                name: entry.value
                for (section, name), entry in self._entries.items()
                if section == "data"
            }
            for name, what in declared.missing(given):
                self._blame_absence(name, what)
        return declared

    def _check_stream_mode(self, declared: DeclaredFormat) -> None:
        mode = self._value_of("stream_mode")
        problem = None if mode is None else declared.refuse_stream_mode(mode)
        if problem is not None:
            entry = self._entries["data", "stream_mode"]
            self._blame(entry, f"{entry.label} = {mode}: {problem}")

    def _others(
        self, declared: DeclaredFormat | None, entries: dict[str, Entry]
    ) -> dict[str, Any]:
        """Give the fields that only the format knows, as they are if they are good."""
        for name, entry in entries.items():
            problem = declared.refuse(name, entry.value)
            if problem is not None:
                self._blame(entry, f"[data] {problem}")
        return {name: entry.value for name, entry in entries.items()}

    def _value_of(self, name: str) -> Any:
        """Value of a key of ``[data]``; None if it is empty."""
        entry = self._entries.get(("data", spelling(name)))
        return None if entry is None else empty_to_none(entry.value)

    # names --------------------------------------------------------------------

    def _match(self, declared: DeclaredFormat | None) -> dict[str, dict[str, Entry]]:
        """Sort entries by section and attribute; format fields apart."""
        matched = {name: {} for name in [*SECTIONS, "format_fields", "other_fields"]}
        fields = None if declared is None else declared.fields
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
                self._blame(entry, unknown_key(entry, fields or ()))
        for section in sorted(strangers):
            self._blame_section(section)
        return matched

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
                self._blame(entry, without_section(entry.name))
            return
        self._blame(entries[0], unknown_section(section))

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
                self._reject_value(model, name, entries[name])
            return self._validate(model, good)
        for name, entry in entries.items():
            self._note_value(_key_of(model, entry), name, entry, section)
        return section

    def _reject_value(self, model: type[Section], name: str, entry: Entry) -> None:
        """Blame a value; one of a key without use may be what it likes."""
        key = _key_of(model, entry)
        if not key.used and not issubclass(model, FormatFields):
            self._note(entry, key.without_use)
            return
        allowed = key.allowed
        self._bad.add(f"{entry.section}.{name}")
        self._blame(entry, f"{entry.label} = {entry.value!s:.60}: allowed is {allowed}")

    def _note_value(self, key: Key, name: str, entry: Entry, section: Section) -> None:
        value = getattr(section, name)
        special = special_notice(entry, name, section)
        if special is not None:
            self._note(entry, special)
        elif isinstance(section, FormatFields):
            return
        elif (bent := key.notice_of(value)) is not None:
            self._note(entry, bent)

    def _check(self, parameters: Parameters, with_files: bool) -> None:
        findings = list(check_values(parameters))
        if with_files:
            findings += check_files(parameters)
        for keys, sentence in findings:
            if self._bad.isdisjoint(keys):
                places = [tuple(map(spelling, key.split("."))) for key in keys]
                given = (self._entries.get(place) for place in places)
                entry = next(filter(None, given), None)
                section, name = keys[0].split(".")
                self._blame(entry, f"[{section}] {name}: {sentence}")

    # messages -----------------------------------------------------------------

    def _blame(self, entry: Entry | None, text: str) -> None:
        given = self._folder is not None and entry is not None and entry.line is None
        self.problems.append(Problem(text, entry and entry.line, given))

    def _blame_absence(self, name: str, what: str) -> None:
        entry = self._entries.get(("data", spelling(name)))
        self._blame(entry, f"[data] {name} is required ({what.rstrip('.')})")

    def _note(self, entry: Entry, text: str) -> None:
        self.notices.append(Notice.of(entry, text))

    def _raise(self, path: Path | None) -> None:
        if not self.problems:
            return
        problems = sorted(self.problems, key=Problem.rank)
        only_given = all(problem.given for problem in problems)
        name = "the given values" if path is None or only_given else str(path)
        count = f"{len(problems)} problem" + "s" * (len(problems) > 1)
        texts = [found.text if only_given else str(found) for found in problems]
        raise ParameterError("\n  ".join([f"{name}: {count}", *texts]))


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
