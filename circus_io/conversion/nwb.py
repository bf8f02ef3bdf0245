"""To NWB (Neurodata Without Borders 2): an ElectricalSeries.

The layout is that of the NWB schema, written by pynwb: ``volts = data * conversion *
channel_conversion + offset``.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from circus_io.conversion.flat_hdf5 import allocate, open_samples
from circus_io.conversion.target import Content, Room, Rows, Target
from circus_io.errors import FormatError, MissingDependencyError
from circus_io.events import Events
from circus_io.registry import BUILT_IN

__all__ = ["NWBTarget"]

UNKNOWN_DATE = datetime(1970, 1, 1, tzinfo=UTC)
V_PER_UV = 1e-6
SERIES = "acquisition/ElectricalSeries"
MOST_STAMPS = 2**20  # that are written at once


class NWBTarget(Target):
    """``/acquisition/ElectricalSeries``, and time stamps if there are gaps.

    Spans follow each other. Events become time intervals of no length. A session needs
    a date: that of the metadata, if it holds one in ISO form, else 1970-01-01.
    """

    description = "nwb"
    extension = (".nwb",)
    parallel_write = True
    holds_events = True

    def check(self, content: Content) -> None:
        """Refuse an offset in counts where channels differ in gain."""
        _import_pynwb()
        encoding = content.encoding
        if encoding.offset and np.ndim(encoding.gain):
            raise FormatError(
                f"{encoding.dtype.name} samples with 0 µV at {encoding.offset} and a "
                "gain per channel do not fit NWB, which has one offset for all "
                "channels; choose a signed type, such as dtype = int16"
            )

    def create(self, path: Path, content: Content) -> None:
        """Let pynwb write the file with an empty series; add the times."""
        pynwb = _import_pynwb()
        session = pynwb.NWBFile(
            session_description=f"converted from {content.source}",
            identifier=_identifier(content),
            session_start_time=content.date or UNKNOWN_DATE,
            notes=json.dumps(dict(content.metadata), default=str),
        )
        electrodes = _add_electrodes(session, content)
        session.add_acquisition(_make_series(content, electrodes))
        for name, events in content.events.items():
            if len(events):
                session.add_time_intervals(_intervals(name, events))
        with pynwb.NWBHDF5IO(str(path), "w") as io:
            io.write(session)
        with h5py.File(path, "r+") as file:
            allocate(file[f"{SERIES}/data"])
            if "timestamps" in file[SERIES]:
                _write_times(file[f"{SERIES}/timestamps"], content)

    @contextmanager
    def open_rooms(
        self, path: Path, content: Content, mode: str
    ) -> Iterator[Sequence[Room]]:
        """Give each span its rows of the series."""
        name = f"{SERIES}/data"
        if mode == "r":
            with h5py.File(path, "r") as file:
                yield [Rows(file[name], first) for first in content.firsts]
            return
        places = [(name, first) for first in content.firsts]
        with open_samples(path, content, places) as rooms:
            yield rooms

    def reading(self, path: Path, content: Content) -> dict[str, Any]:
        """Return the name of the format, if it is read here: the file says the rest."""
        return {"file_format": "nwb"} if "nwb" in BUILT_IN else {}


def _import_pynwb() -> Any:
    try:
        import pynwb
    except ImportError as error:
        raise MissingDependencyError(
            f"writing NWB needs pynwb: {error}; install it with: pip install "
            "'circus-toolkit[nwb]'"
        ) from error
    return pynwb


def _identifier(content: Content) -> str:
    """Return a text that is the same for the same conversion."""
    key = (content.source, content.table, content.channel_labels)
    return hashlib.sha256(repr(key).encode()).hexdigest()[:32]


def _add_electrodes(session: Any, content: Content) -> Any:
    """Describe the channels; return the region of the table that names them all."""
    device = session.create_device(name="device")
    group = session.create_electrode_group(
        name="electrodes", description="all", location="unknown", device=device
    )
    session.add_electrode_column("channel_name", "label of the channel")
    positions = content.channel_positions
    for channel, label in enumerate(content.channel_labels):
        place = {}
        if positions is not None:
            place = {"rel_x": positions[channel, 0], "rel_y": positions[channel, 1]}
        session.add_electrode(
            location="unknown", group=group, channel_name=label, **place
        )
    everything = list(range(content.n_channels))
    return session.create_electrode_table_region(everything, "all channels")


def _make_series(content: Content, electrodes: Any) -> Any:
    from hdmf.backends.hdf5 import H5DataIO
    from pynwb.ecephys import ElectricalSeries

    encoding = content.encoding
    per_channel = np.ndim(encoding.gain) > 0
    gain = 1.0 if per_channel else float(encoding.gain)
    times: dict[str, Any] = {
        "starting_time": content.t_starts_s[0],
        "rate": float(content.sampling_rate),
    }
    if len(content.table.starts) > 1:
        stamps = H5DataIO(shape=(content.n_frames,), dtype=np.dtype("<f8"))
        times = {"timestamps": stamps}
    return ElectricalSeries(
        name="ElectricalSeries",
        data=H5DataIO(
            shape=(content.n_frames, content.n_channels), dtype=encoding.dtype
        ),
        electrodes=electrodes,
        **times,
        conversion=gain * V_PER_UV,
        channel_conversion=content.gains if per_channel else None,
        offset=-encoding.offset * gain * V_PER_UV,
    )


def _write_times(stamps: h5py.Dataset, content: Content) -> None:
    """Write the second of each frame, block by block."""
    table = content.table
    for first, start, length in zip(
        content.firsts, table.starts, table.lengths, strict=True
    ):
        for block in range(0, length, MOST_STAMPS):
            frames = np.arange(block, min(block + MOST_STAMPS, length))
            seconds = (start + frames) / content.sampling_rate
            stamps[first + block : first + block + len(frames)] = seconds


def _intervals(name: str, events: Events) -> Any:
    from hdmf.common import VectorData
    from pynwb.epoch import TimeIntervals

    times_s = np.asarray(events.times_s, np.float64)
    columns = {"start_time": times_s, "stop_time": times_s}
    if len(events.labels):
        columns["label"] = list(events.labels)
    if events.values is not None:
        columns["value"] = np.asarray(events.values)
    return TimeIntervals(
        name=name.replace("/", "_"),
        description="events, at their start_time",
        columns=[
            VectorData(name=column, description=column, data=values)
            for column, values in columns.items()
        ],
    )
