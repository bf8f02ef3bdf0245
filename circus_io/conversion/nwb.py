"""To NWB (Neurodata Without Borders 2): an ElectricalSeries for each span.

The layout is that of the NWB schema, written by pynwb: ``volts = data * conversion *
channel_conversion + offset``.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from circus_io.conversion.target import Content, Target
from circus_io.errors import FormatError, MissingDependencyError
from circus_io.events import Events
from circus_io.registry import BUILT_IN

__all__ = ["NWBTarget"]

UNKNOWN_DATE = datetime(1970, 1, 1, tzinfo=UTC)
V_PER_UV = 1e-6


class NWBTarget(Target):
    """``/acquisition/ElectricalSeries``, numbered from 0 on where there are gaps.

    Each series has its own start. Events become time intervals of no length. A session
    needs a date: that of the metadata, if it holds one in ISO form, else 1970-01-01.
    """

    description = "nwb"
    extension = (".nwb",)
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
        """Let pynwb write the file with empty series."""
        pynwb = _import_pynwb()
        session = pynwb.NWBFile(
            session_description=f"converted from {content.source}",
            identifier=_identifier(content),
            session_start_time=_date(content.metadata),
            notes=json.dumps(dict(content.metadata), default=str),
        )
        electrodes = _add_electrodes(session, content)
        for span, name in enumerate(_names(content)):
            session.add_acquisition(_make_series(name, span, content, electrodes))
        for name, events in content.events.items():
            if len(events):
                session.add_time_intervals(_intervals(name, events))
        with pynwb.NWBHDF5IO(str(path), "w") as io:
            io.write(session)

    @contextmanager
    def open_rooms(
        self, path: Path, content: Content, mode: str
    ) -> Iterator[Sequence[h5py.Dataset]]:
        """Give the dataset of each series."""
        with h5py.File(path, mode) as file:
            yield [file[f"acquisition/{name}/data"] for name in _names(content)]

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


def _names(content: Content) -> list[str]:
    n_spans = len(content.table.starts)
    if n_spans == 1:
        return ["ElectricalSeries"]
    return [f"ElectricalSeries{span}" for span in range(n_spans)]


def _identifier(content: Content) -> str:
    """Return a text that is the same for the same conversion."""
    key = (content.source, content.table, content.channel_labels)
    return hashlib.sha256(repr(key).encode()).hexdigest()[:32]


def _date(metadata: Mapping[str, Any]) -> datetime:
    """Return the date of the metadata; one without a time zone is taken as UTC."""
    date = metadata.get("date")
    try:
        date = date if isinstance(date, datetime) else datetime.fromisoformat(str(date))
    except ValueError:
        return UNKNOWN_DATE
    return date if date.tzinfo else date.replace(tzinfo=UTC)


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


def _make_series(name: str, span: int, content: Content, electrodes: Any) -> Any:
    from hdmf.backends.hdf5 import H5DataIO
    from pynwb.ecephys import ElectricalSeries

    encoding = content.encoding
    shape = (content.table.lengths[span], content.n_channels)
    per_channel = np.ndim(encoding.gain) > 0
    gain = 1.0 if per_channel else float(encoding.gain)
    return ElectricalSeries(
        name=name,
        data=H5DataIO(shape=shape, dtype=encoding.dtype),
        electrodes=electrodes,
        starting_time=content.t_starts_s[span],
        rate=float(content.sampling_rate),
        conversion=gain * V_PER_UV,
        channel_conversion=content.gains if per_channel else None,
        offset=-encoding.offset * gain * V_PER_UV,
    )


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
