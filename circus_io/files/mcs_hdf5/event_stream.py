"""Marks of a recording as an event stream of the layout, and beside a file that grows.

HDF5 allows no new dataset in a file that others read while it grows. So marks wait in a
file of their own, a line of JSON each, that a kill leaves behind; when the recording is
finished, they become ``EventStream/Stream_0``: an entity for each label, in the order
of time (see `events`).
"""

import json
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from circus_io.errors import FormatError, NotWritableError
from circus_io.files.mcs_hdf5.skeleton import (
    NO_GUID,
    RECORDING,
    TEXT,
    describe,
    to_ascii,
)

__all__ = ["Mark", "MarkFile", "marks_path", "read_marks", "write_marks"]

LABEL = "Events"
INFO = np.dtype(
    [
        ("EventID", "<i4"),
        ("GroupID", "<i4"),
        ("Label", TEXT),
        ("RawDataType", TEXT),
        ("RawDataBytes", "<i4"),
        ("SourceChannelIDs", TEXT),
        ("SourceChannelLabels", TEXT),
    ]
)


@dataclass(frozen=True)
class Mark:
    """Something that happened at a time.

    Attributes
    ----------
    label : str
    time_us : int
        On the clock of the recording.
    duration_us : int
    """

    label: str
    time_us: int
    duration_us: int = 0


def marks_path(path: str | os.PathLike[str]) -> Path:
    """Return where the marks of a recording wait while it grows."""
    return Path(f"{os.fspath(path)}.events")


class MarkFile:
    """The marks of a recording that grows; made with the first of them.

    Parameters
    ----------
    path : path
        Of the recording.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = marks_path(path)
        self._handle = -1

    def append(self, mark: Mark) -> None:
        """Hand a mark to the system: from then on a kill does not lose it.

        Raises
        ------
        NotWritableError
            The disk refuses, or there are marks of an earlier recording.
        """
        line = json.dumps([mark.label, mark.time_us, mark.duration_us]) + "\n"
        try:
            if self._handle < 0:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
                self._handle = os.open(self.path, flags, 0o666)
            os.write(self._handle, line.encode())
        except OSError as error:
            raise NotWritableError(f"cannot write {self.path.name}: {error}") from error

    def close(self) -> None:
        """Close it, and leave it where it is."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def remove(self) -> None:
        """Close and remove it: the marks are in the recording."""
        if self._handle >= 0:
            self.close()
            self.path.unlink(missing_ok=True)


def read_marks(path: str | os.PathLike[str]) -> list[Mark]:
    """Return the marks that wait beside a recording; a line cut short is left out.

    Raises
    ------
    FormatError
        It is no such file.
    """
    place = marks_path(path)
    if not place.exists():
        return []
    lines = place.read_bytes().split(b"\n")[:-1]
    try:
        return [
            Mark(str(name), int(us), int(long))
            for name, us, long in map(json.loads, lines)
        ]
    except (TypeError, ValueError) as error:
        raise FormatError(f"{place.name} is damaged: {error}") from error


def write_marks(path: str | os.PathLike[str], marks: Sequence[Mark]) -> None:
    """Write the event stream of a recording that is finished; one before is replaced.

    Raises
    ------
    NotWritableError
        The disk refuses.
    """
    try:
        with h5py.File(path, "r+", libver=("v110", "v110")) as file:
            recording = file[RECORDING]
            if "EventStream" in recording:
                del recording["EventStream"]
            if marks:
                _fill(recording.create_group("EventStream/Stream_0"), marks)
    except (OSError, RuntimeError) as error:
        raise NotWritableError(f"cannot write {Path(path).name}: {error}") from error


def _fill(stream: h5py.Group, marks: Sequence[Mark]) -> None:
    describe(
        stream,
        StreamInfoVersion=np.int32(1),
        Label=LABEL,
        StreamType="Event",
        DataSubType="UserData",
        StreamGUID=str(uuid.uuid4()),
        SourceStreamGUID=NO_GUID,
    )
    labels = list(dict.fromkeys(mark.label for mark in marks))
    info = np.empty(len(labels), INFO)
    for number, label in enumerate(labels):
        name = to_ascii(label)
        info[number] = (number, 0, name, b"Int", 4, b"-1", name)
        times = [[one.time_us, one.duration_us] for one in marks if one.label == label]
        ordered = sorted(times)
        stream.create_dataset(
            f"EventEntity_{number}", data=np.array(ordered, np.int64).T
        )
    describe(stream.create_dataset("InfoEvent", data=info), InfoVersion=np.int32(1))
