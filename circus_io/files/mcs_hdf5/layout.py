"""What a file of the Multi Channel DataManager says about its analog streams.

The layout is that of the vendor's "MCS HDF5 Format Definitions", protocol ``RawData``,
versions 1 to 3 (``mcs_hdf5_protocol.rst`` of McsPyDataTools)::

    /Data                       date, MEA and program
      Recording_0
        AnalogStream
          Stream_0              Label, DataSubType, StreamGUID, SourceStreamGUID
            ChannelData           int (n_rows, n_columns)
            ChannelDataTimeStamps int64 (n_spans, 3): µs, first column, last column
            InfoChannel           one entry per channel

``(ChannelData[RowIndex] - ADZero) * ConversionFactor * 10**Exponent`` is in `Unit`.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import h5py
import numpy as np

from circus_io.errors import FormatError
from circus_io.files.hdf5_access import (
    cache_bytes,
    check_bytes,
    check_chunks,
    read_whole,
    short_name,
    text,
)
from circus_io.files.parted import Span

__all__ = [
    "AnalogStream",
    "column",
    "gain_uv",
    "numbered",
    "read_metadata",
    "read_streams",
    "recordings",
]

# power of ten that makes µV of a unit
TO_MICROVOLT = {"V": 6, "mV": 3, "uV": 0, "µV": 0, "nV": -3}
MOST_SPANS = 2**20
MOST_CHANNELS = 2**16
MOST_COMPRESSION = 2000  # gzip does not reach 1100
MOST_EXPONENT = 30
NO_GUID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class AnalogStream:
    """The channels of one stream of one recording, and where they have gaps.

    Attributes
    ----------
    key : str
        Its group in the file.
    labels : tuple of str, length n_channels
    rows : int64 array, shape (n_channels,)
        Row of ``ChannelData`` that holds each channel.
    gain : float64 array, shape (n_channels,)
        µV per count.
    zeros : int64 array, shape (n_channels,)
        Count that stands for 0 µV.
    sampling_rate : float
        Hz.
    data_dtype : str
    cache_bytes : int
        Size of a chunk cache that fits it.
    spans : tuple of Span
        At least one.
    metadata : dict
        Names and identifiers of the stream.
    """

    key: str
    labels: tuple[str, ...]
    rows: np.ndarray
    gain: np.ndarray
    zeros: np.ndarray
    sampling_rate: float
    data_dtype: str
    cache_bytes: int
    spans: tuple[Span, ...]
    metadata: dict[str, Any] = field(default_factory=dict)


def recordings(file: h5py.File, wanted: str) -> dict[int, h5py.Group]:
    """Return the recordings of a file by number: all for ``auto``, or the wanted one.

    Raises
    ------
    FormatError
        There is no such recording.
    """
    found = numbered(file["Data"], "Recording")
    if not found:
        raise FormatError(f"{short_name(file)} holds no Data/Recording_0")
    if wanted == "auto":
        return found
    number = int(wanted) if wanted.isdecimal() else -1
    if number not in found:
        raise FormatError(
            f"recording_number = {wanted}: the file has {', '.join(map(str, found))}"
        )
    return {number: found[number]}


def read_streams(file: h5py.File, recording: str, stream: str) -> list[AnalogStream]:
    """Return the chosen stream of each chosen recording, in their order.

    Parameters
    ----------
    file : h5py.File
    recording : str
        A number or ``auto``.
    stream : str
        A number, a name (``Stream_1``), a label or ``auto``.

    Raises
    ------
    FormatError
        There is no such stream or recording, or it is not what the layout says.
    """
    chosen = []
    for number, group in recordings(file, recording).items():
        analog = group.get("AnalogStream")
        # a recording of events alone is not an error where others hold samples
        if analog is not None and len(analog):
            chosen.append(_read_stream(_choose(analog, stream), number))
    if not chosen:
        raise FormatError(f"{short_name(file)} holds no analog stream")
    return chosen


def read_metadata(file: h5py.File) -> dict[str, Any]:
    """Return date, comment, and names of the program and the electrode array."""
    names = {
        "Comment": "comment",
        "MeaName": "mea_name",
        "MeaLayout": "mea_layout",
        "MeaSN": "mea_serial_number",
        "ProgramName": "program",
        "ProgramVersion": "program_version",
        "FileGUID": "file_guid",
    }
    data = file["Data"].attrs
    known = {ours: text(data.get(theirs, "")) for theirs, ours in names.items()}
    date = _date(data.get("DateInTicks")) or text(data.get("Date", ""))
    return {name: value for name, value in {"date": date, **known}.items() if value}


def _date(ticks: Any) -> str:
    """Return ISO text of .NET ticks: 100 ns since the year 1."""
    try:
        return (datetime.min + timedelta(microseconds=int(ticks) // 10)).isoformat()
    except (TypeError, ValueError, OverflowError):
        return ""


def numbered(group: h5py.Group, head: str = "Stream") -> dict[int, h5py.Group]:
    """Return the groups ``head_<number>`` inside of a group, by number."""
    found = {}
    for name in group:
        start, _, number = name.partition("_")
        if start == head and number.isdecimal() and isinstance(group[name], h5py.Group):
            found[int(number)] = group[name]
    return dict(sorted(found.items()))


# ---------------------------------------------------------------- which of the streams


def _choose(analog: h5py.Group, wanted: str) -> h5py.Group:
    """Return the stream that the user named, or the electrodes as they were sampled."""
    streams = numbered(analog)
    if wanted != "auto":
        fits = [group for n, group in streams.items() if wanted in _names(n, group)]
    else:
        fits = [group for group in streams.values() if _is_voltage(group)]
        for better in (_is_electrodes, _is_as_sampled):
            fits = [group for group in fits if better(group)] or fits
    if not fits:
        raise FormatError(
            f"stream = {wanted}: no such stream with a voltage in {analog.name}; it "
            f"has {'; '.join(_describe(n, group) for n, group in streams.items())}"
        )
    return fits[0]


def _names(number: int, group: h5py.Group) -> tuple[str, ...]:
    return str(number), f"Stream_{number}", _attribute(group, "Label")


def _describe(number: int, group: h5py.Group) -> str:
    label, subtype = _attribute(group, "Label"), _attribute(group, "DataSubType")
    unit = "" if _is_voltage(group) else ", no voltage"
    return f"{number} ({label or 'no label'}, {subtype or 'no type'}{unit})"


def _is_electrodes(group: h5py.Group) -> bool:
    return _attribute(group, "DataSubType").lower() == "electrode"


def _is_as_sampled(group: h5py.Group) -> bool:
    """Tell whether no other stream is the source: it is not what a filter left."""
    return _attribute(group, "SourceStreamGUID") in ("", NO_GUID)


def _is_voltage(group: h5py.Group) -> bool:
    if _attribute(group, "DataSubType").lower() == "digital":
        return False
    info = group["InfoChannel"]
    return len(info) > 0 and text(info[:1]["Unit"][0]) in TO_MICROVOLT


def _attribute(group: h5py.Group, name: str) -> str:
    return text(group.attrs[name]) if name in group.attrs else ""


# --------------------------------------------------------------- what is in one stream


def _read_stream(group: h5py.Group, recording: int) -> AnalogStream:
    # what a writer counts, it has stored: where it is still at work, look here first
    table = _read_table(group)
    data, info = group["ChannelData"], group["InfoChannel"]
    if data.ndim != 2 or data.dtype.kind not in "iuf":
        raise FormatError(
            f"{data.name} has shape {data.shape} and type {data.dtype}, not numbers "
            "in rows of channels"
        )
    check_bytes(data, data.shape, MOST_COMPRESSION)
    check_chunks(data)
    if len(info) > min(data.shape[0], MOST_CHANNELS):
        raise FormatError(
            f"{group.name} names {len(info)} channels, but holds {data.shape[0]} rows"
        )
    info = read_whole(info)
    tick_us = _tick_us(info, group.name)
    return AnalogStream(
        key=group.name,
        labels=tuple(text(label) for label in column(info, "Label", "ChannelID")),
        rows=_rows(info, data, group.name),
        gain=np.array([gain_uv(entry, group.name) for entry in info]),
        zeros=np.asarray(column(info, "ADZero"), np.int64),
        sampling_rate=1e6 / tick_us,
        data_dtype=data.dtype.str,
        cache_bytes=cache_bytes(data, 1),
        spans=_find_spans(table, data, tick_us),
        metadata={
            "recording_number": recording,
            "stream": group.name.rpartition("/")[2],
            "stream_label": _attribute(group, "Label"),
            "stream_type": _attribute(group, "DataSubType"),
        },
    )


def column(info: np.ndarray, name: str, otherwise: str = "") -> np.ndarray:
    """Return a field of all entries; 0 for one that older files do not have."""
    for known in (name, otherwise):
        if known in info.dtype.names:
            return info[known]
    return np.zeros(len(info), np.int64)


def _rows(info: np.ndarray, data: h5py.Dataset, name: str) -> np.ndarray:
    rows = np.asarray(info["RowIndex"], np.int64)
    if np.any(rows < 0) or np.any(rows >= data.shape[0]):
        raise FormatError(
            f"{name} has channels in rows {rows.min()} to {rows.max()} of "
            f"{data.shape[0]}; RowIndex or ChannelData is damaged"
        )
    return rows


def _tick_us(info: np.ndarray, name: str) -> int:
    ticks = {int(tick) for tick in info["Tick"]}
    if len(ticks) != 1 or min(ticks) < 1:
        raise FormatError(
            f"{name} has channels sampled every {sorted(ticks)} µs; expected one and "
            "the same number above 0"
        )
    return ticks.pop()


def gain_uv(entry: np.void, name: str) -> float:
    """Return µV per count, rounded once: both parts are integers."""
    factor, unit = int(entry["ConversionFactor"]), text(entry["Unit"])
    exponent = int(entry["Exponent"]) + TO_MICROVOLT.get(unit, 0)
    if unit not in TO_MICROVOLT or factor == 0 or abs(exponent) > MOST_EXPONENT:
        raise FormatError(
            f"{name} has a channel in steps of {factor} · 10^{int(entry['Exponent'])} "
            f"{unit}, which is no voltage; choose a stream of electrodes, or read it "
            "as it is with file_format = hdf5"
        )
    return factor / 10**-exponent if exponent < 0 else float(factor * 10**exponent)


# ------------------------------------------------------------------ where the gaps are


def _read_table(group: h5py.Group) -> np.ndarray | None:
    """Return time stamp (µs), first and last column of each row, int64 (n, 3)."""
    table = group.get("ChannelDataTimeStamps")
    if table is None:
        return None
    fits = table.ndim == 2 and table.shape[1] == 3 and table.dtype.kind in "iu"
    if not fits or len(table) > MOST_SPANS:
        raise FormatError(
            f"{table.name} has shape {table.shape} and type {table.dtype}; expected "
            f"(n, 3) integers, n ≤ {MOST_SPANS}"
        )
    return np.asarray(read_whole(table), np.int64)


def _find_spans(
    table: np.ndarray | None, data: h5py.Dataset, tick_us: int
) -> tuple[Span, ...]:
    """Return the columns between gaps; rows of the table that join make one span.

    A sampling clock that drifts against the time stamps moves them by less than half a
    frame from one row to the next: that is no gap.
    """
    if table is None:  # older files
        return (Span(0, data.shape[1], 0),)
    spans: list[Span] = []
    for time_us, first, last in _check_table(table, data).tolist():
        t_start = (2 * time_us + tick_us) // (2 * tick_us)
        if spans and t_start == spans[-1].t_start + spans[-1].stop - spans[-1].first:
            spans[-1] = Span(spans[-1].first, last + 1, spans[-1].t_start)
        else:
            spans.append(Span(first, last + 1, t_start))
    return tuple(spans) or (Span(0, 0, 0),)


def _check_table(table: np.ndarray, data: h5py.Dataset) -> np.ndarray:
    # a stream without samples has a row that ends before it begins
    table = table[table[:, 2] >= table[:, 1]]
    times_us, first, last = table.T
    ordered = np.all(first[1:] > last[:-1]) and np.all(times_us >= 0)
    if len(table) and (first[0] < 0 or last[-1] >= data.shape[1] or not ordered):
        raise FormatError(
            f"ChannelDataTimeStamps does not fit {data.name}, which has "
            f"{data.shape[1]} columns: its rows have to be time stamp ≥ 0, first and "
            "last column, in order"
        )
    return table
