"""`NeoReader`: a reader of neo that is parsed once, and rests and travels closed."""

import importlib
from collections.abc import Mapping
from typing import Any

from circus_io.files.neo_bridge.catalogue import NeoFormat
from circus_io.files.neo_bridge.failures import (
    logging_what_neo_says,
    named_neo_failures,
)
from circus_io.files.neo_bridge.freezing import Thawed, freeze, thaw
from circus_io.files.neo_bridge.repairs import repair

__all__ = ["NeoReader"]

# attributes that cost more than they serve: reading goes without them
LEFT_BEHIND = ("edf_reader", "file_headers", "raw_annotations")


class NeoReader:
    """A reader of neo that is parsed once, and rests and travels without open files.

    Segments of one recording share it. What cannot be frozen (see `freezing`) is parsed
    again where it is opened.

    Parameters
    ----------
    row : NeoFormat
    arguments : mapping
        Of the class of neo.
    path : str
        For messages.

    Attributes
    ----------
    class_name : str
        In ``neo.rawio``.
    paths : set of str
        Files that the reader maps or holds open, once it was parsed.
    """

    def __init__(self, row: NeoFormat, arguments: Mapping[str, Any], path: str) -> None:
        self.class_name = row.reader
        self.paths: set[str] = set()
        self._library = row.library
        self._arguments = dict(arguments)
        self._path = path
        self._frozen: bytes | None = None
        self._living: Thawed | None = None
        self._n_users = 0

    def open(self) -> Any:
        """Return the reader of neo; `close` it as often as this was called.

        Raises
        ------
        FormatError, MissingDependencyError
            As `named_neo_failures`.
        """
        if self._living is None:
            with named_neo_failures(self.class_name, self._path):
                self._living = self._parse() if self._frozen is None else self._thaw()
        self._n_users += 1
        return self._living.reader

    def close(self) -> None:
        """Give the reader back; the last one closes its files."""
        self._n_users -= 1
        if self._n_users == 0 and self._living is not None:
            self._living.close()
            self._living = None

    def __enter__(self) -> Any:
        return self.open()

    def __exit__(self, *error: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_living": None, "_n_users": 0}

    def _parse(self) -> Thawed:
        with logging_what_neo_says(self.class_name, self._path):
            if self._library:
                importlib.import_module(self._library)
            import neo.rawio

            reader = getattr(neo.rawio, self.class_name)(**self._arguments)
            reader.parse_header()
        repair(reader)
        left = {n: vars(reader).pop(n) for n in LEFT_BEHIND if n in vars(reader)}
        frozen = freeze(reader)
        vars(reader).update(left)
        self._frozen, self.paths = frozen.content, frozen.paths
        return Thawed(reader, frozen.handles)

    def _thaw(self) -> Thawed:
        import neo.rawio  # noqa: F401 -- the bytes name its classes

        return thaw(self._frozen)
