"""The live source against the server double: real sockets, every fault."""

import gc
import pickle
import socket
import threading
import time
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from circus_io import open_recording
from circus_io.errors import (
    ConnectIgnoredError,
    DeviceError,
    FormatError,
    RateRefusedError,
    SegmentLengthError,
    SourceError,
    StreamStalledError,
)
from circus_io.meame import ControlClient, RateMeter, sawtooth
from circus_live import BlockFlag, SourceState, open_source
from circus_live.meame_server import Faults, MeameServer, Ramp

RAMP = Ramp()


@pytest.fixture
def make():
    """``make(faults...)``: a server on free ports, closed at the end."""
    servers = []

    def make(*, n_channels=60, signal=None, is_paced=True, buffer=None, **faults):
        servers.append(
            MeameServer(
                signal,
                http_port=0,
                data_port=0,
                test_port=0,
                n_channels=n_channels,
                is_paced=is_paced,
                send_buffer_bytes=buffer,
                faults=Faults(**faults),
            ).start()
        )
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def source_of(server, rate=10_000, length=100, **settings):
    query = "".join(f"&{name}={value}" for name, value in settings.items())
    url = f"{server.url}&sampling_rate={rate}&segment_frames={length}{query}"
    return open_source(url)


def take(source, n_frames):
    """Iterate until there are so many frames; return the blocks."""
    blocks, n_there = [], 0
    for block in source:
        blocks.append(block)
        n_there += block.n_frames
        if n_there >= n_frames:
            source.stop()
    return blocks


def impatient(source):
    """Judge the rate after less time than on a machine that may be busy."""
    source._meter = RateMeter(window_s=0.7)
    return source


def verdicts(source, name):
    return [v.is_good for v in source.verdicts if v.name == name]


def check_contiguous(blocks):
    for before, block in pairwise(blocks):
        assert block.sample_index - block.gap_frames == before.t_stop
        assert block.host_time_ns >= before.host_time_ns
    assert blocks[0].sample_index == 0


def check_ramp(blocks, length):
    """Compare with the ramp, made-up frames being the mean of their neighbours."""
    traces = np.concatenate([block.traces for block in blocks])
    assert traces.dtype == np.int32
    first = int(traces[0, 0])
    expected = RAMP.frames(first, first + len(traces)).astype(np.int64)
    last = np.arange(length - 1, len(expected) - 1, length)
    if len(last):
        expected[last] = (expected[last - 1] + expected[last + 1]) >> 1
    np.testing.assert_array_equal(traces, expected)


@pytest.mark.parametrize(
    ("rate", "length", "n_frames"),
    [
        (10_000, 100, 5000),
        (50_000, 100, 25_000),
        (50_000, 1000, 30_000),
        (1000, 10, 600),
    ],
)
def test_every_sample_of_the_ramp_comes_once(make, rate, length, n_frames):
    source = source_of(make(), rate, length)
    blocks = take(source, n_frames)
    check_contiguous(blocks)
    check_ramp(blocks, length)
    assert source.n_frames_lost == 0
    # the frame that waited when it was stopped is not given: it was not recorded
    assert sum(block.n_frames for block in blocks) % length == length - 1
    listed = source.repair.frames.to_array()
    assert np.array_equal(listed, np.arange(length - 1, blocks[-1].t_stop, length))
    repaired = [block for block in blocks if block.flags & BlockFlag.REPAIRED]
    assert len(repaired) == len(listed)
    assert verdicts(source, "last_sample") == [False, False]
    told = f"made up: {length - 1} to {listed[-1]} by {length}"
    assert source.verdicts[-1].text.endswith(told)
    assert source.state is SourceState.CLOSED


@pytest.fixture
def relay():
    """``relay(port, size)``: another port, at which the same comes in such pieces."""
    with ExitStack() as stack:

        def forward(listener, port, size):
            with suppress(OSError), listener.accept()[0] as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with socket.create_connection(("127.0.0.1", port)) as server:
                    while data := server.recv(65536):
                        for start in range(0, len(data), size):
                            client.sendall(data[start : start + size])

        def relay(port, size):
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            thread = threading.Thread(target=forward, args=(listener, port, size))
            stack.callback(thread.join)
            thread.start()
            return listener.getsockname()[1]

        yield relay


@pytest.mark.parametrize("size", [1, 13, 4096])
def test_however_tcp_cuts_the_stream(make, relay, size):
    server = make(n_channels=4, zero_last_sample=False)
    control = ControlClient(port=server.http_port)
    control.connect(1000, 10)
    control.start()
    port = relay(server.data_port, size)
    url = f"meame://127.0.0.1:{server.http_port}?data_port={port}&n_channels=4"
    source = open_source(f"{url}&sampling_rate=1000&segment_frames=10")
    blocks = take(source, 500)
    check_contiguous(blocks)
    assert {block.n_frames for block in blocks} == {10}
    traces = np.concatenate([block.traces for block in blocks])
    first = int(traces[0, 0])
    assert np.array_equal(traces, Ramp(4).frames(first, first + len(traces)))


def test_without_the_defect_blocks_are_segments(make):
    source = source_of(make(zero_last_sample=False))
    blocks = take(source, 4000)
    assert {block.n_frames for block in blocks} == {100}
    traces = np.concatenate([block.traces for block in blocks])
    first = int(traces[0, 0])
    assert np.array_equal(traces, RAMP.frames(first, first + len(traces)))
    assert len(source.repair.frames) == 0
    assert verdicts(source, "last_sample") == [True]


def test_the_test_signal_is_the_formula(make):
    blocks = take(source_of(make(), signal="test"), 5000)
    traces = np.concatenate([block.traces for block in blocks])
    assert np.array_equal(traces, sawtooth(0, len(traces)))


def test_what_is_known_before_it_is_opened(make):
    source = source_of(make())
    info = source.info
    assert (info.sampling_rate, info.n_channels, info.dtype) == (10_000, 60, "<i4")
    assert info.block_frames == 101
    assert info.gain == pytest.approx(0.059605)
    assert info.channel_labels[14] == "15"
    assert info.channel_positions.shape == (60, 2)
    blocks = take(pickle.loads(pickle.dumps(source)), 500)
    check_ramp(blocks, 100)
    assert max(block.n_frames for block in blocks) <= info.block_frames


def test_another_number_of_channels_and_byte_order(make):
    server = make(n_channels=252, big_endian=True, zero_last_sample=False)
    source = source_of(server, byteorder="big")
    traces = np.concatenate([block.traces for block in take(source, 1000)])
    first = int(traces[0, 0])
    assert np.array_equal(traces, Ramp(252).frames(first, first + len(traces)))
    assert source.info.channel_labels[251] == "251"


def test_a_rate_that_is_as_asked_is_said_so(make):
    source = source_of(make(), 20_000)
    take(source, 60_000)
    assert verdicts(source, "rate") == [True]
    assert verdicts(source, "segment_length") == [True]


def test_a_refused_rate_is_noticed(make):
    source = impatient(source_of(make(refuse_rate=True), 20_000))
    with pytest.raises(RateRefusedError, match="20000 Hz were asked for"):
        take(source, 10**6)
    assert verdicts(source, "rate") == [False]
    assert source.state is SourceState.FAILED


def test_an_ignored_connect_is_noticed_by_the_length(make):
    server = make()
    first = ControlClient(port=server.http_port)
    first.connect(10_000, 20)
    first.start()
    with pytest.raises(ConnectIgnoredError, match="segments have 20 frames"):
        take(source_of(server), 10**6)


def test_a_foreign_length_of_a_server_that_was_not_running(make):
    """Somebody else configured it, and did not start it."""
    server = make(zero_last_sample=False)
    ControlClient(port=server.http_port).connect(10_000, 250)
    source = source_of(server)
    with pytest.raises(SegmentLengthError, match="segments have 250 frames"):
        take(source, 10**6)
    assert verdicts(source, "segment_length") == [False]


def test_an_ignored_connect_is_noticed_by_the_rate(make):
    server = make()
    first = ControlClient(port=server.http_port)
    first.connect(10_000, 100)
    first.start()
    with pytest.raises(ConnectIgnoredError, match="50000 Hz were asked for"):
        take(impatient(source_of(server, 50_000)), 10**6)


def test_what_is_not_strict_is_only_reported(make):
    server = make()
    ControlClient(port=server.http_port).connect(10_000, 20)
    source = source_of(server, strict="no")
    assert len(take(source, 5000)) >= 50
    assert verdicts(source, "segment_length") == [False]


def test_a_server_that_is_too_slow_is_noticed(make):
    with pytest.raises(RateRefusedError, match="frames come per second"):
        take(impatient(source_of(make(speed=0.5))), 10**6)


def test_silence_is_reported_and_ends_in_an_error(make):
    source = source_of(make(silence_after=20), patience_s=1.5)
    blocks = []
    with pytest.raises(StreamStalledError, match="restart MEAME"):
        blocks.extend(source)
    assert blocks[-1].t_stop >= 1900
    assert verdicts(source, "stall") == [False]
    check_contiguous(blocks)


def test_a_stall_is_reported_and_over(make):
    source = source_of(make(stall_after=20, stall_s=1.5))
    blocks = take(source, 6000)
    assert verdicts(source, "stall") == [False, True]
    check_contiguous(blocks)
    check_ramp(blocks, 100)
    assert source.n_frames_lost == 0


def test_a_second_client_that_is_stuck_and_leaves(make):
    server = make(buffer=50_000)
    stuck = []

    def disturb():
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 5000)
        connection.connect(("127.0.0.1", server.data_port))
        stuck.append(connection)

    source, blocks = source_of(server), []
    for block in source:
        blocks.append(block)
        if not stuck:
            disturb()
            leave = threading.Timer(2.5, stuck[0].close)
            leave.start()
        if verdicts(source, "stall") == [False, True] and block.t_stop > 30_000:
            source.stop()
    leave.join()
    check_contiguous(blocks)
    check_ramp(blocks, 100)


def test_two_clients_get_the_same(make):
    server = make()
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(take(source_of(server), 3000)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for blocks in found:
        check_contiguous(blocks)
        check_ramp(blocks, 100)


def test_a_lost_connection_is_made_again_and_the_gap_recorded(make):
    source = source_of(make(disconnect_after=20, zero_last_sample=False))
    blocks = take(source, 6000)
    check_contiguous(blocks)
    (again,) = [b for b in blocks if b.flags & BlockFlag.RECONNECTED]
    place = blocks.index(again)
    assert place > 10
    assert again.gap_frames > 0
    before = blocks[place - 1]
    passed_s = (again.host_time_ns - before.host_time_ns) / 1e9
    assert again.gap_frames == round(passed_s * 10_000) - 100
    # the ramp says what is really missing; the clock of a busy machine is not exact
    jump = int(again.traces[0, 0]) - int(before.traces[-1, 0]) - 1
    assert abs(again.gap_frames - jump) < 10_000
    assert source.n_frames_lost == again.gap_frames
    assert verdicts(source, "connection") == [True, False, True]


def test_a_server_that_was_restarted_is_started_again(make):
    server = make()
    ports = {"data_port": server.data_port, "test_port": server.test_port}
    source = source_of(server, reconnect_s=60)
    blocks, second = [], None
    try:
        for block in source:
            blocks.append(block)
            if len(blocks) == 10 and second is None:
                server.close()
                second = MeameServer(http_port=server.http_port, **ports).start()
            if len(blocks) > 30:
                source.stop()
        check_contiguous(blocks)
        assert second.acquisition.was_started
        assert any(block.flags & BlockFlag.RECONNECTED for block in blocks)
    finally:
        if second is not None:
            second.close()


def test_a_server_that_does_not_come_back(make):
    server = make()
    source = source_of(server, reconnect_s=0.5)
    blocks = iter(source)
    next(blocks)
    server.close()
    with pytest.raises(SourceError, match=r"did not come back within 0\.5 s"):
        list(blocks)
    assert source.state is SourceState.FAILED


def test_without_a_device_and_without_a_server(make):
    source = source_of(make(has_device=False))
    with pytest.raises(SourceError, match="found no device"):
        next(iter(source))
    server = make()
    server.close()
    with pytest.raises(SourceError, match="cannot be reached") as caught:
        next(iter(source_of(server)))
    assert isinstance(caught.value.__cause__, DeviceError)


def test_a_stop_is_heard_while_nobody_answers():
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connects, and no more
        port = silent.getsockname()[1]
        source = open_source(f"meame://127.0.0.1:{port}?sampling_rate=10000")
        threading.Timer(0.2, source.stop).start()
        started_s = time.monotonic()
        assert list(source) == []
        # three tries of two seconds each are what an answer is waited for
        assert time.monotonic() - started_s < 4
    assert source.state is SourceState.CLOSED


def test_a_stop_is_heard_while_the_port_stays_shut(make):
    server = make()
    with socket.create_server(("127.0.0.1", 0)) as shut:
        port = shut.getsockname()[1]
    source = source_of(server, patience_s=60, data_port=port)
    threading.Timer(0.2, source.stop).start()
    started_s = time.monotonic()
    assert list(source) == []
    assert time.monotonic() - started_s < 30


def test_a_reader_that_is_slow_does_not_stop_the_server(make):
    server = make(zero_last_sample=False, buffer=50_000)
    source, blocks = source_of(server, most_held_s=0.2), []
    for block in source:
        blocks.append(block)
        if len(blocks) == 5:
            sent = server.acquisition.n_segments
            time.sleep(1.5)
            assert server.acquisition.n_segments - sent > 50
        if block.gap_frames:
            source.stop()
    check_contiguous(blocks)
    jump = int(blocks[-1].traces[0, 0]) - int(blocks[-2].traces[-1, 0]) - 1
    assert blocks[-1].gap_frames == jump == source.n_frames_lost > 0
    assert verdicts(source, "intake") == [False]


def test_patience_begins_again_with_a_new_connection(make, monkeypatch):
    server = make(disconnect_after=5)
    source = source_of(server, rate=1000, length=300, patience_s=1.5)
    reconnect = source._reconnect

    def slowly(error, t_next):
        time.sleep(2.0)
        return reconnect(error, t_next)

    monkeypatch.setattr(source, "_reconnect", slowly)
    blocks = take(source, 2400)
    check_contiguous(blocks)
    assert any(block.flags & BlockFlag.RECONNECTED for block in blocks)


def test_losses_without_end_are_reported_together(make):
    source = source_of(make())
    for number in range(1000):
        source._report_loss(100, 100 * number, 10**12 + number * 10**7)
    source._say_lost(100_000)
    texts = [v.text for v in source.verdicts if v.name == "intake"]
    assert len(texts) == 2
    assert sum(int(text.split()[0]) for text in texts) == 100_000


def test_leaving_in_the_middle_closes_the_connection(make):
    server = make()
    source = source_of(server)
    blocks = iter(source)
    next(blocks)
    blocks.close()
    deadline_s = time.monotonic() + 20
    while server.n_clients:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_the_same_stream_as_a_recording(make, tmp_path):
    """The wrapper spools what comes; its frames are those that the source gives."""
    server = make()
    path = tmp_path / "spool.meame"
    recording = open_recording(
        f"meame://127.0.0.1:{server.http_port}",
        "meame_stream",
        sampling_rate=10_000,
        data_port=server.data_port,
        spool=str(path),
        gain=1.0,
    )
    chunks = recording.follow(500)
    traces = np.concatenate([next(chunks).traces for _ in range(8)])
    recording.stop()
    rest = [chunk.traces for chunk in chunks]
    traces = np.concatenate([traces, *rest])
    first = int(traces[0, 0])
    expected = RAMP.frames(first, first + len(traces)).astype(np.int64)
    last = np.arange(99, len(expected) - 1, 100)
    expected[last] = (expected[last - 1] + expected[last + 1]) >> 1
    expected[-1] = expected[-2]
    assert len(traces) >= 4000
    assert np.array_equal(traces, expected.astype(np.float32))
    again = open_recording(path, sampling_rate=10_000, gain=1.0)
    assert np.array_equal(again[:], traces)
    recording.close()


def test_a_recording_without_a_place_of_its_own_leaves_nothing(make, tmp_path):
    server = make()
    recording = open_recording(
        f"meame://127.0.0.1:{server.http_port}",
        "meame_stream",
        sampling_rate=10_000,
        data_port=server.data_port,
    )
    path = Path(recording.file_name)
    assert next(recording.follow(300)).traces.shape == (300, 60)
    copy = pickle.loads(pickle.dumps(recording))
    assert copy[:300].shape == (300, 60)
    copy.close()
    recording.close()
    del recording, copy
    gc.collect()
    assert not path.exists()
    deadline_s = time.monotonic() + 20
    while server.n_clients:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_a_recording_that_stands_still_says_so(make, tmp_path):
    server = make(silence_after=20)
    recording = open_recording(
        f"meame://127.0.0.1:{server.http_port}",
        "meame_stream",
        sampling_rate=10_000,
        data_port=server.data_port,
        spool=str(tmp_path / "spool.meame"),
    )
    chunks = []
    with pytest.raises(StreamStalledError):
        chunks.extend(iter(recording.follow(300)))
    recording.stop()
    assert recording.duration >= 1900


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("rate=1", "no setting rate; choose from host"),
        ("signal=both", "choose from device, test"),
        ("last_sample=guess", "choose from keep"),
        ("channel_map=mine", "choose from shodan"),
        ("strict=perhaps", "True or False"),
        ("patience_s=long", "could not convert"),
        ("segment_frames=0", "1 or more"),
    ],
)
def test_addresses_that_mean_nothing(query, words):
    with pytest.raises(FormatError, match=words):
        open_source(f"meame://127.0.0.1:1?{query}")
