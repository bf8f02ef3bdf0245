"""`Journal`: the last frames of a recording, beside the file that they go into.

The writer of the layout holds up to a quarter of a second of frames until they fill an
HDF5 chunk. The journal is a small mapped file that has each frame as soon as it is
appended, so a recorder that is killed loses none: `complete` adds what the file lacks.

::

    0      signature (8)    bytes of the description (8)
    16     number of frames appended (8)    number of rows (8)    number of channels (8)
    64     description: JSON, what the writer was told
    ...    frame numbers, int64 (rows)
    ...    counts, int32 (rows, channels); frame n of the recording in row n % rows
"""

import json
import logging
import mmap
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np

from circus_io.closing import Closing
from circus_io.errors import FormatError, NotWritableError

__all__ = ["Journal", "has_writer", "journal_path", "warn_if_left"]

logger = logging.getLogger(__name__)

SIGNATURE = int.from_bytes(b"circusJ1", "little")
HEADER_BYTES = 64
SIGN, N_DESCRIPTION, N_FRAMES, N_ROWS, N_CHANNELS = range(5)


def journal_path(path: str | os.PathLike[str]) -> Path:
    """Return where the journal of a recording lies."""
    return Path(f"{os.fspath(path)}.journal")


class Journal(Closing):
    """One journal, mapped; `create` a new one, or `open` what a dead writer left.

    Attributes
    ----------
    description : dict
        What the writer of the recording was told.
    """

    def __init__(self, path: Path, file: Any, n_bytes: int) -> None:
        self.path, self._file = path, file
        self._map = mmap.mmap(file.fileno(), n_bytes)
        self._words = memoryview(self._map)[:HEADER_BYTES].cast("q")
        self.description: dict[str, Any] = {}

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        n_rows: int,
        n_channels: int,
        description: Mapping[str, Any],
    ) -> Self:
        """Make the journal of the recording `path`, and keep others from it.

        Parameters
        ----------
        n_rows : int
            Frames that it holds.
        n_channels : int
        description : mapping
            JSON.

        Raises
        ------
        NotWritableError
            There is one: another writer is at work, or was killed; or the disk refuses.
        """
        place, text = journal_path(path), json.dumps(dict(description)).encode()
        start = _aligned(HEADER_BYTES + len(text))
        n_bytes = start + n_rows * (8 + 4 * n_channels)
        try:
            file = place.open("x+b")
            _lock(file, place)
            file.truncate(n_bytes)
        except FileExistsError as error:
            raise NotWritableError(
                f"there is a journal {place.name}: the recording goes on, or was cut "
                f"short; then complete it with: circus recover {Path(path).name}"
            ) from error
        except OSError as error:
            raise NotWritableError(f"cannot write {place.name}: {error}") from error
        journal = cls(place, file, n_bytes)
        journal._map[HEADER_BYTES : HEADER_BYTES + len(text)] = text
        words = journal._words
        words[N_DESCRIPTION], words[N_ROWS] = len(text), n_rows
        words[N_CHANNELS], words[SIGN] = n_channels, SIGNATURE
        journal._place()
        return journal

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open the journal of the recording `path`, whose writer is gone.

        Raises
        ------
        NotWritableError
            The writer is at work.
        FormatError
            It is no journal, or is cut short.
        """
        place = journal_path(path)
        file = place.open("r+b")
        try:
            _lock(file, place)
            n_bytes = place.stat().st_size
            if n_bytes < HEADER_BYTES:
                raise FormatError(f"{place.name} is no journal: it has {n_bytes} bytes")
            journal = cls(place, file, n_bytes)
            journal._check(n_bytes)
        except BaseException:
            file.close()
            raise
        return journal

    # ------------------------------------------------------------------ what it is for

    @property
    def n_frames(self) -> int:
        """Frames that were appended since the recording began."""
        return self._words[N_FRAMES]

    def append(self, raw: np.ndarray, t_start: int) -> None:
        """Store counts, int32 (n_frames, n_channels); the oldest ones make room."""
        first, n_rows = self.n_frames, len(self._frames)
        for begin in range(0, len(raw), n_rows):
            part = raw[begin : begin + n_rows]
            rows = np.arange(first + begin, first + begin + len(part)) % n_rows
            # two runs at most: what is written around the end is rare
            split = len(part) if rows[0] <= rows[-1] else n_rows - int(rows[0])
            frames = np.arange(t_start + begin, t_start + begin + len(part))
            for piece in (slice(0, split), slice(split, None)):
                if len(rows[piece]):
                    place = slice(int(rows[piece][0]), int(rows[piece][-1]) + 1)
                    self._counts[place] = part[piece]
                    self._frames[place] = frames[piece]
        self._words[N_FRAMES] = first + len(raw)

    def since(self, n_written: int) -> tuple[np.ndarray, np.ndarray, int]:
        """Return what a file with `n_written` frames lacks.

        Returns
        -------
        frames : ndarray of int64, shape (n_frames,)
        counts : ndarray of int32, shape (n_frames, n_channels)
        n_lost : int
            Frames before them that neither of the two has.
        """
        oldest = max(n_written, self.n_frames - len(self._frames))
        rows = np.arange(oldest, self.n_frames) % len(self._frames)
        return self._frames[rows], self._counts[rows], max(oldest - n_written, 0)

    def close(self) -> None:
        """Close it, and leave it where it is."""
        if not self._file.closed:
            self._frames = self._counts = self._words = None
            self._map.close()
            self._file.close()

    def remove(self) -> None:
        """Close and remove it: the recording is complete."""
        self.close()
        self.path.unlink(missing_ok=True)

    # ------------------------------------------------------------------------ its parts

    def _place(self) -> None:
        """Find the arrays and the description in the mapped bytes."""
        n_text, _, n_rows, n_channels = self._words[N_DESCRIPTION : N_CHANNELS + 1]
        start = _aligned(HEADER_BYTES + n_text)
        self._frames = np.ndarray((n_rows,), "<i8", self._map, start)
        shape = (n_rows, n_channels)
        self._counts = np.ndarray(shape, "<i4", self._map, start + 8 * n_rows)
        text = self._map[HEADER_BYTES : HEADER_BYTES + n_text]
        self.description = json.loads(text)

    def _check(self, n_bytes: int) -> None:
        sign, n_text, n_frames, n_rows, n_channels = self._words[: N_CHANNELS + 1]
        sizes = (n_text, n_rows, n_channels)
        needed = _aligned(HEADER_BYTES + n_text) + n_rows * (8 + 4 * n_channels)
        try:
            if sign != SIGNATURE or min(sizes) < 1 or n_frames < 0 or needed > n_bytes:
                raise ValueError("its header is not that of a journal")
            self._place()
        except ValueError as error:
            raise FormatError(f"{self.path.name} is damaged: {error}") from error


def has_writer(path: str | os.PathLike[str]) -> bool | None:
    """Tell whether somebody writes a recording now; None if it has no journal."""
    if not journal_path(path).exists():
        return None
    try:
        Journal.open(path).close()
    except NotWritableError:
        return True
    except (FormatError, OSError):
        return None
    return False


def warn_if_left(path: str | os.PathLike[str]) -> None:
    """Say in the log if a recording was cut short, and not completed yet."""
    if not journal_path(path).exists():
        return
    # who is at work has it locked
    with suppress(NotWritableError, FormatError, OSError), Journal.open(path):
        logger.warning(
            "the recording of %s was cut short; its journal may hold more: complete it "
            "with: circus recover %s",
            Path(path).name,
            Path(path).name,
        )


def _aligned(n_bytes: int) -> int:
    return -(-n_bytes // 64) * 64


def _lock(file: Any, path: Path) -> None:
    """Lock the file as long as it is open; the system unlocks it for who is killed."""
    try:
        import fcntl
    except ImportError:
        return  # Windows refuses to remove what is open, which does as well
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise NotWritableError(
            f"{path.name} is in use: the recording goes on; stop it first"
        ) from error
