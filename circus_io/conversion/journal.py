"""Which blocks of an unfinished file are written, so that a killed conversion goes on.

The folder of the unfinished file holds ``.conversion``, the key of what is converted to
what, and ``.blocks`` and ``.blocks-RANK``, a line for each block: its number, the
CRC-32 of its counts, how many of them did not fit. A line is written after its block,
and believed only if the block can be read back, so that neither has to be forced onto
the disk.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

import circus_io
from circus_io.atomic import atomic_path
from circus_io.conversion.selection import Selection
from circus_io.conversion.target import Content, Target

__all__ = ["Entry", "Journal", "conversion_key"]

KEY = ".conversion"
BLOCKS = ".blocks"


class Entry(NamedTuple):
    """A block that was written: the CRC-32 of its counts, and how many did not fit."""

    checksum: int
    n_clipped: int


def conversion_key(selection: Selection, content: Content, target: Target) -> str:
    """Return a text that is the same only where all that is written is the same.

    It holds the names, sizes and times of change of the files that are read, what they
    are read with, and what is made of them. It is empty where blocks cannot be written
    in any order, and for a recording without files, whose samples may be others the
    next time.
    """
    recording, encoding = selection.recording, content.encoding
    stamps = [stamp for name in recording.source_files for stamp in _stamps(Path(name))]
    if not target.parallel_write or not stamps:
        return ""
    told = {
        "version": circus_io.__version__,
        "files": stamps,
        "read_as": [recording.description, recording.stream_mode, recording.params],
        "written_as": [target.description, content.block_frames],
        "channels": [selection.channels, content.channel_labels],
        "spans": [content.table.starts, content.table.lengths],
        "encoding": [encoding.dtype.str, encoding.offset, encoding.gain],
    }
    text = json.dumps(told, default=_plain, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _stamps(path: Path) -> list[tuple[str, int, int]]:
    """Return name, size and time of change (ns) of a file, or of those of a folder."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    found = [(file, file.stat()) for file in files if file.is_file()]
    return [(file.name, stat.st_size, stat.st_mtime_ns) for file, stat in found]


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)


@dataclass(frozen=True)
class Journal:
    """The journal in the folder of an unfinished file.

    Attributes
    ----------
    folder : Path
    key : str
        As `conversion_key` gives it. If it is empty, nothing is noted.
    """

    folder: Path
    key: str = ""

    @property
    def is_begun(self) -> bool:
        """Whether the unfinished file was made, by this conversion."""
        return bool(self.key) and _read(self.folder / KEY) == self.key

    @property
    def can_go_on(self) -> bool:
        """Whether there are blocks that a conversion with the right key would keep."""
        has_blocks = any(path.stat().st_size for path in self._files())
        return has_blocks and (self.folder / KEY).exists()

    def begin(self) -> None:
        """Note that the file is made, and ready for its samples."""
        if self.key:
            with atomic_path(self.folder / KEY) as temporary:
                temporary.write_text(self.key, encoding="ascii")

    def give_up(self) -> None:
        """Note that something is wrong: nobody goes on with this file."""
        (self.folder / KEY).unlink(missing_ok=True)

    def collect(self) -> dict[int, Entry]:
        """Return what all ranks noted, by block, and put it into one file."""
        entries: dict[int, Entry] = {}
        for path in self._files():
            entries.update(_entries(_read(path)))
        if entries:
            with atomic_path(self.folder / BLOCKS) as temporary:
                lines = [_line(block, entries[block]) for block in sorted(entries)]
                temporary.write_text("".join(lines), encoding="ascii")
        for path in self._files():
            if path.name != BLOCKS:
                path.unlink()
        return entries

    @contextmanager
    def noting(self, rank: int) -> Iterator[Callable[[int, Entry], None]]:
        """Give a function that notes a block that this rank has written."""
        if not self.key:
            yield lambda block, entry: None
            return
        path = self.folder / f"{BLOCKS}-{rank}"
        with path.open("w", encoding="ascii") as file:
            yield partial(_note, file)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"{BLOCKS}*"))


def _note(file: TextIO, block: int, entry: Entry) -> None:
    file.write(_line(block, entry))
    file.flush()


def _line(block: int, entry: Entry) -> str:
    return f"{block} {entry.checksum} {entry.n_clipped}\n"


def _entries(text: str) -> dict[int, Entry]:
    """Return the blocks of whole lines; the last one may have been cut off."""
    entries = {}
    for line in text.splitlines(keepends=True):
        numbers = line.split()
        if line.endswith("\n") and len(numbers) == 3 and all(map(str.isdigit, numbers)):
            block, *entry = map(int, numbers)
            entries[block] = Entry(*entry)
    return entries


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeError):
        return ""
