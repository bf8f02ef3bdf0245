"""`RemoteDevice`: a simulated device that lives in another process, seen from here.

Calls are lines of JSON, samples follow as bytes. What the device does goes on when this
process is killed.
"""

import json
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from circus_io import errors
from stim.simulated.faults import Faults
from stim.stg.clock import WallClock
from stim.stg.port import DeviceEntry, DeviceFacts

__all__ = ["CALLS", "RemoteDevice"]

CALLS = frozenset(
    {
        "available_memory_bytes",
        "claim",
        "clear_channel",
        "entry",
        "facts",
        "frames_buffered",
        "frames_done",
        "has_loops",
        "push",
        "release",
        "rooms",
        "select_segment",
        "send_data",
        "send_start",
        "send_stop",
        "set_continuous",
        "set_mode",
        "set_output_rate",
        "set_stream_capacity",
        "setup_download_trigger",
        "setup_stream_trigger",
        "trigger_states",
    }
)
TIMEOUT_S = 5.0


class RemoteDevice:
    """Has the calls of `SimulatedDevice` that a port needs.

    Parameters
    ----------
    place : str
        ``HOST:PORT``, as `stim.simulated.server` prints it.
    """

    def __init__(self, place: str) -> None:
        host, _, port = place.rpartition(":")
        try:
            self._socket = socket.create_connection((host, int(port)), TIMEOUT_S)
        except (OSError, ValueError) as error:
            raise errors.DeviceNotFoundError(
                f"no simulated device at {place}: {error}; start one with "
                "python -m stim.simulated.server"
            ) from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        self._lock = threading.Lock()
        self.clock, self.faults = WallClock(), Faults()
        self.catch_up: Callable[[], None] | None = None
        self.entry = DeviceEntry(*self._call("entry"))
        self.has_loops = self._call("has_loops")

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in CALLS:
            raise AttributeError(name)
        return lambda *arguments, **settings: self._call(name, *arguments, **settings)

    def facts(self) -> DeviceFacts:
        """Return what it says of itself."""
        told = self._call("facts")
        return DeviceFacts(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in told.items()}
        )

    def push(self, words: np.ndarray, sizes: Sequence[int]) -> None:
        """Send one slice."""
        self._call("push", sizes=list(sizes), data=words.astype("<i2", copy=False))

    def on_removal(self, tell: Callable[[], None]) -> None:
        """Do nothing: it cannot be pulled from here."""

    def close(self) -> None:
        """End the connection; what the device does goes on."""
        self._file.close()
        self._socket.close()

    def _call(
        self,
        name: str,
        *arguments: Any,
        data: np.ndarray | None = None,
        **settings: Any,
    ) -> Any:
        shape = None if data is None else data.shape
        call = {"call": name, "arguments": arguments, "settings": settings}
        line = json.dumps(call | {"shape": shape}).encode() + b"\n"
        try:
            with self._lock:
                self._socket.sendall(line + (b"" if data is None else data.tobytes()))
                answer = json.loads(self._file.readline() or b"{}")
        except (OSError, ValueError) as error:
            raise errors.DeviceRemovedError(
                f"the device does not answer: {error}"
            ) from None
        if "error" in answer:
            raise getattr(errors, answer["error"], errors.DeviceError)(
                answer["message"]
            )
        if "result" not in answer:
            raise errors.DeviceRemovedError("the process of the device has ended")
        return answer["result"]
