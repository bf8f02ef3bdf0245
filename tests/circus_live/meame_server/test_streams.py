"""What comes out of the ports of samples, read by plain sockets."""

import socket
import time

import numpy as np
import pytest

from circus_io import ArrayRecording
from circus_io.errors import FormatError
from circus_io.meame import ControlClient
from circus_live.meame_server import Faults, MeameServer, Replay

SEGMENT = 60 * 20 * 4


@pytest.fixture
def make():
    """``make(...)``: a server that streams, with 20 frames a segment."""
    servers = []

    def make(rate=10_000, length=20, **settings):
        ports = {"http_port": 0, "data_port": 0, "test_port": 0}
        servers.append(MeameServer(**ports, **settings).start())
        control = ControlClient(port=servers[-1].http_port)
        control.connect(rate, length)
        control.start()
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def listen(port, receive_bytes=None):
    connection = socket.socket()
    connection.settimeout(20)
    if receive_bytes is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    try:
        connection.connect(("127.0.0.1", port))
    except OSError:
        connection.close()
        raise
    return connection


def read(connection, n_bytes):
    data = bytearray()
    while len(data) < n_bytes:
        part = connection.recv(n_bytes - len(data))
        if not part:
            break
        data += part
    return bytes(data)


def frames_of(data, length=20, dtype="<i4"):
    """Return frames × channels, by a loop over segments."""
    segments = np.frombuffer(data, dtype).reshape(-1, 60, length)
    return np.concatenate([segment.T for segment in segments])


def last_segment(connection):
    """Read until nothing comes any more; return the last segment."""
    last = b""
    while True:
        try:
            last = read(connection, SEGMENT)
        except TimeoutError:
            return last


def ramp(first, n_frames):
    """Return the ramp by the recommended formula, sample by sample."""
    frames = [
        [(c * 1_000_000 + n % 1_000_000) * (-1 if c % 2 else 1) for c in range(60)]
        for n in range(first, first + n_frames)
    ]
    return np.array(frames)


def test_the_ramp_with_the_last_sample_of_meame(make):
    with listen(make().data_port) as connection:
        found = frames_of(read(connection, 5 * SEGMENT))
    first = int(found[0, 0])
    assert first % 20 == 0
    expected = ramp(first, 100)
    expected[19::20] = 0
    assert np.array_equal(found, expected)


def test_the_defect_can_be_off_and_samples_big_endian(make):
    server = make(faults=Faults(zero_last_sample=False, big_endian=True))
    with listen(server.data_port) as connection:
        found = frames_of(read(connection, 5 * SEGMENT), dtype=">i4")
    assert np.array_equal(found, ramp(int(found[0, 0]), 100))


def test_a_late_joiner_starts_with_a_segment_at_the_same_time(make):
    server = make()
    with listen(server.data_port) as early:
        read(early, 3 * SEGMENT)
        with listen(server.data_port) as late:
            there = frames_of(read(late, 2 * SEGMENT))
        data = frames_of(read(early, 20 * SEGMENT))
    (place,) = np.flatnonzero(data[:, 0] == there[0, 0])
    assert place % 20 == 0
    assert np.array_equal(data[place : place + 40], there)


def test_the_test_port_counts_from_the_first_listener_and_is_shared(make):
    server = make()
    with listen(server.data_port) as device:
        read(device, 3 * SEGMENT)
    with listen(server.test_port) as first:
        found = frames_of(read(first, 4 * SEGMENT))
        for c in range(60):
            top, slope = ((c // 20) + 1) * 400, (c % 20) + 1
            column = [(t * slope) % (2 * top) - top for t in range(80)]
            assert found[:, c].tolist() == ([0] * 80 if c == 14 else column)
        with listen(server.test_port) as second:
            assert frames_of(read(second, SEGMENT))[0, 0] > -400 + 79


def test_the_pace_is_that_of_the_device(make):
    with listen(make(rate=20_000).data_port) as connection:
        read(connection, SEGMENT)
        start_s = time.monotonic()
        read(connection, 500 * SEGMENT)
        taken_s = time.monotonic() - start_s
    assert taken_s == pytest.approx(0.5, rel=0.3)


def test_as_fast_as_possible_it_waits_for_the_first_client(make):
    server = make(rate=1, is_paced=False)
    assert server.acquisition.n_segments == 0
    with listen(server.data_port) as connection:
        found = frames_of(read(connection, 500 * SEGMENT))
    assert found[0, 1] == -1_000_000
    assert found[9998, 0] == 9998


def test_one_client_that_does_not_read_stops_all_until_it_leaves(make):
    server = make(rate=50_000, send_buffer_bytes=4 * SEGMENT)
    stuck = listen(server.data_port, receive_bytes=SEGMENT)
    with listen(server.data_port) as reading:
        reading.settimeout(0.5)
        last = last_segment(reading)
        reading.settimeout(20)
        stuck.close()
        more = frames_of(last + read(reading, 10 * SEGMENT))
    assert np.array_equal(np.diff(more[:19, 0]), np.ones(18))
    assert more[20, 0] - more[0, 0] == 20  # the stream goes on where it stood


def test_a_closed_server_lets_its_clients_go(make):
    server = make(rate=50_000, send_buffer_bytes=4 * SEGMENT)
    with listen(server.data_port, receive_bytes=SEGMENT):
        time.sleep(0.1)
        server.close()  # though it waits for a client that does not read
        assert not server.acquisition._thread.is_alive()
    with pytest.raises(ConnectionRefusedError):
        listen(server.data_port)


def test_silence_stall_and_a_cut_in_the_middle_of_a_segment(make):
    server = make(faults=Faults(disconnect_after=50))
    with listen(server.data_port) as connection:
        data = read(connection, 10**9)
    assert len(data) % SEGMENT == SEGMENT // 2 + 1
    with listen(server.data_port) as connection:
        read(connection, SEGMENT)
        server.faults.silence_after = server.acquisition.n_segments
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            read(connection, 10**9)
        assert ControlClient(port=server.http_port).status().is_alive is True


def test_a_recording_is_replayed_in_counts_over_and_over(make):
    counts = np.random.default_rng(1).integers(-3000, 3000, (70, 5)).astype(np.int16)
    recording = ArrayRecording(counts, 10_000, gain=0.059605)
    faults = Faults(zero_last_sample=False)
    server = make(signal=Replay(recording), faults=faults, is_paced=False)
    with listen(server.data_port) as connection:
        found = frames_of(read(connection, 14 * SEGMENT))
    assert np.array_equal(found[:, :5], np.tile(counts, (4, 1)))
    assert not found[:, 5:].any()


def test_long_recordings_are_read_piece_by_piece(monkeypatch):
    monkeypatch.setattr("circus_live.meame_server.signals.MOST_HELD_BYTES", 0)
    counts = np.arange(140, dtype=np.int16).reshape(70, 2)
    replay = Replay(ArrayRecording(counts, 1000, gain=0.5), 2, 0.25)
    assert np.array_equal(replay.frames(60, 210), 2 * np.tile(counts, (3, 1))[60:])


def test_what_cannot_be_replayed_is_refused():
    with pytest.raises(FormatError, match="n_channels = 61"):
        Replay(ArrayRecording(np.zeros((9, 61)), 1000))
    with pytest.raises(FormatError, match="no frames"):
        Replay(ArrayRecording(np.zeros((0, 6)), 1000))


def test_a_port_that_is_taken_leaves_the_others_free():
    server = MeameServer(http_port=0, data_port=0, test_port=0)
    with server, pytest.raises(OSError, match="in use"):
        MeameServer(http_port=0, data_port=0, test_port=server.http_port)
