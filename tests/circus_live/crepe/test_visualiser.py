"""`Visualiser`: what is shown is what goes by, and what goes by does not change."""

import multiprocessing
import time
import urllib.request
from contextlib import suppress

import numpy as np

from circus_io import ArrayRecording
from circus_live import Service
from circus_live.crepe import CREPE, CrepeModus, PoisonPill, Visualiser
from circus_live.crepe.ring_queue import RingQueue
from circus_live.sources.file import FileSource


class Screen(Service):
    """Keeps what it is shown."""

    def __init__(self):
        self.blocks, self.info, self.is_closed = [], None, False

    def open(self, info):
        self.info = info

    def process(self, block):
        self.blocks.append(block)

    def close(self):
        self.is_closed = True


def through(view, *items):
    """Send items through a visualiser; return what comes out, and the visualiser."""
    queue_in, queue_out = multiprocessing.Queue(), RingQueue()
    for item in (*items, PoisonPill()):
        queue_in.put(item)
    service = Visualiser(view, 20_000, queue_in=queue_in, queue_out=queue_out)
    service.run()
    return [queue_out.get() for _ in items], service


def segments(n, n_frames=100):
    raw = np.random.default_rng(0).integers(-99, 99, (n * n_frames, 60)).astype("i4")
    return raw, [np.ascontiguousarray(part.T) for part in np.split(raw, n)]


def test_it_shows_the_traces_and_hands_on_what_it_gets():
    raw, parts = segments(3)
    view = Screen()
    out, _ = through(view, parts[0], "a label", parts[1], False, parts[2])
    assert (out[1], out[3]) == ("a label", False)
    for found, part in zip(out[::2], parts, strict=True):
        assert np.array_equal(found, part)
    assert np.array_equal(np.concatenate([b.traces for b in view.blocks]), raw)
    assert [block.sample_index for block in view.blocks] == [0, 100, 200]
    assert (view.info.n_channels, view.info.sampling_rate) == (60, 20_000)
    assert view.is_closed


class Breaks(Screen):
    def process(self, block):
        super().process(block)
        raise OSError("the screen is gone")


def test_a_view_that_fails_holds_nothing_up():
    _, parts = segments(3)
    view = Breaks()
    out, service = through(view, *parts)
    assert all(np.array_equal(a, b) for a, b in zip(out, parts, strict=True))
    assert len(view.blocks) == 1
    assert "the screen is gone" in str(service.failure)


class Tells(Screen):
    """Writes the frames that it was shown; it lives in another process."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def close(self):
        np.save(self.path, [[b.sample_index, b.gap_frames] for b in self.blocks])


def test_it_is_a_member_of_a_chain(tmp_path):
    raw, _ = segments(20)
    path = tmp_path / "shown.npy"
    source = FileSource(ArrayRecording(raw, 10_000), 100, "fast")
    chain = [[Visualiser, {"view": Tells(path)}]]
    crepe = CREPE(CrepeModus.FILE, queue_services=chain, source=source)
    seen = []
    crepe.wait(seen.append)
    assert np.array_equal(np.concatenate(seen, axis=1), raw.T)
    until = time.monotonic() + 30
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert np.load(path).tolist() == [[100 * n, 0] for n in range(20)]


def test_in_an_experiment_it_is_the_view_in_a_browser(require):
    require("bokeh", extra="view")
    raw, _ = segments(20)
    source = FileSource(ArrayRecording(raw, 10_000), 100, "real_time", repeats=0)
    chain = [[Visualiser, {"port": 0}]]
    crepe = CREPE(CrepeModus.FILE, queue_services=chain, source=source)
    queue = crepe.get_last_queue()
    assert np.array_equal(queue.get(timeout=60), raw[:100].T)
    until, page = time.monotonic() + 60, b""
    while not page and time.monotonic() < until:
        with (
            suppress(OSError),
            urllib.request.urlopen(crepe.view.url, timeout=30) as got,
        ):
            page = got.read()
    crepe.shutdown()
    assert b"<html" in page
    assert b"bokeh" in page.lower()
