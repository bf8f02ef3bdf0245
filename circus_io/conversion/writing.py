"""Samples → a target, by the ranks of a communicator; and what came of it.

Each rank has a run of neighbouring blocks. Where only one may write, each writes its
run to a part file, and rank 0 puts the parts into the target in the order of the ranks,
which is that of the frames: the file is the same on any number of ranks. A block that a
killed conversion has written is read back instead of being written again.
"""

import hashlib
import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.conversion.journal import Entry, Journal
from circus_io.conversion.raw_binary import open_flat_rooms
from circus_io.conversion.selection import Selection
from circus_io.conversion.target import Content, Room, Target
from circus_io.conversion.workplace import of_rank_0
from circus_io.errors import StepError
from circus_io.parallel import gather_ordered, sum_integers

__all__ = ["Progress", "Writing", "own_run", "silent"]

logger = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""


def own_run(n_items: int, rank: int, n_ranks: int) -> range:
    """Return the neighbouring items that belong to a rank."""
    return range(n_items * rank // n_ranks, n_items * (rank + 1) // n_ranks)


@dataclass(frozen=True, eq=False)
class Writing:
    """The work of all ranks on one file.

    Attributes
    ----------
    selection : Selection
    content : Content
    target : Target
    path : Path
        The unfinished file, in a folder of its own.
    journal : Journal
        Of that folder.
    comm : SerialComm or mpi4py.MPI.Comm
    progress : callable
        ``progress(stage, done, total)``, in blocks.
    """

    selection: Selection
    content: Content
    target: Target
    path: Path
    journal: Journal
    comm: Any
    progress: Progress = silent

    def write(self) -> tuple[list[int], int]:
        """Write all samples; all ranks call this together.

        Returns
        -------
        checksums : list of int
            CRC-32 of each block, in order; on rank 0.
        n_clipped : int
            Samples of all ranks that did not fit.
        """
        noted = of_rank_0(self.comm, self._begin)
        in_place = self.target.parallel_write or self.comm.size == 1
        with self._open("r+") if in_place else self._open_part("w") as rooms:
            entries = self._fill(rooms, noted)
        checksums = {block: entry.checksum for block, entry in entries.items()}
        n_clipped = sum(entry.n_clipped for entry in entries.values())
        in_order = gather_ordered(self.comm, checksums, root=0)
        if self.comm.rank == 0 and not in_place:
            self._merge_parts()
        return in_order, int(sum_integers(self.comm, [n_clipped])[0])

    def check(self, checksums: Sequence[int]) -> str:
        """Read the file back; return the SHA-256 of its samples. For rank 0.

        Raises
        ------
        StepError
            A block is not what was written.
        """
        digest = hashlib.sha256()
        with self._open("r") as rooms:
            for block, checksum in enumerate(checksums):
                self.progress("checking", block, len(checksums))
                span, frames = self._place(block)
                counts = np.ascontiguousarray(rooms[span][frames])
                if zlib.crc32(counts) != checksum:
                    t_start, t_stop = self.selection.grid.bounds(block)
                    raise StepError(
                        f"frames {t_start} to {t_stop} cannot be read back from "
                        f"{self.path.name} as they were written; is the disk in order?"
                    )
                digest.update(counts)
        self.progress("checking", len(checksums), len(checksums))
        return digest.hexdigest()

    # ------------------------------------------------------------------------- writing

    def _open(self, mode: str) -> AbstractContextManager[Sequence[Room]]:
        return self.target.open_rooms(self.path, self.content, mode)

    def _own(self, rank: int) -> range:
        return own_run(len(self.selection.grid), rank, self.comm.size)

    def _begin(self) -> dict[int, Entry]:
        """Make the file, or return what was noted of one that was begun; on rank 0."""
        if not (self.journal.is_begun and self.path.exists()):
            self.target.create(self.path, self.content)
            self.journal.begin()
        noted = self.journal.collect()
        if noted:
            logger.info(
                "going on with %s: %d of %d blocks are written",
                self.journal.folder.name,
                len(noted),
                len(self.selection.grid),
            )
        return noted

    def _fill(
        self, rooms: Sequence[Room], noted: Mapping[int, Entry]
    ) -> dict[int, Entry]:
        """Write the blocks of this rank that are not there; return what all are."""
        own = self._own(self.comm.rank)
        entries: dict[int, Entry] = {}
        for block in own:
            if block in noted and self._is_there(rooms, block, noted[block]):
                self.progress("writing", len(entries), len(own))
                entries[block] = noted[block]
        missing = [block for block in own if block not in entries]
        with self.journal.noting(self.comm.rank) as note:
            for block, counts, n_clipped in self.selection.encoded(
                missing, self.content.encoding
            ):
                self.progress("writing", len(entries), len(own))
                span, frames = self._place(block)
                rooms[span][frames] = counts
                entries[block] = Entry(zlib.crc32(counts), n_clipped)
                note(block, entries[block])
        self.progress("writing", len(own), len(own))
        return entries

    def _is_there(self, rooms: Sequence[Room], block: int, entry: Entry) -> bool:
        """Tell whether a block is what was noted; after a power cut it need not be."""
        span, frames = self._place(block)
        try:
            counts = np.ascontiguousarray(rooms[span][frames])
        except Exception:  # of a library that cannot make anything of it
            return False
        return zlib.crc32(counts) == entry.checksum

    def _place(self, block: int) -> tuple[int, slice]:
        """Return the span of a block, and its frames in it."""
        piece = self.selection.grid.piece(block)
        return piece.stream, slice(piece.t_start, piece.t_stop)

    # --------------------------------------------------------------------------- parts

    def _part(self, rank: int) -> Path:
        return self.path.with_name(f"part-{rank}")

    def _open_part(
        self, mode: str, rank: int | None = None
    ) -> AbstractContextManager[Sequence[Room]]:
        """Give rooms of which only the run of a rank is in its file, from byte 0 on."""
        rank = self.comm.rank if rank is None else rank
        before = self._frames_before(rank) * self.content.frame_bytes
        return open_flat_rooms(self._part(rank), self.content, mode, -before)

    def _frames_before(self, rank: int) -> int:
        own = self._own(rank)
        if not own:
            return 0
        span, frames = self._place(own[0])
        return sum(self.content.table.lengths[:span]) + frames.start

    def _merge_parts(self) -> None:
        n_blocks = len(self.selection.grid)
        with self._open("r+") as rooms:
            for rank in range(self.comm.size):
                with self._open_part("r", rank) as part:
                    for block in self._own(rank):
                        self.progress("merging", block, n_blocks)
                        span, frames = self._place(block)
                        rooms[span][frames] = part[span][frames]
                self._part(rank).unlink()
        self.progress("merging", n_blocks, n_blocks)
