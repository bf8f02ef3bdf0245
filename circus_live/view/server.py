"""`ViewServer`: Bokeh's server behind the gate, on a socket that was bound before."""

import secrets
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from bokeh.document import Document
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from bokeh.settings import settings
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.web import OutputTransform, RequestHandler

from circus_live.view.gate import Gate

__all__ = ["ViewServer"]

COOKIE = "circus_view"  # and the port: cookies are shared by all ports of a machine
UNUSED_MS = 5000  # a page that was left is forgotten soon
ASK = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>circus live: token</title></head>
<body style="font: 16px sans-serif; color: #1a1a1a; margin: 3em">
<h1 style="font-size: 20px">circus live</h1>
<form method="post" action="/">
<label>Token <input type="password" name="token" autofocus autocomplete="off"></label>
<button>Look</button> <p>{remark}</p>
</form></body></html>
"""
NO_WAY = "This view is for its own machine, by 127.0.0.1 or localhost.\n"


class ViewServer:
    """Serves a page to each browser that may see it, in the event loop that runs.

    Parameters
    ----------
    modify : callable
        Fills the `Document` of a page.
    sockets : list of socket
        Bound, and listening.
    gate : Gate
    """

    def __init__(
        self,
        modify: Callable[[Document], None],
        sockets: list[socket.socket],
        gate: Gate,
    ) -> None:
        settings.resources = "server"  # nothing comes from elsewhere
        loop = IOLoop.current()
        port = sockets[0].getsockname()[1]
        application = _GatedTornado(modify, gate, f"{COOKIE}_{port}")
        http = HTTPServer(application)
        for one in sockets:
            one.setblocking(False)
        http.add_sockets(sockets)
        self._server = BaseServer(loop, application, http)

    def start(self) -> None:
        """Answer from now on."""
        self._server.start()

    def stop(self) -> None:
        """Answer no more."""
        self._server.stop()
        self._server.unlisten()


class _GatedTornado(BokehTornado):
    """Asks the gate before any request gets to its handler, websockets included."""

    def __init__(
        self, modify: Callable[[Document], None], gate: Gate, cookie_name: str
    ) -> None:
        self.gate, self.cookie_name = gate, cookie_name
        super().__init__(
            modify,
            # the gate compares the origin with the very host of the request, which
            # also holds behind a tunnel; this list knows no such rule
            extra_websocket_origins=["*"],
            # a websocket needs a page that was got from here
            sign_sessions=True,
            secret_key=secrets.token_bytes(32),
            check_unused_sessions_milliseconds=UNUSED_MS,
            unused_session_lifetime_milliseconds=UNUSED_MS,
            transforms=[_SafeHeaders],
        )

    def find_handler(self, request: HTTPServerRequest, **keywords: Any) -> Any:
        """Return the handler of a request, or the one that turns it away."""
        found = request.cookies.get(self.cookie_name)
        refusal = self.gate.refusal(request.headers, found.value if found else None)
        asks = "token" in request.query_arguments and self.gate.cookie
        if refusal is None and not asks:
            return super().find_handler(request, **keywords)
        if refusal is None:
            refusal = HTTPStatus.UNAUTHORIZED
        return self.get_handler_delegate(request, _Door, {"status": refusal})


class _Door(RequestHandler):
    """Turns away, or takes a token and gives a cookie for it."""

    def initialize(self, status: HTTPStatus) -> None:
        self._refusal = status

    def get(self) -> None:
        self._answer(self.get_query_argument("token", None))

    def post(self) -> None:
        self._answer(self.get_body_argument("token", None))

    def _answer(self, token: str | None) -> None:
        application = self.application
        if self._refusal is HTTPStatus.FORBIDDEN:
            self.set_status(self._refusal)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(NO_WAY)
        elif token is not None and application.gate.accepts(token):
            self.set_cookie(
                application.cookie_name,
                application.gate.cookie,
                httponly=True,
                samesite="Lax",
            )
            # the token does not stay in the line of addresses, nor in its history
            self.redirect("/", status=HTTPStatus.SEE_OTHER)
        else:
            self.set_status(HTTPStatus.UNAUTHORIZED)
            remark = "" if token is None else "That was not the token."
            self.finish(ASK.format(remark=remark))


class _SafeHeaders(OutputTransform):
    """Says with each answer what no other site may do with it."""

    def __init__(self, request: HTTPServerRequest) -> None:
        pass

    def transform_first_chunk(
        self, status_code: int, headers: Any, chunk: bytes, finishing: bool
    ) -> tuple[int, Any, bytes]:
        headers["X-Frame-Options"] = "DENY"
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "no-referrer"
        return status_code, headers, chunk
