"""Known faults of neo's readers, mended after the header is parsed.

Each of them has a test against somebody else's numbers, and does no harm where a later
neo has it right.
"""

import functools
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.errors import FormatError

__all__ = ["repair"]


def repair(reader: Any) -> None:
    """Mend what is known to be wrong in a reader whose header is parsed.

    Raises
    ------
    FormatError
        What neo would fill up with zeros is cut off.
    """
    mend = REPAIRS.get(type(reader).__name__)
    if mend is not None:
        mend(reader)


def _edf(reader: Any) -> None:
    """Let the digital range end at the physical range, as the EDF specification says.

    neo 0.14.6 divides by one step more: values are 1 part in 65536 too small. It takes
    marks without duration, -1 for pyedflib, for epochs.
    """
    channels = reader.header["signal_channels"]
    for channel, header in zip(channels, reader.signal_headers, strict=True):
        steps = header["digital_max"] - header["digital_min"]
        gain = (header["physical_max"] - header["physical_min"]) / steps
        channel["gain"] = gain
        channel["offset"] = header["physical_min"] - header["digital_min"] * gain
    times_s, durations_s, labels = reader._edf_annotations
    reader._edf_annotations = times_s, np.maximum(durations_s, 0), labels


def _maxwell(reader: Any) -> None:
    """Read the rows that the mapping names, in files of the first version.

    These hold 1028 rows of which few are routed; neo 0.14.6 takes the first ones.
    """
    if getattr(reader, "_old_format", False):
        mapped = np.array(reader.h5_file["mapping"]["channel"])
        for stream in reader.header["signal_streams"]["id"]:
            reader._stream_buffer_slice[stream] = mapped[mapped >= 0].astype(np.int64)


def _mearec(reader: Any) -> None:
    """Take the gain of quantised samples, and the length of what is there.

    neo 0.14.6 has a gain of 1 for all, and counts the frames that a duration in seconds
    stands for, down to the next whole one.
    """
    samples = reader._recordings
    reader.header["signal_channels"]["gain"] = samples.attrs.get("gain_to_uV", 1.0)
    reader._num_frames = int(samples.shape[0])


def _plexon(reader: Any) -> None:
    """State mV, count the bits of slow channels, and count the samples of blocks.

    The formula of neo 0.14.6 gives mV and leaves the unit empty; it takes the bits of
    spikes for those of signals. Its index is wrong where blocks differ in length, and a
    read up to the end leaves out the last block, unless an empty one comes after it.
    """
    channels = reader.header["signal_channels"]
    channels["units"] = "mV"
    version = int(reader._memmap[4:8].view("<i4")[0])
    bits_of_spikes, bits_of_signals = (int(bits) for bits in reader._memmap[202:204])
    if version >= 103:
        channels["gain"] *= 2.0 ** (bits_of_spikes - bits_of_signals)
    for number, blocks in reader._data_blocks[5].items():
        if len(blocks):
            end = int((blocks["pos"] + blocks["size"]).max())
            _check_end(end, reader._memmap.size, f"channel {number}")
        with_end = np.append(blocks, np.zeros(1, blocks.dtype))
        with_end["cumsum"][1:] = np.cumsum(blocks["size"] // 2)
        reader._data_blocks[5][number] = with_end


def _blackrock(reader: Any) -> None:
    """Refuse blocks that go on after the end of the file; neo 0.14.6 fails later."""
    for number, blocks in reader._nsx_data_header.items():
        size = Path(f"{reader._filenames['nsx']}.ns{number}").stat().st_size
        n_channels = int(reader._nsx_basic_header[number]["channel_count"])
        for index, block in enumerate(blocks):
            where = block["memmap_kwargs"]
            frame = where.get("packet_size") or 2 * n_channels
            end = int(where["offset"]) + int(where["num_samples"]) * int(frame)
            _check_end(end, size, f"segment {index} of ns{number}")


def _tdt(reader: Any) -> None:
    """Refuse a block whose index goes on after the end of its samples.

    neo 0.14.6 fills what is missing with zeros.
    """
    for segment, stores in reader._sigs_index.items():
        for channel, index in stores.items():
            stream = int(reader.header["signal_channels"]["stream_id"][channel])
            n_bytes = reader._sig_sample_per_chunk[stream]
            n_bytes *= reader._sig_dtype_by_group[stream].itemsize
            held = reader._sigs_data_buf[segment][channel].size
            if len(index):
                end = int(index["offset"].max()) + int(n_bytes)
                _check_end(end, held, f"channel {channel} of segment {segment}")


def _open_ephys(reader: Any) -> None:
    """Make what lies between gaps segments; neo 0.14.6 fills the gaps with zeros.

    A record of 1024 samples that one channel lacks is a gap of all.
    """
    if not reader._gap_mode:
        return
    pieces = [
        (segment, piece)
        for segment, channels in sorted(reader._sigs_memmap.items())
        for piece in _between_gaps(channels)
    ]
    firsts = [piece[min(piece)]["timestamp"] for _, piece in pieces]
    reader._sigs_memmap = dict(enumerate(piece for _, piece in pieces))
    reader._sig_timestamp0 = {i: int(stamps[0]) for i, stamps in enumerate(firsts)}
    reader._sig_length = {i: 1024 * len(stamps) for i, stamps in enumerate(firsts)}
    reader._gap_mode = False
    reader.header["nb_segment"] = [len(pieces)]
    owners = [segment for segment, _ in pieces]
    for name in ("_events_memmap", "_spikes_memmap"):
        there = getattr(reader, name, {})
        found = {i: there[owner] for i, owner in enumerate(owners) if owner in there}
        setattr(reader, name, found)
    for name in ("_first_spk_timestamps", "_last_spk_timestamps"):
        if hasattr(reader, name):
            setattr(reader, name, [getattr(reader, name)[owner] for owner in owners])


def _between_gaps(channels: Mapping[int, np.ndarray]) -> list[dict[int, np.ndarray]]:
    """Cut the records of all channels where one of them does not go on."""
    stamps = [channel["timestamp"] for channel in channels.values()]
    common = functools.reduce(np.intersect1d, stamps)
    if not len(common):
        raise FormatError("the channels were recorded at different times")
    places = {
        channel: np.searchsorted(own, common)
        for channel, own in zip(channels, stamps, strict=True)
    }
    goes_on = np.diff(common) == 1024
    for own in places.values():
        goes_on &= np.diff(own) == 1
    borders = [0, *(np.flatnonzero(~goes_on) + 1).tolist(), len(common)]
    return [
        {c: channels[c][own[first] : own[stop - 1] + 1] for c, own in places.items()}
        for first, stop in pairwise(borders)
    ]


def _check_end(end: int, size: int, what: str) -> None:
    if end > size:
        raise FormatError(
            f"{what} ends at byte {end} of a file of {size}: the file is cut off"
        )


REPAIRS: Mapping[str, Callable[[Any], None]] = {
    "BlackrockRawIO": _blackrock,
    "EDFRawIO": _edf,
    "MEArecRawIO": _mearec,
    "MaxwellRawIO": _maxwell,
    "OpenEphysRawIO": _open_ephys,
    "PlexonRawIO": _plexon,
    "TdtRawIO": _tdt,
}
