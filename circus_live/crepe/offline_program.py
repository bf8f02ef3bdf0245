"""The program of `OfflineServer`: serves until its parent lets go.

::

python -m circus_live.crepe.offline_program [RECORDING]
"""

import os
import sys
import threading

from circus_io import open_recording
from circus_io.synthetic import SyntheticRecording
from circus_live.meame_server import MeameServer, Replay

__all__ = ["main"]

LOOK_S = 0.2
NEURONS = {"n_channels": 60, "sampling_rate": 10_000, "duration_s": 5.0, "n_units": 8}


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
