"""The one HDF5 file that holds a `Result`: where it lies, written and read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from circus_io.atomic import atomic_path, write_json
from circus_io.errors import NotWritableError, ResultError
from sorting.kernels.slices import slices
from sorting.result import Result
from sorting.result_layout import FORMAT, MAPPED, OPTIONAL, RESULT, VERSION, Stored
from sorting.result_tables import ChannelTable, StreamTable, UnitTable

__all__ = [
    "SUFFIX",
    "ChannelTable",
    "Result",
    "StreamTable",
    "UnitTable",
    "as_json",
    "find_result",
    "load_result",
    "log_path",
    "read_origin",
    "result_folder",
    "result_path",
    "write_log",
    "write_result",
]

SUFFIX = ".sorting.hdf5"

# Below this many bytes a compressed dataset is larger than a plain one.
_COMPRESS_FROM = 4096


def result_path(recording_path: str | Path) -> Path:
    """Return the default result file of ``rec.dat``: ``rec/rec.sorting.hdf5``."""
    recording_path = Path(recording_path)
    return result_folder(recording_path) / f"{recording_path.stem}{SUFFIX}"


def result_folder(recording_path: Path) -> Path:
    """Return the default folder of the results, beside the recording.

    It is named as the file without its suffix; ``name.sorting`` where that is the
    recording itself: a folder of raw data stays as it is.
    """
    folder = recording_path.with_suffix("")
    if folder != recording_path:
        return folder
    return recording_path.with_name(f"{recording_path.name}.sorting")


def log_path(path: str | Path) -> Path:
    """Return where the run times of a result lie: ``<stem>.log.json`` beside it."""
    path = Path(path)
    return path.with_name(path.name.removesuffix(SUFFIX) + ".log.json")


def write_log(path: str | Path, log: Mapping[str, Any]) -> Path:
    """Write what differs from run to run (seconds, ranks, host) beside a result.

    It stays out of the HDF5 file, so that equal sorts give equal bytes.

    Parameters
    ----------
    path : path
        The result file.
    log : mapping
        Anything JSON can hold.

    Returns
    -------
    Path
        The log file.
    """
    path = log_path(path)
    write_json(path, dict(log))
    return path


def write_result(path: str | Path, result: Result) -> Path:
    """Write a result as one self-describing HDF5 file, whole or not at all.

    Two writes of the same result give the same bytes. The layout is described in
    ``docs/reference/results-hdf5.md``.

    Parameters
    ----------
    path : path
        File to create or replace; its folder must exist.
    result : Result

    Returns
    -------
    Path
        The file.

    Raises
    ------
    NotWritableError
        If there is one that the system does not let go: a program maps it.
    """
    path = Path(path)
    try:
        _write(path, result)
    except PermissionError as error:
        raise NotWritableError(
            f"{path} cannot be written: {error.strerror}; close the programs that have "
            "the result open, or delete a Result that sort() returned, and sort again: "
            "what the steps computed is kept"
        ) from error
    return path


def _write(path: Path, result: Result) -> None:
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["format"] = FORMAT
        file.attrs["version"] = VERSION
        for table in (result, result.channels, result.units, result.streams):
            for name, stored in table.layout.items():
                _write_dataset(file, stored, getattr(table, name))


def _write_dataset(file: h5py.File, stored: Stored, value: Any) -> None:
    if value is None:
        return
    options: dict[str, Any] = {"track_times": False}
    if stored.dtype is dict:
        value = json.dumps(value, sort_keys=True)
    value = np.asarray(value)
    if stored.dtype in (dict, np.str_):
        value = _fixed_text(value)
    elif stored.shape not in ("", *MAPPED) and value.nbytes >= _COMPRESS_FROM:
        options |= {"compression": "gzip", "compression_opts": 4, "shuffle": True}
    dataset = file.create_dataset(stored.path, value.shape, value.dtype, **options)
    if stored.shape in MAPPED:
        for piece in slices(len(value)):
            dataset[piece] = value[piece]
    else:
        dataset[...] = value
    dataset.attrs["units"] = stored.units
    dataset.attrs["description"] = stored.description


def _fixed_text(values: np.ndarray) -> np.ndarray:
    """Encode text as UTF-8 of one fixed length, at least 1, which HDF5 can hold."""
    encoded = np.char.encode(values, "utf-8")
    return encoded.astype(h5py.string_dtype("utf-8", max(encoded.itemsize, 1)))


def as_json(value: Any) -> Any:
    """Return what remains of a value in a file that holds it as JSON."""
    return json.loads(json.dumps(value))


def read_origin(path: str | Path) -> Any:
    """Read the parameters and the provenance of a result file; None if it is none."""
    try:
        with h5py.File(path, "r") as file:
            stored = RESULT["parameters"], RESULT["provenance"]
            return [_read_dataset(Path(path), file[s.path], s) for s in stored]
    except (OSError, KeyError, ValueError):
        return None


def load_result(path: str | Path, *, mapped: bool = False) -> Result:
    """Load the result of a sort.

    Parameters
    ----------
    path : path
        The result file, the folder that holds it, or the recording that was sorted.
    mapped : bool
        Leave the spikes in the file and map them: for recordings of days. The file must
        then stay as it is while the result is in use; Windows does not let it be
        replaced.

    Returns
    -------
    Result

    Raises
    ------
    ResultError
        If nothing has been sorted there, or the file is foreign or incomplete.
    """
    path = find_result(path)
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ResultError(
            f"{path} is not an HDF5 file, or a broken one: {error}"
        ) from error
    with file:
        _check_format(path, file)
        result, channels, units, streams = (
            _read_table(path, file, table.layout, mapped)
            for table in (Result, ChannelTable, UnitTable, StreamTable)
        )
        return Result(
            channels=ChannelTable(**channels),
            units=UnitTable(**units),
            streams=StreamTable(**streams),
            **result,
        )


def find_result(path: str | Path) -> Path:
    """Return the result file that a file, a result folder or a recording stands for.

    Raises
    ------
    ResultError
        If there is none, or a folder holds several.
    """
    path = Path(path)
    if path.is_file() and path.name.endswith(SUFFIX):
        return path
    found = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else []
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise ResultError(f"{path} holds several results, name one of them: {names}")
    if found:
        return found[0]
    if result_path(path).is_file():
        return result_path(path)
    if path.is_file() and h5py.is_hdf5(path):
        return path
    raise ResultError(
        f"no result at {path}, nor at {result_path(path)}; sort a recording first: "
        "circus sort RECORDING"
    )


def _check_format(path: Path, file: h5py.File) -> None:
    if file.attrs.get("format") != FORMAT:
        held = ", ".join(list(file)[:6]) or "nothing"
        raise ResultError(
            f"{path} was not written by this toolkit (format must be {FORMAT!r}; "
            f"it holds: {held}); sort the recording again"
        )
    version = int(file.attrs.get("version", 0))
    if not 1 <= version <= VERSION:
        raise ResultError(
            f"{path} has version {version} of the format; this toolkit reads up to "
            f"{VERSION}: install a newer circus-toolkit"
        )


def _read_table(
    path: Path, file: h5py.File, layout: dict[str, Stored], mapped: bool
) -> dict[str, Any]:
    missing = [
        stored.path
        for name, stored in layout.items()
        if stored.path not in file and name not in OPTIONAL
    ]
    if missing:
        raise ResultError(f"{path} is incomplete, it lacks: {', '.join(missing)}")
    return {
        name: _read_dataset(path, file[stored.path], stored, mapped)
        for name, stored in layout.items()
        if stored.path in file
    }


def _read_dataset(
    path: Path, dataset: h5py.Dataset, stored: Stored, mapped: bool = False
) -> Any:
    offset = dataset.id.get_offset() if mapped and stored.shape in MAPPED else None
    if offset is not None:  # None as well for an empty dataset
        return np.memmap(path, dataset.dtype, "r", offset, dataset.shape)
    value = dataset[()]
    if stored.dtype is dict:
        return json.loads(bytes(value).decode("utf-8"))
    if stored.dtype is np.str_:
        return np.char.decode(value, "utf-8") if value.size else np.array([], dtype=str)
    return value
