"""Who may look: rules of the gate, and the doors that it stands at."""

import asyncio
import os
import re
from pathlib import Path

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from circus_io.errors import DeviceError, FormatError
from circus_live.view import View
from circus_live.view.gate import Gate, is_loopback, read_token

TOKEN = "correct-horse-battery-staple"
SMALL = {"n_channels": 4, "n_units": 1}


@pytest.fixture(autouse=True)
def no_token_around(monkeypatch):
    monkeypatch.delenv("CIRCUS_VIEW_TOKEN", raising=False)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:5006"}, None),
        ({"Host": "localhost:8000"}, None),  # the end of a tunnel
        ({"Host": "[::1]:5006"}, None),
        ({"Host": "evil.example:5006"}, 403),  # its name points here
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "127.0.0.1@evil.example"}, 403),
        ({}, 403),
    ],
)
def test_without_a_token_only_this_machine_is_answered(headers, status):
    assert Gate().refusal(headers, None) == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:5006", None),
        (None, None),  # no browser leaves it out
        ("http://localhost:5007", 403),
        ("http://evil.example", 403),
        ("null", 403),
    ],
)
@pytest.mark.parametrize("upgrade", ["websocket", "WebSocket"])
def test_a_websocket_is_for_pages_of_this_server(origin, status, upgrade):
    headers = {"Host": "localhost:5006", "Upgrade": upgrade}
    if origin is not None:
        headers["Origin"] = origin
    assert Gate().refusal(headers, None) == status
    gate = Gate(TOKEN)
    assert gate.refusal(headers, gate.cookie) == status


def test_with_a_token_it_decides_and_not_the_name():
    gate, headers = Gate(TOKEN), {"Host": "lab-pc:5006"}
    assert gate.refusal(headers, None) == 401
    assert gate.refusal(headers, "") == 401
    assert gate.refusal(headers, TOKEN) == 401  # the cookie is not the token
    assert gate.refusal(headers, Gate(TOKEN).cookie) == 401  # of another run
    assert gate.refusal(headers, gate.cookie) is None
    for given, status in [(f"Bearer {TOKEN}", None), ("Bearer x", 401), (TOKEN, 401)]:
        assert gate.refusal(headers | {"Authorization": given}, None) == status


def test_without_a_token_no_cookie_or_token_is_right():
    gate = Gate()
    assert not gate.accepts("")
    assert gate.cookie == ""


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("192.168.1.4", False),
        ("lab-pc", False),
        ("", False),
    ],
)
def test_what_is_this_machine_alone(address, expected):
    assert is_loopback(address) is expected


def test_a_token_comes_from_a_private_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o644)
    with pytest.raises(FormatError, match="can be read by others; run: chmod 600"):
        read_token(path)
    path.chmod(0o600)
    assert read_token(path) == TOKEN
    path.write_text("short")
    with pytest.raises(FormatError, match="16 ASCII characters or more; make one"):
        read_token(path)
    with pytest.raises(FormatError, match="cannot be read from"):
        read_token(tmp_path / "absent")


def test_a_token_comes_from_the_environment(monkeypatch):
    assert read_token() is None
    monkeypatch.setenv("CIRCUS_VIEW_TOKEN", TOKEN)
    assert read_token() == TOKEN
    monkeypatch.setenv("CIRCUS_VIEW_TOKEN", "")
    with pytest.raises(FormatError, match="CIRCUS_VIEW_TOKEN: a token has 16"):
        read_token()


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1", "lab-pc.example"])
def test_other_machines_need_a_token(require, address):
    require("bokeh", extra="view")
    with pytest.raises(FormatError, match="so it needs a token"):
        View(0, address)


def test_a_port_that_is_taken_is_said_at_once(require):
    require("bokeh", extra="view")
    view = View(0)
    with pytest.raises(DeviceError, match=f"127.0.0.1:{view.port}.*another port, or 0"):
        View(view.port)


# ----------------------------------------------------------------- the doors themselves


def websocket(port, session, **headers):
    """Open a websocket as a page of Bokeh does; return its first message, or status."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = HTTPRequest(f"ws://127.0.0.1:{port}/ws", headers=names)

    async def open_it():
        try:
            connection = await websocket_connect(
                request, subprotocols=["bokeh", session]
            )
        except HTTPClientError as error:
            return error.code
        first = last = await connection.read_message()
        connection.close()
        while last is not None:
            last = await connection.read_message()
        return first

    return asyncio.run(open_it())


def session_of(page):
    return re.search(r'"token":"([^"]+)"', page)[1]


def test_the_view_of_one_machine(shown, ask):
    view = View(0)
    with shown(view, **SMALL):
        status, headers, page = ask(view.port)
        assert status == 200
        assert headers["X-Frame-Options"] == "DENY"
        assert "cdn.bokeh.org" not in page
        session, here = session_of(page), f"127.0.0.1:{view.port}"
        assert "msgid" in websocket(view.port, session, Origin=f"http://{here}")
        assert websocket(view.port, session, Origin="http://evil.example") == 403
        assert ask(view.port, Host="evil.example")[0] == 403
        # a session that this server has not signed
        forged = session[:-6] + "AAAAAA"
        assert websocket(view.port, forged, Origin=f"http://{here}") is None
        with pytest.raises(ConnectionRefusedError):
            # another address of this machine, where it listens to one of them alone
            ask(view.port, host="127.0.0.2")


def test_the_view_of_others_asks_for_the_token(shown, ask):
    view = View(0, "0.0.0.0", token=TOKEN)
    with shown(view, **SMALL):
        here = f"http://127.0.0.1:{view.port}"
        for path in ("/", "/static/js/bokeh.min.js", "/autoload.js", "/?token=wrong"):
            status, _, text = ask(view.port, path=path)
            assert status == 401, path
            assert '<input type="password"' in text
        assert ask(view.port, host="127.0.0.2")[0] == 401
        assert ask(view.port, "POST", body="token=wrong")[0] == 401
        assert websocket(view.port, "x", Origin=here) == 401

        form = "application/x-www-form-urlencoded"
        status, headers, _ = ask(
            view.port, "POST", body=f"token={TOKEN}", Content_Type=form
        )
        assert (status, headers["Location"]) == (303, "/")
        cookie = headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert TOKEN not in cookie
        assert ask(view.port, path=f"/?token={TOKEN}")[0] == 303

        known = cookie.partition(";")[0]
        status, _, page = ask(view.port, Cookie=known)
        assert status == 200
        assert TOKEN not in page
        session = session_of(page)
        assert "msgid" in websocket(view.port, session, Origin=here, Cookie=known)
        # a session alone is worth nothing, and neither is a cookie from elsewhere
        assert websocket(view.port, session, Origin=here) == 401
        evil = websocket(view.port, session, Origin="http://x.example", Cookie=known)
        assert evil == 403
        assert ask(view.port, Authorization=f"Bearer {TOKEN}")[0] == 200


def test_the_token_is_not_in_the_list_of_processes(shown):
    view = View(0, token=TOKEN)
    with shown(view, **SMALL) as flow:
        for pid in (os.getpid(), *flow.pids.values()):
            assert TOKEN.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
