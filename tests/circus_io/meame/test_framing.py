"""Bytes in any fragmentation; the expected segments are written by struct and loops."""

import random
import struct

import numpy as np
import pytest

from circus_io.errors import FormatError
from circus_io.meame import Framer, StreamSettings, decode_segment, encode_segment

SETTINGS = StreamSettings(n_channels=4, segment_frames=5)


def value(channel, frame):
    return (channel + 1) * 1000 + frame if channel % 2 else -frame - channel


def wire(n_segments, mark="<"):
    """Return segments as the server writes them, channel after channel."""
    data = b""
    for segment in range(n_segments):
        for channel in range(4):
            for j in range(5):
                data += struct.pack(f"{mark}i", value(channel, 5 * segment + j))
    return data


def expected(n_segments):
    return [[value(c, n) for c in range(4)] for n in range(5 * n_segments)]


@pytest.mark.parametrize("size", [1, 13, 4096])
def test_segments_come_out_however_they_are_cut(size):
    framer, data, found = Framer(SETTINGS), wire(7), []
    for start in range(0, len(data), size):
        found += framer.feed(data[start : start + size])
    assert np.concatenate(found).tolist() == expected(7)
    assert framer.n_bytes_held == 0


def test_random_cuts_and_a_buffer_of_few_segments(monkeypatch):
    monkeypatch.setattr("circus_io.meame.framing.BUFFER_BYTES", 200)
    draw, data, found = random.Random(1), wire(50), []
    framer = Framer(SETTINGS)
    while data:
        n_bytes = min(draw.randint(1, 200), len(framer.room()), len(data))
        framer.room()[:n_bytes] = data[:n_bytes]
        found += [traces.copy() for traces in framer.take(n_bytes)]
        data = data[n_bytes:]
    assert np.concatenate(found).tolist() == expected(50)


def test_a_segment_that_is_not_complete_waits_or_is_forgotten():
    framer = Framer(SETTINGS)
    assert list(framer.feed(wire(1)[:-1])) == []
    assert framer.n_bytes_held == 79
    framer.reset()
    (traces,) = framer.feed(wire(1))
    assert traces.tolist() == expected(1)


def test_big_endian_streams_are_native_afterwards():
    settings = StreamSettings(n_channels=4, segment_frames=5, byteorder="big")
    (traces,) = Framer(settings).feed(wire(1, ">"))
    assert traces.tolist() == expected(1)
    assert traces.dtype == np.int32
    assert traces.dtype.isnative
    assert traces.flags.c_contiguous


def test_frame_major_streams_of_another_type():
    settings = StreamSettings(
        n_channels=3, segment_frames=2, dtype="uint16", order="frame-major"
    )
    data = struct.pack("<6H", 1, 2, 3, 4, 5, 65535)
    assert decode_segment(data, settings).tolist() == [[1, 2, 3], [4, 5, 65535]]
    assert encode_segment(decode_segment(data, settings), settings) == data


def test_encoding_gives_the_bytes_of_the_server():
    traces = np.array(expected(1), np.int32)
    assert encode_segment(traces, SETTINGS) == wire(1)


def test_the_default_segment_has_the_bytes_of_meame():
    assert StreamSettings().segment_bytes == 24_000
    assert StreamSettings().read_timeout_s == 1.0
    assert StreamSettings(sampling_rate=1000, segment_frames=1000).read_timeout_s == 10


def test_settings_from_an_address():
    url = "meame://lab:9000?sampling_rate=50000&byteorder=big&volts_per_count=1e-7"
    settings = StreamSettings.from_url(url)
    assert (settings.host, settings.http_port) == ("lab", 9000)
    assert (settings.sampling_rate, settings.byteorder) == (50_000, "big")
    assert settings.gain == pytest.approx(0.1)
    assert StreamSettings.from_url("meame://[::1]").host == "::1"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://lab:1", "no address of a MEAME server"),
        ("meame://", "no address"),
        ("meame://lab:99999", "0 to 65535"),
        ("meame://lab?rate=1", "no setting rate; choose from host"),
        ("meame://lab?sampling_rate=fast", "expected int"),
        ("meame://lab?sampling_rate=0", "expected 1 or more"),
        ("meame://lab?data_port=0", "1 to 65535"),
        ("meame://lab?byteorder=middle", "choose from little, big"),
        ("meame://lab?dtype=text", "numpy has no such type"),
        ("meame://lab?dtype=complex64", "integers or floats"),
        ("meame://lab?volts_per_count=0", "above 0"),
    ],
)
def test_addresses_that_mean_nothing_are_refused(url, words):
    with pytest.raises(FormatError, match=words):
        StreamSettings.from_url(url)
