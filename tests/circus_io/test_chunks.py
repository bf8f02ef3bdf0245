import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus_io import ChunkError
from circus_io.chunks import Chunk, ChunkGrid, count_chunks
from circus_io.streams import StreamTable

FAR = 2**40


@given(
    gaps=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40)), min_size=1),
    size=st.integers(1, 50),
    padding=st.tuples(st.integers(-60, 0), st.integers(0, 60)),
    origin=st.sampled_from([0, 7, FAR]),
)
def test_every_frame_lies_in_one_chunk_of_its_stream(gaps, size, padding, origin):
    starts, lengths, time = [], [], origin
    for gap, length in gaps:
        starts.append(time + gap)
        lengths.append(length)
        time += gap + length
    grid = ChunkGrid(StreamTable(tuple(starts), tuple(lengths)), size)
    recorded = {
        start + i: stream
        for stream, (start, length) in enumerate(zip(starts, lengths, strict=True))
        for i in range(length)
    }
    seen = {}
    for index, (t_start, t_stop) in enumerate(grid):
        stream = grid.stream(index)
        before, after = grid.padding(index, padding)
        seen.update(dict.fromkeys(range(t_start, t_stop), stream))
        around = range(t_start + before, t_stop + after)
        assert {recorded.get(t) for t in around} == {stream}
        assert (
            before == padding[0]
            or recorded.get(around[0] - 1) != stream
            or (t_start + before == starts[stream])
        )
        assert after == padding[1] or t_stop + after == starts[stream] + lengths[stream]
        assert {grid.index_at(t) for t in range(t_start, t_stop)} == {index}
        assert grid.is_first(index) == (t_start == starts[stream])
        assert grid.is_last(index) == (t_stop == starts[stream] + lengths[stream])
    assert seen == recorded
    assert grid.t_starts.dtype == np.int64
    assert grid.t_starts.tolist() == [bounds[0] for bounds in grid]


def test_a_strict_grid_leaves_out_the_rest():
    grid = ChunkGrid(StreamTable((0, 10), (10, 9)), 4, strict=True)
    assert list(grid) == [(0, 4), (4, 8), (10, 14), (14, 18)]
    with pytest.raises(ChunkError, match="after the last whole chunk"):
        grid.index_at(8)


@pytest.mark.parametrize(
    ("size", "duration", "strict", "wanted"),
    [
        (300, 1000, False, (4, 100)),
        (300, 1000, True, (3, 100)),
        (300, 900, False, (3, 0)),
        (300, 0, False, (0, 0)),
        (1, FAR, False, (FAR, 0)),
    ],
)
def test_chunks_are_counted_as_documented(size, duration, strict, wanted):
    assert count_chunks(size, duration, strict) == wanted


@pytest.mark.parametrize("size", [0, -3, 30.0, "30"])
def test_a_chunk_size_is_a_whole_number(size):
    with pytest.raises(ChunkError, match="whole number of frames"):
        ChunkGrid(StreamTable((0,), (10,)), size)


@pytest.mark.parametrize("padding", [(1, 0), (0, -1)])
def test_padding_widens(padding):
    with pytest.raises(ChunkError, match="before <= 0"):
        ChunkGrid(StreamTable((0,), (10,)), 5).padding(0, padding)


def test_a_chunk_is_frozen_and_knows_its_core():
    traces = np.arange(14.0).reshape(7, 2)
    chunk = Chunk(3, 0, 100, 104, traces, (-2, 1))
    assert np.array_equal(chunk.core, traces[2:6])
    with pytest.raises(AttributeError):
        chunk.t_start = 0
