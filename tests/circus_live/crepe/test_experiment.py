"""CREPE's documented usage, and the defects of its table, with real processes."""

import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest

from circus_io import open_recording
from circus_io.errors import FormatError, LiveError, MemberDiedError, ServiceError
from circus_io.files.mcs_hdf5 import MCSHDF5Writer
from circus_io.samples import read_stored
from circus_live.crepe import (
    CREPE,
    CrepeModus,
    QueueService,
    StartQueueService,
    get_queue,
    is_poison_pill,
)
from circus_live.meame_server import MeameServer, Ramp
from stim import Pulse, SafetyLimits

RAW = np.random.default_rng(0).integers(-999, 999, (985, 60)).astype("i4")


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("crepe") / "rec.h5"
    with MCSHDF5Writer(path, 10_000, [str(c) for c in range(60)], gain=0.06) as writer:
        writer.append(RAW)
    return path


class MovingAvg(QueueService):
    """The mean of all channels over each `mov_avg_size` frames."""

    def __init__(self, mov_avg_size, **kwargs):
        QueueService.__init__(self, name="MOVINGAVG", **kwargs)
        self.mov_avg_size = mov_avg_size

    def run(self):
        while True:
            columns = self.get_n_col(self.mov_avg_size, 60, 100)
            if columns is False:
                self.end()
                return
            self.put(columns.mean(axis=1))


class ReadoutLayer(QueueService):
    """The loudest channel."""

    def __init__(self, **kwargs):
        QueueService.__init__(self, name="READOUT", **kwargs)

    def run(self):
        while True:
            data = self.get()
            if data is False:
                self.end()
                return
            self.put(("loudest", int(np.argmax(data))))


class Example(QueueService):
    def __init__(self, **kwargs):
        QueueService.__init__(self, name="EXAMPLE", **kwargs)

    def run(self):
        while True:
            data = self.get()
            if data is False:
                self.end()
                return
            self.put(random.randint(0, 4))


class Fails(QueueService):
    def __init__(self, **kwargs):
        QueueService.__init__(self, name="FAILS", **kwargs)

    def run(self):
        self.get()
        raise ZeroDivisionError("of the third kind")


class Waits(QueueService):
    def run(self):
        while self.get() is not False:
            time.sleep(0.01)


CHAIN = [[MovingAvg, {"mov_avg_size": 500}], [ReadoutLayer, {}]]


def expected_readout():
    parts = [RAW[:500], RAW[500:]]
    return [("loudest", int(np.argmax(part.mean(axis=0)))) for part in parts]


def drained(segments):
    items = []
    while not is_poison_pill(item := segments.get(timeout=30)):
        items.append(item)
    return items


# ------------------------------------------------------------------- documented usage


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_a_chain_is_waited_for(recording, start_method):
    seen = []
    crepe = CREPE(
        modus=CrepeModus.FILE,
        file_path=str(recording),
        queue_services=CHAIN,
        start_method=start_method,
    )
    crepe.wait(lambda data: seen.append(data))
    assert seen == expected_readout()


def test_a_helper_in_the_main_process_reads_the_end(recording):
    crepe = CREPE(CrepeModus.FILE, str(recording), CHAIN)
    helper = QueueService(name="HELPER", queue_in=crepe.get_last_queue())
    seen = []
    while True:
        data = helper.get()
        if data is False:
            crepe.shutdown()
            break
        seen.append(data)
    assert seen == expected_readout()
    assert crepe._flow.is_running is False


def test_the_raw_queue_with_a_timeout_and_the_end_marker(recording):
    crepe = CREPE(modus=CrepeModus.FILE, file_path=recording, queue_services=CHAIN)
    segments = crepe.get_first_queue()
    seen = []
    while True:
        try:
            data = segments.get(timeout=10)
        except Exception:
            pytest.fail("no end marker")
        if is_poison_pill(data):
            break
        seen.append(data)
    crepe.shutdown()
    assert [s.shape for s in seen[:2]] == [(60, 100)] * 2
    assert np.array_equal(np.concatenate(seen, axis=1), RAW.T)


def test_a_service_may_end_twice(recording):
    crepe = CREPE(CrepeModus.FILE, recording, [[Example, {}], [Example, {}]])
    items = drained(crepe.get_last_queue())
    assert len(items) == 10
    assert set(items) <= set(range(5))
    assert is_poison_pill(crepe.get_last_queue().get(timeout=1))
    crepe.shutdown()


SCRIPT = """
import multiprocessing, random, sys
from circus_live.crepe import *

class GenerateData(QueueService):
    def __init__(self, **kwargs):
        QueueService.__init__(self, name="GENERATEDATAWITHALONGNAME", **kwargs)
    def run(self):
        for number in range(50):
            self.put({"number": number})
        self.end()

class ProcessData(QueueService):
    def __init__(self, **kwargs):
        QueueService.__init__(self, name="PROCESS", **kwargs)
    def run(self):
        while True:
            data = self.get()
            if data is False:
                self.end()
                return
            self.put(data["number"] ** 2)

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    source = StartQueueService(GenerateData)
    print(source.get_name())
    process = StartQueueService(ProcessData, queue_in=source.queue_out)
    total, items = 0, process.queue_out
    while not is_poison_pill(item := items.get(timeout=60)):
        total += item
    source.process.join()
    # its supervisor waits for it too, and only one of the two is told how it ended
    assert source.failure() is None
    print(total, source.process.exitcode)
"""


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_services_of_main_are_started_by_hand(tmp_path, start_method):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, script, start_method],
        capture_output=True,
        text=True,
        timeout=100,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.split() == ["GENERATEDATAWITHALONGNAME", "40425", "0"]
    assert done.stderr == ""


# ----------------------------------------------------------------------------- defects


def test_the_constructor_starts_nothing_and_leaves_keywords_alone(recording):
    keywords = {"mov_avg_size": 500}
    before = psutil.Process().children()
    crepe = CREPE(CrepeModus.FILE, recording, [[MovingAvg, keywords]])
    assert psutil.Process().children() == before
    crepe.wait()
    assert keywords == {"mov_avg_size": 500}


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_a_child_that_fails_reaches_the_parent_with_its_traceback(
    recording, start_method
):
    crepe = CREPE(
        CrepeModus.FILE,
        recording,
        [[Fails, {}], [Example, {}]],
        start_method=start_method,
    )
    with pytest.raises(ServiceError, match="of the third kind") as caught:
        crepe.wait()
    assert "raise ZeroDivisionError" in str(caught.value.__cause__)
    crepe.shutdown()


def test_a_helper_gets_the_failure_of_a_service_before_it(recording):
    crepe = CREPE(CrepeModus.FILE, recording, [[Fails, {}], [Example, {}]])
    helper = QueueService(queue_in=crepe.get_last_queue())
    with pytest.raises(ServiceError, match="of the third kind"):
        list(iter(helper.get, False))
    crepe.shutdown()


def test_a_child_that_is_killed_does_not_hang_the_parent(recording):
    crepe = CREPE(
        CrepeModus.FILE,
        queue_services=[[Example, {}]],
        source=f"file:{recording}?repeats=0",
    )
    items = crepe.get_last_queue()
    items.get(timeout=30)
    os.kill(crepe.pids["EXAMPLE"], signal.SIGKILL)
    with pytest.raises(MemberDiedError, match="SIGKILL"):
        drained(items)
    crepe.shutdown()


def test_a_service_started_by_hand_that_fails_ends_those_after_it():
    source = StartQueueService(FromNothing)
    last = StartQueueService(Example, queue_in=source.queue_out)
    with pytest.raises(ServiceError, match="KeyError") as caught:
        drained(last.queue_out)
    assert "self.put({}['absent'])" in str(caught.value.__cause__).replace('"', "'")


class FromNothing(QueueService):
    def run(self):
        self.put(1)
        self.put({}["absent"])


class Endless(QueueService):
    def run(self):
        while True:
            self.put(np.zeros((60, 5000)))


def test_a_queue_is_bounded_and_an_endless_service_can_be_ended():
    source = StartQueueService(Endless)
    assert source.queue_out.get(timeout=30).shape == (60, 5000)
    before = source.queue_out.ring.statistics().received_blocks
    for _ in range(100):
        time.sleep(0.05)
        after = source.queue_out.ring.statistics().received_blocks
        if after == before:
            break
        before = after
    assert source.queue_out.ring.statistics().pending_blocks <= 64
    source.shutdown()
    assert source.process.exitcode == 0


def test_it_runs_outside_the_main_thread(recording):
    seen = []
    crepe = CREPE(CrepeModus.FILE, recording, CHAIN)
    thread = threading.Thread(target=crepe.wait, args=(seen.append,))
    thread.start()
    thread.join(60)
    assert seen == expected_readout()


def test_an_interrupt_ends_in_order_without_a_traceback(recording, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from circus_live.crepe import *\n"
        "class E(QueueService):\n"
        "    def run(self):\n"
        "        while self.get() is not False: self.put(1)\n"
        "        print('in order', flush=True)\n"
        "if __name__ == '__main__':\n"
        f"    c = CREPE(CrepeModus.FILE, source='file:{recording}?repeats=0',\n"
        "              queue_services=[[E, {}]])\n"
        "    n = []\n"
        "    c.wait(lambda x: n.append(x) or len(n) == 20 and\n"
        "           print('on', flush=True))\n"
        "    print('done')\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    program = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    assert program.stdout.readline() == "on\n"
    os.killpg(program.pid, signal.SIGINT)
    out, err = program.communicate(timeout=60)
    assert out.split("\n") == ["in order", "done", ""]
    assert err == ""
    assert program.returncode == 0


def test_queues_by_name(recording):
    crepe = CREPE(CrepeModus.FILE, recording, CHAIN)
    means = get_queue(crepe, "MOVINGAVG")
    last = get_queue(crepe, "END")
    assert last is crepe.get_last_queue() is get_queue(crepe, "READOUT")
    with pytest.raises(ValueError, match="HDF5READER, MOVINGAVG, READOUT, END"):
        get_queue(crepe, "MOVINGAVERAGE")
    assert np.array_equal(means.get(timeout=30), RAW[:500].mean(axis=0))
    assert drained(last) == expected_readout()
    with pytest.raises(LiveError, match="before the first get"):
        crepe.get_first_queue()
    crepe.shutdown()


def test_a_queue_that_is_never_read_holds_nothing_back_in_wait(recording):
    source = f"file:{recording}?repeats=60&pace=fast"
    crepe = CREPE(CrepeModus.FILE, source=source, queue_services=[[Example, {}]])
    crepe.get_first_queue()
    seen = []
    crepe.wait(seen.append)
    assert len(seen) == 600


def test_a_file_is_asked_for():
    with pytest.raises(FormatError, match="file_path"):
        CREPE(CrepeModus.FILE)


# ------------------------------------------------------------------------------- modes


def test_test_mode_gives_random_segments():
    crepe = CREPE(CrepeModus.TEST)
    segments = crepe.get_first_queue()
    seen = [segments.get(timeout=30) for _ in range(20)]
    crepe.shutdown()
    assert {(s.shape, s.dtype.str) for s in seen} == {((60, 100), "<f8")}
    values = np.concatenate(seen)
    assert 0 <= values.min() < 5 < 195 < values.max() <= 200


def test_offline_mode_has_a_server_of_its_own(recording):
    crepe = CREPE(CrepeModus.OFFLINE, recording)
    segments = crepe.get_first_queue()
    seen = [segments.get(timeout=30) for _ in range(5)]
    server = crepe._offline.pid
    crepe.shutdown()
    assert not psutil.pid_exists(server)
    assert {s.shape for s in seen} == {(60, 100)}
    # the real server makes up every last sample: it is held here
    assert all(np.array_equal(s[:, -1], s[:, -2]) for s in seen)
    # wherever it began in the recording; rounded to counts of the server
    sent = np.tile(RAW.T * (0.06 / 0.059605), 2)
    heard = np.concatenate(seen, axis=1)
    is_recorded = np.arange(500) % 100 != 99
    assert any(
        np.all(np.abs(sent[:, at : at + 500] - heard)[:, is_recorded] <= 1)
        for at in range(len(RAW))
    )


def test_nothing_is_left_of_a_program_that_is_killed(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from circus_live.crepe import *\n"
        "class E(QueueService):\n"
        "    def run(self):\n"
        "        while self.get() is not False: self.put(1)\n"
        "if __name__ == '__main__':\n"
        "    c = CREPE(CrepeModus.OFFLINE, queue_services=[[E, {}]])\n"
        "    c.get_last_queue().get(timeout=60)\n"
        "    print(c._offline.pid, *c.pids.values(), flush=True)\n"
        "    c.wait()\n"
    )
    program = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    pids = [int(pid) for pid in program.stdout.readline().split()]
    assert len(pids) == 3
    program.kill()
    program.communicate()
    until = time.monotonic() + 30
    while any(psutil.pid_exists(pid) for pid in pids):
        assert time.monotonic() < until, "an orphan is left"
        time.sleep(0.05)


def test_live_record_records_what_the_services_see(tmp_path):
    path = tmp_path / "rec.h5"
    with MeameServer(Ramp(), http_port=0, data_port=0, test_port=0) as server:
        server.faults.zero_last_sample = False
        source = server.url + "&sampling_rate=10000"
        crepe = CREPE(CrepeModus.LIVE_RECORD, path, source=source)
        segments = crepe.get_last_queue()
        seen = [segments.get(timeout=30) for _ in range(30)]
        crepe.shutdown()
    with open_recording(path) as stored:
        counts = read_stored(stored.streams[0], 0, len(stored), None)
    seen = np.concatenate(seen, axis=1)
    assert seen.dtype == np.int32
    assert np.array_equal(counts[: seen.shape[1]], seen.T)
    start = int(counts[0, 0])
    assert np.array_equal(counts, Ramp().frames(start, start + len(counts)))


class Rock(QueueService):
    """Says Rock for each tenth segment."""

    def __init__(self, **kwargs):
        QueueService.__init__(self, name="ROCK", **kwargs)

    def run(self):
        n_segments = 0
        while self.get() is not False:
            n_segments += 1
            if n_segments % 10 == 0:
                self.put("Rock")


def test_live_record_has_the_stimuli_beside_the_samples(tmp_path):
    path = tmp_path / "rec.h5"
    limits = SafetyLimits(200_000, max_phase_us=500, min_period_us=10_000)
    pulse = Pulse.biphasic(-100_000, 200)
    with MeameServer(Ramp(), http_port=0, data_port=0, test_port=0) as server:
        crepe = CREPE(
            CrepeModus.LIVE_RECORD,
            path,
            [[Rock, {}]],
            meame_speaker_periods={"Rock": 2500},
            meame_speaker={"limits": limits, "pulse": pulse, "electrodes": [12]},
            source=server.url + "&sampling_rate=10000",
        )
        sent = crepe.get_last_queue()
        events = [sent.get(timeout=30) for _ in range(5)]
        crepe.shutdown()
    with open_recording(path) as stored:
        found = stored.read_events()["Events"]
        assert found.labels[:5] == ("Rock",) * 5
        # as far apart as the commands left, on the clock of this machine
        sent_s = np.array([event.host_time_ns for event in events]) * 1e-9
        np.testing.assert_allclose(
            np.diff(found.times_s[:5]), np.diff(sent_s), atol=0.05
        )
        assert 0 < found.times_s[0] < stored.duration / 10_000


def test_live_mode_without_a_server_raises_and_does_not_hang():
    crepe = CREPE(source="meame://127.0.0.1:1?patience_s=0.2&reconnect_s=0")
    with pytest.raises(ConnectionError, match="cannot be reached"):
        crepe.wait()


def test_an_empty_queue_says_so_in_time(recording):
    crepe = CREPE(CrepeModus.FILE, recording, [[Waits, {}]])
    with pytest.raises(queue.Empty):
        crepe.get_last_queue().get(timeout=0.1) and crepe.get_last_queue().get_nowait()
    crepe.shutdown()
