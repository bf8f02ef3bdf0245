"""Recordings of any format, one after another as the streams of one."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from circus_io.datafile import DataFile
from circus_io.errors import StreamError
from circus_io.events import Events
from circus_io.fields import MANDATORY
from circus_io.streams import follow_each_other

__all__ = ["JoinedRecording"]


class JoinedRecording(DataFile):
    """Recordings of any format, one after another as the streams of one.

    Parameters
    ----------
    recordings : sequence of DataFile
        In the order of time, of equal `nb_channels` and `sampling_rate`. Each keeps the
        start that it knows; one that knows none follows the one before it. They stay
        as they are: the joined recording opens, places and closes streams of its own.
    """

    description = "joined"
    is_streamable = ("joined",)
    needs_file = False

    def __init__(self, recordings: Sequence[DataFile]) -> None:
        self._recordings = list(recordings)
        self._joined = [copy.copy(part) for one in recordings for part in one.streams]
        if not self._joined:
            raise StreamError("the list of recordings is empty; give at least one")
        self.is_writable = all(part.is_writable for part in self._joined)
        super().__init__(None, stream_mode="joined")

    def _read_from_header(self) -> Mapping[str, Any]:
        self._shape = self._joined[0].shape
        return {name: self._joined[0].params[name] for name in MANDATORY}

    def set_streams(self, stream_mode: str) -> list[DataFile]:
        """Return the streams of all recordings."""
        follow_each_other(self._joined)
        return self._joined

    def read_events(self) -> dict[str, Events]:
        """Return the events of all recordings on the clock of this one."""
        return self._events_of(self._recordings, self._joined)
