"""`MetricsServer`: how a flow is doing, by HTTP, for programs that watch it.

::

    with flow, MetricsServer(flow, port=9100) as server:
        print(server.url)
        flow.wait()

==================  ===================================================================
path                answer
==================  ===================================================================
``/metrics.json``   `FlowStatistics.as_json`, with the rate and the lag of the moment
``/metrics``        the numbers of it in the text format of Prometheus, version 0.0.4
==================  ===================================================================
"""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from circus_io.errors import DeviceError
from circus_io.meame import RateMeter
from circus_live.flow import Flow
from circus_live.statistics import FlowStatistics

__all__ = ["MetricsServer"]

LOOK_EVERY_S = 0.5
TEXT = "text/plain; version=0.0.4; charset=utf-8"
PAGE_TEXT = "text/plain; charset=utf-8"
COUNTERS = ("received_frames", "delivered_frames", "dropped_frames")
GAUGES = ("pending_frames", "fill", "latency_p50_ms", "latency_p99_ms")


class MetricsServer:
    """Serves the statistics of a flow; takes its port at once, answers in ``with``.

    Parameters
    ----------
    flow : Flow
        Started before the ``with`` block: its processes must not copy the threads here.
    port : int
        0 takes one that is free; `url` says which.
    host : str
        Only this machine by default; there is no password, and nothing to change.

    Raises
    ------
    DeviceError
        The port is taken.
    """

    def __init__(self, flow: Flow, port: int = 0, host: str = "127.0.0.1") -> None:
        self._flow, self._meter = flow, RateMeter()
        self._is_closing = threading.Event()
        try:
            self._server = ThreadingHTTPServer((host, port), _handler_of(self.answer))
        except OSError as error:
            raise DeviceError(
                f"cannot serve metrics on {host}:{port}: {error}; choose another port"
            ) from error
        self.url = f"http://{host}:{self._server.server_port}/metrics.json"
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=(0.1,)),
            threading.Thread(target=self._watch),
        ]

    def snapshot(self) -> dict[str, Any]:
        """Return what ``/metrics.json`` does; before the start, the stream alone."""
        info = self._flow.info
        found: dict[str, Any] = {
            "name": info.name,
            "n_channels": info.n_channels,
            "sampling_rate": info.sampling_rate,
            "is_running": self._flow.is_running,
        }
        statistics = self._statistics()
        if statistics is None:
            return found
        pending = max(
            (one.counts.pending_frames for one in statistics.links), default=0
        )
        rate_hz = self._meter.rate_hz if self._flow.is_running else None
        found |= {"rate_hz": rate_hz, "lag_s": pending / info.sampling_rate}
        return found | statistics.as_json()

    def answer(self, path: str) -> tuple[int, str, str]:
        """Return status, text and type of the answer to a GET."""
        key = path.partition("?")[0].rstrip("/")
        if key in ("", "/metrics.json"):
            return 200, json.dumps(self.snapshot()), "application/json"
        if key == "/metrics":
            return 200, "".join(f"{line}\n" for line in _lines(self.snapshot())), TEXT
        return 404, "choose from /metrics.json, /metrics\n", PAGE_TEXT

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.daemon = True
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_closing.set()
        self._server.shutdown()
        for thread in self._threads:
            thread.join()
        self.close()

    def close(self) -> None:
        """Let go of the port, where no ``with`` block does."""
        self._server.server_close()

    # ------------------------------------------------------------------------ its parts

    def _statistics(self) -> FlowStatistics | None:
        has_started = self._flow.is_running or self._flow.pids
        return self._flow.statistics() if has_started else None

    def _watch(self) -> None:
        """Look at the counts now and then: a rate takes two of them."""
        while not self._is_closing.wait(LOOK_EVERY_S):
            statistics = self._statistics()
            if statistics is not None and statistics.n_frames:
                self._meter.note(statistics.n_frames, statistics.host_time_ns)


def _lines(found: dict[str, Any]) -> Iterator[str]:
    """Give the lines of Prometheus' text: a type, then a value for each link."""
    yield from _family("circus_live_running", "gauge", [("", found["is_running"])])
    for name, kind in {
        "n_frames": "counter",
        "gap_frames": "counter",
        "rate_hz": "gauge",
        "lag_s": "gauge",
    }.items():
        yield from _family(f"circus_live_{name}", kind, [("", found.get(name))])
    links = found.get("links", ())
    for names, kind in ((COUNTERS, "counter"), (GAUGES, "gauge")):
        for name in names:
            rows = [(_labels(link), link[name]) for link in links]
            yield from _family(f"circus_live_link_{name}", kind, rows)


def _family(name: str, kind: str, rows: list[tuple[str, Any]]) -> Iterator[str]:
    known = [(labels, value) for labels, value in rows if value is not None]
    if known:
        yield f"# TYPE {name} {kind}"
    for labels, value in known:
        yield f"{name}{labels} {value:.15g}"


def _labels(link: dict[str, Any]) -> str:
    pairs = [f'{key}="{_escaped(link[key])}"' for key in ("sender", "receiver")]
    return "{" + ",".join(pairs) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _handler_of(answer: Callable[[str], tuple[int, str, str]]) -> type:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def do_GET(self) -> None:
            status, text, kind = answer(self.path)
            content = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, text: str, *values: Any) -> None:
            """Say nothing."""

    return Handler
