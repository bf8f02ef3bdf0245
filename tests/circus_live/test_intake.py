"""`Intake` and its socket: when bytes arrived, and that none are left there."""

import socket
import sys
import time

import numpy as np
import pytest

from circus_io.errors import SourceError
from circus_io.meame import StreamSettings, encode_segment
from circus_live.sources import stamped_socket
from circus_live.sources.intake import Intake
from circus_live.sources.stamped_socket import StampedSocket

SETTINGS = StreamSettings(n_channels=4, segment_frames=10, sampling_rate=1000)
TRACES = np.arange(40, dtype="i4").reshape(10, 4)
SEGMENT = encode_segment(TRACES, SETTINGS)


@pytest.fixture
def pair():
    """Both ends of a TCP connection; the first one sends."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    with ours, theirs:
        yield theirs, ours


def wait_for_stamps(sender, stamped, room):
    """The system begins to stamp some time after it was asked to."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        sender.sendall(b"x")
        time.sleep(0.05)
        read_ns = time.monotonic_ns()
        if stamped.wait(1) and stamped.receive_into(room)[1] < read_ns - 30_000_000:
            return
    pytest.fail("the system stamps nothing")


def test_the_time_is_that_of_arrival_and_not_of_reading(pair):
    sender, receiver = pair
    stamped, room = StampedSocket(receiver), memoryview(bytearray(100))
    assert stamped.receive_into(room)[0] is None
    if sys.platform == "linux":
        wait_for_stamps(sender, stamped, room)
    before_ns = time.monotonic_ns()
    sender.sendall(b"abc")
    after_ns = time.monotonic_ns()
    time.sleep(0.3)
    assert stamped.wait(1)
    n_bytes, arrived_ns = stamped.receive_into(room)
    assert bytes(room[:n_bytes]) == b"abc"
    if sys.platform == "linux":
        # 10 ms: the clock of the day may be slewed while the bytes wait
        assert before_ns - 10_000_000 < arrived_ns < after_ns + 10_000_000
    assert arrived_ns < time.monotonic_ns()
    sender.close()
    assert stamped.wait(1)
    assert stamped.receive_into(room)[0] == 0
    stamped.close()
    stamped.close()


def test_clocks_are_read_again_if_others_ran_between_them(monkeypatch):
    # monotonic, day, monotonic: 30 ms passed in the first reading, 1 µs in the second
    passed = iter([0, 30_000_000, 40_000_000, 40_001_000])
    monkeypatch.setattr(time, "monotonic_ns", lambda: next(passed))
    days = iter([25_000_000, 40_000_500])
    monkeypatch.setattr(time, "time_ns", lambda: next(days))
    assert stamped_socket._both_clocks() == (40_000_000, 40_000_500)


def test_what_nobody_takes_is_out_of_the_socket_and_counted(pair):
    sender, receiver = pair
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sender.settimeout(30)
    intake = Intake(receiver, SETTINGS, most_segments=5)
    sender.sendall(SEGMENT * 500)  # 80 kB: it would block, were it not read
    sender.close()
    until = time.monotonic() + 30
    while intake._error is None and time.monotonic() < until:
        time.sleep(0.01)
    found = [intake.take(1) for _ in range(5)]
    assert [one.n_lost_before for one in found] == [0] * 5
    assert all(np.array_equal(one.traces, TRACES) for one in found)
    with pytest.raises(SourceError, match="the server closed it"):
        intake.take(1)
    intake.close()


def test_silence_is_nothing_in_time(pair):
    _, receiver = pair
    intake = Intake(receiver, SETTINGS, most_segments=5)
    started_s = time.monotonic()
    assert intake.take(0.1) is None
    assert time.monotonic() - started_s >= 0.1
    intake.close()
    intake.close()
