"""What was streamed is in the file, whatever happened to the recorder."""

import os
import resource
import signal
import time

import numpy as np
import pytest

from circus_io import ArrayRecording, open_recording
from circus_io.errors import (
    FormatError,
    MemberDiedError,
    NotWritableError,
    ServiceError,
)
from circus_io.files.mcs_hdf5 import complete
from circus_live import Block, Event, Flow, Message, Source, SourceInfo
from circus_live.recorder import Recorder
from circus_live.sources.file import FileSource

N_CHANNELS = 4


class Ramp(Source):
    """Counts that are a function of their frame, with a gap before some blocks.

    Where they have a pause between them, blocks say when they were due.
    """

    def __init__(self, n_blocks, gap_every=0, first=0, pause_s=0.0):
        self.n_blocks, self.gap_every = n_blocks, gap_every
        self.first, self.pause_s = first, pause_s

    @property
    def info(self):
        return SourceInfo(
            "ramp",
            10_000,
            N_CHANNELS,
            "i4",
            block_frames=30,
            gain=0.0596,
            channel_labels=("12", "13", "Ref", "15"),
        )

    def blocks(self):
        sample_index, began_ns = self.first, time.monotonic_ns()
        for number in range(self.n_blocks):
            due_ns = began_ns + round(number * self.pause_s * 1e9)
            gap = 500 if self.gap_every and number % self.gap_every == 3 else 0
            sample_index += gap
            traces = ramp(np.arange(sample_index, sample_index + 30))
            seen_ns = due_ns if self.pause_s else time.monotonic_ns()
            yield Block(sample_index, traces, seen_ns, gap)
            sample_index += 30
            time.sleep(self.pause_s)


def ramp(frames):
    return (frames[:, None] * [1, -1, 2, 3]).astype("i4")


def record(source, *arguments, **keywords):
    flow = Flow(source)
    flow.add(Recorder(*arguments, **keywords))
    return flow.run()


def assert_holds(recording, frames):
    """The recording has these frames of the ramp, where they were."""
    at = [np.arange(s.t_start, s.t_start + s.duration) for s in recording.streams]
    assert np.array_equal(np.concatenate(at), frames)
    with recording:
        for stream in recording.streams:
            found = stream.read_chunk(0, stream.duration)
            there = np.arange(stream.t_start, stream.t_start + stream.duration)
            expected = ramp(there) * recording.gain
            np.testing.assert_allclose(found, expected, rtol=1e-6)


def ramp_frames(n_blocks, gap_every=0, first=0):
    blocks = Ramp(n_blocks, gap_every, first).blocks()
    return np.concatenate([np.arange(b.sample_index, b.t_stop) for b in blocks])


@pytest.mark.parametrize("compress", [False, True])
def test_it_is_what_was_sent_gaps_included(tmp_path, compress, mcs_vendor, require):
    path = tmp_path / "rec.h5"
    statistics = record(Ramp(400, 100), path, compress=compress, comment="slice 3")
    assert statistics.gap_frames == 4 * 500
    recording = open_recording(path)
    frames = ramp_frames(400, 100)
    assert_holds(recording, frames)
    assert recording.channel_labels == ("12", "13", "Ref", "15")
    assert recording.metadata["comment"] == "slice 3"
    (stream,) = mcs_vendor(path)[0].analog_streams.values()
    times_us, _ = stream.get_channel_sample_timestamps(0)
    assert np.array_equal(times_us, frames * 100)
    assert np.array_equal(stream.channel_data[:].T, ramp(frames))
    extractors = require("spikeinterface.extractors", extra="demo")
    assert np.array_equal(extractors.read_mcsh5(path).get_traces(), ramp(frames))


@pytest.mark.parametrize("limit", [{"rotate_s": 0.1}, {"rotate_bytes": 16_000}])
def test_files_rotate_at_the_frame_and_are_one_recording(tmp_path, limit):
    record(Ramp(120, first=70), tmp_path / "rec.h5", **limit)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["rec_0.h5", "rec_1.h5", "rec_2.h5", "rec_3.h5"]
    recording = open_recording(tmp_path / "rec_0.h5", stream_mode="multi-files")
    assert [s.duration for s in recording.streams] == [1000, 1000, 1000, 600]
    assert_holds(recording, ramp_frames(120, first=70))


def test_a_replay_of_a_recording_is_the_recording(tmp_path):
    record(Ramp(100, 30), tmp_path / "a.h5")
    record(FileSource(tmp_path / "a.h5", 77, "fast"), tmp_path / "b.h5")
    assert_holds(open_recording(tmp_path / "b.h5"), ramp_frames(100, 30))


def test_traces_in_microvolts_are_rounded_to_nanovolts(tmp_path):
    traces = np.random.default_rng(0).normal(0, 50, (900, 3)).astype("f4")
    traces[5] = [np.nan, np.inf, -np.inf]
    record(FileSource(ArrayRecording(traces, 10_000), 100, "fast"), tmp_path / "a.h5")
    found = open_recording(tmp_path / "a.h5")[:]
    rows = np.delete(np.arange(900), 5)
    np.testing.assert_allclose(found[rows], traces[rows], atol=0.00051)
    assert found[5, 0] == 0
    assert found[5, 1] == -found[5, 2] > 1e6


def test_floats_in_volts_keep_their_spikes(tmp_path):
    volts = np.random.default_rng(0).normal(0, 50e-6, (900, 3)).astype("f4")
    source = FileSource(ArrayRecording(volts, 10_000, gain=1e6), 100, "fast")
    if source.info.dtype != "<f4" or not np.all(np.asarray(source.info.gain) == 1e6):
        pytest.fail(f"this source gives {source.info}")
    record(source, tmp_path / "a.h5")
    found = open_recording(tmp_path / "a.h5")[:]
    np.testing.assert_allclose(found, volts * 1e6, atol=0.00051)


def test_blocks_of_another_kind_than_was_said_are_refused(tmp_path):
    flow = Flow(Ramp(10))
    flow.add(lambda block: block.traces * 0.5, name="half")
    flow.add(Recorder(tmp_path / "a.h5"))
    with pytest.raises(FormatError, match="blocks of float64 came where int32"):
        flow.run()


def test_members_after_a_recorder_go_on_from_the_one_before_it(tmp_path):
    flow = Flow(Ramp(10))
    name = flow.add(Recorder(tmp_path / "a.h5"))
    flow.add(lambda block: block.n_frames, name="length")
    output = flow.output()
    with flow:
        assert [message.value for message in output] == [30] * 10
    with pytest.raises(FormatError, match="recorder sends nothing"):
        flow._wiring.tap(name, "block")


def test_what_cannot_be_recorded_is_refused_before_anything_starts(tmp_path):
    def add(source, *arguments, **keywords):
        Flow(source).add(Recorder(*arguments, **keywords))

    (tmp_path / "there.h5").write_text("x")
    with pytest.raises(NotWritableError, match=r"a file there\.h5 already"):
        add(Ramp(1), tmp_path / "there.h5")
    with pytest.raises(NotWritableError, match="no folder"):
        add(Ramp(1), tmp_path / "absent" / "a.h5")
    with pytest.raises(FormatError, match="whole number of µs"):
        add(
            FileSource(ArrayRecording(np.zeros((9, 1), "i2"), 30_000)),
            tmp_path / "a.h5",
        )
    with pytest.raises(FormatError, match="rotate_s = 0"):
        Recorder(tmp_path / "a.h5", rotate_s=0)


def test_numbers_in_use_are_refused_before_anything_is_recorded(tmp_path):
    (tmp_path / "rec_2.h5").write_bytes(b"of yesterday")
    (tmp_path / "rec_old.h5").touch()  # no number
    with pytest.raises(NotWritableError, match=r"rec_2.h5 already"):
        Flow(Ramp(1)).add(Recorder(tmp_path / "rec.h5", rotate_s=0.1))
    record(Ramp(1), tmp_path / "rec.h5")
    (tmp_path / "rec_2.h5").unlink()
    record(Ramp(1), tmp_path / "rec.h5", rotate_s=0.1)
    assert (tmp_path / "rec_0.h5").exists()


def test_messages_are_no_recording(tmp_path):
    flow = Flow(Ramp(3))
    flow.add(lambda block: "text", name="words")
    flow.add(Recorder(tmp_path / "a.h5"))
    with pytest.raises(FormatError, match="words sends a str; only blocks and events"):
        flow.run()
    assert len(open_recording(tmp_path / "a.h5")) == 0


def stimulate(block):
    """Be a closed loop: two events a block, one by its frame and one by the clock."""
    number = block.sample_index // 30
    at_end = Event("late", host_time_ns=block.host_time_ns, duration_us=200)
    return [Event(f"group {number % 2}", block.sample_index + 0.5), at_end]


def record_events(source, path, **settings):
    flow = Flow(source)
    flow.add(stimulate, name="loop")
    flow.add(Recorder(path, **settings), after=["source", "loop"])
    return flow


def test_events_are_an_event_stream_that_others_read(tmp_path, mcs_vendor):
    path = tmp_path / "a.h5"
    record_events(Ramp(100), path).run()
    (stream,) = mcs_vendor(path)[0].event_streams.values()
    assert stream.label == "Events"
    found = {one.info.label: one for one in stream.event_entity.values()}
    assert sorted(found) == ["group 0", "group 1", "late"]
    # 10 kHz: frame 0.5 is at 50 µs, blocks of 30 frames are 3 ms apart
    times_us, _ = found["group 1"].get_event_timestamps()
    assert np.array_equal(times_us, np.arange(1, 100, 2) * 3000 + 50)
    durations_us, _ = found["late"].get_event_durations()
    assert np.array_equal(durations_us, np.full(100, 200))
    events = open_recording(path).read_events()["Events"]
    halves = [0.5 + 30 * number for number in range(100)]
    is_group = [label.startswith("group") for label in events.labels]
    assert len(events) == 200
    np.testing.assert_allclose(events.times_s[is_group] * 10_000, halves)
    assert_holds(open_recording(path), ramp_frames(100))
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_a_time_of_this_machine_is_a_frame_of_the_recording(tmp_path):
    """Blocks that are sent in real time: the end of each is the moment of its event."""
    record_events(Ramp(400, pause_s=0.003), tmp_path / "a.h5").run()
    events = open_recording(tmp_path / "a.h5").read_events()["Events"]
    is_late = [label == "late" for label in events.labels]
    frames = events.times_s[is_late] * 10_000
    assert np.abs(frames - np.arange(30, 12_030, 30)).max() < 0.1


def test_a_time_that_comes_before_any_block_is_kept_for_the_first(tmp_path):
    """Services are processes: what one sends may be ahead of what the source does."""
    (block,) = Ramp(1).blocks()
    recorder = Recorder(tmp_path / "a.h5")
    recorder.open(Ramp(1).info)
    event = Event("early", host_time_ns=block.host_time_ns - 1_000_000)
    recorder.process(Message(0, event, 0))
    recorder.process(block)
    recorder.close()
    events = open_recording(tmp_path / "a.h5").read_events()["Events"]
    # 1 ms before the end of 30 frames of 10 kHz
    assert events.times_s * 10_000 == pytest.approx([20])


def test_events_of_files_that_rotate_are_on_one_clock(tmp_path):
    record_events(Ramp(120), tmp_path / "rec.h5", rotate_s=0.1).run()
    recording = open_recording(tmp_path / "rec_0.h5", stream_mode="multi-files")
    events = recording.read_events()["Events"]
    is_group = [label.startswith("group") for label in events.labels]
    expected = [0.5 + 30 * number for number in range(120)]
    np.testing.assert_allclose(np.sort(events.times_s[is_group] * 10_000), expected)


def test_events_before_a_kill_are_there(tmp_path):
    path = tmp_path / "a.h5"
    flow = record_events(Ramp(10**6, pause_s=0.0005), path)
    flow.start()
    while flow.statistics().link("recorder", "loop").counts.delivered_blocks < 40:
        time.sleep(0.01)
    os.kill(flow.pids["recorder"], signal.SIGKILL)
    with pytest.raises(MemberDiedError):
        flow.wait()
    n_got = flow.statistics().link("recorder", "loop").counts.delivered_blocks
    done = complete(path)
    events = open_recording(path).read_events()["Events"]
    assert done.n_events == len(events)
    assert 0 <= 2 * n_got - len(events) <= 2  # the one at hand may be in or not
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


@pytest.mark.parametrize("moment", [{}, {"sample_index": 3, "host_time_ns": 4}])
def test_an_event_has_one_moment(moment):
    with pytest.raises(FormatError, match="one of the two"):
        Event("stimulus", **moment)


def test_an_event_does_not_end_before_it_begins():
    with pytest.raises(FormatError, match="lasts -5 us"):
        Event("stimulus", sample_index=3, duration_us=-5)


def test_what_came_before_a_failure_is_in_the_file(tmp_path):
    def fail(block):
        if block.sample_index == 3000:
            raise ValueError("here")
        return block

    flow = Flow(Ramp(10**6))
    flow.add(fail)
    flow.add(Recorder(tmp_path / "a.h5"))
    with pytest.raises(ServiceError, match="ValueError: here"):
        flow.run()
    assert_holds(open_recording(tmp_path / "a.h5"), np.arange(3000))


def wait_for(path):
    """Return the recording as soon as it is there; what is there can be opened."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if path.exists():
            return open_recording(path)
        time.sleep(0.01)
    pytest.fail(f"{path.name} was not made")


def test_samples_are_read_while_they_are_recorded(tmp_path):
    path = tmp_path / "a.h5"
    flow = Flow(Ramp(700, gap_every=200, pause_s=0.003))
    flow.add(Recorder(path))
    with flow:
        recording = wait_for(path)
        n_frames_at_first = len(recording)
        chunks, n_while_running = [], 0
        for chunk in recording.follow(1000):
            chunks.append(chunk)
            n_while_running += flow.is_running
    assert n_frames_at_first < 10_000  # it did grow
    assert n_while_running >= 5
    found = [np.arange(c.t_start, c.t_stop) for c in chunks]
    assert np.array_equal(np.concatenate(found), ramp_frames(700, gap_every=200))
    for chunk in chunks:
        expected = ramp(np.arange(chunk.t_start, chunk.t_stop)) * 0.0596
        np.testing.assert_allclose(chunk.traces, expected, rtol=1e-6)
    # as an ordinary recording of now, and cut as it would be when it is complete
    assert_holds(recording, ramp_frames(700, gap_every=200))
    whole = open_recording(path).chunks(1000)
    assert [c.t_start for c in whole] == [c.t_start for c in chunks]


def test_what_is_followed_ends_with_its_writer(tmp_path):
    path = tmp_path / "a.h5"
    flow = Flow(Ramp(10**6, pause_s=0.0005))
    flow.add(Recorder(path))
    flow.start()
    n_frames = 0
    for chunk in wait_for(path).follow(1000, timeout_s=1000):
        n_frames += chunk.t_stop - chunk.t_start
        if n_frames == 3000:
            os.kill(flow.pids["recorder"], signal.SIGKILL)
    with pytest.raises(MemberDiedError):
        flow.wait()
    assert n_frames == len(open_recording(path)) >= 3000


def test_what_is_not_written_any_more_is_followed_to_its_end_at_once(tmp_path):
    record(Ramp(100, 30), tmp_path / "a.h5")
    started_s = time.monotonic()
    chunks = list(open_recording(tmp_path / "a.h5").follow(700, timeout_s=1000))
    assert time.monotonic() - started_s < 30
    found = [np.arange(c.t_start, c.t_stop) for c in chunks]
    assert np.array_equal(np.concatenate(found), ramp_frames(100, 30))


@pytest.mark.parametrize("victim", ["source", "recorder"])
@pytest.mark.parametrize("delay_s", [0.0, 0.13, 0.4])
def test_what_was_recorded_before_a_kill_is_there(tmp_path, victim, delay_s):
    path = tmp_path / "a.h5"
    flow = Flow(Ramp(10**6, pause_s=0.0005))
    flow.add(Recorder(path))
    flow.start()
    while flow.statistics().links[0].counts.delivered_blocks == 0:
        time.sleep(0.01)
    time.sleep(delay_s)
    os.kill(flow.pids[victim], signal.SIGKILL)
    with pytest.raises(MemberDiedError, match=f"process of {victim} was killed"):
        flow.wait()
    counts = flow.statistics().link("recorder").counts
    if victim == "recorder":
        assert complete(path).n_lost == 0
    recording = open_recording(path)
    # the block at hand when it was killed may be in the file or not
    assert 0 <= counts.delivered_frames - len(recording) <= 30
    assert_holds(recording, np.arange(len(recording)))


def test_a_recording_that_was_cut_short_is_completed_by_the_next_of_its_name(tmp_path):
    path = tmp_path / "a.h5"
    flow = Flow(Ramp(10**6, pause_s=0.0005))
    flow.add(Recorder(path))
    flow.start()
    while flow.statistics().links[0].counts.delivered_blocks < 10:
        time.sleep(0.01)
    os.kill(flow.pids["recorder"], signal.SIGKILL)
    with pytest.raises(MemberDiedError):
        flow.wait()
    with pytest.raises(NotWritableError, match="now it is complete"):
        Flow(Ramp(1)).add(Recorder(path))
    recording = open_recording(path)
    assert_holds(recording, np.arange(len(recording)))
    assert len(recording) >= 9 * 30


class OnASmallDisk(Recorder):
    """Its process may write files of 1 MB only: the system refuses more."""

    def open(self, info):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))
        super().open(info)


def test_a_disk_that_is_full_is_said_and_leaves_what_fits(tmp_path):
    path = tmp_path / "a.h5"
    flow = Flow(Ramp(10**5))
    flow.add(OnASmallDisk(path))
    with pytest.raises(NotWritableError, match=r"cannot write a\.h5"):
        flow.run()
    complete(path)
    recording = open_recording(path)
    assert_holds(recording, np.arange(len(recording)))
    assert len(recording) * 16 > 0.5e6
