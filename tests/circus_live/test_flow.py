"""Flows in real processes: what comes out, how they end, what they leave behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest

from circus_io import ArrayRecording
from circus_io.errors import (
    FormatError,
    LiveError,
    MemberDiedError,
    OverrunError,
    ServiceError,
    StreamStalledError,
)
from circus_live import Block, Flow, Message, Service, Source, SourceInfo, SourceState
from circus_live.sources.file import FileSource
from tests.waiting import wait_until

RAW = np.random.default_rng(0).integers(-999, 999, (5000, 3)).astype("i2")


def replay(pace="fast", repeats=1, block_frames=50):
    return FileSource(ArrayRecording(RAW, 10_000), block_frames, pace, repeats)


def drained(flow, output):
    with flow:
        return list(output)


class Difference(Service):
    """The difference of each frame and the one before it, over all blocks."""

    def __init__(self, lag=1):
        self.lag = lag

    def open(self, info):
        self.before = np.zeros((self.lag, info.n_channels), "i4")

    def process(self, block):
        traces = np.concatenate([self.before, block.traces])
        self.before = traces[-self.lag :]
        return traces[self.lag :] - traces[: -self.lag]


# ------------------------------------------------------------------------- what it does


def test_a_chain_computes_what_numpy_does():
    flow = Flow(replay())
    flow.add(Difference)
    flow.add(Difference, lag=3)
    blocks = drained(flow, flow.output())
    expected = RAW.astype("i4")
    expected = np.diff(expected, axis=0, prepend=0)
    expected[3:] -= expected[:-3].copy()
    assert np.array_equal(np.concatenate([b.traces for b in blocks]), expected)
    assert [b.sample_index for b in blocks] == list(range(0, 5000, 50))
    assert {b.origin for b in blocks} == {"difference2"}


def test_functions_and_messages():
    flow = Flow(replay())
    flow.add(lambda block, scale: float(block.traces.sum()) * scale, scale=2)
    messages = drained(flow, flow.output())
    sums = RAW.reshape(-1, 50 * 3).sum(axis=1) * 2.0
    assert [m.value for m in messages] == sums.tolist()
    assert all(isinstance(m, Message) for m in messages)
    assert flow.statistics().link("output").sender == "<lambda>"


def test_fan_out_and_fan_in():
    flow = Flow(replay())
    for name in ("a", "b"):
        flow.add(lambda block: block, name=name, after="source")
    flow.add(lambda b: (b.origin, b.sample_index), name="join", after=["a", "b"])
    found = [message.value for message in drained(flow, flow.output())]
    for name in ("a", "b"):
        assert [t for n, t in found if n == name] == list(range(0, 5000, 50))
    assert len(found) == 200


def test_a_service_may_send_nothing_or_much_and_something_last():
    class Pairs(Service):
        def __init__(self):
            self.n = 0

        def process(self, block):
            self.n += 1
            return ((self.n, i) for i in range(2)) if self.n % 40 == 0 else None

        def finish(self):
            return {"n": self.n}

    flow = Flow(replay())
    flow.add(Pairs())
    values = [message.value for message in drained(flow, flow.output())]
    assert values == [(40, 0), (40, 1), (80, 0), (80, 1), {"n": 100}]


def test_a_flow_without_readers_runs_to_its_end():
    statistics = Flow(replay()).run()
    assert statistics.source_state is SourceState.CLOSED
    assert statistics.links == ()


@pytest.mark.parametrize("base", [Service, object])
def test_every_hook_is_called_once(tmp_path, base):
    log = tmp_path / "log"

    class Counting(base):
        def say(self, word):
            with log.open("a") as file:
                file.write(f"{word} {os.getpid()}\n")

        def open(self, info):
            self.say("open")

        def process(self, block):
            pass

        def finish(self):
            self.say("finish")

        def close(self):
            self.say("close")

    flow = Flow(replay())
    flow.add(Counting)
    flow.run()
    words = [line.split() for line in log.read_text().splitlines()]
    assert [word for word, _ in words] == ["open", "finish", "close"]
    assert {int(pid) for _, pid in words} == {flow.pids["counting"]}


def test_counts_agree_with_what_was_sent():
    flow = Flow(replay())
    flow.add(lambda block: None, name="sink")
    flow.output("source")
    output = flow._outputs[0]
    with flow:
        assert sum(block.n_frames for block in output) == 5000
    statistics = flow.statistics()
    assert (statistics.n_frames, statistics.gap_frames) == (5000, 0)
    assert statistics.dropped_frames == 0
    for name in ("sink", "output"):
        counts = statistics.link(name).counts
        assert (counts.received_blocks, counts.delivered_frames) == (100, 5000)
        assert counts.latencies.sum() == 100
        assert counts.latency_ms(50) > 0
    with pytest.raises(KeyError, match="receivers: output, sink"):
        statistics.link("sing")


def test_a_slow_reader_loses_what_its_policy_says_and_nobody_else_does():
    def slow(block):
        time.sleep(0.002)
        return (block.sample_index, block.gap_frames, block.n_frames)

    flow = Flow(replay("fast", repeats=40), buffer_s=0.05)  # 10 blocks
    flow.add(slow, name="slow", policy="drop_oldest")
    output = flow.output()
    flow.add(lambda block: None, name="all", after="source")
    rows = [message.value for message in drained(flow, output)]
    starts, gaps, lengths = np.array(rows).T
    counts = flow.statistics().link("slow").counts
    assert counts.received_frames == 40 * 5000
    assert counts.dropped_frames == gaps.sum() > 0
    assert counts.delivered_frames == lengths.sum()
    assert counts.received_blocks == counts.delivered_blocks + counts.dropped_blocks
    assert np.array_equal(starts, np.cumsum(gaps + lengths) - lengths)
    everything = flow.statistics().link("all").counts
    assert everything.delivered_frames == 40 * 5000


def test_gaps_are_told_on():
    """A service that sends its own blocks need not know of what was lost before it."""

    def own(block):
        return block.traces * 2

    class Holes(Source):
        info = SourceInfo("holes", 1000, n_channels=1, dtype="i2", block_frames=10)

        def blocks(self):
            for number in range(10):
                first = number * 20
                yield Block(first, np.ones((10, 1), "i2"), time.monotonic_ns(), 10)

    flow = Flow(Holes())
    flow.add(own)
    assert [b.gap_frames for b in drained(flow, flow.output())] == [10] * 10


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_services_of_a_script_run_however_processes_start(tmp_path, method):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "import numpy as np\n"
        "from circus_live import Flow, Service\n"
        "class Twice(Service):\n"
        "    def process(self, block):\n"
        "        return block.traces * 2\n"
        "def total(block):\n"
        "    return int(block.traces.sum())\n"
        "if __name__ == '__main__':\n"
        "    np.save('rec.npy', np.arange(3000, dtype='i4').reshape(1000, 3))\n"
        f"    flow = Flow('file:rec.npy?sampling_rate=1000&pace=fast',"
        f" start_method={method!r})\n"
        "    flow.add(Twice)\n"
        "    flow.add(total)\n"
        "    output = flow.output()\n"
        "    with flow:\n"
        "        print(sum(m.value for m in output))\n"
    )
    done = run_script(script, tmp_path)
    assert done.stdout.split() == [str(2999 * 3000)]


def run_script(script, folder, **options):
    done = subprocess.run(
        [sys.executable, script],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return done


# ---------------------------------------------------------------------- what is refused


def test_what_cannot_be_wired_is_refused():
    flow = Flow(replay())
    flow.add(Difference)
    with pytest.raises(FormatError, match="a member difference already"):
        flow.add(Difference, name="difference")
    with pytest.raises(FormatError, match="members source, difference"):
        flow.add(Difference, after="difference9")
    with pytest.raises(FormatError, match="policy 'wait': choose from block"):
        flow.add(Difference, policy="wait")
    with pytest.raises(FormatError, match="3 is no service"):
        flow.add(3)
    with pytest.raises(FormatError, match="dict is no service: it has no process"):
        flow.add(dict)
    with pytest.raises(FormatError, match="Difference is made already"):
        flow.add(Difference(), lag=2)
    with pytest.raises(FormatError, match="expected module:Name"):
        flow.add("nothing")
    with pytest.raises(FormatError, match="numpy has no Nothing"):
        flow.add("numpy:Nothing")
    with pytest.raises(FormatError, match="buffer_s = 0"):
        Flow(replay(), buffer_s=0)
    with pytest.raises(LiveError, match="not been started"):
        flow.wait()
    with pytest.raises(LiveError, match="not been started"):
        flow.statistics()
    flow.run()
    with pytest.raises(LiveError, match="has been started"):
        flow.add(Difference)


def test_what_does_not_pickle_is_named_where_processes_are_spawned():
    flow = Flow(replay("fast", repeats=0), start_method="spawn")
    flow.add(lambda block: block, name="local")
    with pytest.raises(LiveError, match=r"local cannot be handed .* start_method="):
        flow.start()
    assert not flow.is_running
    wait_until(lambda: not multiprocessing.active_children())


# ------------------------------------------------------------------------- how it ends


def fail_at(block, frame, kind):
    if block.sample_index == frame:
        raise kind("a bad frame")
    return block


def assert_no_children(flow):
    assert not multiprocessing.active_children()
    for pid in flow.pids.values():
        assert not psutil.pid_exists(pid)


def test_an_exception_comes_with_its_traceback_and_what_was_before_it_is_done():
    flow = Flow(replay("fast", repeats=0))
    flow.add(fail_at, frame=2500, kind=ZeroDivisionError)
    output = flow.output()
    flow.start()
    found = [block.sample_index for block in output]
    with pytest.raises(
        ServiceError, match="fail_at failed: ZeroDivisionError: a bad frame"
    ) as caught:
        flow.wait()
    assert found == list(range(0, 2500, 50))
    assert 'raise kind("a bad frame")' in str(caught.value.__cause__)
    assert_no_children(flow)


@pytest.mark.parametrize("hook", ["open", "process", "finish", "close"])
def test_a_failure_of_any_hook_is_a_failure_of_the_flow(hook):
    class Bad(Service):
        def process(self, block):
            pass

    def fail(self, *_):
        raise ValueError(f"in {hook}")

    setattr(Bad, hook, fail)
    flow = Flow(replay())
    flow.add(Bad)
    with pytest.raises(ServiceError, match=f"bad failed: ValueError: in {hook}"):
        flow.run()
    assert_no_children(flow)


def test_an_error_of_ours_keeps_its_type():
    class Silent(Source):
        info = SourceInfo("silent", 1000, n_channels=1, dtype="i2", block_frames=10)

        def blocks(self):
            self.report("rate", True, "1000 Hz")
            yield Block(0, np.ones((10, 1), "i2"), 0)
            raise StreamStalledError("no sample for 1 s; restart MEAME")

    flow = Flow(Silent())
    flow.add(lambda block: None)
    with pytest.raises(StreamStalledError, match="restart MEAME") as caught:
        flow.run()
    assert "in blocks" in str(caught.value.__cause__)
    statistics = flow.statistics()
    assert statistics.source_state is SourceState.FAILED
    assert [verdict.text for verdict in statistics.verdicts] == ["1000 Hz"]


def test_a_reader_that_must_lose_nothing_stops_the_flow():
    def slow(block):
        time.sleep(0.05)

    flow = Flow(replay("fast", repeats=0), buffer_s=0.05)
    flow.add(slow, policy="error")
    with pytest.raises(OverrunError, match="10 blocks waited"):
        flow.run()
    assert_no_children(flow)


def test_a_process_that_leaves_by_itself_is_named():
    flow = Flow(replay())
    flow.add(lambda block: os._exit(7), name="quitter")
    with pytest.raises(MemberDiedError, match="quitter ended by itself with status 7"):
        flow.run()


def test_a_service_that_hangs_is_killed_in_the_end():
    flow = Flow(replay("fast", repeats=0), drain_timeout_s=0.5)
    flow.add(lambda block: time.sleep(1000), name="stuck")
    flow.start()
    time.sleep(0.3)
    flow.stop()
    with pytest.raises(MemberDiedError, match=r"stuck had not ended 0\.5 s after"):
        flow.wait()
    assert_no_children(flow)


def test_stop_drains_everything():
    flow = Flow(replay("real_time", repeats=0))
    flow.add(lambda block: block)
    output = flow.output()
    threading.Timer(0.5, flow.stop).start()
    blocks = drained(flow, output)
    assert sum(b.n_frames for b in blocks) == flow.statistics().n_frames > 0
    assert not any(block.gap_frames for block in blocks)
    assert_no_children(flow)


def test_an_error_in_the_with_block_stops_the_flow():
    flow = Flow(replay("fast", repeats=0))
    flow.add(lambda block: block)
    output = flow.output()

    def use():
        with flow:
            output.get()
            raise KeyError

    with pytest.raises(KeyError):
        use()
    assert_no_children(flow)


def test_who_watches_sees_counts_grow_and_may_fail():
    flow = Flow(replay("real_time", repeats=0))
    flow.add(lambda block: None)
    seen = []

    def watch(statistics):
        seen.append(statistics.n_frames)
        if len(seen) == 4:
            raise KeyError

    with pytest.raises(KeyError):
        flow.run(watch, every_s=0.05)
    assert seen == sorted(seen)
    assert_no_children(flow)


@pytest.mark.parametrize("victim", ["source", "first", "second"])
@pytest.mark.parametrize("delay_s", [0.0, 0.2])
def test_a_member_that_is_killed_ends_the_flow_in_order(victim, delay_s):
    flow = Flow(replay("real_time", repeats=0))
    flow.add(lambda block: block, name="first")
    flow.add(lambda block: block, name="second")
    output = flow.output()
    seen = []
    flow.start()
    seen.append(output.get(60))
    time.sleep(delay_s)
    os.kill(flow.pids[victim], signal.SIGKILL)
    seen += output
    with pytest.raises(
        MemberDiedError, match=f"process of {victim} was killed by SIGKILL"
    ):
        flow.wait(60)
    starts = [block.sample_index for block in seen]
    assert starts == list(range(0, 50 * len(seen), 50))
    assert_no_children(flow)
