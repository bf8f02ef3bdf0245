"""Blocks of any size → the same columns, which numpy and scipy find in the whole."""

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from circus_io.errors import FormatError
from circus_live import Block, BlockFlag, SourceInfo
from circus_live.view.digest import Digest

RATE = 20_000.0
SIZE = 10  # frames of a column


def info(**changed):
    settings = {"gain": 0.5, "dtype_offset": 100} | changed
    return SourceInfo("test", RATE, 3, "i4", 1000, **settings)


def counts_of(n_frames, seed=0):
    rng = np.random.default_rng(seed)
    slow = 400 * np.sin(np.arange(n_frames) / 3000)[:, None]
    return (rng.normal(100, [20, 40, 60], (n_frames, 3)) + slow).astype("i4")


def blocks_of(counts, first=0, seed=1):
    rng, start = np.random.default_rng(seed), 0
    while start < len(counts):
        stop = min(start + int(rng.integers(1, 130)), len(counts))
        yield Block(first + start, counts[start:stop], 1)
        start = stop


def feed(digest, blocks, seed=3):
    rng, blocks = np.random.default_rng(seed), list(blocks)
    while blocks:
        n_now = int(rng.integers(0, 40))
        digest.take(blocks[:n_now])
        blocks = blocks[n_now:]


def test_columns_do_not_depend_on_the_blocks():
    counts = counts_of(10_004)
    digest = Digest(info(), high_pass_hz=0)
    feed(digest, blocks_of(counts))
    uv = (counts[:10_000] - 100) * 0.5
    assert digest.columns.stop == 1000
    last = digest.columns.last(1000)
    np.testing.assert_allclose(last.low, uv.reshape(1000, SIZE, 3).min(axis=1))
    np.testing.assert_allclose(last.high, uv.reshape(1000, SIZE, 3).max(axis=1))
    power = (uv**2).reshape(1000, SIZE, 3).mean(axis=1)
    np.testing.assert_allclose(last.power, power, rtol=1e-5)


def test_the_filter_goes_on_from_block_to_block():
    counts = counts_of(20_000)
    digest = Digest(info())
    feed(digest, blocks_of(counts))
    sos = butter(2, 300, "highpass", fs=RATE, output="sos")
    filtered = sosfilt(sos, (counts - 100) * 0.5, axis=0)
    low = filtered.reshape(2000, SIZE, 3).min(axis=1)
    # what the first value left behind is gone by then
    np.testing.assert_allclose(digest.columns.last(1500).low, low[500:], atol=1e-3)


def test_an_offset_is_no_step_for_the_filter():
    digest = Digest(info(dtype_offset=0))
    digest.take([Block(0, np.full((2000, 3), 30_000, "i4"), 1)])
    last = digest.columns.last(200)
    assert np.abs(last.low).max() < 0.1
    assert np.abs(last.high).max() < 0.1


def test_crossings_add_up_to_those_of_the_whole():
    counts = counts_of(60_000)
    counts[5000::977] -= 3000
    digest = Digest(info(), threshold=6, high_pass_hz=0)
    digest.noise_uv[:], digest._noise_due = [50, 60, 70], 10**9
    feed(digest, blocks_of(counts))
    is_below = (counts - 100) * 0.5 < -6 * np.array([50, 60, 70])
    starts = is_below[1:] & ~is_below[:-1]
    found = digest.columns.last(6000).n_crossings.sum(axis=0)
    assert found.tolist() == starts.sum(axis=0).tolist()
    assert min(found) > 50


def test_the_noise_is_found():
    digest = Digest(info(), high_pass_hz=0)
    feed(
        digest,
        blocks_of(np.random.default_rng(1).normal(100, 30, (90_000, 3)).astype("i4")),
    )
    np.testing.assert_allclose(digest.noise_uv, 15, rtol=0.1)


def test_missing_frames_are_columns_of_which_nothing_is_known():
    counts = counts_of(3000)
    digest = Digest(info(), high_pass_hz=0)
    feed(digest, [*blocks_of(counts[:1004]), *blocks_of(counts[1506:], 1506)])
    last = digest.columns.last(300)
    assert digest.columns.stop == 300
    is_missing = np.isnan(last.low[:, 0])
    assert np.flatnonzero(is_missing).tolist() == list(range(100, 151))
    uv = (counts - 100) * 0.5
    low = uv.reshape(300, SIZE, 3).min(axis=1)
    np.testing.assert_allclose(last.low[~is_missing], low[~is_missing])


def test_a_stream_may_begin_anywhere():
    digest = Digest(info(), high_pass_hz=0)
    digest.take([Block(10**11 + 3, counts_of(100), 1)])
    assert digest.columns.stop == 10**10 + 10
    assert np.isfinite(digest.columns.last(9).low).all()


def test_flags_are_counted():
    digest = Digest(info())
    late = BlockFlag.LATE | BlockFlag.REPAIRED
    flags = [BlockFlag.NONE, late, BlockFlag.LATE]
    counts = counts_of(10)
    digest.take([Block(10 * i, counts, 7 + i, flags=f) for i, f in enumerate(flags)])
    assert digest.n_blocks[BlockFlag.LATE] == 2
    assert digest.n_blocks[BlockFlag.REPAIRED] == 1
    assert digest.n_blocks[BlockFlag.RECONNECTED] == 0
    assert (digest.host_time_ns, digest.t_stop) == (9, 30)


def test_slow_streams_are_not_filtered_unless_asked():
    slow = SourceInfo("slow", 500.0, 1, "i2", 10)
    assert Digest(slow).high_pass_hz == 0
    assert Digest(slow).column_s == 1 / 500
    assert Digest(slow, high_pass_hz=100).high_pass_hz == 100
    with pytest.raises(FormatError, match="less than half of the sampling rate, 250"):
        Digest(slow, high_pass_hz=300)


def test_many_channels_have_a_shorter_history():
    many = SourceInfo("many", RATE, 4096, "i2", 100)
    digest = Digest(many)
    n_bytes = sum(values.nbytes for values in vars(digest.columns._all).values())
    assert n_bytes <= 128e6
    assert digest.columns.capacity * digest.column_s > 0.5
