"""Where a file is made before it gets its name, and what must not be in its place."""

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from circus_io.conversion.journal import Journal
from circus_io.errors import CircusError, NotWritableError
from circus_io.recording import Recording

__all__ = [
    "can_go_on",
    "check_place",
    "check_room",
    "discard_unfinished",
    "of_rank_0",
    "partial_folder",
]

logger = logging.getLogger(__name__)

T = TypeVar("T")


def of_rank_0(comm: Any, function: Callable[..., T], *arguments: Any) -> T:
    """Call a function on rank 0; return what it returns, or raise, on all ranks."""
    result, problem = None, None
    if comm.rank == 0:
        try:
            result = function(*arguments)
        except CircusError as error:
            problem = error
    result, problem = comm.bcast((result, problem))
    if problem is not None:
        raise problem
    return result


def check_place(
    path: Path, recording: Recording, overwrite: bool, as_folder: bool = False
) -> None:
    """Refuse a path that cannot be written, or that must not be.

    A file may be replaced by a file. A folder is not replaced, nor does it replace
    anything: no system does that in one move.

    Raises
    ------
    NotWritableError
        Says what is in the way.
    """
    folder = path.parent
    if not folder.is_dir():
        raise NotWritableError(f"there is no folder {folder}; make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise NotWritableError(f"the folder {folder} is not writable for you")
    for source in _files(recording):
        same = path.exists() and path.samefile(source)
        if same or (source.is_dir() and path.resolve().is_relative_to(source)):
            raise NotWritableError(
                f"{path} is the recording, or a part of it, which is never written to; "
                "give another name"
            )
    if path.is_dir() or (path.exists() and as_folder):
        raise NotWritableError(f"{path} is in the way; remove it, or give another name")
    if path.exists() and not overwrite:
        raise NotWritableError(f"{path} exists; overwrite it, or give another name")


def _files(recording: Recording) -> Iterator[Path]:
    for source in (recording, *recording.streams):
        if source.file_name and Path(source.file_name).exists():
            yield Path(source.file_name).resolve()


def check_room(path: Path, n_bytes: int) -> None:
    """Refuse what does not fit the disk.

    Raises
    ------
    NotWritableError
        There is less room than `n_bytes`.
    """
    free = shutil.disk_usage(path.parent).free + _held_bytes(_folder_of(path))
    if n_bytes > free:
        raise NotWritableError(
            f"{path} needs {n_bytes / 1e9:.1f} GB, but its disk has {free / 1e9:.1f} "
            "GB left; make room, or name a place on another disk"
        )


def _folder_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.partial")


def _held_bytes(folder: Path) -> int:
    """Return what files of a folder take of the disk: it is filled, or becomes free."""
    stats = [path.stat() for path in folder.rglob("*") if path.is_file()]
    # Windows does not tell how many blocks a file takes
    return sum(getattr(stat, "st_blocks", stat.st_size / 512) * 512 for stat in stats)


@contextmanager
def partial_folder(path: Path, comm: Any, key: str = "") -> Iterator[Journal]:
    """Give the journal of a folder beside `path`, ``NAME.partial``.

    What an earlier conversion left in it, because it was killed, stays if it has the
    same key, and is removed if not. In the end the folder is removed, but after an
    interrupt, if there is something to go on with. All ranks call this together.

    Raises
    ------
    NotWritableError
        On every rank, if another conversion works there.
    """
    journal = Journal(_folder_of(path), key)
    locks: list[Any] = []  # that of rank 0
    of_rank_0(comm, _occupy, journal, locks)
    goes_on = False
    try:
        yield journal
    except KeyboardInterrupt:
        goes_on = journal.can_go_on
        raise
    except BaseException:
        journal.give_up()  # also for who cleans up after all ranks have ended
        raise
    finally:
        for lock in locks:
            if goes_on:
                lock.release()
            else:
                _leave(journal.folder, lock)


def can_go_on(path: Path) -> bool:
    """Tell whether a conversion to `path` was stopped that the same one would go on."""
    return Journal(_folder_of(path)).can_go_on


def discard_unfinished(path: Path) -> None:
    """Remove what a conversion to `path` left that was killed; not one that runs."""
    folder = _folder_of(path)
    if folder.is_dir():
        locks: list[Any] = []
        with suppress(NotWritableError):
            _occupy(Journal(folder), locks)
        for lock in locks:
            _leave(folder, lock)


def _occupy(journal: Journal, locks: list[Any]) -> None:
    """Make the folder, lock it, empty it of another one; put the lock into `locks`."""
    from filelock import FileLock, Timeout

    folder = journal.folder
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise NotWritableError(
            f"another conversion writes {folder.name.removesuffix('.partial')}; wait "
            "until it ends, or give another name"
        ) from None
    except OSError as error:  # a file system without locks
        logger.warning("no lock in %s (%s): start no second one", folder, error)
    locks.append(lock)
    for item in () if journal.is_begun else folder.iterdir():
        if item.is_dir():
            shutil.rmtree(item)
        elif item.name != "lock":
            item.unlink()


def _leave(folder: Path, lock: Any) -> None:
    # while the lock is held, so that nobody moves in between
    shutil.rmtree(folder, ignore_errors=True)
    lock.release()
    if os.name == "nt":  # where a file that is open, as the lock was, stays
        shutil.rmtree(folder, ignore_errors=True)
