"""A flow with a view, a browser that looks at it, and what an HTTP client sees."""

import http.client
import shutil
from contextlib import contextmanager

import pytest

from circus_live import Flow
from circus_live.sources.synthetic import SyntheticSource
from tests.browser.chromium import NAMES, Chromium


@pytest.fixture
def shown(require):
    """``shown(view, ...)``: run a flow of known spikes with a view, without end."""
    require("bokeh", extra="view")

    @contextmanager
    def shown(view, *services, **settings):
        flow = Flow(SyntheticSource(**{"loop_s": 1.0, "n_units": 2} | settings))
        for service in services:
            flow.add(service)
        flow.add(view, after="source")
        with flow:
            try:
                yield flow
            finally:
                flow.stop()

    return shown


@pytest.fixture(scope="session")
def browser(require):
    """Start a headless Chromium, once."""
    found = [name for name in NAMES if shutil.which(name)]
    program = found[0] if found else require(NAMES[0], package=NAMES[0])
    with Chromium(program) as browser:
        yield browser


@pytest.fixture
def ask():
    """``ask(port, "GET", "/", headers)``: status, headers and body of an answer."""

    def ask(port, method="GET", path="/", body=None, host="127.0.0.1", **headers):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(host, port, timeout=30)
        try:
            connection.request(method, path, body, names)
            answer = connection.getresponse()
            is_open = answer.status == 101
            text = "" if is_open else answer.read().decode("utf-8", "replace")
            return answer.status, answer.headers, text
        finally:
            connection.close()

    return ask
