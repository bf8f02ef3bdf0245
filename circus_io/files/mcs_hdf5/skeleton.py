"""What an empty file of the Multi Channel DataManager holds: see `layout`."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from importlib import metadata
from typing import Any

import h5py
import numpy as np

from circus_io.errors import FormatError

__all__ = [
    "NO_GUID",
    "RECORDING",
    "STREAM",
    "TEXT",
    "channel_table",
    "describe",
    "frame_us",
    "make_datasets",
    "make_groups",
    "to_ascii",
]

# HDF5 chunks as the vendor's programs make them: a few channels are read alone
ROWS = 8
FIRST_DATE = datetime(1, 1, 1, tzinfo=UTC)
RECORDING = "Data/Recording_0"
STREAM = f"{RECORDING}/AnalogStream/Stream_0"
NO_GUID = str(uuid.UUID(int=0))

TEXT = h5py.string_dtype("ascii")
CHANNEL = np.dtype(
    [
        ("ChannelID", "<i4"),
        ("RowIndex", "<i4"),
        ("GroupID", "<i4"),
        ("Label", TEXT),
        ("RawDataType", TEXT),
        ("Unit", TEXT),
        ("Exponent", "<i4"),
        ("ADZero", "<i4"),
        ("Tick", "<i8"),
        ("ConversionFactor", "<i8"),
        ("HighPassFilterType", TEXT),
        ("HighPassFilterCutOffFrequency", TEXT),
        ("HighPassFilterOrder", "<i4"),
        ("LowPassFilterType", TEXT),
        ("LowPassFilterCutOffFrequency", TEXT),
        ("LowPassFilterOrder", "<i4"),
    ]
)
NO_FILTER = (b"", b"-1", -1)


def make_groups(file: h5py.File, date: datetime, details: Mapping[str, str]) -> None:
    """Make the groups of one recording with one stream, and say what they are.

    Parameters
    ----------
    file : h5py.File
        It is empty.
    date : datetime
        Of the first frame.
    details : mapping of str to str
        As in `MCSHDF5Writer`.
    """
    version = metadata.version("circus-toolkit")
    describe(
        file,
        McsHdf5ProtocolType="RawData",
        McsHdf5ProtocolVersion=np.int32(3),
        GeneratingApplicationName="circus-toolkit",
        GeneratingApplicationVersion=version,
        McsDataToolsVersion="",
    )
    describe(
        file.create_group("Data"),
        ProgramName="circus-toolkit",
        ProgramVersion=version,
        MeaName=details.get("mea_name", ""),
        MeaLayout=details.get("mea_layout", ""),
        MeaSN=details.get("mea_serial_number", ""),
        Date=date.strftime("%Y-%m-%d %H:%M:%S"),
        DateInTicks=_net_ticks(date),
        FileGUID=str(uuid.uuid4()),
        Comment=details.get("comment", ""),
    )
    describe(
        file.create_group(RECORDING),
        RecordingID=np.int32(0),
        RecordingType="",
        TimeStamp=np.int64(0),
        Duration=np.int64(0),
        Label=details.get("label", ""),
        Comment=details.get("comment", ""),
    )
    describe(
        file.create_group(STREAM),
        StreamInfoVersion=np.int32(1),
        Label="Electrodes",
        StreamType="Analog",
        DataSubType="Electrode",
        StreamGUID=str(uuid.uuid4()),
        SourceStreamGUID=NO_GUID,
    )


def make_datasets(
    stream: h5py.Group, info: np.ndarray, n_columns: int, compress: bool
) -> tuple[h5py.Dataset, h5py.Dataset]:
    """Make the three datasets of a stream.

    Parameters
    ----------
    info : structured array, shape (n_channels,)
        From `channel_table`.
    n_columns : int
        Frames in an HDF5 chunk.
    compress : bool

    Returns
    -------
    samples : h5py.Dataset, shape (n_channels, 0)
    table : h5py.Dataset, shape (0, 3)
        Time stamp, first and last column of each span.
    """
    # level 1 keeps up with any recording; the bytes of counts that are small are
    # equal, and shuffled together compress well
    packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
    samples = stream.create_dataset(
        "ChannelData",
        (len(info), 0),
        "<i4",
        maxshape=(len(info), None),
        chunks=(min(ROWS, len(info)), n_columns),
        **(packed if compress else {}),
    )
    table = stream.create_dataset(
        "ChannelDataTimeStamps", (0, 3), "<i8", maxshape=(None, 3), chunks=(1024, 3)
    )
    columns = ("FirstTimeStamp", "FirstIndex", "LastIndex")
    describe(table, **{f"Column-{i}": name for i, name in enumerate(columns)})
    channels = stream.create_dataset("InfoChannel", data=info)
    describe(channels, InfoVersion=np.int32(1))
    return samples, table


def describe(item: h5py.HLObject, **attributes: Any) -> None:
    """Set attributes; text as bytes of fixed length, as the vendor's readers expect."""
    for name, value in attributes.items():
        is_text = isinstance(value, str)
        item.attrs[name] = np.bytes_(to_ascii(value)) if is_text else value


def to_ascii(label: str) -> bytes:
    """Return text in the characters that the layout knows."""
    return str(label).replace("µ", "u").encode("ascii", errors="replace")


def _net_ticks(date: datetime) -> np.int64:
    """Return 100 ns since the year 1, on the clock that `date` shows."""
    passed = date.replace(tzinfo=UTC) - FIRST_DATE
    seconds = passed.days * 86400 + passed.seconds
    return np.int64(seconds * 10**7 + passed.microseconds * 10)


def frame_us(sampling_rate: float) -> int:
    """Return how long a frame lasts, whole µs.

    Raises
    ------
    FormatError
        The layout does not hold this rate.
    """
    tick_us = round(1e6 / sampling_rate) if sampling_rate > 0 else 0
    if tick_us < 1 or abs(tick_us * sampling_rate - 1e6) > 1e-3:
        raise FormatError(
            f"sampling_rate = {sampling_rate} Hz: MCS HDF5 holds rates of which a "
            "frame lasts a whole number of µs, such as 10000, 20000, 25000, 40000 and "
            "50000 Hz, for `Tick` is an integer; hdf5, nwb, zarr, numpy and raw_binary "
            "hold any rate"
        )
    return tick_us


def channel_table(
    labels: Sequence[str], gain: Any, dtype_offset: Any, tick_us: int
) -> np.ndarray:
    """Return the ``InfoChannel`` of channels in the order of their rows.

    Parameters
    ----------
    labels : sequence of str, length n_channels
    gain : float or array, shape (n_channels,)
        µV per count.
    dtype_offset : int or array, shape (n_channels,)
        Count that stands for 0 µV.
    tick_us : int
        From `frame_us`.

    Raises
    ------
    FormatError
        The layout does not hold this gain or offset.
    """
    steps = _one_each(gain, len(labels), "gain")
    zeros = _one_each(dtype_offset, len(labels), "dtype_offset")
    info = np.empty(len(labels), CHANNEL)
    for row, (label, step, zero) in enumerate(zip(labels, steps, zeros, strict=True)):
        if not (float(zero).is_integer() and abs(zero) < 2**31):
            raise FormatError(f"dtype_offset = {zero}: expected an integer of int32")
        factor, exponent = _decimal_volts(float(step))
        numbers = (exponent, int(zero), tick_us, factor)
        names = (to_ascii(label), b"Int", b"V")
        info[row] = (row, row, 0, *names, *numbers, *NO_FILTER, *NO_FILTER)
    return info


def _one_each(values: Any, n_channels: int, name: str) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if n_channels == 0 or values.size not in (1, n_channels):
        raise FormatError(
            f"{name} has {values.size} values for {n_channels} channels; give one, or "
            "one per channel"
        )
    return np.broadcast_to(values.reshape(-1), n_channels)


def _decimal_volts(gain: float) -> tuple[int, int]:
    """Return ``(factor, exponent)`` whose product in V is exactly `gain` in µV.

    The shortest decimal number that means this float has at most 17 digits.
    """
    if not np.isfinite(gain) or gain == 0:
        raise FormatError(f"gain = {gain}: expected a number, not 0")
    sign, digits, exponent = Decimal(repr(gain)).normalize().as_tuple()
    factor = int("".join(map(str, digits)))
    return (-factor if sign else factor), exponent - 6
