"""`OfflineServer`: the MEAME server double, in a process of its own.

The process runs this module::

    python -m circus_live.crepe.offline [RECORDING]
"""

import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from circus_io import open_recording
from circus_io.errors import SourceError
from circus_io.synthetic import SyntheticRecording
from circus_live.meame_server import MeameServer, Replay

__all__ = ["OfflineServer", "main"]

LOOK_S = 0.2
JOIN_S = 5.0
NEURONS = {"n_channels": 60, "sampling_rate": 10_000, "duration_s": 5.0, "n_units": 8}


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
        command = [sys.executable, "-m", "circus_live.crepe.offline"]
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


def main(recording: str | None, parent: int) -> None:
    """Serve until standard input ends, or the parent is another one."""
    given = SyntheticRecording(**NEURONS)
    if recording is not None:
        given = open_recording(recording)
    with (
        given,
        MeameServer(Replay(given), http_port=0, data_port=0, test_port=0) as server,
    ):
        sys.stdout.write(server.url + "\n")
        sys.stdout.flush()
        listener = threading.Thread(target=sys.stdin.read, daemon=True)
        listener.start()
        # forks of the parent may hold the other end of the pipe: then it does not end
        while listener.is_alive() and os.getppid() == parent:
            listener.join(LOOK_S)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None, os.getppid())
