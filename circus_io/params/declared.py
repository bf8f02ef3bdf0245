"""What the file format that ``[data]`` names declares, needs and refuses."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from circus_io.errors import FormatError
from circus_io.fields import MANDATORY, convert
from circus_io.registry import get_format, locate
from circus_io.schema import spelling

if TYPE_CHECKING:
    from circus_io.datafile import DataFile

__all__ = ["DeclaredFormat"]


class DeclaredFormat:
    """A file format, as far as parameters are concerned.

    Parameters
    ----------
    name : str
        As in ``file_format = ...``.
    folder : path
        Where a relative path to a wrapper starts.

    Raises
    ------
    FormatError, MissingDependencyError
        It cannot be used; see `circus_io.registry.get_format`.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.wrapper: type[DataFile] = get_format(name, folder)
        self.name = locate(name, folder)

    @property
    def fields(self) -> dict[str, str]:
        """Folded name → name of the keys that the format takes."""
        declared = [*self.wrapper._required_fields, *self.wrapper._default_values]
        names = [*declared, *MANDATORY, "data_offset"]
        return {spelling(name): name for name in names}

    def missing(self, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Find fields that are required and not given: the name, what it is."""
        for name, kind in self.wrapper._required_fields.items():
            if given.get(spelling(name)) in ("", None):
                words = getattr(kind, "__name__", kind)
                yield name, f"{words}; {self.wrapper.description} files need it"

    def refuse(self, name: str, value: Any) -> str | None:
        """Say what is wrong with the value of a field that only this format knows."""
        kinds = {n: type(v) for n, v in self.wrapper._default_values.items()}
        try:
            convert(name, value, {**kinds, **self.wrapper._required_fields}.get(name))
        except FormatError as error:
            return str(error)
        return None

    def refuse_stream_mode(self, mode: str) -> str | None:
        """Say which stream modes there are, unless `mode` is one of them."""
        modes = self.wrapper.is_streamable
        if mode in modes:
            return None
        choice = f"choose from {', '.join(modes)}, or leave" if modes else "leave"
        return f"{self.wrapper.description} has no such stream mode; {choice} it empty"
