"""How samples lie in their HDF5 file, and how an empty one is made.

All room that a run needs is set aside when the file is made: the places of all chunks
are fixed, and nothing of the structure changes afterwards. A batch is then written as
bytes, without HDF5, so that the file is a valid one at every moment, whatever happens
to the program that writes. Room that is not written yet takes none on the disk, where
the file system knows sparse files.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from circus_io.atomic import atomic_path
from circus_io.errors import NotWritableError, ParameterError

__all__ = ["FORMAT", "VERSION", "batch_dtype", "create", "digest_of", "offsets"]

FORMAT = "circus-toolkit sampling"
VERSION = 1
MAX_CHUNK_BYTES = 2**32 - 1  # of HDF5
TEXT = {"host": 64, "driver": 64, "software": 128}
DIGEST_CHARACTERS = 64


def batch_dtype(n_phases: int) -> np.dtype:
    """Return the type of the rows of ``batches``: one row for each batch.

    ``sha256`` is written last, and vouches for the samples and for the row; it is empty
    in the row of a batch that is not there yet.
    """
    fields: list[tuple] = [
        ("t_start", "<i8"),
        ("n_samples", "<i8"),
        ("design_batch", "<i8"),
        ("is_reference", "u1"),
        ("seed", "<u8"),
        ("t0_unix_ns", "<i8"),
        ("t0_monotonic_ns", "<i8"),
        ("sample_index", "<i8"),
        ("n_not_compliant", "<i8"),
        *((name, f"S{length}") for name, length in TEXT.items()),
    ]
    if n_phases:
        fields.append(("phases", "<f8", (n_phases,)))
    return np.dtype([*fields, ("sha256", f"S{DIGEST_CHARACTERS}")])


def create(
    path: Path,
    lengths: Sequence[int],
    n_inputs: int,
    n_outputs: int,
    info: Mapping[str, Any],
    *,
    n_phases: int = 0,
    dtype: str = "<f4",
) -> None:
    """Make a file with room for all batches; it appears when it is complete.

    Parameters
    ----------
    path : Path
        There must be no such file.
    lengths : sequence of int
        Samples of each batch: all the same, except that the last may be shorter.
    n_inputs, n_outputs : int
    info : mapping
        Goes into the attribute ``info``, as JSON.
    n_phases : int
        Phases that a batch has.
    dtype : {'<f4', '<f8'}
        Of the samples.

    Raises
    ------
    ParameterError
        A batch is too long for HDF5.
    NotWritableError
        There is such a file, or no room for all batches.
    """
    if path.exists():
        raise NotWritableError(f"{path} exists; go on with it, or name another place")
    n_chunk = max(lengths)
    columns = max(n_inputs, n_outputs)
    if n_chunk * columns * np.dtype(dtype).itemsize > MAX_CHUNK_BYTES:
        raise ParameterError(
            f"a batch of {n_chunk} samples of {columns} channels is beyond 4 GB; "
            "make batches shorter, and more of them"
        )
    n_samples = int(np.sum(lengths))
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["format"], file.attrs["version"] = FORMAT, VERSION
        file.attrs["info"] = json.dumps(info)
        units = info.get("units", {})
        for name, n_columns in (("inputs", n_inputs), ("outputs", n_outputs)):
            shape, chunk = (n_samples, n_columns), (n_chunk, n_columns)
            data = _set_aside(
                file, name, h5py.h5t.py_create(np.dtype(dtype)), shape, chunk
            )
            data.attrs["units"] = units.get(name, "")
        row = h5py.h5t.py_create(batch_dtype(n_phases))
        _set_aside(file, "batches", row, (len(lengths),), None)


def _set_aside(
    file: h5py.File, name: str, kind: Any, shape: tuple, chunk: tuple | None
) -> h5py.Dataset:
    """Make a dataset with all of its bytes in the file, which nobody has written."""
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    if chunk:
        settings.set_chunk(chunk)
    settings.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    settings.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    space = h5py.h5s.create_simple(shape)
    return h5py.Dataset(h5py.h5d.create(file.id, name.encode(), kind, space, settings))


def offsets(file: h5py.File) -> dict[str, list[int]]:
    """Return where each chunk of samples, and the first row of ``batches``, begins."""
    places = {"batches": [file["batches"].id.get_offset()]}
    for name in ("inputs", "outputs"):
        data = file[name]
        starts = range(0, data.shape[0], data.chunks[0])
        places[name] = [
            data.id.get_chunk_info_by_coord((start, 0)).byte_offset for start in starts
        ]
    return places


def digest_of(row: np.ndarray, inputs: np.ndarray, outputs: np.ndarray) -> bytes:
    """Return the SHA-256 of a row without its own, and of its samples, in hex."""
    import hashlib

    without = row.copy()
    without["sha256"] = b""
    whole = hashlib.sha256(without.tobytes())
    for samples in (inputs, outputs):
        whole.update(np.ascontiguousarray(samples))
    return whole.hexdigest().encode()
