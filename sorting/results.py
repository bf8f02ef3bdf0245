"""What a sort leaves behind: ``Result``, and the one HDF5 file that holds it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np

from circus_io.atomic import atomic_path, write_json
from circus_io.errors import NotWritableError, ResultError
from sorting.result_layout import FORMAT, MAPPED, OPTIONAL, RESULT, VERSION, Stored
from sorting.result_tables import (
    ChannelTable,
    StreamTable,
    UnitTable,
    check_shapes,
    coerce,
)
from sorting.spike_file import slices

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


@dataclass(frozen=True, eq=False)
class Result:
    """Sorted units, and how they came about.

    N spikes of K units on C channels. A template covers T frames and is kept only on
    the channels that it reaches: P pairs of a unit and a channel. Arrays are read-only.

    Attributes
    ----------
    sampling_rate : float
        In Hz.
    t_start, t_stop : int
        First frame of the recording, and one past its last.
    unit_ids : (K,) int64
        Names of the units; every other unit index is a row of this array.
    spike_times : (N,) int64
        Global frames of the troughs, sorted by (time, unit).
    spike_units : (N,) int32
        Row of the unit.
    amplitudes : (N,) float32
        Fit coefficient; 1 is the template as it stands.
    template_ptr : (K + 1,) int64
        Unit k owns the pairs ``template_ptr[k]:template_ptr[k + 1]``.
    template_channels : (P,) int32
        Row of the channel table.
    template_waveforms : (P, T) float32
        In µV of the filtered recording, not whitened.
    n_before : int
        Frames of a template before its trough.
    channels, units, streams : ChannelTable, UnitTable, StreamTable
    noise_levels_uv : (C,) float32
        Noise sd (MAD / 0.6745) of the filtered recording.
    thresholds : (C,) float32
        Matched-filter energy that a peak exceeds, in MAD of the noise.
    whitening_matrix : (C, C) float32
        ``traces @ whitening_matrix`` is white.
    objectives : (N,) float32, optional
        What the spike adds to the fit.
    motion_times : (M,) int64, optional
        Global frames at which the motion of the tissue is known; None, like the three
        below, where none was followed.
    motion_depths_um : (W,) float64, optional
        Where it is known, along the axis, in µm; in between it is interpolated.
    motion_um : (M, W) float32, optional
        Displacement: where it is positive, spikes appear at larger coordinates.
    motion_axis : int, optional
        0, 1 or 2: along x, y or z of the channel table.
    parameters, provenance : mapping
        What JSON can hold. Run times belong to ``write_log``: equal sorts shall give
        equal files.

    Raises
    ------
    ResultError
        If shapes disagree, spikes are out of order or an index is out of range.
    """

    layout: ClassVar[dict[str, Stored]] = RESULT

    sampling_rate: float
    t_start: int
    t_stop: int
    unit_ids: np.ndarray
    spike_times: np.ndarray
    spike_units: np.ndarray
    amplitudes: np.ndarray
    template_ptr: np.ndarray
    template_channels: np.ndarray
    template_waveforms: np.ndarray
    n_before: int
    channels: ChannelTable
    noise_levels_uv: np.ndarray
    thresholds: np.ndarray
    whitening_matrix: np.ndarray
    units: UnitTable
    streams: StreamTable
    objectives: np.ndarray | None = None
    motion_times: np.ndarray | None = None
    motion_depths_um: np.ndarray | None = None
    motion_um: np.ndarray | None = None
    motion_axis: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        coerce(self)
        check_shapes(self, self.channels, self.units, self.streams)
        _check_indices(self)
        _check_spikes(self)

    def __len__(self) -> int:
        return len(self.unit_ids)

    def __repr__(self) -> str:
        return (
            f"<Result: {len(self)} units, {len(self.spike_times)} spikes, "
            f"{len(self.channels)} channels, {self.duration_s:.1f} s "
            f"at {self.sampling_rate:g} Hz>"
        )

    @property
    def duration_s(self) -> float:
        """Recorded time in seconds, without the gaps between streams."""
        return int(self.streams.n_frames.sum()) / self.sampling_rate

    @cached_property
    def _spikes_by_unit(self) -> list[np.ndarray]:
        order = np.argsort(self.spike_units, kind="stable")
        counts = np.bincount(self.spike_units, minlength=len(self))
        return np.split(order, np.cumsum(counts)[:-1]) if len(self) else []

    def row(self, unit_id: int) -> int:
        """Return the row of a unit in every per-unit array.

        Raises
        ------
        ResultError
            If there is no such unit.
        """
        (rows,) = np.nonzero(self.unit_ids == unit_id)
        if not len(rows):
            known = ", ".join(map(str, self.unit_ids[:20]))
            more = ", ..." if len(self) > 20 else ""
            raise ResultError(f"no unit {unit_id}; the units are: {known}{more}")
        return int(rows[0])

    def spike_indices(self, unit_id: int) -> np.ndarray:
        """Return which spikes are the unit's, (n,) int64, in time order."""
        return self._spikes_by_unit[self.row(unit_id)]

    def spike_train(self, unit_id: int) -> np.ndarray:
        """Return the unit's spike times, (n,) int64 global frames, ascending."""
        return self.spike_times[self.spike_indices(unit_id)]

    def template(self, unit_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a unit's template and the channels that it covers.

        Parameters
        ----------
        unit_id : int

        Returns
        -------
        waveform : (T, n) float32
            In µV of the filtered recording; the trough is at frame ``n_before``.
        channels : (n,) int32
            Rows of the channel table.
        """
        row = self.row(unit_id)
        pairs = slice(self.template_ptr[row], self.template_ptr[row + 1])
        return self.template_waveforms[pairs].T, self.template_channels[pairs]

    def dense_templates(self) -> np.ndarray:
        """Return the templates on all channels, (K, T, C) float32 µV."""
        n_frames = self.template_waveforms.shape[1]
        dense = np.zeros((len(self), len(self.channels), n_frames), dtype=np.float32)
        rows = np.repeat(np.arange(len(self)), np.diff(self.template_ptr))
        dense[rows, self.template_channels] = self.template_waveforms
        return np.ascontiguousarray(dense.transpose(0, 2, 1))

    def unit_table(self) -> np.ndarray:
        """Return one row per unit as a (K,) structured array, id first."""
        columns = {"unit_id": self.unit_ids}
        columns |= {name: getattr(self.units, name) for name in UnitTable.layout}
        table = np.empty(len(self), dtype=[(n, c.dtype) for n, c in columns.items()])
        for name, values in columns.items():
            table[name] = values
        return table


def _check_indices(result: Result) -> None:
    """Refuse a result whose parts point past each other or are out of order."""
    pointer, n_pairs = result.template_ptr, len(result.template_channels)
    if len(pointer) != len(result) + 1:
        raise ResultError(
            f"template_ptr must hold {len(result) + 1} numbers, one more than units"
        )
    if pointer[0] != 0 or pointer[-1] != n_pairs or np.any(np.diff(pointer) < 0):
        raise ResultError(f"template_ptr must rise from 0 to {n_pairs}")
    if len(np.unique(result.unit_ids)) != len(result):
        raise ResultError("unit_ids must be distinct")
    _check_range("template_channels", result.template_channels, len(result.channels))


def _check_spikes(result: Result) -> None:
    """Refuse spikes of no unit or out of order, a piece after the other."""
    last = np.iinfo(np.int64).min, 0
    for piece in slices(len(result.spike_times)):
        times, units = result.spike_times[piece], result.spike_units[piece]
        _check_range("spike_units", units, len(result))
        step = np.diff(times, prepend=times[0])
        tied = (step == 0) & (np.diff(units, prepend=units[0]) < 0)
        if (times[0], units[0]) < last or np.any((step < 0) | tied):
            raise ResultError("spikes must be sorted by (time, unit)")
        last = times[-1], units[-1]


def _check_range(name: str, values: np.ndarray, stop: int) -> None:
    if len(values) and (values.min() < 0 or values.max() >= stop):
        raise ResultError(f"{name} must lie in [0, {stop})")


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
