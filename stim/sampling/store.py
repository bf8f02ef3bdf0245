"""`SampleStore`: the record of a run, batch by batch; `StoreWriter` adds batches.

::

    with SampleStore("run/samples.h5") as store:
        store.n_batches, store.info["design"]
        inputs, outputs = store.batch(3)
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from circus_io.closing import Closing
from circus_io.errors import FormatError, RecordingNotFoundError
from stim.sampling.store_layout import FORMAT, VERSION, digest_of, offsets

__all__ = ["SampleStore", "StoreWriter"]

BLOCK_SAMPLES = 1 << 16


class SampleStore(Closing):
    """The complete batches of a record, for reading; also while it still grows.

    Parameters
    ----------
    path : path
        Of the file, or of the folder that holds ``samples.h5``.

    Attributes
    ----------
    info : dict
        Design, limits, device, units, versions.
    batches : structured array, shape (n_batches,)
        A row for each complete batch; see `store_layout.batch_dtype`.
    n_batches, n_planned : int
        Complete batches, and how many there will be.
    n_samples, n_inputs, n_outputs : int
    dtype : numpy dtype
        Of the samples.

    Raises
    ------
    RecordingNotFoundError
        There is no such file.
    FormatError
        It is no record of samples.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.is_dir():
            self.path /= "samples.h5"
        if not self.path.exists():
            raise RecordingNotFoundError(f"there is no file {self.path}")
        try:
            # no lock, since another process may be adding batches
            self._file = h5py.File(self.path, "r", locking=False)
        except OSError as error:
            raise FormatError(f"{self.path} is no HDF5 file: {error}") from error
        if self._file.attrs.get("format") != FORMAT:
            self._file.close()
            raise FormatError(f"{self.path} is no record of samples, or an older one")
        if self._file.attrs["version"] > VERSION:
            self._file.close()
            raise FormatError(f"{self.path} is of a newer version; update this program")
        self.info: dict[str, Any] = json.loads(self._file.attrs["info"])
        rows = self._file["batches"][:]
        there = rows["sha256"] != b""
        self.n_planned = len(rows)
        self.n_batches = len(rows) if there.all() else int(there.argmin())
        self.batches = rows[: self.n_batches]
        self.n_samples = int(self.batches["n_samples"].sum())
        self.n_inputs = self._file["inputs"].shape[1]
        self.n_outputs = self._file["outputs"].shape[1]
        self.dtype = self._file["inputs"].dtype

    @property
    def is_complete(self) -> bool:
        """Whether all batches are there."""
        return self.n_batches == self.n_planned

    def read(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs and outputs of some samples, (n, n_inputs or n_outputs)."""
        if not 0 <= start <= stop <= self.n_samples:
            raise IndexError(f"samples {start} to {stop} of {self.n_samples}")
        return self._file["inputs"][start:stop], self._file["outputs"][start:stop]

    def batch(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs and outputs of a batch, held against its checksum.

        Raises
        ------
        FormatError
            They are not what was written.
        """
        row = self.batches[index]
        start = int(row["t_start"])
        inputs, outputs = self.read(start, start + int(row["n_samples"]))
        if digest_of(row, inputs, outputs) != row["sha256"]:
            raise FormatError(
                f"batch {index} of {self.path} does not agree with its checksum: the "
                "file was damaged after it was written"
            )
        return inputs, outputs

    def blocks(
        self, start: int = 0, stop: int | None = None, size: int = BLOCK_SAMPLES
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield inputs and outputs of consecutive samples, a bounded piece each."""
        stop = self.n_samples if stop is None else stop
        for first in range(start, stop, size):
            yield self.read(first, min(first + size, stop))

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()


class StoreWriter(Closing):
    """Adds batches to a record, one after the other, after those that are there.

    A batch is on the disk before its row is; what a kill leaves of one is written over
    by the next that goes on.

    Parameters
    ----------
    path : Path
        Of a file made by `store_layout.create`.
    """

    def __init__(self, path: Path) -> None:
        with SampleStore(path) as store:
            if store.n_batches:
                store.batch(store.n_batches - 1)  # is what came last whole
            self.n_batches, self.n_planned = store.n_batches, store.n_planned
            self._next_sample = store.n_samples
            self._n_samples = store._file["inputs"].shape[0]
            self._n_chunk = store._file["inputs"].chunks[0]
            self._dtype = store.dtype
            self._row_dtype = store.batches.dtype
            self._offsets = offsets(store._file)
        # unbuffered: what is written is with the system, which a kill does not end
        self._file = path.open("r+b", buffering=0)

    def append(self, inputs: np.ndarray, outputs: np.ndarray, **facts: Any) -> None:
        """Add the next batch.

        Parameters
        ----------
        inputs, outputs : float array, shape (n_samples, n_inputs or n_outputs)
        **facts
            Fields of its row: seed, phases, t0, and so on.
        """
        n_expected = min(self._n_chunk, self._n_samples - self._next_sample)
        if not len(inputs) == len(outputs) == n_expected:
            raise ValueError(
                f"{len(inputs)} inputs, {len(outputs)} outputs: expected {n_expected}"
            )
        inputs = np.ascontiguousarray(inputs, self._dtype)
        outputs = np.ascontiguousarray(outputs, self._dtype)
        row = np.zeros((), self._row_dtype)
        for name, value in facts.items():
            row[name] = (
                value.encode("ascii", "replace") if isinstance(value, str) else value
            )
        row["t_start"], row["n_samples"] = self._next_sample, len(inputs)
        row["sha256"] = digest_of(row, inputs, outputs)
        self._write(self._offsets["inputs"][self.n_batches], inputs)
        self._write(self._offsets["outputs"][self.n_batches], outputs)
        os.fsync(self._file.fileno())
        place = self._offsets["batches"][0] + self.n_batches * self._row_dtype.itemsize
        self._write(place, row)
        os.fsync(self._file.fileno())
        self.n_batches += 1
        self._next_sample += len(inputs)

    def _write(self, offset: int, values: np.ndarray) -> None:
        self._file.seek(offset)
        content = memoryview(values.tobytes() if values.ndim == 0 else values).cast("B")
        while content:  # a single write may take less
            content = content[self._file.write(content) :]

    def close(self) -> None:
        """Close the file."""
        self._file.close()
