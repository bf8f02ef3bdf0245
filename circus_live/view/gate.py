"""`Gate`: who may look. Every request passes it: pages, scripts and websockets."""

import hashlib
import hmac
import ipaddress
import os
import secrets
import stat
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from circus_io.errors import FormatError

__all__ = ["TOKEN_VARIABLE", "Gate", "is_loopback", "read_token"]

TOKEN_VARIABLE = "CIRCUS_VIEW_TOKEN"
LEAST_TOKEN = 16
OWN_NAMES = {"127.0.0.1", "localhost", "::1"}


class Gate:
    """Lets requests pass or not.

    Parameters
    ----------
    token : str, optional
        Without, whoever reaches the port may look; it is bound to this machine then.

    Notes
    -----
    * Without a token, the name in the address must be one of this machine: a page from
      elsewhere whose name was made to point here (DNS rebinding) is refused.
    * A websocket must come from a page of this server, whatever the token.
    * A browser that has shown the token keeps a cookie made from it, which is worth
      nothing once the server has ended.
    """

    def __init__(self, token: str | None = None) -> None:
        self._token = token
        self._key = secrets.token_bytes(32)
        self.cookie = ""
        if token is not None:
            digest = hmac.new(self._key, token.encode(), hashlib.sha256)
            self.cookie = digest.hexdigest()

    def refusal(
        self, headers: Mapping[str, str], cookie: str | None
    ) -> HTTPStatus | None:
        """Return why a request may not pass, or None.

        Parameters
        ----------
        headers : mapping
            Of the request; names in any case.
        cookie : str or None
            Of the browser, if it has ours.
        """
        host = headers.get("Host", "")
        if self._token is None and _name(host) not in OWN_NAMES:
            return HTTPStatus.FORBIDDEN
        if "websocket" in headers.get("Upgrade", "").lower():
            origin = headers.get("Origin")
            if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
                return HTTPStatus.FORBIDDEN
        if self._token is None or self._is_known(headers, cookie):
            return None
        return HTTPStatus.UNAUTHORIZED

    def accepts(self, token: str) -> bool:
        """Tell whether a token is the right one."""
        return self._token is not None and _equal(token, self._token)

    def _is_known(self, headers: Mapping[str, str], cookie: str | None) -> bool:
        if cookie and _equal(cookie, self.cookie):
            return True
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.accepts(given.strip())


def is_loopback(address: str) -> bool:
    """Tell whether an address is reached from this machine alone."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False  # a name, which may be anything


def read_token(path: Path | None = None) -> str | None:
    """Return the token of a file, or of the environment; None if there is neither.

    Parameters
    ----------
    path : Path, optional
        By default ``CIRCUS_VIEW_TOKEN`` is asked.

    Raises
    ------
    FormatError
        There is no such file, others may read it, or the token is short.
    """
    if path is None:
        given, where = os.environ.get(TOKEN_VARIABLE), TOKEN_VARIABLE
        if given is None:
            return None
    else:
        given, where = _read_private(path), str(path)
    token = given.strip()
    if len(token) < LEAST_TOKEN or not (token.isascii() and token.isprintable()):
        raise FormatError(
            f"{where}: a token has {LEAST_TOKEN} ASCII characters or more; make one "
            'with: python -c "import secrets; print(secrets.token_urlsafe())"'
        )
    return token


def _read_private(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"the token cannot be read from {path}: {error}") from error
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise FormatError(f"{path} can be read by others; run: chmod 600 {path}")
    return text


def _name(host: str) -> str:
    """Return the name of ``name:port``, without the brackets of IPv6."""
    return (urlsplit(f"//{host}").hostname or "").lower()


def _equal(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(), right.encode())
