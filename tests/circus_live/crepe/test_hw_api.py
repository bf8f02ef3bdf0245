"""The hardware API over real sockets, and the array that grows."""

import http.client
import json
import socket
import threading
import time

import numpy as np
import pytest

from circus_live.crepe import GrowingArray, HWAPIWrapper, PoisonPill, is_poison_pill
from circus_live.crepe.ring_queue import RingQueue


class Api:
    """A service in a thread, and requests to it."""

    def __init__(self, **settings):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.results, self.inputs = RingQueue(), RingQueue()
        self.service = HWAPIWrapper(
            port=self.port,
            queue_in=self.results,
            queue_out=self.inputs,
            **settings,
        )
        self.thread = threading.Thread(target=self.service.run)
        self.thread.start()
        self.wait_for("/", b"Hello, World!")

    def ask(self, path, body=None, method=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        kind = method or ("GET" if body is None else "POST")
        connection.request(kind, path, body, headers)
        answer = connection.getresponse()
        self.headers = answer.headers
        text = answer.read()
        connection.close()
        return answer.status, text

    def wait_for(self, path, text):
        until = time.monotonic() + 30
        while True:
            try:
                if self.ask(path)[1] == text:
                    return
            except ConnectionError:
                pass
            assert time.monotonic() < until, f"{path} has not become {text}"
            time.sleep(0.01)

    def end(self):
        self.results.put(PoisonPill())
        self.thread.join(30)
        assert not self.thread.is_alive()


@pytest.fixture
def api():
    api = Api()
    yield api
    api.end()


def test_pages_from_elsewhere_may_not_stimulate_unless_they_are_named():
    api = Api(cors_origin="http://127.0.0.1:3000")
    path, body = "/hw-api/input/", b"Rock"
    assert api.ask(path, body, Origin="http://evil.example")[0] == 403
    assert api.inputs.empty()
    assert api.ask(path, body, Origin=f"http://127.0.0.1:{api.port}")[0] == 200
    assert api.ask(path, body, Origin="http://127.0.0.1:3000")[0] == 200
    assert api.headers["Access-Control-Allow-Origin"] == "http://127.0.0.1:3000"
    assert api.ask(path, None, "OPTIONS", Origin="http://127.0.0.1:3000")[0] == 204
    assert api.headers["Access-Control-Allow-Headers"] == "Content-Type"
    assert [api.inputs.get(timeout=10) for _ in range(2)] == [body, body]
    api.end()


def test_nothing_is_said_of_origins_by_default(api):
    assert api.ask("/hw-api/output/")[0] == 200
    assert "Access-Control-Allow-Origin" not in api.headers


def test_ready_is_true_until_the_result_is_fetched(api):
    assert api.ask("/hw-api/ready/") == (200, b"False")
    assert api.ask("/hw-api/output/") == (200, b"None")
    for text in (b"Rock", b"Paper"):
        api.results.put(text.decode())
        api.wait_for("/hw-api/ready/", b"True")
        assert api.ask("/hw-api/ready") == (200, b"True")
        assert api.ask("/hw-api/output/") == (200, text)
        assert api.ask("/hw-api/ready/") == (200, b"False")
        assert api.ask("/hw-api/output/") == (200, text)


@pytest.mark.parametrize(
    "result", [3, [1, 2.5], {"label": "Rock", "p": 0.5}, True, None, np.arange(3)]
)
def test_a_result_may_be_anything(api, result):
    api.results.put({"result": result})
    api.wait_for("/hw-api/ready/", b"True")
    status, text = api.ask("/hw-api/output/")
    expected = result.tolist() if isinstance(result, np.ndarray) else result
    assert (status, json.loads(text)) == (200, {"result": expected})


def test_what_is_posted_goes_to_the_next_service_and_is_echoed(api):
    assert api.ask("/hw-api/echo/") == (200, b"None")
    body = json.dumps({"label": ["Rock", 1]}).encode()
    assert api.ask("/hw-api/input/", body) == (200, b"")
    assert api.inputs.get(timeout=10) == body
    assert api.ask("/hw-api/echo/") == (200, body)
    assert api.ask("/hw-api/input/")[0] == 200
    assert api.inputs.empty()


def test_a_full_queue_is_told_to_the_client(api):
    statuses = [api.ask("/hw-api/input/", b"x")[0] for _ in range(66)]
    assert statuses == [200] * 64 + [503] * 2
    assert api.inputs.get(timeout=10) == b"x"
    assert api.ask("/hw-api/input/", b"y")[0] == 200


def test_results_are_taken_without_a_client(api):
    for number in range(200):  # more than the queue holds
        api.results.put(number, timeout=30)
    api.wait_for("/hw-api/output/", b"199")
    assert api.ask("/hw-api/output/") == (200, b"199")


def test_what_is_no_request_is_refused(api):
    assert api.ask("/hw-api/nothing/")[0] == 404
    assert api.ask("/hw-api/output/", b"x")[0] == 405
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
    connection.putrequest("POST", "/hw-api/input/")
    connection.putheader("Content-Length", str(2**20 + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_the_end_closes_the_port_and_is_handed_on():
    api = Api()
    api.results.put(PoisonPill())
    api.thread.join(30)
    assert is_poison_pill(api.inputs.get(timeout=10))
    with pytest.raises(ConnectionRefusedError):
        api.ask("/")


# ------------------------------------------------------------------------ GrowingArray


@pytest.mark.parametrize("most", [None, 1000, 7])
def test_an_array_grows_and_keeps_the_newest(most):
    array = GrowingArray(60, most)
    parts = [np.random.default_rng(k).random((60, k)) for k in range(1, 80)]
    for part in parts:
        array.add(part)
    array.add(np.ones(60))
    expected = np.concatenate([*parts, np.ones((60, 1))], axis=1)
    expected = expected if most is None else expected[:, -most:]
    assert len(array) == expected.shape[1]
    assert np.array_equal(array.data, expected)
    if most is not None:
        assert array.capacity <= 4 * max(most, 100) + 2 * 80


def test_other_rows_are_refused():
    with pytest.raises(ValueError, match="60 rows"):
        GrowingArray(60).add(np.zeros((4, 2)))
