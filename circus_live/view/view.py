"""`View`: the service that shows a stream in a browser.

The stream never waits for it: it reads with the policy ``drop_oldest``, in a process of
low priority, and a flow goes on without it if it fails. What it has not seen is counted
as of any reader, and drawn as missing.
"""

import asyncio
import importlib
import logging
import math
import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from circus_io.errors import (
    DeviceError,
    EndOfStreamError,
    FormatError,
    MemberDiedError,
    MissingDependencyError,
)
from circus_live.block import Block
from circus_live.links import Links
from circus_live.policies import Policy
from circus_live.reader import Reader
from circus_live.service import LoopService
from circus_live.source import SourceInfo
from circus_live.view.digest import Digest
from circus_live.view.gate import TOKEN_VARIABLE, Gate, is_loopback, read_token

if TYPE_CHECKING:
    from bokeh.document import Document

    from circus_live.view.health import Health

__all__ = ["View"]

NICENESS = 5
LOOK_EVERY_S = 0.033
MEASURE_EVERY_S = 0.5
LOOK_S = 0.2  # of the stream, before pages have their turn
MOST_BEHIND_S = 1.0  # after the stream was stopped
LAST_WORDS_S = 1.0
BACKLOG = 16
MOST_PORT = 65535
QUIET_LOGS = ("bokeh.server.views.ws", "tornado.access")  # pages that come and go


class View(LoopService):
    """Shows what it reads: traces, a map of the electrodes, a raster, and health.

    Parameters
    ----------
    port : int
        0 takes one that is free; `url` says which.
    address : str
        Whom it is shown to: by default only this machine. Any other address needs a
        token.
    token : str, optional
        What a browser has to show; by default that of ``CIRCUS_VIEW_TOKEN``, if set.
    token_file : path, optional
        A file with the token, which only its owner may read.
    high_pass_hz : float, optional
        Cutoff for all that is shown; 0 shows what comes. By default 300 Hz, and 0 for
        streams of less than 2 kHz.
    threshold : float
        Crossings are those of minus so many times the noise of a channel.

    Attributes
    ----------
    url : str
        What to open in a browser.

    Raises
    ------
    MissingDependencyError
        Bokeh is not installed.
    FormatError
        An address that others reach, and no token; a token or a port that is none.
    DeviceError
        The port is taken, or the address is not of this machine.
    """

    name = "view"
    policy = Policy.DROP_OLDEST
    is_sink = True
    is_dispensable = True

    def __init__(
        self,
        port: int = 5006,
        address: str = "127.0.0.1",
        *,
        token: str | None = None,
        token_file: str | os.PathLike | None = None,
        high_pass_hz: float | None = None,
        threshold: float = 5.0,
    ) -> None:
        _import_bokeh()
        if not threshold > 0:
            raise FormatError(f"threshold = {threshold}: expected more than 0")
        if not 0 <= port <= MOST_PORT:
            raise FormatError(f"port {port} of the view: expected 0 to {MOST_PORT}")
        if token is None:
            token = read_token(None if token_file is None else Path(token_file))
        if token is None and not is_loopback(address):
            raise FormatError(
                f"address {address} shows the stream to other machines, so it needs a "
                f"token: in a file of yours, or in {TOKEN_VARIABLE}; or stay on "
                "127.0.0.1, and let others in through ssh -L"
            )
        self.threshold, self.high_pass_hz = threshold, high_pass_hz
        self.has_token = token is not None
        self._token = token
        self._links = Links()
        self._socket = _bound(address, port)
        self.port = self._socket.getsockname()[1]
        self.url = f"http://{_shown(address)}:{self.port}/"

    def output_info(self, info: SourceInfo) -> SourceInfo:
        """Find out whether the stream can be shown."""
        self._info = info
        self._digest()
        return info

    def meet(self, links: Links) -> None:
        """Keep the links, for the table of their counts."""
        self._links = links

    def drive(
        self, readers: list[Reader], writer: Any, is_stopping: Callable[[], bool]
    ) -> None:
        """Serve until the stream has ended."""
        if len(readers) != 1:
            raise FormatError("a view shows one member; add one for each")
        os.nice(NICENESS)
        try:
            asyncio.run(self._serve(readers[0], is_stopping))
        finally:
            with suppress(OSError):
                # other processes have the socket as well: it ends for all of them
                self._socket.shutdown(socket.SHUT_RDWR)
            self.close()

    def close(self) -> None:
        """Let go of the port, as far as this process holds it."""
        self._socket.close()

    def __del__(self) -> None:
        if hasattr(self, "_socket"):
            self.close()

    # ------------------------------------------------------------------------ its parts

    def _digest(self) -> Digest:
        return Digest(self._info, self.threshold, self.high_pass_hz)

    async def _serve(self, reader: Reader, is_stopping: Callable[[], bool]) -> None:
        from circus_live.view.health import Health
        from circus_live.view.page import Page
        from circus_live.view.server import ViewServer

        digest = self._digest()
        health = Health(digest, self._links)
        n_pages = 0

        def make_page(document: "Document") -> None:
            nonlocal n_pages
            n_pages += 1
            Page(document, digest, health)

        server = ViewServer(make_page, [self._socket], Gate(self._token))
        for name in QUIET_LOGS:
            logging.getLogger(name).setLevel(logging.ERROR)
        server.start()
        await _follow(reader, digest, health, is_stopping)
        health.has_ended = True
        if n_pages:
            await asyncio.sleep(LAST_WORDS_S)
        # what browsers do not take any more is no error
        logging.getLogger("bokeh").setLevel(logging.CRITICAL)
        server.stop()


async def _follow(
    reader: Reader, digest: Digest, health: "Health", is_stopping: Callable[[], bool]
) -> None:
    """Look at the stream until its end; pages get at least half of the time."""
    measure_s, leave_s = 0.0, math.inf
    while True:
        start_s = time.monotonic()
        if start_s >= measure_s:
            measure_s = start_s + MEASURE_EVERY_S
            health.measure()
        if is_stopping():
            leave_s = min(leave_s, start_s + MOST_BEHIND_S)
        blocks, is_open = _read(reader, digest.info)
        digest.take(blocks)
        took_s = time.monotonic() - start_s
        if not is_open or start_s > leave_s:
            return
        await asyncio.sleep(max(took_s, LOOK_EVERY_S - took_s))


def _read(reader: Reader, info: SourceInfo) -> tuple[list[Block], bool]:
    """Take what waits, a while of the stream at most; tell whether more can come."""
    blocks: list[Block] = []
    most_frames, n_frames = LOOK_S * info.sampling_rate, 0
    try:
        while n_frames <= most_frames:
            item = reader.try_get()
            if item is None:
                reader.wake(is_rung=False)  # the writer may have died
                break
            if isinstance(item, Block):
                blocks.append(item)
                n_frames += item.n_frames
    except (EndOfStreamError, MemberDiedError):
        return blocks, False
    return blocks, True


def _import_bokeh() -> None:
    """Load it here, once: a process that is forked has it then, and starts at once."""
    try:
        importlib.import_module("circus_live.view.server")
        importlib.import_module("circus_live.view.page")
    except ImportError as error:
        raise MissingDependencyError(
            f"the view needs Bokeh ({error}): pip install 'circus-toolkit[view]'"
        ) from error


def _bound(address: str, port: int) -> socket.socket:
    """Return a socket that listens there."""
    try:
        family, kind, _, _, place = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with ExitStack() as stack:
            made = stack.enter_context(socket.socket(family, kind))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(place)
            made.listen(BACKLOG)
            stack.pop_all()  # it stays open, as nothing failed
    except OSError as error:
        raise DeviceError(
            f"the view cannot be shown at {address}:{port}: {error}; choose another "
            "port, or 0 for a free one"
        ) from error
    return made


def _shown(address: str) -> str:
    """Return what to type for an address."""
    if address in ("0.0.0.0", "::", ""):
        return socket.gethostname()
    return f"[{address}]" if ":" in address else address
