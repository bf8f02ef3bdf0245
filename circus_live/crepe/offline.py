"""`OfflineServer`: the MEAME server double, in a process of its own."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from circus_io.errors import SourceError

__all__ = ["OfflineServer"]

PROGRAM = "circus_live.crepe.offline_program"
JOIN_S = 5.0


class OfflineServer:
    """Starts the server on free ports; it ends with this process at the latest.

    Parameters
    ----------
    recording : path, optional
        What it sends, over and over; by default synthetic neurons.

    Attributes
    ----------
    url : str
        For `circus_live.open_source`.

    Raises
    ------
    SourceError
        It did not start; what it printed says why.
    """

    def __init__(self, recording: str | os.PathLike[str] | None = None) -> None:
        command = [sys.executable, "-m", PROGRAM]
        if recording is not None:
            command.append(os.fspath(Path(recording).resolve()))
        paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH")]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
            start_new_session=True,  # an interrupt at the terminal is not meant for it
        )
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            self.close()
            raise SourceError("the MEAME server double did not start; see above")

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def close(self) -> None:
        """End it; a second time is harmless."""
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(JOIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
