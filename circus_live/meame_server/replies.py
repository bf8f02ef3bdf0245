"""What the server answers to each command, as MEAME2 does."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from circus_live.meame_server.acquisition import Acquisition
from circus_live.meame_server.dsp import Dsp
from circus_live.meame_server.faults import Faults
from circus_live.speaker.messages import Call, Message
from circus_live.speaker.sequences import setup_replay, start_replay, stop_replay

__all__ = ["Answer", "Routes"]

logger = logging.getLogger(__name__)

UINT32 = 2**32
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Answer:
    """An HTTP reply.

    Attributes
    ----------
    status : int
    body : bytes
    content_type : str
    is_chunked : bool
        JSON of MEAME2 comes without its length.
    headers : mapping
        Further headers.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "text/html"
    is_chunked: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


class _Refused(Exception):  # noqa: N818 -- it becomes a reply of 500
    """MEAME2 fails at a message."""


class Routes:
    """The commands and their effect.

    Parameters
    ----------
    acquisition : Acquisition
    dsp : Dsp
    faults : Faults

    Attributes
    ----------
    log : list of str
        What clients sent to the console.
    """

    def __init__(self, acquisition: Acquisition, dsp: Dsp, faults: Faults) -> None:
        self.acquisition, self.dsp, self.faults = acquisition, dsp, faults
        self.log: list[str] = []
        self._table: dict[str, tuple[str, Callable[[bytes], Answer]]] = {
            "/": ("GET", lambda _: Answer(body=b"hello this is MEAME.")),
            "/status": ("GET", self._status),
            "/daq/connect": ("POST", self._connect),
            "/daq/start": ("GET", self._start),
            "/daq/stop": ("GET", _do_nothing),  # MEAME2 goes on
            "/dsp/flash": ("GET", _do_nothing),  # and flashes nothing
            "/dsp/call": ("POST", self._call),
            "/dsp/read": ("POST", self._read),
            "/dsp/write": ("POST", self._write),
            "/dsp/stim/setup": ("GET", lambda _: self._replay(setup_replay())),
            "/dsp/stim/start": ("GET", lambda _: self._replay(start_replay())),
            "/dsp/stim/stop": ("GET", lambda _: self._replay(stop_replay())),
            "/aux/logmsg": ("POST", self._log),
        }

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """Return the reply to a request."""
        key = path.partition("?")[0].rstrip("/").lower() or "/"
        if key not in self._table:
            return Answer(404, _page("404 - Not Found"))
        allowed, action = self._table[key]
        if method in ("HEAD", "OPTIONS"):
            return Answer(headers={"Allow": allowed})
        if method != allowed:
            page = _page("405 - Method Not Allowed")
            return Answer(405, page, headers={"Allow": allowed})
        try:
            return action(body)
        except (_Refused, ArithmeticError, RecursionError) as error:
            logger.debug("%s: %s", path, error)
            return Answer(500, _page("500 - Internal Server Error"))

    # ---------------------------------------------------------------------- acquisition

    def _status(self, _: bytes) -> Answer:
        is_alive = self.acquisition.was_started
        return _json({"isAlive": is_alive, "dspAlive": self.faults.dsp != "absent"})

    def _connect(self, body: bytes) -> Answer:
        message = _parse(body)
        rate = _number(message, "samplerate")
        segment_frames = _number(message, "segmentlength")
        if not self.faults.has_device:
            raise _Refused("no device")
        self.acquisition.configure(rate, segment_frames)
        return Answer()

    def _start(self, _: bytes) -> Answer:
        self.acquisition.start()
        return Answer()

    # ------------------------------------------------------------------------------ DSP

    def _call(self, body: bytes) -> Answer:
        message = _parse(body)
        addresses, values = _pairs(message, "argaddrs", "argvals")
        if not self.dsp.call(_number(message, "func"), addresses, values):
            raise _Refused("the DSP did not acknowledge")
        return Answer()

    def _read(self, body: bytes) -> Answer:
        addresses = _numbers(_parse(body), "addresses")
        return _json({"addresses": addresses, "values": self.dsp.read(addresses)})

    def _write(self, body: bytes) -> Answer:
        self.dsp.write(*_pairs(_parse(body), "addresses", "values"))
        return Answer()

    def _replay(self, messages: list[Message]) -> Answer:
        """Send a sequence to the DSP; MEAME2 ignores what fails of it."""
        for message in messages:
            if isinstance(message, Call):
                self.dsp.call(message.function, message.addresses, message.values)
            else:
                self.dsp.write(message.addresses, message.values)
        return Answer()

    def _log(self, body: bytes) -> Answer:
        text = body.decode(errors="replace")
        self.log.append(text)
        logger.info("log: %s", text)
        return Answer()


def _do_nothing(_: bytes) -> Answer:
    return Answer()


def _page(title: str) -> bytes:
    """Return an HTML page with a byte order mark, as errors have."""
    head = f"<!DOCTYPE html><html><head><title>{title}</title></head>"
    return BYTE_ORDER_MARK + f"{head}<body>{title}</body></html>".encode()


def _json(value: Any) -> Answer:
    body = json.dumps(value, separators=(",", ":")).encode()
    return Answer(body=body, content_type="application/json", is_chunked=True)


def _parse(body: bytes) -> dict[str, Any]:
    """Return a message with its names in small letters, as names are compared."""
    try:
        message = json.loads(body)
    except ValueError as error:
        raise _Refused(f"no JSON: {error}") from None
    if not isinstance(message, dict):
        raise _Refused("no object")
    return {name.lower(): value for name, value in message.items()}


def _number(message: dict[str, Any], name: str) -> int:
    """Return a number of a message; 0 where it is missing."""
    try:
        return int(message.get(name, 0))
    except (TypeError, ValueError):
        raise _Refused(f"{name} is no number") from None


def _numbers(message: dict[str, Any], name: str) -> list[int]:
    values = message.get(name)
    if not isinstance(values, list):
        raise _Refused(f"{name} is no array")
    try:
        numbers = [int(value) for value in values]
    except (TypeError, ValueError):
        raise _Refused(f"{name} holds what is no number") from None
    if any(not 0 <= number < UINT32 for number in numbers):
        raise _Refused(f"{name} holds what is no uint")
    return numbers


def _pairs(
    message: dict[str, Any], addresses: str, values: str
) -> tuple[list[int], list[int]]:
    """Return addresses and as many values."""
    first, second = _numbers(message, addresses), _numbers(message, values)
    if len(second) < len(first):
        raise _Refused("fewer values than addresses")
    return first, second[: len(first)]
