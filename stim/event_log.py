"""`EventLog`: what a stimulator was told and did, one JSON object per line."""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.closing import Closing
from circus_io.errors import FormatError

__all__ = ["FORMAT", "EventLog", "read_events"]

FORMAT = "circus-stim-events/1"


class EventLog(Closing):
    """Appends events to a file; each is on its way to the disk when `write` returns.

    Parameters
    ----------
    path : path
        A log that is there is continued.
    clock : callable
        Returns the monotonic time of the host, s.

    Notes
    -----
    A line is one call of the system on a file that is open for appending, so threads
    and processes may write to one log, and a kill leaves at most one torn line, the
    last one.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = Path(path)
        self._clock = clock
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._file: int | None = os.open(self.path, flags, 0o644)
        self.write("log", format=FORMAT, utc=datetime.now(UTC).isoformat())

    def write(
        self,
        command: str,
        *,
        host_s: float | None = None,
        device_sample: int | None = None,
        recording_sample: int | None = None,
        **fields: Any,
    ) -> None:
        """Append an event; after `close` nothing is written.

        Parameters
        ----------
        command : str
            What was done, or happened.
        host_s : float, optional
            Monotonic time of the host, s; now by default.
        device_sample : int, optional
            Sample of the device, from its start on.
        recording_sample : int, optional
            Frame of a recording at the same time.
        **fields
            Anything that JSON holds, and numbers and arrays of numpy.
        """
        event = {
            "command": command,
            "host_s": self._clock() if host_s is None else host_s,
        }
        known = {"device_sample": device_sample, "recording_sample": recording_sample}
        event |= {name: value for name, value in known.items() if value is not None}
        line = json.dumps(event | fields, default=_plain, allow_nan=False) + "\n"
        if self._file is not None:
            os.write(self._file, line.encode())

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)


def read_events(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Read a log.

    Parameters
    ----------
    path : path

    Returns
    -------
    list of dict
        In the order of the file; each has ``command`` and ``host_s``. A last line that
        was cut short, as a kill may leave it, is left out.

    Raises
    ------
    FormatError
        It is no log, or a line of it is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise FormatError(f"there is no event log at {path}")
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    torn = lines.pop()  # what stands behind the last end of a line
    events = [_event(path, number, line) for number, line in enumerate(lines, 1)]
    if not events or events[0].get("format") != FORMAT:
        raise FormatError(
            f"{path} is no event log of a stimulator: its first line should name the "
            f"format {FORMAT}" + (f", and reads {torn[:60]!r}" if torn else "")
        )
    return events


def _event(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
        float(event["host_s"])
        str(event["command"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise FormatError(
            f"{path}, line {number}: {line[:60]!r} is no event; expected a JSON object "
            "with command and host_s"
        ) from None
    return event


def _plain(value: object) -> object:
    """Return what JSON has for a value of numpy or an object of ours."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return str(value)
