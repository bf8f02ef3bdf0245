"""Dumps of a MEAME stream, written by numpy; a dump that grows."""

import threading

import numpy as np
import pytest

from circus_io import FormatError, open_recording
from circus_io.files.meame_stream import MeameStreamFile
from circus_io.testing import DataFileContract

LENGTH = 7


def write(path, raw, length=LENGTH, dtype="<i4"):
    """Write whole segments, channel after channel."""
    parts = [raw[i : i + length].T for i in range(0, len(raw), length)]
    path.write_bytes(b"".join(part.astype(dtype).tobytes() for part in parts))


class TestMeameStream(DataFileContract):
    wrapper = MeameStreamFile
    dtype = "<i4"
    gain = 0.059605
    block_frames = LENGTH

    def write_file(self, path, raw):
        write(path, raw)
        given = {"sampling_rate": 10_000, "nb_channels": raw.shape[1]}
        return {**given, "segment_frames": LENGTH}


class TestBigEndian(TestMeameStream):
    dtype = ">i4"

    def write_file(self, path, raw):
        write(path, raw, dtype=">i4")
        given = {"sampling_rate": 10_000, "nb_channels": raw.shape[1]}
        return {**given, "segment_frames": LENGTH, "data_dtype": ">i4"}


class TestFrameMajor(TestMeameStream):
    dtype = "uint16"
    dtype_offset = 32768
    gain = 2.0

    def write_file(self, path, raw):
        raw.tofile(path)
        given = {"sampling_rate": 20_000, "nb_channels": raw.shape[1], "gain": 2.0}
        kind = {"data_dtype": "uint16", "order": "frame-major"}
        return {**given, **kind, "segment_frames": LENGTH}


def zeroed(n_segments, length=100):
    """Return frames of 60 channels whose last one in each segment is 0."""
    raw = np.random.default_rng(4).integers(-500, 500, (n_segments * length, 60))
    raw[length - 1 :: length] = 0
    return raw.astype(np.int32), np.arange(length - 1, len(raw), length)


@pytest.mark.parametrize("policy", ["interpolate", "hold", "mask", "keep"])
def test_the_zeroed_last_sample_is_repaired(tmp_path, policy):
    raw, bad = zeroed(20)
    write(tmp_path / "a.meame", raw, 100)
    with open_recording(
        tmp_path / "a.meame", sampling_rate=10_000, last_sample=policy, gain=1.0
    ) as recording:
        expected = raw.astype(float)
        if policy == "hold":
            expected[bad] = raw[bad - 1]
        if policy == "interpolate":
            both = raw[bad[:-1] - 1].astype(float) + raw[bad[:-1] + 1]
            expected[bad[:-1]] = np.floor(both / 2)
            expected[bad[-1]] = raw[bad[-1] - 1]
        assert np.array_equal(recording[:], expected)
        assert np.array_equal(recording[95:305, [3, 0]], expected[95:305][:, [3, 0]])
        assert recording.zeroed_frames().tolist() == bad.tolist()
        assert recording.channel_labels[14] == "15"


def test_a_dump_without_the_defect_is_left_alone(tmp_path):
    raw, _ = zeroed(20)
    raw[raw == 0] = 1
    raw[:, 14] = 0
    write(tmp_path / "a.meame", raw, 100)
    recording = open_recording(tmp_path / "a.meame", sampling_rate=10_000, gain=1.0)
    assert np.array_equal(recording[:], raw)
    assert not len(recording.zeroed_frames())


def test_few_channels_are_judged_by_the_start_of_the_file(tmp_path):
    raw, bad = zeroed(20)
    write(tmp_path / "a.meame", raw[:, :2], 100)
    given = {"sampling_rate": 10_000, "nb_channels": 2, "last_sample": "hold"}
    recording = open_recording(tmp_path / "a.meame", **given, gain=1.0)
    assert np.array_equal(recording[:][bad], raw[bad - 1, :2])


def test_a_dump_is_followed_while_it_grows(tmp_path):
    raw, _ = zeroed(40)
    path = tmp_path / "a.meame"
    write(path, raw[:500], 100)
    write(tmp_path / "whole.meame", raw, 100)
    data = (tmp_path / "whole.meame").read_bytes()

    def grow():
        with path.open("ab", buffering=0) as file:
            for start in range(5 * 24_000, len(data), 7001):
                file.write(data[start : start + 7001])

    writer = threading.Thread(target=grow)
    with open_recording(path, sampling_rate=10_000) as recording:
        assert recording.shape == (500, 60)
        writer.start()
        chunks = list(recording.follow(300, timeout_s=1.0))
    writer.join()
    assert [chunk.t_start for chunk in chunks] == list(range(0, 4000, 300))
    whole = open_recording(tmp_path / "whole.meame", sampling_rate=10_000)
    assert np.array_equal(np.concatenate([c.traces for c in chunks]), whole[:])


def test_what_is_no_stream_is_refused(tmp_path):
    (tmp_path / "a.meame").write_bytes(bytes(24_000))
    for given, words in (
        ({"last_sample": "guess"}, "choose from keep"),
        ({"order": "random"}, "choose from channel-major"),
        ({"channel_map": "mine"}, "choose from shodan"),
        ({"sampling_rate": 0.5}, "whole Hz"),
    ):
        with pytest.raises(FormatError, match=words):
            open_recording(tmp_path / "a.meame", **{"sampling_rate": 10_000, **given})
