"""Where an NWB file has its electrical series, and what it says of their channels.

As the NWB schema describes it: an ``ElectricalSeries`` has `data` (frames × channels,
with `conversion` and `offset` in V), a `channel_conversion` of each channel, and
`electrodes`, rows of a table of electrodes.
"""

from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

from circus_io.errors import FormatError
from circus_io.files.hdf5_access import number, read_whole, short_name, text
from circus_io.files.hdf5_parts import check_samples
from circus_io.files.nwb.timing import read_timing
from circus_io.files.parted import Span

__all__ = ["Series", "describe_series", "find_series"]

KIND = "ElectricalSeries"
FOLDERS = ("acquisition", "processing")  # what was recorded, before what became of it
TO_MICROVOLT = {
    **dict.fromkeys(("volts", "volt", "v"), 1e6),
    **dict.fromkeys(("millivolts", "mv"), 1e3),
    **dict.fromkeys(("microvolts", "uv", "µv"), 1.0),
}
MOST_ELECTRODES = 2**20


@dataclass(frozen=True)
class Series:
    """Samples in an NWB file, and how they are scaled.

    Attributes
    ----------
    key : str
        The dataset.
    n_channels : int
    data_dtype : str
    cache_bytes : int
        Of a chunk cache that fits.
    sampling_rate : float
        Hz.
    spans : tuple of Span
    gain, zeros : float64 arrays, shape (n_channels,), or None
        µV per count, and the count that stands for 0 µV; None where the user says.
    labels : tuple of str, or None
    positions : float64 array, shape (n_channels, 2), or None
        µm.
    metadata : dict
    """

    key: str
    n_channels: int
    data_dtype: str
    cache_bytes: int
    sampling_rate: float
    spans: tuple[Span, ...]
    gain: np.ndarray | None = None
    zeros: np.ndarray | None = None
    labels: tuple[str, ...] | None = None
    positions: np.ndarray | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


def find_series(file: h5py.File, wanted: str) -> h5py.Group | h5py.Dataset:
    """Return the series that `wanted` names, or the only one that was recorded.

    Parameters
    ----------
    file : h5py.File
    wanted : str
        Path or name of a series, path of its data or of any dataset, or ``auto``.

    Raises
    ------
    FormatError
        There is none, or there are several to choose from.
    """
    if wanted != "auto" and wanted in file:
        item = file[wanted]
        parent = item.parent
        return parent if item.name.endswith("/data") and _is_series(parent) else item
    found = _all_series(file, wanted)
    if len(found) == 1:
        return found[0]
    names = ", ".join(group.name.strip("/") for group in found or _all_series(file))
    if found:
        raise FormatError(
            f"{short_name(file)} has several electrical series: {names}; choose one "
            "with h5_key"
        )
    raise FormatError(
        f"{short_name(file)} has no electrical series {wanted}; it has "
        f"{names or 'none'}"
    )


def _all_series(file: h5py.File, wanted: str = "") -> list[h5py.Group]:
    """Return the series of a name; for ``auto`` those of the first folder with any."""
    found: list[h5py.Group] = []

    def note(_: str, item: Any) -> None:
        if _is_series(item) and wanted in ("", "auto", item.name.rpartition("/")[2]):
            found.append(item)

    for folder in FOLDERS:
        if isinstance(file.get(folder), h5py.Group):
            file[folder].visititems(note)
        if found and wanted == "auto":
            break
    return found


def _is_series(item: Any) -> bool:
    is_group = isinstance(item, h5py.Group)
    return is_group and text(item.attrs.get("neurodata_type", "")) == KIND


def describe_series(
    item: h5py.Group | h5py.Dataset, sampling_rate: float | None
) -> Series:
    """Return what the file says of a series, or of a dataset that is none.

    Parameters
    ----------
    item : h5py.Group or h5py.Dataset
        From `find_series`.
    sampling_rate : float or None
        What the user says, for a series that does not.

    Raises
    ------
    FormatError
        It is not what the schema says.
    MissingParameterError
        Nobody says the rate.
    """
    is_series = isinstance(item, h5py.Group)
    data = item["data"] if is_series else item
    cache = check_samples(data, short_name(item))
    n_frames, n_channels = data.shape[0], (*data.shape, 1)[1]
    if is_series or sampling_rate is None:
        times = item if is_series else item.parent
        sampling_rate, spans = read_timing(times, n_frames, sampling_rate)
    else:
        spans = (Span(0, n_frames, 0),)
    gain, zeros = _scale(item, n_channels) if is_series else (None, None)
    labels, positions = _electrodes(item, n_channels) if is_series else (None, None)
    return Series(
        data.name,
        n_channels,
        data.dtype.str,
        cache,
        sampling_rate,
        spans,
        gain,
        zeros,
        labels,
        positions,
        {"series": item.name.strip("/")},
    )


def _scale(series: h5py.Group, n_channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return µV per count and the count of 0 µV, float64 (n_channels,)."""
    attributes = series["data"].attrs
    unit = text(attributes.get("unit", "volts"))
    if unit.lower() not in TO_MICROVOLT:
        raise FormatError(
            f"{series.name} is in {unit}, which is no voltage; read it as it is with "
            "file_format = hdf5"
        )
    each = np.ones(n_channels)
    if "channel_conversion" in series:
        each = read_whole(series["channel_conversion"]).astype(np.float64)
    if each.shape != (n_channels,):
        raise FormatError(
            f"{series.name} has {each.shape} channel_conversion for {n_channels} "
            "channels"
        )
    steps = number(attributes.get("conversion", 1.0)) * each
    offset = number(attributes.get("offset", 0.0))
    if not np.all(np.isfinite(steps) & (steps != 0)) or not np.isfinite(offset):
        raise FormatError(f"{series.name} has a conversion of 0, or of no number")
    return steps * TO_MICROVOLT[unit.lower()], -offset / steps


def _electrodes(
    series: h5py.Group, n_channels: int
) -> tuple[tuple[str, ...] | None, np.ndarray | None]:
    """Return labels and places (µm) of the channels, as far as there are any."""
    region = series.get("electrodes")
    if region is None or region.shape != (n_channels,):
        return None, None
    table = series.file[region.attrs["table"]]
    rows = np.asarray(region[:], np.int64)
    if len(table["id"]) > MOST_ELECTRODES or np.any(rows < 0):
        raise FormatError(f"{region.name} does not fit {table.name}")
    named = [name for name in ("channel_name", "label", "id") if name in table]
    labels = read_whole(table[named[0]])[rows]
    return tuple(text(label) for label in labels), _places(table, rows)


def _places(table: h5py.Group, rows: np.ndarray) -> np.ndarray | None:
    if not ("rel_x" in table and "rel_y" in table):
        return None
    axes = [read_whole(table[name])[rows] for name in ("rel_x", "rel_y")]
    places = np.stack(axes, axis=1).astype(np.float64)
    return places if np.all(np.isfinite(places)) else None
