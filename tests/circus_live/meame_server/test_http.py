"""Replies of the server double, byte by byte, by a client that only knows sockets."""

import json
import random
import socket

import pytest

from circus_io.errors import DeviceError, FormatError
from circus_io.meame import ControlClient
from circus_live.meame_server import Faults, MeameServer


@pytest.fixture
def server():
    with MeameServer(http_port=0, data_port=0, test_port=0) as server:
        yield server


def ask(server, method, path, body=b"", headers=""):
    """Return status line, headers in small letters, and the body as it came."""
    text = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}"
    request = f"{text}Content-Length: {len(body)}\r\n\r\n".encode() + body
    with socket.create_connection(("127.0.0.1", server.http_port), 10) as connection:
        connection.sendall(request)
        data = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    return status, {name.lower(): value for name, value in pairs}, body


def post(server, path, message):
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return ask(server, "POST", path, body)


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/DAQ/connect", b'{"samplerate":10000,"segmentLength":100}'),
        ("GET", "/DAQ/start", b""),
        ("GET", "/DAQ/stop", b""),
        ("GET", "/DSP/flash", b""),
        ("POST", "/DSP/call", b'{"func":8,"argAddrs":[],"argVals":[]}'),
        ("POST", "/DSP/write", b'{"addresses":[4112],"values":[1]}'),
        ("GET", "/DSP/stim/setup", b""),
        ("GET", "/DSP/stim/start", b""),
        ("GET", "/DSP/stim/stop", b""),
        ("POST", "/aux/logmsg", b'{"message":"hello"}'),
    ],
)
def test_commands_answer_an_empty_page(server, method, path, body, slash):
    status, headers, answer = ask(server, method, path + slash, body)
    assert status == "HTTP/1.1 200 OK"
    assert (headers["content-type"], headers["content-length"]) == ("text/html", "0")
    assert answer == b""
    assert not [name for name in headers if name.startswith("access-control")]


def test_the_greeting(server):
    status, headers, answer = ask(server, "GET", "/")
    assert (status, answer) == ("HTTP/1.1 200 OK", b"hello this is MEAME.")
    assert headers["content-length"] == "20"


def test_json_comes_in_one_chunk(server):
    status, headers, answer = ask(server, "GET", "/status")
    assert status == "HTTP/1.1 200 OK"
    assert headers["content-type"] == "application/json"
    assert headers["transfer-encoding"] == "chunked"
    assert "content-length" not in headers
    assert answer == b'21\r\n{"isAlive":false,"dspAlive":true}\r\n0\r\n\r\n'
    ask(server, "POST", "/DSP/write", b'{"addresses":[16,20,16],"values":[1,2,3]}')
    _, _, answer = post(server, "/DSP/read", {"addresses": [16, 20, 24]})
    expected = b'{"addresses":[16,20,24],"values":[3,2,0]}'
    assert answer == b"%x\r\n%s\r\n0\r\n\r\n" % (len(expected), expected)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/DAQ/connect", b""),
        ("/DAQ/connect", b"samplerate=1"),
        ("/DSP/call", b'{"func":8}'),
        ("/DSP/call", b'{"func":8,"argAddrs":[1,2],"argVals":[1]}'),
        ("/DSP/write", b'{"addresses":[1,2],"values":[1]}'),
        ("/DSP/write", b'{"electrodes":[1]}'),
        ("/DSP/read", b"[]"),
        ("/DSP/read", b'{"addresses":[-1]}'),
        ("/DSP/read", b'{"addresses":[4294967296]}'),
        ("/DSP/read", b'{"addresses":["text"]}'),
        ("/DAQ/connect", b'{"samplerate":1e999}'),
        ("/DAQ/connect", b'{"samplerate":NaN}'),
        ("/DAQ/connect", b'{"samplerate":[1]}'),
        ("/DAQ/connect", b"\xff\xfe"),
        ("/DSP/call", b"[" * 100_000),
    ],
)
def test_every_error_is_500_with_a_page(server, path, body):
    status, headers, answer = ask(server, "POST", path, body)
    assert status == "HTTP/1.1 500 Internal Server Error"
    assert headers["content-type"] == "text/html"
    assert answer.startswith(b"\xef\xbb\xbf<!DOCTYPE html>")


def test_wrong_methods_and_paths(server):
    status, headers, _ = ask(server, "GET", "/DAQ/connect")
    assert (status, headers["allow"]) == ("HTTP/1.1 405 Method Not Allowed", "POST")
    status, headers, _ = ask(server, "POST", "/DAQ/start")
    assert (status, headers["allow"]) == ("HTTP/1.1 405 Method Not Allowed", "GET")
    status, headers, _ = ask(server, "GET", "/logmsg")
    assert (status, headers["content-type"]) == ("HTTP/1.1 404 Not Found", "text/html")
    for method in ("HEAD", "OPTIONS"):
        status, headers, answer = ask(server, method, "/status")
        assert (status, headers["allow"], answer) == ("HTTP/1.1 200 OK", "GET", b"")


def test_messages_are_read_as_leniently(server):
    body = b'{"SAMPLERATE":20000,"SegmentLength":10,"more":[1]}'
    assert (
        ask(server, "POST", "/DAQ/connect", body, "Content-Type: x/y\r\n")[0][9:12]
        == "200"
    )
    assert server.acquisition.sampling_rate == 20_000
    assert server.acquisition.segment_frames == 10


def test_the_first_configuration_wins(server):
    first = {"samplerate": 20_000, "segmentLength": 10}
    second = {"samplerate": 50_000, "segmentLength": 100}
    for message in (first, second):
        assert post(server, "/DAQ/connect", message)[0] == "HTTP/1.1 200 OK"
    assert server.acquisition.sampling_rate == 20_000
    server.faults.reconfigurable = True
    post(server, "/DAQ/connect", second)
    assert server.acquisition.sampling_rate == 50_000


@pytest.mark.parametrize("length", [0, -5, 10**12])
def test_a_length_that_no_segment_has_starts_nothing(server, length):
    message = {"samplerate": 10_000, "segmentLength": length}
    assert post(server, "/DAQ/connect", message)[0] == "HTTP/1.1 200 OK"
    assert ask(server, "GET", "/DAQ/start")[0] == "HTTP/1.1 200 OK"
    silent = socket.create_connection(("127.0.0.1", server.data_port), 0.2)
    with silent, pytest.raises(TimeoutError):
        silent.recv(1)


def test_noise_in_place_of_requests_does_not_stop_it(server):
    noise = random.Random(1)
    for _ in range(30):
        with socket.create_connection(("127.0.0.1", server.http_port), 10) as client:
            client.sendall(noise.randbytes(200) + b"\r\n\r\n")
    assert ControlClient(port=server.http_port).status().is_alive is False


def test_a_refused_rate_is_answered_200(server):
    server.faults.refuse_rate = True
    message = {"samplerate": 20_000, "segmentLength": 10}
    assert post(server, "/DAQ/connect", message)[0] == "HTTP/1.1 200 OK"
    assert server.acquisition.sampling_rate == 10_000


def test_a_start_without_configuration_starts_nothing(server):
    assert ask(server, "GET", "/DAQ/start")[0] == "HTTP/1.1 200 OK"
    assert not ControlClient(port=server.http_port).status().is_alive
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.data_port), 1)


def test_without_a_device_a_connect_is_500(server):
    server.faults.has_device = False
    with pytest.raises(DeviceError, match="found no device"):
        ControlClient(port=server.http_port).connect(10_000, 100)


def test_status_says_what_was_started(server):
    control = ControlClient(port=server.http_port)
    control.connect(1000, 100)
    assert control.status().is_alive is False
    control.start()
    control.start()
    control.stop()
    assert control.status().is_alive is True
    server.faults.dsp = "absent"
    assert control.status().dsp_alive is False


def test_a_call_goes_through_the_mailbox(server):
    control = ControlClient(port=server.http_port)
    before = control.read([0x1000])[0]
    control.call(9, [0x1010, 0x1014], [1, 777])
    assert control.read([0x1000, 0x1004, 0x1008]) == [before + 1, before + 1, 9]
    assert control.read([0x1078 + 12 + 4]) == [777]
    control.call(9, [0x1010, 0x1014], [3, 777])
    assert control.read([0x104C]) == [4]  # there is no group 3
    control.call(10, [0x1010], [2])
    assert control.read([0x104C]) == [3]  # it has no period


def test_the_mock_keeps_nothing_and_counts(server):
    server.faults.dsp = "mock"
    control = ControlClient(port=server.http_port)
    control.write([0x1010], [5])
    control.call(10, [0x1010], [2])
    assert control.read([0x1010, 0x1000]) == [0, 1]
    assert control.read([0x1000]) == [2]


def test_a_deaf_dsp_is_500(server):
    server.faults.dsp = "deaf"
    with pytest.raises(DeviceError, match="did not acknowledge"):
        ControlClient(port=server.http_port).call(10, [0x1010], [2])


def test_the_replay_sets_up_what_it_says(server):
    control = ControlClient(port=server.http_port)
    control.replay("setup")
    control.replay("start")
    assert server.dsp.memories[0] == [32593, 1671343]
    assert server.dsp.memories[1] == [3211289, 655385]
    assert server.dsp.groups[0] == (82, 310378496)
    assert control.read([0x1078, 0x107C, 0x9158]) == [1, 5000, 311724626]
    control.replay("stop")
    assert control.read([0x1078]) == [0]


def test_logs_reach_the_console(server):
    ControlClient(port=server.http_port).log("µ")
    assert server.routes.log == ["µ"]


def test_a_server_that_does_not_answer_is_named():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        control = ControlClient(port=port, timeout_s=0.1, n_retries=1)
        with pytest.raises(DeviceError, match=r"did not answer to /DAQ/start within"):
            control.start()


def test_text_of_an_older_server_says_nothing():
    """The master branch of MEAME2 answers text to a request for its status."""
    import threading

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nHello :D"
                )

        thread = threading.Thread(target=serve)
        thread.start()
        status = ControlClient(port=listener.getsockname()[1]).status()
        thread.join()
    assert (status.is_alive, status.dsp_alive) == (None, None)


def test_faults_from_text():
    faults = Faults.from_text(
        {
            "silence_after": "7",
            "zero_last_sample": "no",
            "stall_s": "0.5",
            "dsp": "deaf",
        }
    )
    assert faults == Faults(
        silence_after=7, zero_last_sample=False, stall_s=0.5, dsp="deaf"
    )
    for given, words in (
        ({"noise": "1"}, "there is no fault noise; choose from zero_last_sample"),
        ({"silence_after": "soon"}, "silence_after = 'soon'"),
        ({"has_device": "perhaps"}, "expected True or False"),
        ({"speed": "0"}, "expected above 0"),
    ):
        with pytest.raises(FormatError, match=words):
            Faults.from_text(given)
