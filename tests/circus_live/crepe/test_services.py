"""Services of CREPE by themselves: what they hand on, and what they do not lose."""

import multiprocessing
import queue
import threading
import time

import numpy as np
import pytest

from circus_io import open_recording
from circus_io.errors import DeviceError, LiveError, SafetyError
from circus_io.files.mcs_hdf5 import MCSHDF5Writer
from circus_io.samples import read_stored
from circus_live.crepe import (
    CREPE,
    CrepeModus,
    HDF5Reader,
    MeameListener,
    MeameSpeaker,
    PoisonPill,
    QueueService,
    StartQueueService,
    is_poison_pill,
)
from circus_live.crepe.experiment import free_recording_path
from circus_live.crepe.ring_queue import RingQueue
from circus_live.meame_server import MeameServer, Ramp
from circus_live.speaker.registers import Register, group_state
from stim import Pulse, SafetyLimits
from tests.waiting import wait_until

LIMITS = SafetyLimits(max_amplitude=200_000, max_phase_us=500, min_period_us=10_000)
STIMULUS = {
    "limits": LIMITS,
    "pulse": Pulse.biphasic(-100_000, 200),
    "electrodes": [12, 13],
}
PERIODS = {"Rock": 2500, "Scissors": 1650, "Paper": 1250, "None": 5000}


def filled(*items):
    """Return a service with items before it and a queue after it."""
    queue_in, queue_out = multiprocessing.Queue(), RingQueue()
    for item in (*items, PoisonPill()):
        queue_in.put(item)
    return QueueService(name="X", queue_in=queue_in, queue_out=queue_out)


# ------------------------------------------------------------------------------ queues


def test_a_queue_behaves_as_that_of_multiprocessing():
    for kind in (multiprocessing.Queue, RingQueue):
        items = kind()
        assert items.empty()
        with pytest.raises(queue.Empty):
            items.get(timeout=0.05)
        with pytest.raises(queue.Empty):
            items.get_nowait()
        sent = [1, "two", None, False, {"n": [3]}, np.arange(6).reshape(2, 3)]
        for item in sent:
            items.put(item)
        wait_until(lambda items=items: not items.empty())
        received = [items.get(timeout=10) for _ in sent]
        assert received[:5] == sent[:5]
        assert np.array_equal(received[5], sent[5])
        items.close()


def test_an_item_may_be_larger_than_a_slot():
    items, large = RingQueue(), np.random.default_rng(0).random((60, 6000))
    thread = threading.Thread(target=items.put, args=(large,))
    thread.start()
    assert np.array_equal(items.get(timeout=30), large)
    thread.join()


def test_a_full_queue_says_so():
    items = RingQueue()
    for number in range(64):
        items.put(number)
    assert items.full()
    assert items.qsize() == 64
    with pytest.raises(queue.Full):
        items.put(64, timeout=0.05)
    assert items.get() == 0
    items.put_nowait(64)


def test_two_pills_are_one_end():
    items = RingQueue()
    items.put(1)
    for _ in range(2):
        items.put(PoisonPill())
    assert items.get() == 1
    assert is_poison_pill(items.get(timeout=1))
    assert is_poison_pill(items.get(timeout=1))
    with pytest.raises(LiveError, match="ended"):
        items.put(2)


def test_a_pill_is_known_by_type_and_by_value():
    class PoisonPillOfAnotherImport:
        value = "POISON4269"

    assert is_poison_pill(PoisonPill())
    assert is_poison_pill(PoisonPillOfAnotherImport())
    for item in (False, None, "POISON", np.zeros(3), CrepeModus.FILE):
        assert not is_poison_pill(item)


# ---------------------------------------------------------------------- QueueService


def test_the_end_is_handed_on_once_however_often_it_is_said():
    pills = multiprocessing.Queue()
    service = QueueService(queue_in=filled().queue_in, queue_out=pills)
    assert service.get() is False
    service.end()
    service.end()
    assert service.get() is False
    assert is_poison_pill(pills.get(timeout=10))
    with pytest.raises(queue.Empty):
        pills.get(timeout=0.1)


def test_false_may_be_data():
    service = filled(False, 3)
    assert service.get() is False
    assert not service.has_ended
    assert service.get() == 3
    assert service.get() is False
    assert service.has_ended


def test_the_newest_item_and_then_the_end():
    queue_in = RingQueue()
    service = QueueService(queue_in=queue_in)
    assert service.empty_queue_and_get_last() is False
    assert not service.has_ended
    for item in (1, 2, 3):
        queue_in.put(item)
    assert service.empty_queue_and_get_last() == 3
    queue_in.put(4)
    queue_in.put(PoisonPill())
    assert service.empty_queue_and_get_last() == 4
    assert service.empty_queue_and_get_last() is False
    assert service.has_ended


SEGMENTS = list(np.arange(2 * 25, dtype="i4").reshape(5, 5, 2).transpose(0, 2, 1))
COLUMNS = np.concatenate(SEGMENTS, axis=1)


@pytest.mark.parametrize(
    ("method", "size", "widths"),
    [
        ("get_n_col", 10, [10, 10, 5]),
        ("get_n_col", 7, [7, 7, 7, 4]),
        ("get_n_col", 3, [3] * 8 + [1]),
        ("get_x_elems", 7, [10, 10, 5]),
        ("get_x_seg", 2, [10, 10, 5]),
    ],
)
def test_no_column_is_lost_at_the_end(method, size, widths):
    service = filled(*SEGMENTS)
    parts = []
    while (part := getattr(service, method)(size)) is not False:
        parts.append(part)
    assert [part.shape[1] for part in parts] == widths
    assert np.array_equal(np.concatenate(parts, axis=1), COLUMNS)
    assert parts[0].dtype == np.int32
    assert is_poison_pill(service.queue_out.get(timeout=10))


def test_a_part_can_still_be_put_after_the_last_segment():
    service = filled(*SEGMENTS)
    assert service.get_n_col(20, 2, 5).shape == (2, 20)
    rest = service.get_n_col(20, 2, 5)
    service.put(rest)
    assert service.get_n_col(20, 2, 5) is False
    assert np.array_equal(service.queue_out.get(timeout=10), COLUMNS[:, 20:])


def test_segments_of_another_height_are_refused():
    with pytest.raises(ValueError, match="2 channels where 60"):
        filled(*SEGMENTS).get_n_col(10, 60, 5)


def test_20000_columns_take_no_time():
    segments = [np.zeros((60, 100), "i4")] * 200
    service = filled(*segments)
    assert service.get_x_elems(20_000).shape == (60, 20_000)


# -------------------------------------------------------------------------- HDF5Reader


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("crepe") / "rec.h5"
    counts = np.random.default_rng(0).integers(-999, 999, (985, 60)).astype("i4")
    with MCSHDF5Writer(path, 10_000, [str(c) for c in range(60)], gain=0.06) as writer:
        writer.append(counts)
    return path, counts


def test_the_reader_loses_no_tail(recording):
    path, counts = recording
    source = StartQueueService(HDF5Reader, file_path=path, mode=CrepeModus.FILE)
    segments = []
    while not is_poison_pill(item := source.queue_out.get(timeout=60)):
        segments.append(item)
    assert [s.shape[1] for s in segments] == [100] * 9 + [85]
    assert np.array_equal(np.concatenate(segments, axis=1), counts.T)
    assert source.get_name() == "HDF5READER"


def test_the_reader_knows_rate_and_unit_and_takes_a_part(recording):
    path, counts = recording
    reader = HDF5Reader(path, pace="fast", start_frame=900, stop_frame=930)
    (segment,) = reader.generate_H5_stream()
    assert np.array_equal(segment, counts[900:930].T)
    info = reader.source.info
    assert (info.sampling_rate, info.n_channels) == (10_000, 60)
    assert np.allclose(info.gain, 0.06)


def test_the_reader_makes_random_segments():
    reader = HDF5Reader(mode=CrepeModus.TEST)
    segment = reader._generate_random_test_segment(50)
    assert segment.shape == (60, 50)
    assert 0 <= segment.min() < segment.max() <= 200
    shapes = [s.shape for s in reader._generate_random_test_segment_list(3)]
    assert shapes == [(60, 100)] * 3


# ----------------------------------------------------------------------- MeameListener


@pytest.fixture
def server():
    with MeameServer(Ramp(), http_port=0, data_port=0, test_port=0) as server:
        yield server


@pytest.mark.parametrize("segment_len", [50, 100])
def test_the_listener_configures_decodes_and_records(server, tmp_path, segment_len):
    server.faults.zero_last_sample = False
    path = tmp_path / "rec.h5"
    source = StartQueueService(
        MeameListener,
        server_address="127.0.0.1",
        port=server.data_port,
        http_port=server.http_port,
        bitrate=10_000,
        segment_len=segment_len,
        record=path,
    )
    segments = [source.queue_out.get(timeout=30) for _ in range(10)]
    source.shutdown()
    assert {(s.shape, s.dtype.str) for s in segments} == {((60, segment_len), "<i4")}
    heard = np.concatenate(segments, axis=1).T
    start = int(heard[0, 0])
    assert np.array_equal(heard, Ramp().frames(start, start + len(heard)))
    with open_recording(path) as stored:
        counts = read_stored(stored.streams[0], 0, len(stored), None)
    assert np.array_equal(counts[: len(heard)], heard)


def test_a_listener_without_a_server_reaches_the_parent():
    source = StartQueueService(MeameListener, server_address="127.0.0.1", http_port=1)
    with pytest.raises(ConnectionError, match="cannot be reached"):
        source.queue_out.get(timeout=60)


def test_the_listener_sends_what_it_is_asked_to(server):
    listener = MeameListener(
        "127.0.0.1", server.data_port, 20_000, 50, http_port=server.http_port
    )
    listener.send_config()
    listener.send_start()
    assert server.acquisition.was_started
    assert listener.recvchunk().shape == (60, 50)
    listener.close()


def test_recordings_have_numbers(tmp_path):
    folder = tmp_path / "recordings"
    for number in range(3):
        path = free_recording_path(folder)
        assert path == folder / f"recording{number}.h5"
        path.touch()


# ------------------------------------------------------------------------ MeameSpeaker


def test_a_speaker_without_limits_is_refused():
    with pytest.raises(SafetyError, match="SafetyLimits"):
        MeameSpeaker(PERIODS)
    with pytest.raises(SafetyError, match="SafetyLimits"):
        CREPE(
            source="meame://127.0.0.1:1?sampling_rate=10000",
            meame_speaker_periods=PERIODS,
        )


def test_a_period_beyond_the_limits_is_refused_before_anything_is_sent():
    with pytest.raises(SafetyError, match="period"):
        MeameSpeaker({"Rock": 100}, **STIMULUS)


@pytest.mark.parametrize("group", [0, 2])
def test_the_speaker_stimulates_with_the_period_of_each_label(server, group):
    labels, done = multiprocessing.Queue(), RingQueue()
    port = server.http_port
    speaker = MeameSpeaker(
        PERIODS, group=group, port=port, queue_in=labels, queue_out=done, **STIMULUS
    )
    seen = []
    active, period, _ = group_state(group)

    def label_and_look(label):
        labels.put(label)
        assert done.get(timeout=10).label == label
        # it hands a label on when the DSP has acknowledged it
        seen.append(server.dsp.read([active, period]))

    thread = threading.Thread(target=speaker.run)
    thread.start()
    labels.put("Scissor")  # a slip that CREPE's demonstration has
    for label in ("Rock", "Scissors", "Paper"):
        label_and_look(label)
    labels.put(PoisonPill())
    thread.join(30)
    assert seen == [[1, 2500], [1, 1650], [1, 1250]]
    assert server.dsp.read([active]) == [0]
    assert speaker.unknown_labels == ["Scissor"]
    assert is_poison_pill(done.get(timeout=10))


def test_the_speaker_tells_of_a_server_that_does_not_answer():
    labels = multiprocessing.Queue()
    speaker = MeameSpeaker(PERIODS, port=1, queue_in=labels, **STIMULUS)
    with pytest.raises(DeviceError, match="cannot be reached"):
        speaker.run()


class Threshold(QueueService):
    """Says Rock at first, then Paper."""

    def __init__(self, **kwargs):
        QueueService.__init__(self, name="THRESHOLD", **kwargs)

    def run(self):
        label = "Rock"
        while (mean := self.get()) is not False:
            self.put(label)
            label = "Paper" if mean < np.inf else "None"


class MovingAverage(QueueService):
    def __init__(self, n_frames, **kwargs):
        QueueService.__init__(self, name="MOVINGAVERAGE", **kwargs)
        self.n_frames = n_frames

    def run(self):
        while (columns := self.get_n_col(self.n_frames, 60, 100)) is not False:
            self.put(float(columns.mean()))


def eventually(read, expected, within_s=30.0):
    """Tell whether what is read becomes what is expected."""
    until = time.monotonic() + within_s
    while (found := read()) != expected and time.monotonic() < until:
        time.sleep(0.02)
    return found == expected


def test_the_experiment_runs_from_end_to_end_offline():
    crepe = CREPE(
        CrepeModus.OFFLINE,
        queue_services=[[MovingAverage, {"n_frames": 500}], [Threshold, {}]],
        meame_speaker_periods=PERIODS,
        meame_speaker=STIMULUS,
    )
    sent = crepe.get_last_queue()
    labels = [sent.get(timeout=60).label for _ in range(3)]
    assert labels == ["Rock", "Paper", "Paper"]
    control = MeameSpeaker(PERIODS, **_where(crepe), **STIMULUS).stimulator._control
    active, period, _ = group_state(0)
    # the label is seen when it is sent on, the stimulator a moment later or earlier
    assert eventually(lambda: control.read([active, period]), [1, 1250])
    crepe._flow.stop()
    while not is_poison_pill(sent.get(timeout=60)):
        pass
    assert eventually(lambda: control.read([active]), [0])
    assert control.read([Register.ERROR_FLAG]) == [0]
    crepe.shutdown()


def _where(crepe):
    settings = crepe._source.settings
    return {"host": settings.host, "port": settings.http_port}
