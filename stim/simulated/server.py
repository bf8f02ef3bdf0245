"""A simulated device in a process of its own, on the wall clock.

::

    python -m stim.simulated.server --variant 16mA --trace out.trace

prints where it listens. What it does goes on when whoever connected is killed, as with
a real device; its output is in the file, change by change.
"""

import argparse
import json
import socketserver
import sys
from collections.abc import Sequence
from dataclasses import asdict, astuple
from typing import Any

import numpy as np

from circus_io.errors import CircusError, DeviceRefusedError
from stim.simulated.device import SimulatedDevice
from stim.simulated.remote import CALLS
from stim.simulated.variants import VARIANTS
from stim.stg.clock import WallClock

__all__ = ["main"]

TICK_S = 0.001


class Server(socketserver.ThreadingTCPServer):
    """Listens on the loopback interface only."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, device: SimulatedDevice, port: int) -> None:
        super().__init__(("127.0.0.1", port), Host)
        self.device = device


class Host(socketserver.StreamRequestHandler):
    """One program that uses the device, until it disconnects or dies."""

    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Answer calls; let go of the device at the end."""
        self._owner: Any = None
        try:
            while line := self.rfile.readline():
                answer = self._answer(json.loads(line))
                self.wfile.write(json.dumps(answer).encode() + b"\n")
        except ConnectionError:
            pass  # killed in the middle of a call
        finally:
            self.server.device.release(self._owner)

    def _answer(self, call: dict[str, Any]) -> dict[str, Any]:
        arguments = list(call["arguments"])
        if call["shape"] is not None:
            n_bytes = 2 * int(np.prod(call["shape"]))
            words = np.frombuffer(self.rfile.read(n_bytes), "<i2")
            arguments.append(words.reshape(call["shape"]))
        try:
            return {"result": self._do(call["call"], arguments, call["settings"])}
        except CircusError as error:
            return {"error": type(error).__name__, "message": str(error)}

    def _do(self, name: str, arguments: list[Any], settings: dict[str, Any]) -> Any:
        device = self.server.device
        if name not in CALLS:
            raise DeviceRefusedError(f"{name}: no such call")
        if name == "entry":
            return astuple(device.entry)
        if name == "has_loops":
            return device.has_loops
        if name == "facts":
            return asdict(device.facts())
        if name == "claim":  # numbers of owners are those of their own process
            self._owner = arguments = [(id(self), *arguments)]
            self._owner = arguments[0]
        elif name == "release":
            arguments = [(id(self), *arguments)]
        return getattr(device, name)(*arguments, **settings)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve one device until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m stim.simulated.server")
    parser.add_argument("--variant", choices=VARIANTS, default="16mA")
    parser.add_argument("--serial", default="40008")
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--trace", help="file that gets every change of the output")
    given = parser.parse_args(arguments)
    clock = WallClock()
    device = SimulatedDevice(
        given.variant,
        given.serial,
        given.channels,
        clock=clock,
        trace=given.trace or True,
    )
    with Server(device, given.port) as server:
        sys.stdout.write(f"listening on 127.0.0.1:{server.server_address[1]}\n")
        sys.stdout.flush()
        clock.every(TICK_S, device.advance)
        server.serve_forever()


if __name__ == "__main__":
    main()
