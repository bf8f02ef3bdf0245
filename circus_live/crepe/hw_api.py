"""`HWAPIWrapper`: the chain meets other programs by HTTP, on this machine.

====================  ======  ==========================================================
path                  method  answer
====================  ======  ==========================================================
``/``                 GET     ``Hello, World!``
``/hw-api/input/``    GET     what to do here
``/hw-api/input/``    POST    empty; the body goes to the next service
``/hw-api/output/``   GET     the newest result, the same until there is another one
``/hw-api/ready/``    GET     ``True`` if there is a result that nobody has fetched yet
``/hw-api/echo/``     GET     the last input
====================  ======  ==========================================================
"""

import json
import logging
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Full
from typing import Any

from circus_live.crepe.queue_service import QueueService

__all__ = ["EndpointAction", "HWAPIWrapper"]

logger = logging.getLogger(__name__)

MOST_INPUT_BYTES = 2**20
Answer = tuple[int, bytes, str]
TEXT, JSON = "text/plain; charset=utf-8", "application/json"


class EndpointAction:
    """A function of the body of a request as an endpoint.

    Parameters
    ----------
    action : callable
        Gets the body, bytes; text that it returns is sent as it is, None as nothing,
        anything else as JSON.
    """

    def __init__(self, action: Callable[[bytes], Any]) -> None:
        self.action = action

    def __call__(self, body: bytes = b"") -> Answer:
        """Return status, body and type of the answer."""
        try:
            result = self.action(body)
        except Full:
            return 503, b"the next service is busy; try again\n", TEXT
        if result is None:
            return 200, b"", TEXT
        if isinstance(result, bytes | str):
            text = result.encode() if isinstance(result, str) else result
            return 200, text, TEXT
        return 200, json.dumps(result, default=_plain).encode(), JSON


class HWAPIWrapper(QueueService):
    """Results come out by HTTP, and what is posted goes to the next service.

    Parameters
    ----------
    name : str
    host : str
        Only this machine by default; there is no password.
    port : int
    cors_origin : str, optional
        Pages from there, such as ``http://127.0.0.1:3000``, may use it in a browser;
        those from elsewhere get 403, since what is posted may end up as a stimulus.
    **queues
        ``queue_in``, ``queue_out``.

    Notes
    -----
    Results are taken as they come, so nobody before waits for a slow client; only the
    newest one is kept. When the queue behind is full, a POST gets 503.
    """

    def __init__(
        self,
        name: str = "HWAPI",
        host: str = "127.0.0.1",
        port: int = 5000,
        cors_origin: str | None = None,
        **queues: Any,
    ) -> None:
        QueueService.__init__(self, name=name, **queues)
        self.host, self.port, self.cors_origin = host, port, cors_origin
        self._lock = threading.Lock()
        self._result: Any = "None"
        self._is_ready = False
        self._last_input = b"None"
        self.routes = {
            ("GET", "/"): EndpointAction(lambda _: "Hello, World!"),
            ("GET", "/hw-api/input"): EndpointAction(lambda _: "POST input here"),
            ("POST", "/hw-api/input"): EndpointAction(self._take_input),
            ("GET", "/hw-api/output"): EndpointAction(self._give_output),
            ("GET", "/hw-api/ready"): EndpointAction(lambda _: str(self._is_ready)),
            ("GET", "/hw-api/echo"): EndpointAction(lambda _: self._last_input),
        }

    def run(self) -> None:
        """Serve until the end comes."""
        server = ThreadingHTTPServer((self.host, self.port), _handler_of(self))
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        try:
            while True:
                result = self._next()  # the end is handed on when the port is closed
                if self.has_ended:
                    break
                with self._lock:
                    self._result, self._is_ready = result, True
        finally:
            server.shutdown()
            server.server_close()
        self.end()

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """Return status, body and type of the answer to a request."""
        key = path.partition("?")[0].rstrip("/") or "/"
        if (method, key) in self.routes:
            return self.routes[method, key](body)
        is_known = any(key == known for _, known in self.routes)
        return (405 if is_known else 404), b"", TEXT

    def _take_input(self, body: bytes) -> None:
        with self._lock:
            if self.queue_out is not None:
                self.queue_out.put(body, block=False)
            self._last_input = body

    def _give_output(self, _: bytes) -> Any:
        with self._lock:
            self._is_ready = False
            return self._result


def _plain(value: Any) -> Any:
    """Return what JSON has for arrays and numbers of numpy; text for the rest."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _handler_of(service: HWAPIWrapper) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def do_GET(self) -> None:
            if self._is_allowed():
                self._reply(service.answer("GET", self.path, b""))

        def do_OPTIONS(self) -> None:
            if self._is_allowed():  # a browser asks before it posts JSON
                self._reply((204, b"", TEXT))

        def _is_allowed(self) -> bool:
            """Refuse pages of a browser that come from elsewhere."""
            origin = self.headers.get("Origin")
            own = (None, f"http://{self.headers.get('Host')}", service.cors_origin)
            if origin not in own:
                self.close_connection = True
                self._reply((403, b"another origin; see cors_origin\n", TEXT))
            return origin in own

        def do_POST(self) -> None:
            if not self._is_allowed():
                return
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal():
                self.close_connection = True
                self._reply((411, b"", TEXT))
            elif int(length) > MOST_INPUT_BYTES:
                self.close_connection = True
                self._reply((413, b"", TEXT))
            else:
                body = self.rfile.read(int(length))
                self._reply(service.answer("POST", self.path, body))

        def _reply(self, answer: Answer) -> None:
            status, body, kind = answer
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if service.cors_origin is not None:
                self.send_header("Access-Control-Allow-Origin", service.cors_origin)
                self.send_header("Access-Control-Allow-Headers", "Content-Type")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, text: str, *values: Any) -> None:
            logger.debug(text, *values)

    return Handler
