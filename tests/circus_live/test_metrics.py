"""`MetricsServer`: what another program reads of a flow, held against what was sent."""

import json
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

from circus_io import ArrayRecording
from circus_io.errors import DeviceError
from circus_live import Flow, Source, SourceInfo
from circus_live.block import Block
from circus_live.metrics import MetricsServer
from circus_live.sources.file import FileSource

RATE = 10_000
RAW = np.zeros((4 * RATE, 2), "i2")


def fetch(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def test_the_numbers_are_those_of_the_flow():
    replay = FileSource(ArrayRecording(RAW, RATE), 100, "real_time")
    flow = Flow(replay, buffer_s=0.1)
    flow.add(lambda block: time.sleep(0.03), name='slow "one"', policy="drop_oldest")
    with flow, MetricsServer(flow) as server:
        time.sleep(2.5)
        kind, text = fetch(server.url)
        _, lines = fetch(server.url.replace(".json", ""))
    found = json.loads(text)
    assert kind == "application/json"
    assert (found["n_channels"], found["sampling_rate"]) == (2, RATE)
    assert found["is_running"] is True
    assert found["source_state"] == "streaming"
    assert found["rate_hz"] == pytest.approx(RATE, rel=0.1)
    # what the source itself says of its clock, and how sure it is
    assert found["clock"]["rate_hz"] == pytest.approx(RATE, rel=0.01)
    assert found["clock"]["residual_s"] > 0
    (link,) = found["links"]
    assert link["receiver"] == 'slow "one"'
    counts = [link[f"{n}_frames"] for n in ("delivered", "dropped", "pending")]
    assert sum(counts) == link["received_frames"] > RATE
    assert found["lag_s"] == pytest.approx(link["pending_frames"] / RATE)
    assert 'circus_live_link_fill{sender="source",receiver="slow \\"one\\""}' in lines
    assert "# TYPE circus_live_n_frames counter\n" in lines


def test_it_closes_with_its_block_and_shows_the_last_counts():
    flow = Flow(FileSource(ArrayRecording(RAW, RATE), 100, "fast"))
    output = flow.output()
    with flow, MetricsServer(flow) as server:
        assert sum(block.n_frames for block in output) == len(RAW)
        flow.wait()
        found = json.loads(fetch(server.url)[1])
    assert (found["n_frames"], found["is_running"]) == (len(RAW), False)
    assert found["rate_hz"] is None
    with pytest.raises(urllib.error.URLError):
        fetch(server.url)


class Silent(Source):
    """Gives one block, and finds something out about itself."""

    info = SourceInfo("silent", RATE, 1, "i4", 10)

    def blocks(self):
        self.report("rate", False, "5 frames come per second; ask for less", 7)
        yield Block(0, np.zeros((10, 1), "i4"), time.monotonic_ns())
        self.sleep_until(time.monotonic_ns() + 10**10)


def test_verdicts_and_what_is_not_known_yet():
    flow = Flow(Silent())
    flow.output(policy="drop_oldest")
    with MetricsServer(flow) as server:
        found = json.loads(fetch(server.url)[1])
        assert (found["is_running"], found["name"]) == (False, "silent")
    flow = Flow(Silent())
    flow.output(policy="drop_oldest")
    with flow, MetricsServer(flow) as server:
        until = time.monotonic() + 10
        while not (found := server.snapshot())["verdicts"]:
            assert time.monotonic() < until
        json.dumps(found, allow_nan=False)
        flow.stop()
    assert found["links"][0]["latency_p50_ms"] is None
    assert found["verdicts"] == [
        {
            "name": "rate",
            "is_good": False,
            "text": "5 frames come per second; ask for less",
            "sample_index": 7,
        }
    ]


def test_other_paths_and_taken_ports():
    flow = Flow(Silent())
    with MetricsServer(flow) as server:
        with pytest.raises(urllib.error.HTTPError) as error:
            fetch(server.url.replace("metrics.json", "secrets"))
        with error.value:
            assert error.value.code == 404
        port = int(server.url.split(":")[2].split("/")[0])
        with pytest.raises(DeviceError, match="choose another port"):
            MetricsServer(flow, port)
