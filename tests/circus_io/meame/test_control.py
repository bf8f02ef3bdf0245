"""What the client of the commands puts on the wire, and when it tries again."""

import json
import socket
import threading
from contextlib import contextmanager

import pytest

from circus_io.errors import DeviceError
from circus_io.meame import ControlClient

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def server_saying(*replies):
    """Answer one connection after another, None by hanging up; port and requests."""
    requests = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            for reply in replies:
                connection, _ = listener.accept()
                with connection:
                    requests.append(read_request(connection))
                    if reply is not None:
                        connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], requests
        thread.join(timeout=20)
        assert not thread.is_alive()


def read_request(connection):
    connection.settimeout(20)
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [
        int(line.partition(b":")[2])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length")
    ]
    while lengths and len(body) < lengths[0]:
        body += connection.recv(65536)
    return head.partition(b" HTTP")[0].decode(), body


@pytest.mark.parametrize(
    ("ask", "line", "message"),
    [
        (
            lambda c: c.connect(20_000, 50),
            "POST /DAQ/connect",
            {"samplerate": 20_000, "segmentLength": 50},
        ),
        (lambda c: c.start(), "GET /DAQ/start", None),
        (lambda c: c.stop(), "GET /DAQ/stop", None),
        (lambda c: c.flash(), "GET /DSP/flash", None),
        (
            lambda c: c.call(9, [4112, 4116], [1, 500]),
            "POST /DSP/call",
            {"func": 9, "argAddrs": [4112, 4116], "argVals": [1, 500]},
        ),
        (
            lambda c: c.write([40736, 40736], [1, 2]),
            "POST /DSP/write",
            {"addresses": [40736, 40736], "values": [1, 2]},
        ),
        (lambda c: c.replay("setup"), "GET /DSP/stim/setup", None),
    ],
)
def test_requests_are_those_of_the_protocol(ask, line, message):
    with server_saying(OK) as (port, requests):
        ask(ControlClient(port=port))
    assert requests[0][0] == line
    assert (json.loads(requests[0][1]) if message else requests[0][1]) == (
        message or b""
    )


@pytest.mark.parametrize("failure", [None, FAILED])
def test_what_may_be_repeated_is_tried_again(failure):
    with server_saying(failure, failure, OK) as (port, requests):
        ControlClient(port=port).connect(10_000, 100)
    assert len(requests) == 3
    three = server_saying(failure, failure, failure)
    with three as (port, requests), pytest.raises(DeviceError):
        ControlClient(port=port).connect(10_000, 100)
    assert len(requests) == 3


@pytest.mark.parametrize("failure", [None, FAILED])
@pytest.mark.parametrize(
    "ask",
    [
        lambda c: c.call(10, [4112], [0]),
        lambda c: c.write([40736], [1]),
        lambda c: c.replay("start"),
    ],
)
def test_what_may_not_be_repeated_is_sent_once(ask, failure):
    with server_saying(failure) as (port, requests), pytest.raises(DeviceError):
        ask(ControlClient(port=port))
    assert len(requests) == 1


@pytest.mark.parametrize(
    "body", [b"", b"Hello :D", b"[1]", b'{"values":[1]}', b'{"values":7}']
)
def test_a_read_without_its_values_is_an_error(body):
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    refused = pytest.raises(DeviceError, match="a read of 2 registers")
    with server_saying(reply) as (port, _), refused:
        ControlClient(port=port).read([1, 2])


def test_an_unknown_route_and_an_unknown_host_are_said_so():
    missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    refused = pytest.raises(DeviceError, match="has no such route")
    with server_saying(missing) as (port, _), refused:
        ControlClient(port=port).replay("start")
    with pytest.raises(DeviceError, match="there is no host"):
        ControlClient("host.invalid", 1).start()
