"""What panels draw, from streams whose picture is known."""

import numpy as np
import pytest

from circus_live import Block, SourceInfo
from circus_live.view import picture
from circus_live.view.digest import Digest
from circus_live.view.heat_map import places, rows_go_down, spacing
from circus_live.view.picture import Window, round_up

RATE = 2000.0  # a column is a frame


def digest_of(uv, first=0):
    info = SourceInfo("test", RATE, uv.shape[1], "f4", len(uv))
    digest = Digest(info, high_pass_hz=0)
    digest.take([Block(first, uv.astype("f4"), 1)])
    return digest


@pytest.fixture
def waves():
    time_s = np.arange(30_000)[:, None] / RATE
    return np.sin(2 * np.pi * time_s * [2, 3, 5]) * [10, 20, 30]


def test_traces_keep_every_extreme_of_their_window(waves):
    digest = digest_of(waves)
    window = Window.of(digest, 1.0)
    assert (window.factor, window.n_columns, window.seconds) == (5, 400, 1.0)
    lines = picture.traces(digest, window, range(3), row_uv=50)
    assert lines.shape == (3, 800)
    expected = waves[-2000:]
    for row, channel in enumerate([2, 1, 0]):
        heights = (lines[channel] - row) * 50
        assert heights.max() == pytest.approx(expected[:, channel].max(), rel=1e-5)
        np.testing.assert_allclose(
            heights[::2], expected[:, channel].reshape(400, 5).min(axis=1), atol=1e-4
        )


def test_columns_of_a_picture_hold_the_same_frames_from_one_to_the_next(waves):
    """Otherwise the heights of what stands still would flicker."""
    noise = np.random.default_rng(0).normal(0, 1, (30_000, 1))
    before, after = digest_of(noise[:29_001]), digest_of(noise[:29_013])
    window = Window.of(before, 1.0)
    first = picture.traces(before, window, range(1), 1)[0].tolist()
    second = picture.traces(after, window, range(1), 1)[0].tolist()
    n_moved = (29_013 // 5 - 29_001 // 5) * 2
    assert second[:-n_moved] == first[n_moved:]


def test_channels_are_chosen(waves):
    digest = digest_of(waves)
    window = Window.of(digest, 0.5)
    every = picture.traces(digest, window, range(3), 10)
    some = picture.traces(digest, window, range(1, 3), 10)
    np.testing.assert_allclose(some, every[1:], rtol=1e-6)


def test_a_raster_shows_when_and_where(waves):
    uv = np.zeros((30_000, 2))
    uv += np.random.default_rng(0).normal(0, 1, uv.shape).clip(-3, 3)
    uv[[20_000, 28_000, 28_001], 0] = -100
    uv[[25_000, 25_010, 25_020, 25_030, 25_040], 1] = -100
    digest = digest_of(uv)
    window = Window.of(digest, 10.0)
    image = picture.raster(digest, window, range(2))
    assert image.shape == (2, 400)
    assert image.dtype == np.uint8
    column = 50  # frames
    second, first = image  # the first channel is at the top, which comes last
    assert np.flatnonzero(first).tolist() == [10_000 // column, 18_000 // column]
    assert first[18_000 // column] == 1  # two frames below are one crossing
    assert second[15_000 // column] == 3  # more than three are not told apart


def test_a_raster_shows_what_is_missing():
    digest = digest_of(np.zeros((10_000, 1)))
    digest.take([Block(15_000, np.zeros((15_000, 1), "f4"), 2)])
    image = picture.raster(digest, Window.of(digest, 10.0), range(1))[0]
    assert np.flatnonzero(image == picture.MISSING).tolist() == list(range(100))


def test_levels_are_those_of_the_last_moments(waves):
    waves[:28_900] = 1e6
    levels = picture.levels(digest_of(waves))
    last = waves[-1000:]
    np.testing.assert_allclose(
        levels.rms_uv, np.sqrt((last**2).mean(axis=0)), rtol=1e-4
    )
    np.testing.assert_allclose(levels.peak_uv, np.abs(last).max(axis=0), rtol=1e-4)
    parts = [*levels.rms_uv, *levels.peak_uv, *levels.rate_hz]
    np.testing.assert_allclose(levels.together(), parts, rtol=1e-6)


def test_crossings_are_counted_per_second():
    uv = np.random.default_rng(0).normal(0, 1, (30_000, 1)).clip(-3, 3)
    uv[100::400] = -100  # five a second
    digest = digest_of(uv)
    assert picture.levels(digest).rate_hz.tolist() == pytest.approx([5.0], abs=0.5)


def test_before_the_first_block_nothing_is_known():
    digest = Digest(SourceInfo("test", RATE, 2, "i2", 10))
    levels = picture.levels(digest)
    assert np.isnan(levels.together()).all()
    window = Window.of(digest, 1.0)
    assert np.isnan(picture.traces(digest, window, range(2), 10)).all()
    assert (picture.raster(digest, window, range(2)) == picture.MISSING).all()


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.7, 0.7), (1, 1), (1.1, 1.5), (34, 50), (71, 100), (0.021, 0.03), (0, 1)],
)
def test_scales_are_round(value, expected):
    assert round_up(value) == pytest.approx(expected)


def test_channels_without_places_are_laid_out_in_rows():
    x, y, is_known = places(SourceInfo("test", RATE, 5, "i2", 10))
    assert not is_known
    assert list(zip(x, y, strict=True)) == [(0, 0), (1, 0), (2, 0), (0, -1), (1, -1)]


def test_cells_are_as_large_as_the_pitch():
    assert spacing(np.array([0, 200, 200, 400.0001, 800])) == pytest.approx(200)
    assert spacing(np.array([7.0, 7.0])) == 1


@pytest.mark.parametrize(
    ("labels", "y", "expected"),
    [
        (("21", "22", "31"), [0, 200, 0], True),  # row 2 is 200 µm below row 1
        (("21", "22", "31"), [0, -200, 0], False),
        (("0", "1", "2"), [0, 20, 40], False),
        (("11", "21", "31"), [0, 0, 0], False),
    ],
)
def test_the_first_row_of_an_mea_is_at_the_top(labels, y, expected):
    positions = np.column_stack([np.zeros(3), y])
    info = SourceInfo("mea", RATE, 3, "i4", 10, 1, 0, labels, positions)
    assert rows_go_down(info) is expected
