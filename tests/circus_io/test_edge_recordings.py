"""Recordings at the edge of what there is."""

import numpy as np
import pytest

from circus_io import ArrayRecording, JoinedRecording, open_recording
from circus_io.files.raw_binary import RawBinaryFile

FAR = 2**32 + 1000
SIZES = (1, 7, 300)


@pytest.mark.parametrize("shape", [(0, 1), (0, 4), (1, 1), (1, 4), (301, 1)])
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_tiny(tmp_path, shape, dtype):
    samples = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    samples.tofile(tmp_path / "a.dat")
    recording = open_recording(
        tmp_path / "a.dat",
        "raw_binary",
        data_dtype=dtype,
        sampling_rate=1000,
        nb_channels=shape[1],
    )
    assert np.array_equal(recording[:], samples)
    for size in SIZES:
        parts = [chunk.core for chunk in recording.chunks(size, (-9, 9))]
        assert len(parts) == recording.analyze(size)[0] == -(-shape[0] // size)
        assert sum(map(len, parts)) == shape[0]
    assert recording.get_snippet(0, 10).shape == (min(10, shape[0]), shape[1])
    assert recording.get_snippet(5000, 10).shape == (0, shape[1])


def test_an_empty_stream_between_others():
    samples = np.arange(16, dtype=np.int16).reshape(8, 2)
    parts = [ArrayRecording(samples[a:b], 1000) for a, b in ((0, 5), (5, 5), (5, 8))]
    recording = JoinedRecording(parts)
    assert [source.t_start for source in recording.streams] == [0, 5, 5]
    chunks = list(recording.chunks(2, (-1, 1)))
    assert [chunk.stream for chunk in chunks] == [0, 0, 0, 2, 2]
    assert [chunk.padding for chunk in chunks][2:] == [(-1, 0), (0, 1), (-1, 0)]
    assert np.array_equal(np.concatenate([chunk.core for chunk in chunks]), samples)
    assert np.array_equal(recording[:], samples)
    assert recording.analyze(2) == (5, 1)


def test_constant_and_nan_samples_pass_through():
    samples = np.full((50, 2), 7.5, np.float32)
    samples[10:20, 1] = np.nan
    recording = ArrayRecording(samples, 1000, gain=2)
    traces = np.concatenate([chunk.traces for chunk in recording.chunks(7)])
    assert np.array_equal(traces, samples * 2, equal_nan=True)


@pytest.fixture(params=["uint8", "int16"])
def far_file(request, tmp_path):
    """A file with more than 2**32 frames, which takes no space."""
    dtype = np.dtype(request.param)
    path = tmp_path / "far.dat"
    n_bytes = (FAR + 500) * dtype.itemsize
    with path.open("wb") as file:
        try:
            file.truncate(n_bytes)
        except OSError as error:
            pytest.skip(f"the file system holds no file of {n_bytes} bytes: {error}")
        file.seek(FAR * dtype.itemsize)
        file.write((np.arange(100) + 100).astype(dtype).tobytes())
    if getattr(path.stat(), "st_blocks", n_bytes) * 512 > n_bytes / 2:
        pytest.skip("the file system has no sparse files")
    yield path, dtype
    path.unlink()


def test_frames_past_2_to_32_are_read_and_written(far_file):
    path, dtype = far_file
    params = {"data_dtype": dtype.name, "sampling_rate": 30000, "nb_channels": 1}
    recording = RawBinaryFile(path, {**params, "dtype_offset": 0})
    assert len(recording) == FAR + 500
    with recording.open("r+"):
        assert recording[FAR : FAR + 100, 0].tolist() == list(range(100, 200))
        index = FAR // 2**20
        chunk = recording.get_chunk(index, 2**20)
        assert (chunk.t_start, chunk.t_stop) == (2**32, FAR + 500)
        assert chunk.traces[FAR - 2**32, 0] == 100
        assert recording.get_data(index, 2**20)[1] == 2**32
        assert recording.get_idx(FAR, 2**20) == index
        assert recording.get_snippet(FAR + 3, 2)[:, 0].tolist() == [103, 104]
        recording.set_data(FAR + 400, np.array([[11.0], [12.0]]))
        recording.write_chunk(FAR + 402, np.array([[13.0]]))
    stored = np.fromfile(path, dtype, offset=(FAR + 399) * dtype.itemsize)
    assert stored[:5].tolist() == [0, 11, 12, 13, 0]


def test_a_start_past_2_to_32():
    samples = np.arange(1000, dtype=np.int16).reshape(500, 2)
    recording = ArrayRecording(samples, 1000, t_start=FAR)
    chunks = list(recording.chunks(200, (-50, 50)))
    assert [(chunk.t_start, chunk.t_stop) for chunk in chunks] == [
        (FAR, FAR + 200),
        (FAR + 200, FAR + 400),
        (FAR + 400, FAR + 500),
    ]
    assert [chunk.padding for chunk in chunks] == [(0, 50), (-50, 50), (-50, 0)]
    assert recording.chunk_grid(200).t_starts.tolist() == [FAR, FAR + 200, FAR + 400]
    assert np.array_equal(recording[FAR + 3 : FAR + 9], samples[3:9])
    assert recording.get_data(2, 200)[1] == FAR + 400
