"""Services that a flow can do without, and what services are told of its links."""

import logging
import os
import signal
import time

import numpy as np
import pytest

from circus_io.files.array import ArrayRecording
from circus_live import Flow, Service
from circus_live.sources.file import FileSource

N_FRAMES = 4000


class Collect(Service):
    def process(self, block):
        return block


class Fragile(Service):
    policy = "drop_oldest"
    is_dispensable = True
    is_sink = True

    def process(self, block):
        raise ValueError("broken")


class Slow(Fragile):
    def process(self, block):
        time.sleep(0.05)


class Quick(Fragile):
    def process(self, block):
        pass


class Counter(Service):
    """Tell how many frames the other one has got, as seen from this process."""

    def meet(self, links):
        self.links = links

    def process(self, block):
        pass

    def finish(self):
        counts = {
            (link.sender, link.receiver): link.counts.received_frames
            for link in self.links.statistics()
        }
        return counts, self.links.source_frames()


def source(pace="fast"):
    traces = np.arange(N_FRAMES * 2, dtype="<i4").reshape(-1, 2)
    return FileSource(ArrayRecording(traces, 1000.0), 10, pace, 1)


def waiting_for(flow, name):
    """Return how many frames a service has not seen yet, that are there."""
    links = flow.statistics().links
    return sum(one.counts.pending_frames for one in links if one.receiver == name)


def warnings(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_a_flow_goes_on_without_a_dispensable_service(caplog, start_method):
    flow = Flow(source(), start_method=start_method)
    flow.add(Fragile, name="fragile")
    flow.add(Collect, after="source")
    collected = flow.output()
    with flow:
        n_frames = sum(block.n_frames for block in collected)
    assert n_frames == N_FRAMES
    assert flow.failure is None
    assert warnings(caplog) == [
        "fragile failed: ValueError: broken; the flow goes on without it"
    ]


def test_a_dispensable_service_that_is_killed_ends_nothing(caplog):
    flow = Flow(source(pace=4))  # a second
    flow.add(Slow, name="slow")
    flow.add(Collect, after="source")
    collected = flow.output()
    n_frames = 0
    with flow:
        for block in collected:
            if not n_frames:
                os.kill(flow.pids["slow"], signal.SIGKILL)
            n_frames += block.n_frames
    assert n_frames == N_FRAMES
    (text,) = warnings(caplog)
    assert text.startswith("the process of slow was killed by SIGKILL")


def test_a_dispensable_service_that_does_not_end_is_no_failure(caplog):
    flow = Flow(source(), drain_timeout_s=0.3)
    flow.add(Slow, name="slow", policy="block")
    flow.add(Collect, after="source")
    with flow:
        # half a second of work lies before it, so it cannot end in less
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and waiting_for(flow, "slow") < 100:
            time.sleep(0.01)
        flow.stop()
    first, second = warnings(caplog)
    assert first.startswith("slow had not ended 0.3 s after it was asked to")
    assert second.startswith("the process of slow was killed by SIGKILL")


def test_a_service_brings_its_policy():
    flow = Flow(source())
    flow.add(Quick, name="own")
    flow.add(Quick, name="told", after="source", policy="drop_newest")
    flow.add(Collect, after="source")
    flow.run()
    policies = {link.receiver: link.policy for link in flow.statistics().links}
    assert policies == {
        "own": "drop_oldest",
        "told": "drop_newest",
        "collect": "block",
    }


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_a_service_sees_the_counts_of_all_links(start_method):
    flow = Flow(source(), start_method=start_method)
    flow.add(Collect)
    flow.add(Counter)
    counts = flow.output()
    with flow:
        (message,) = list(counts)
    received, source_frames = message.value
    assert source_frames == (N_FRAMES, 0)
    assert received[("source", "collect")] == N_FRAMES
    assert received[("collect", "counter")] == N_FRAMES
