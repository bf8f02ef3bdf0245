"""Rings: what is put comes out, or is counted; in one process and in many."""

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circus_io.errors import (
    EndOfStreamError,
    FormatError,
    LiveError,
    MemberDiedError,
    OverrunError,
)
from circus_live import Block, BlockFlag, Message
from circus_live.layout import DTYPES, Geometry
from circus_live.policies import Policy
from circus_live.ring import Ring
from tests.waiting import wait_until

POLICIES = ["block", "drop_oldest", "drop_newest", "error"]


def block(sample_index, n_frames=4, n_channels=3, **fields):
    """Return a block whose samples are a function of their frame and channel."""
    frames = np.arange(sample_index, sample_index + n_frames, dtype="i8")
    traces = (frames[:, None] * 31 + np.arange(n_channels)).astype("i4")
    return Block(sample_index, traces, time.monotonic_ns(), **fields)


def assert_is_that_block(found, n_frames=4, n_channels=3):
    expected = block(found.sample_index, n_frames, n_channels).traces
    assert np.array_equal(found.traces, expected), found.sample_index


def drain(reader):
    return [item.sample_index for item in reader]


# --------------------------------------------------------------------- one process


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_comes_out_as_it_went_in(dtype):
    ring = Ring(2, 1000, ["block"])
    writer, reader = ring.writer(), ring.reader()
    traces = np.arange(12).reshape(4, 3).astype(dtype)
    for sent in (traces, traces[::2], traces.T.copy().T, traces[:0]):
        writer.put(Block(7, sent, 123, flags=BlockFlag.REPAIRED | BlockFlag.LATE))
        found = reader.get(0)
        assert found.traces.dtype == np.dtype(dtype)
        assert found.traces.flags["C_CONTIGUOUS"]
        assert np.array_equal(found.traces, sent)
        assert found.traces.shape == sent.shape
        assert (found.sample_index, found.host_time_ns) == (7, 123)
        assert found.flags == BlockFlag.REPAIRED | BlockFlag.LATE


def test_any_object_is_a_message():
    ring = Ring(3, 1000, ["block"])
    writer, reader = ring.writer(), ring.reader()
    for value in ("Rock", {"a": [1, None]}, False, None):
        writer.put(Message(5, value, 1))
        found = reader.get(0)
        assert isinstance(found, Message)
        assert found.value == value
        assert found.sample_index == 5


def test_what_does_not_fit_is_refused_and_leaves_the_ring_as_it_was():
    ring = Ring(2, 48, ["block"], name="link")
    writer, reader = ring.writer(), ring.reader()
    with pytest.raises(LiveError, match="60 bytes does not fit into link, made for 48"):
        writer.put(block(0, n_frames=5))
    with pytest.raises(LiveError, match="does not fit"):
        writer.put(Message(0, "x" * 100, 0))
    with pytest.raises(LiveError, match=r"traces of >i4"):
        writer.put(Block(0, np.zeros((1, 1), ">i4"), 0))
    with pytest.raises(LiveError, match=r"shape \(2,\)"):
        writer.put(Block(0, np.zeros(2, "i4"), 0))
    assert reader.get(0) is None
    writer.put(block(0))
    assert_is_that_block(reader.get(0))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0, 1, []), "depth = 0"),
        ((1, 0, []), "slot_bytes = 0"),
        ((1, 1, ["drop"]), "policy 'drop': choose from block, drop_oldest"),
    ],
)
def test_impossible_rings_are_refused(arguments, text):
    with pytest.raises(FormatError, match=text):
        Ring(*arguments)


def test_the_end_comes_once_and_after_everything():
    ring = Ring(4, 1000, ["block"])
    writer, reader = ring.writer(), ring.reader()
    writer.put(block(0))
    writer.end()
    writer.end()
    assert reader.get().sample_index == 0
    for _ in range(3):
        with pytest.raises(EndOfStreamError):
            reader.get()
    assert drain(reader) == []
    with pytest.raises(LiveError, match="has ended"):
        writer.put(block(4))


def test_a_writer_that_fails_is_no_end():
    ring = Ring(4, 1000, ["block"])
    writer, reader = ring.writer(), ring.reader()
    writer.put(block(0))
    writer.fail()
    assert reader.get().sample_index == 0
    with pytest.raises(MemberDiedError):
        reader.get()


def test_there_is_one_writer_and_one_of_each_reader():
    ring = Ring(4, 1000, ["block"])
    ring.writer(), ring.reader()
    with pytest.raises(LiveError, match="a writer"):
        ring.writer()
    with pytest.raises(LiveError, match="a reader 0"):
        ring.reader()
    with pytest.raises(LiveError, match="readers 0 to 0, no 1"):
        ring.reader(1)


def test_a_view_is_read_only_and_holds_its_slot():
    ring = Ring(1, 1000, ["block"])
    writer, reader = ring.writer(), ring.reader(copy=False)
    writer.put(block(0))
    view = reader.get(0).traces
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 0
    putting = threading.Thread(target=writer.put, args=[block(4)])
    putting.start()
    putting.join(0.3)
    assert putting.is_alive()  # it waits for the slot
    assert np.array_equal(view, block(0).traces)
    assert reader.get(10).sample_index == 4
    putting.join(10)
    assert not putting.is_alive()


def test_gaps_of_the_source_and_of_the_reader_add_up():
    ring = Ring(2, 1000, ["drop_oldest", "drop_newest"])
    writer, oldest, newest = ring.writer(), ring.reader(0), ring.reader(1)
    writer.put(block(10, gap_frames=10))
    writer.put(block(20, gap_frames=6))
    writer.put(block(24))
    assert [(b.sample_index, b.gap_frames) for b in (oldest.get(), oldest.get())] == [
        (20, 20),
        (24, 0),
    ]
    assert [(b.sample_index, b.gap_frames) for b in (newest.get(), newest.get())] == [
        (10, 10),
        (20, 6),
    ]
    writer.put(block(28))
    assert [newest.get().gap_frames, oldest.get().gap_frames] == [4, 0]


def test_a_reader_that_must_lose_nothing_fails_and_the_other_goes_on():
    ring = Ring(3, 1000, ["error", "drop_oldest"])
    writer, strict, other = ring.writer(), ring.reader(0), ring.reader(1)
    for number in range(9):
        writer.put(block(number * 4))
    for expected in (0, 4, 8):  # what waited is as it was
        found = strict.get(0)
        assert found.sample_index == expected
        assert_is_that_block(found)
    with pytest.raises(OverrunError, match="3 blocks waited"):
        strict.get(0)
    assert [other.get(0).sample_index for _ in range(3)] == [24, 28, 32]


def test_a_reader_that_has_closed_holds_nobody_up():
    ring = Ring(2, 1000, ["block", "block"])
    writer, first, second = ring.writer(), ring.reader(0), ring.reader(1)
    writer.put(block(0))
    first.close()
    for number in range(1, 9):
        assert second.get(0).sample_index == number * 4 - 4
        writer.put(block(number * 4))
    assert writer.has_readers
    second.close()
    assert not writer.has_readers


@settings(max_examples=100, deadline=None)
@given(
    depth=st.integers(1, 5),
    steps=st.lists(st.sampled_from(["put", "a", "b", "c", "d"]), max_size=80),
)
def test_policies_are_those_of_a_model(depth, steps):
    """Four readers of one ring, against queues of Python."""
    ring = Ring(depth, 100, POLICIES)
    writer = ring.writer()
    readers = [ring.reader(number, copy=False) for number in range(4)]
    waiting = [deque() for _ in range(4)]
    dropped, delivered, n_put, has_overrun = [0] * 4, [0] * 4, 0, False
    looks = [0] * 4  # a view that a reader looks at still takes its place
    for step in steps:
        if step == "put":
            # who blocks would wait, and so does a view that it looks at
            if len(waiting[0]) + looks[0] >= depth:
                continue
            writer.put(block(n_put * 4))
            for number, queue in enumerate(waiting):
                if number == 3 and has_overrun:
                    continue
                if len(queue) + looks[number] < depth:
                    queue.append(n_put * 4)
                    continue
                dropped[number] += 1
                if number == 1:
                    queue.popleft()
                    queue.append(n_put * 4)
                has_overrun = has_overrun or number == 3
            n_put += 1
            continue
        number = "abcd".index(step)
        if not waiting[number]:
            if not (number == 3 and has_overrun):
                assert readers[number].get(0) is None
                looks[number] = 0
            continue
        found = readers[number].get(0)
        assert found.sample_index == waiting[number].popleft()
        assert_is_that_block(found)
        delivered[number] += 1
        looks[number] = int(number != 1)
    for number, reader in enumerate(readers):
        if number == 1:
            continue  # it counts what was overwritten when it comes to look
        counts = reader.statistics()
        assert counts.delivered_blocks == delivered[number]
        assert counts.dropped_blocks == dropped[number]
        assert counts.pending_blocks == len(waiting[number])


def test_lanes_and_slots_do_not_overlap():
    geometry = Geometry(7, 100, tuple(map(Policy, POLICIES)))
    for number in range(4):
        assert geometry.lane(number) + 16 <= geometry.histogram(number)
        assert geometry.histogram(number) + 256 == geometry.index(number)
        assert geometry.index(number) + geometry.n_index <= geometry.lane(number + 1)
    assert geometry.lane(4) * 8 <= geometry.slot(0)
    assert geometry.stride >= 128 + 100
    assert geometry.slot(geometry.n_slots) == geometry.n_bytes


# ------------------------------------------------------------------ many processes


def read(ring, number, pause_s, pipe):
    """Read everything, sometimes slowly; send what came."""
    random = np.random.default_rng(number)
    rows = []
    reader = ring.reader(number, copy=number % 2 == 0)
    try:
        for found in reader:
            assert_is_that_block(found)
            rows.append((found.sample_index, found.gap_frames))
            if random.random() < 0.02:
                time.sleep(random.random() * pause_s)
        end = "end"
    except (OverrunError, MemberDiedError) as error:
        end = type(error).__name__
    counts = reader.statistics()
    pipe.send((end, rows, counts))


def write(ring, n_blocks, pause_s, pipe):
    random = np.random.default_rng(99)
    writer = ring.writer()
    for number in range(n_blocks):
        writer.put(block(number * 4))
        if random.random() < 0.05:
            time.sleep(random.random() * pause_s)
    writer.end()
    pipe.send(n_blocks)


class Members:
    """Processes of a test, killed at its end."""

    def __init__(self, method):
        self.context = multiprocessing.get_context(method)
        self.processes, self.pipes = [], []

    def start(self, function, *arguments):
        pipe, other = self.context.Pipe(duplex=False)
        process = self.context.Process(target=function, args=(*arguments, other))
        process.start()
        other.close()
        self.processes.append(process)
        self.pipes.append(pipe)
        return process

    def answer(self, number):
        assert self.pipes[number].poll(60), "no answer"
        return self.pipes[number].recv()


@pytest.fixture
def members(request):
    made = Members(getattr(request, "param", "fork"))
    yield made
    for process in made.processes:
        process.kill()
        process.join()


@pytest.mark.parametrize("members", ["fork", "spawn"], indirect=True)
def test_received_is_delivered_and_dropped(members):
    """Every reader at its own pace; its blocks are whole, in order, and all counted."""
    n_blocks = 6000
    ring = Ring(16, 100, ["block", "drop_oldest", "drop_newest", "block"])
    for number in range(4):
        members.start(read, ring, number, 0.01)
    members.start(write, ring, n_blocks, 0.002)
    assert members.answer(4) == n_blocks
    for number in range(4):
        end, rows, counts = members.answer(number)
        indices = np.array([row[0] for row in rows])
        gaps = np.array([row[1] for row in rows])
        assert end == "end"
        # what is missing lies before a block, and is said there
        assert np.array_equal(np.diff(indices, prepend=-4) - 4, gaps)
        missing = n_blocks - len(rows)
        assert counts.received_blocks == n_blocks
        assert counts.delivered_blocks == len(rows)
        assert counts.dropped_blocks == missing
        assert counts.pending_blocks == counts.pending_frames == 0
        assert counts.received_frames == 4 * n_blocks
        assert counts.delivered_frames + counts.dropped_frames == 4 * n_blocks
        assert counts.latencies.sum() == len(rows)
        if number in (0, 3):
            assert missing == 0
        if number == 1:
            assert indices[-1] == 4 * (n_blocks - 1)


@pytest.mark.parametrize("members", ["fork", "spawn"], indirect=True)
def test_systems_without_linux_calls_use_a_pipe_and_an_unlinked_file(
    members, monkeypatch
):
    for name in ("eventfd", "memfd_create"):
        monkeypatch.delattr(os, name, raising=False)
    ring = Ring(4, 100, ["block"])
    assert len(ring.room._handles) == 2
    members.start(read, ring, 0, 0.001)
    members.start(write, ring, 2000, 0.001)
    end, rows, _ = members.answer(0)
    assert end == "end"
    assert [row[0] for row in rows] == list(range(0, 8000, 4))


@pytest.mark.parametrize("delay_s", [0.0, 0.01, 0.1, 0.3])
def test_a_writer_that_is_killed_is_noticed_when_all_is_read(members, delay_s):
    ring = Ring(16, 100, ["block", "drop_oldest"])
    for number in range(2):
        members.start(read, ring, number, 0.001)
    writer = members.start(write, ring, 10**9, 0.001)
    wait_until(lambda: ring.statistics(0).delivered_blocks > 0)
    time.sleep(delay_s)
    os.kill(writer.pid, signal.SIGKILL)
    for number in range(2):
        end, rows, counts = members.answer(number)
        assert end == "MemberDiedError"
        assert counts.pending_blocks == 0
        assert counts.delivered_blocks == len(rows)
        assert counts.received_blocks == len(rows) + counts.dropped_blocks
        indices = np.array([row[0] for row in rows])
        gaps = np.array([row[1] for row in rows])
        assert np.array_equal(np.diff(indices, prepend=-4) - 4, gaps)


@pytest.mark.parametrize("delay_s", [0.0, 0.05, 0.2])
def test_a_reader_that_is_killed_holds_nobody_up(members, delay_s):
    n_blocks = 3000
    ring = Ring(8, 100, ["block", "block"])
    victim = members.start(read, ring, 0, 0.001)
    members.start(read, ring, 1, 0.001)
    members.start(write, ring, n_blocks, 0.001)
    wait_until(lambda: ring.statistics(0).delivered_blocks > 0)
    time.sleep(delay_s)
    os.kill(victim.pid, signal.SIGKILL)
    assert members.answer(2) == n_blocks
    end, rows, _ = members.answer(1)
    assert end == "end"
    assert [row[0] for row in rows] == [4 * number for number in range(n_blocks)]


def test_nothing_has_a_name_that_could_be_left_behind():
    """Not while it is used, so not after a kill either."""
    folders = [Path("/dev/shm"), Path(os.environ.get("TMPDIR", "/tmp"))]
    folders = [folder for folder in folders if folder.is_dir()]

    def names():
        return {
            path
            for folder in folders
            for path in folder.iterdir()
            if "circus_live" in path.name
        }

    before = names()
    ring = Ring(4, 1000, ["block"])
    ring.writer().put(block(0))
    assert names() == before


def test_handles_are_given_back():
    def n_open():
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    before = n_open()
    for _ in range(20):
        ring = Ring(4, 1000, POLICIES)
        ring.writer().put(block(0))
        ring.reader(1).get(0)
        del ring
    assert n_open() <= before
