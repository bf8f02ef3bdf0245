"""HTTP/1.1 for the commands."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from circus_live.meame_server.replies import Answer, Routes

__all__ = ["HttpServer"]

MOST_BODY_BYTES = 2**20
IDLE_S = 30.0


class _Handler(BaseHTTPRequestHandler):
    """Passes requests to the routes, each connection in a thread."""

    protocol_version = "HTTP/1.1"
    server_version = "circus-meame-server"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one piece
    timeout = IDLE_S
    server: "HttpServer"

    def handle_any(self) -> None:
        """Answer a request of any method."""
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = -1
        if not 0 <= length <= MOST_BODY_BYTES:
            self.send_error(400)
            return
        body = self.rfile.read(length)
        self._send(self.server.routes.answer(self.command, self.path, body))

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = handle_any  # noqa: N815

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        body = answer.body
        if answer.is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: libraries do not print."""


class HttpServer(ThreadingHTTPServer):
    """Answers until it is closed.

    Parameters
    ----------
    host : str
    port : int
        0 takes a free one.
    routes : Routes

    Attributes
    ----------
    port : int
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, routes: Routes) -> None:
        self.routes = routes
        super().__init__((host, port), _Handler)
        self.port: int = self.server_address[1]
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def start(self) -> None:
        """Answer from now on, in a thread."""
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let clients go away in the middle of a request."""
