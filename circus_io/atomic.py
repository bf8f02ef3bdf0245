"""Files and folders that appear whole or not at all."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

__all__ = ["atomic_path", "put_in_place", "write_json"]


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary file to write, and put it in place of `path` on success.

    Parameters
    ----------
    path : path
        The file to be; its folder must exist. A file already there stays as it is
        until the new one is complete.

    Yields
    ------
    Path
        An empty file in the same folder, with the same suffix, that nobody else uses.
        Close it before the block ends: Windows does not rename open files.

    Notes
    -----
    The content is flushed to the disk before the name changes, so a crash leaves
    either the old file or the new one. If the block raises, the temporary file is
    removed.
    """
    path = Path(path)
    temporary = _create_sibling(path)
    try:
        yield temporary
        put_in_place(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def put_in_place(temporary: Path, path: Path) -> None:
    """Give a complete file or folder its name, once all of it is on the disk.

    Parameters
    ----------
    temporary : Path
        Closed, on the same disk as `path`.
    path : Path
        A file there is replaced in one move. A folder there is not.

    Raises
    ------
    OSError
        The system refuses, as it does where `path` is a folder that holds something.
    """
    for part in (temporary, *temporary.rglob("*")):
        if part.is_dir():
            _flush_folder(part)
        else:
            _flush_to_disk(part)
    temporary.replace(path)
    _flush_folder(path.parent)


def write_json(path: str | os.PathLike[str], obj: Any) -> None:
    """Write `obj` as indented JSON (UTF-8, keys in their order), atomically.

    Raises
    ------
    TypeError
        `obj` holds something that JSON does not know; `path` is left as it was.
    """
    with atomic_path(path) as temporary:
        text = json.dumps(obj, indent=2, ensure_ascii=False) + "\n"
        temporary.write_text(text, encoding="utf-8")


def _create_sibling(path: Path) -> Path:
    # mkstemp makes files for the owner only; a result is as readable as any new file
    handle, name = tempfile.mkstemp(
        prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent
    )
    os.close(handle)
    umask = os.umask(0)
    os.umask(umask)
    Path(name).chmod(0o666 & ~umask)
    return Path(name)


def _flush_to_disk(path: Path) -> None:
    # Windows flushes only files that are open for writing
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Make the new name itself durable, where the system lets a folder be opened."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
