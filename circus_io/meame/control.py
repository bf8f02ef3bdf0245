"""The HTTP commands of a MEAME server (port 8888).

A reply of 200 proves little: MEAME2 answers it to a connect that it ignores, to a rate
that the device refuses, to a stop that stops nothing, and, as it is shipped, to calls
that reach no DSP. The truth is in the samples (`rate`, `segment_length`), and in
registers that are read back.
"""

import http.client
import json
import logging
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from circus_io.errors import DeviceError

__all__ = ["ControlClient", "Reply", "ServerStatus"]

logger = logging.getLogger(__name__)

TIMEOUT_S = 2.0
N_RETRIES = 2


@dataclass(frozen=True)
class Reply:
    """What the server answered: HTTP status, content type and body."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True)
class ServerStatus:
    """What a server says of itself.

    Attributes
    ----------
    is_alive : bool or None
        The acquisition was started. MEAME2 goes on saying so after a failure of the
        device. None where the server does not tell.
    dsp_alive : bool or None
        A DSP was found when the server started.
    """

    is_alive: bool | None
    dsp_alive: bool | None


class ControlClient:
    """Calls the routes of one server, each with a timeout and a checked status.

    Parameters
    ----------
    host : str
    port : int
    timeout_s : float
        For each connection, and for each reply.
    n_retries : int
        Further tries of calls that may be repeated, where the server was not reached,
        did not answer, or failed.

    Raises
    ------
    DeviceError
        By every method: the server cannot be reached, does not answer in time, or
        answers anything but 200.

    Notes
    -----
    A connection lasts one call, so a call is never lost to a connection that the server
    has closed meanwhile. It costs 0.2 ms.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8888,
        timeout_s: float = TIMEOUT_S,
        n_retries: int = N_RETRIES,
    ) -> None:
        self.host, self.port = host, port
        self.timeout_s, self.n_retries = timeout_s, n_retries

    # ------------------------------------------------------------------------ transport

    def request(
        self, path: str, message: Any = None, *, is_repeatable: bool = False
    ) -> Reply:
        """Send one command: GET without a message, POST with one.

        Parameters
        ----------
        path : str
        message : object, optional
            Sent as JSON; text is sent as it is.
        is_repeatable : bool
            Twice is the same as once, so it is tried again. Without, only a connection
            that was refused is, because then nothing was sent.
        """
        for n_left in range(self.n_retries, -1, -1):
            try:
                reply = self._send(path, message)
            except (OSError, http.client.HTTPException) as error:
                refused = isinstance(error, ConnectionRefusedError)
                if n_left and (is_repeatable or refused):
                    logger.debug("%s failed, tried again: %r", path, error)
                    continue
                raise DeviceError(self._explain(path, error)) from error
            if reply.status != 500 or not (n_left and is_repeatable):
                return self._checked(path, reply)
        raise AssertionError("unreachable")

    def _send(self, path: str, message: Any) -> Reply:
        connection = http.client.HTTPConnection(
            self.host, self.port, timeout=self.timeout_s
        )
        method = "GET" if message is None else "POST"
        text = message if isinstance(message, str | None) else json.dumps(message)
        body = None if text is None else text.encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        try:
            connection.request(method, path, body, {**kind, "Connection": "close"})
            answer = connection.getresponse()
            content_type = answer.headers.get_content_type()
            return Reply(answer.status, content_type, answer.read())
        finally:
            connection.close()

    def _checked(self, path: str, reply: Reply) -> Reply:
        if reply.status != 200:
            raise DeviceError(
                f"{self._name()} answered {reply.status} to {path}: "
                f"{_advice(path, reply.status)}"
            )
        return reply

    def _name(self) -> str:
        return f"the MEAME server at {self.host}:{self.port}"

    def _explain(self, path: str, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return (
                f"{self._name()} did not answer to {path} within {self.timeout_s:g} s; "
                "restart MEAME if it goes on"
            )
        if isinstance(error, socket.gaierror):
            return f"there is no host {self.host}; check the address"
        return (
            f"{self._name()} cannot be reached for {path} ({error}); check that MEAME "
            "runs there, and the port. circus meame-server starts one without a device"
        )

    # ---------------------------------------------------------------------- acquisition

    def status(self) -> ServerStatus:
        """Return what the server says of itself; older servers say nothing."""
        said = _as_mapping(self.request("/status", is_repeatable=True).body)
        return ServerStatus(said.get("isAlive"), said.get("dspAlive"))

    def connect(self, sampling_rate: int, segment_frames: int) -> None:
        """Ask for a rate (Hz) and a segment length; the first one to ask gets it."""
        message = {"samplerate": sampling_rate, "segmentLength": segment_frames}
        self.request("/DAQ/connect", message, is_repeatable=True)

    def start(self) -> None:
        """Start the acquisition: from then on the ports of the samples are open."""
        self.request("/DAQ/start", is_repeatable=True)

    def stop(self) -> None:
        """Call the route for stopping, at which MEAME2 does nothing."""
        self.request("/DAQ/stop", is_repeatable=True)

    # ------------------------------------------------------------------------------ DSP

    def call(
        self,
        function: int,
        addresses: Sequence[int] = (),
        values: Sequence[int] = (),
        *,
        is_repeatable: bool = False,
    ) -> None:
        """Call a function of the DSP with the values at the addresses as arguments.

        Raises
        ------
        DeviceError
            Also if the DSP did not acknowledge.
        """
        message = {
            "func": function,
            "argAddrs": list(addresses),
            "argVals": list(values),
        }
        self.request("/DSP/call", message, is_repeatable=is_repeatable)

    def read(self, addresses: Sequence[int]) -> list[int]:
        """Return the values of registers.

        Raises
        ------
        DeviceError
            Also if the answer does not hold one value for each.
        """
        message = {"addresses": list(addresses)}
        reply = self.request("/DSP/read", message, is_repeatable=True)
        values = _as_mapping(reply.body).get("values")
        if not isinstance(values, list) or len(values) != len(addresses):
            raise DeviceError(
                f"{self._name()} answered to a read of {len(addresses)} registers with "
                f"{reply.body[:200]!r}"
            )
        return [int(value) for value in values]

    def write(
        self,
        addresses: Sequence[int],
        values: Sequence[int],
        *,
        is_repeatable: bool = False,
    ) -> None:
        """Write registers in their order; one that appends may come several times."""
        message = {"addresses": list(addresses), "values": list(values)}
        self.request("/DSP/write", message, is_repeatable=is_repeatable)

    def flash(self) -> None:
        """Call the route for flashing the DSP, at which MEAME2 does nothing."""
        self.request("/DSP/flash", is_repeatable=True)

    def replay(self, name: str) -> None:
        """Let the server send its own sequence: ``setup``, ``start`` or ``stop``.

        The first two stimulate with a pulse that is the server's own and not balanced:
        no limits hold for it. `MeameStimulator` never uses them.
        """
        self.request(f"/DSP/stim/{name}")

    def log(self, text: str) -> None:
        """Print a text on the console of the server."""
        self.request("/aux/logmsg", text)


def _as_mapping(body: bytes) -> Mapping[str, Any]:
    """Return the JSON object of a reply; empty for the text of older servers."""
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _advice(path: str, status: int) -> str:
    if status == 404:
        return "it has no such route; the branch of MEAME2 with DSP polling has"
    if path == "/DAQ/connect":
        return "it found no device; plug it in and restart MEAME"
    if path == "/DSP/call":
        return "the DSP did not acknowledge, or the message was refused"
    return "see its console"
