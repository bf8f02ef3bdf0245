"""What else belongs to a recording: the folders beside it, or the lines of a list.

Both are stream modes of SpyKING CIRCUS, ``multi-folders`` and ``mapping-file``.
"""

import glob
from pathlib import Path

from circus_io.errors import FormatError, StreamError
from circus_io.files.neo_bridge.catalogue import NeoFormat
from circus_io.streams import natural_key

__all__ = ["files_of_line", "folders_beside", "lines_of"]

MOST_BYTES = 2**20  # of a list of files


def folders_beside(row: NeoFormat, path: Path) -> list[Path]:
    """Return the recordings of a folder and of those beside it, in natural order.

    Parameters
    ----------
    row : NeoFormat
    path : Path
        Of a recording: a folder, or a file in it. With a file, folders that hold one
        of the same name count.
    """
    home = path if path.is_dir() else path.parent
    beside = sorted(home.parent.iterdir(), key=lambda folder: natural_key(folder.name))
    if path.is_dir():
        return [one for one in beside if one.is_dir() and row.recognises(one)]
    return [one / path.name for one in beside if (one / path.name).is_file()]


def lines_of(mapping_file: Path) -> list[str]:
    """Return the lines of a list of files that are not empty, one for each stream.

    Raises
    ------
    StreamError
        There is no such list, or nothing in it.
    """
    try:
        with mapping_file.open("rb") as file:
            text = file.read(MOST_BYTES).decode("utf-8")
    except (OSError, ValueError) as error:
        raise StreamError(
            f"cannot read mapping_file = {mapping_file}: {error}"
        ) from None
    lines = [line.strip() for line in text.splitlines()]
    if not any(lines):
        raise StreamError(f"mapping_file = {mapping_file} names no files")
    return [line for line in lines if line]


def files_of_line(line: str, home: Path) -> list[Path]:
    """Return the files of a line: names with blanks between them, or a pattern.

    Parameters
    ----------
    line : str
    home : Path
        Where names that are not absolute start.

    Raises
    ------
    FormatError
        One is not there, or they are not all in one folder.
    """
    if glob.has_magic(line):
        folder = (home / line).parent
        files = sorted(folder.glob(Path(line).name), key=natural_key)
    else:
        files = [home / name for name in line.split()]
    absent = [file.name for file in files if not file.is_file()]
    if absent or len({file.parent for file in files}) != 1:
        what = f"there is no {absent[0]}" if absent else "expected files of one folder"
        raise FormatError(f"{line!r} in the mapping_file: {what}")
    return files
