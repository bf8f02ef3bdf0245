"""The reference filters each stream whole, with scipy, in float64."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from circus_io import ArrayRecording, DataFile
from circus_io.probe import Probe
from sorting.config import FilteringConfig
from sorting.front_end import FrontEnd

RATE = 20_000.0
EXTENSION = 600  # 30 ms
GAIN = 0.195

CONFIG = FilteringConfig(
    cut_off_hz=(300.0, None),
    order=3,
    remove_median=False,
    common_ground=(),
    to_file=False,
    extension_frames=EXTENSION,
    chunk_frames=300,
    dead_intervals=(),
)


class Session(DataFile):
    """Several arrays as streams of one recording, with gaps between them."""

    description = "session"
    needs_file = False
    is_streamable = ("arrays",)

    def __init__(self, arrays, starts):
        self.arrays, self.starts = arrays, starts
        super().__init__(None, {}, stream_mode="arrays")

    def _read_from_header(self):
        self._shape = self.arrays[0].shape
        scaling = {"data_dtype": "int16", "dtype_offset": 0, "gain": GAIN}
        return {"nb_channels": self._shape[1], "sampling_rate": RATE, **scaling}

    def set_streams(self, stream_mode):
        return [
            ArrayRecording(array, RATE, start, gain=GAIN)
            for array, start in zip(self.arrays, self.starts, strict=True)
        ]


def counts(n_frames: int, n_channels: int = 4, seed: int = 0) -> np.ndarray:
    """int16 noise of 10 µV on an offset of thousands of µV that drifts."""
    rng = np.random.default_rng(seed)
    offset = np.linspace(-6000, 5000, n_channels) / GAIN
    drift = 300 * np.sin(np.linspace(0, 2, n_frames))[:, None]
    noise = rng.normal(0, 10 / GAIN, (n_frames, n_channels))
    return np.rint(offset + drift + noise).astype(np.int16)


def probe(channels=(0, 1, 2, 3), groups=None) -> Probe:
    groups = [0] * len(channels) if groups is None else groups
    positions = [(0.0, 20.0 * i) for i in range(len(channels))]
    return Probe(channels, groups, positions)


def whole(array: np.ndarray, low_hz: float = 300.0) -> np.ndarray:
    sos = signal.butter(3, [low_hz, 9500], "band", fs=RATE, output="sos")
    traces = GAIN * array.astype(np.float64)
    padlen = min(EXTENSION, len(traces) - 1)
    return signal.sosfiltfilt(sos, traces, axis=0, padtype="odd", padlen=padlen)


def assert_within_noise(traces: np.ndarray, expected: np.ndarray) -> None:
    mad = np.median(np.abs(expected - np.median(expected, axis=0)), axis=0)
    assert np.all(np.abs(traces - expected) <= 1e-3 * mad)


def tile(front_end: FrontEnd, margin: int = 0) -> np.ndarray:
    return np.concatenate(
        [front_end.read(index, margin).core for index in range(len(front_end))]
    )


@pytest.mark.parametrize("chunk_frames", [1, 7, 300, 1199, 1200, 1201])
def test_chunks_tile_into_the_whole_recording(chunk_frames):
    array = counts(1200)
    config = replace(CONFIG, chunk_frames=chunk_frames)
    front_end = FrontEnd(ArrayRecording(array, RATE, gain=GAIN), probe(), config)
    assert_within_noise(tile(front_end), whole(array))


@pytest.mark.parametrize("lengths", [(1200, 900), (2000, 700, 1300), (650, 601, 2500)])
@pytest.mark.parametrize("gap", [0, 5000])
def test_each_stream_is_filtered_on_its_own(lengths, gap):
    arrays = [counts(n, seed=n) + np.int16(1000 * i) for i, n in enumerate(lengths)]
    starts = np.cumsum([100, *(n + gap for n in lengths[:-1])]).tolist()
    front_end = FrontEnd(Session(arrays, starts), probe(), CONFIG)
    filtered = np.split(tile(front_end), np.cumsum(lengths)[:-1])
    for array, traces in zip(arrays, filtered, strict=True):
        assert_within_noise(traces, whole(array))
    times = [
        (piece.t_start, piece.t_stop)
        for piece in (front_end.read(index) for index in range(len(front_end)))
    ]
    expected = [
        (start + a, start + min(a + 300, n))
        for start, n in zip(starts, lengths, strict=True)
        for a in range(0, n, 300)
    ]
    assert times == expected


@pytest.mark.parametrize("n_frames", [1, 2, 40])
def test_streams_shorter_than_the_extension(n_frames):
    array = counts(n_frames)
    front_end = FrontEnd(ArrayRecording(array, RATE, gain=GAIN), probe(), CONFIG)
    np.testing.assert_allclose(tile(front_end), whole(array), atol=5e-3)


def test_a_recording_without_frames_has_no_chunks():
    empty = ArrayRecording(np.zeros((0, 4), np.int16), RATE)
    assert len(FrontEnd(empty, probe(), CONFIG)) == 0


def test_channels_come_in_the_order_of_the_probe():
    array = counts(900)
    recording = ArrayRecording(array, RATE, gain=GAIN)
    front_end = FrontEnd(recording, probe((3, 0, 2)), CONFIG)
    assert_within_noise(tile(front_end), whole(array)[:, [3, 0, 2]])


@pytest.mark.parametrize("margin", [0, 1, 50, 400, 5000])
def test_margin_is_filtered_as_the_whole_is_and_ends_with_the_stream(margin):
    arrays = [counts(1000), counts(800, seed=1)]
    starts = [50, 3000]
    front_end = FrontEnd(Session(arrays, starts), probe(), CONFIG)
    for index in range(len(front_end)):
        piece = front_end.read(index, margin)
        stream = int(piece.t_start >= 3000)
        start, stop = starts[stream], starts[stream] + len(arrays[stream])
        first, last = (
            max(piece.t_start - margin, start),
            min(piece.t_stop + margin, stop),
        )
        assert piece.first_frame == first
        expected = whole(arrays[stream])
        assert len(piece.traces) == last - first
        mad = np.median(np.abs(expected), axis=0)
        error = np.abs(piece.traces - expected[first - start : last - start])
        assert np.all(error <= 1e-3 * mad)
        assert (piece.at_start, piece.at_stop) == (first == start, last == stop)


@pytest.mark.parametrize("cut_off", [None, (300.0, None)])
@pytest.mark.parametrize("margin", [100, 200, 300, 301])
def test_ends_of_the_stream_are_told_also_where_the_margin_just_reaches(
    cut_off, margin
):
    config = replace(CONFIG, cut_off_hz=cut_off, chunk_frames=100)
    front_end = FrontEnd(ArrayRecording(counts(400), RATE), probe(), config)
    for index in range(4):
        piece = front_end.read(index, margin)
        last_frame = piece.first_frame + len(piece.traces)
        assert piece.at_start == (piece.first_frame == 0)
        assert piece.at_stop == (last_frame == 400)


def test_core_is_the_traces_without_margin():
    front_end = FrontEnd(ArrayRecording(counts(1000), RATE), probe(), CONFIG)
    piece = front_end.read(1, 40)
    assert (piece.t_start, piece.t_stop, piece.first_frame) == (300, 600, 260)
    np.testing.assert_array_equal(piece.core, piece.traces[40:340])


def test_reading_twice_gives_the_same_bits():
    front_end = FrontEnd(ArrayRecording(counts(1000), RATE), probe(), CONFIG)
    np.testing.assert_array_equal(
        front_end.read(2, 30).traces, front_end.read(2, 30).traces
    )


def test_without_a_filter_traces_are_as_recorded():
    array = counts(700)
    recording = ArrayRecording(array, RATE, gain=GAIN)
    front_end = FrontEnd(recording, probe(), replace(CONFIG, cut_off_hz=None))
    expected = (GAIN * array.astype("f8")).astype(np.float32)
    np.testing.assert_allclose(tile(front_end, 20), expected, rtol=1e-6)


def test_a_lower_edge_needs_a_longer_margin_and_gets_it():
    array = counts(4000)
    config = replace(CONFIG, cut_off_hz=(80.0, None), chunk_frames=500)
    front_end = FrontEnd(ArrayRecording(array, RATE, gain=GAIN), probe(), config)
    assert_within_noise(tile(front_end), whole(array, 80.0))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_bridged(bad):
    traces = np.random.default_rng(0).normal(0, 10, (900, 4)).astype(np.float32)
    broken = traces.copy()
    broken[310, 2] = broken[0, 1] = bad
    traces[310, 2] = (traces[309, 2] + traces[311, 2]) / 2
    traces[0, 1] = traces[1, 1]
    read = [
        tile(FrontEnd(ArrayRecording(samples, RATE), probe(), CONFIG))
        for samples in (broken, traces)
    ]
    np.testing.assert_array_equal(*read)
    assert np.isfinite(read[0]).all()


def test_median_of_each_group_is_subtracted_after_the_filter():
    array = counts(800, n_channels=7)
    groups = [1, 1, 1, 2, 2, 2, 2]
    config = replace(CONFIG, remove_median=True)
    recording = ArrayRecording(array, RATE, gain=GAIN)
    front_end = FrontEnd(recording, probe(range(7), groups), config)
    filtered = whole(array)
    for members in ([0, 1, 2], [3, 4, 5, 6]):
        expected = filtered[:, members]
        expected = expected - np.median(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(tile(front_end)[:, members], expected, atol=0.01)


def test_common_ground_is_subtracted_from_its_group():
    array = counts(800, n_channels=6)
    channels, groups = (5, 4, 3, 2, 1, 0), ["a", "a", "a", "b", "b", "b"]
    config = replace(CONFIG, common_ground=(("a", 4), ("b", 0)))
    recording = ArrayRecording(array, RATE, gain=GAIN)
    front_end = FrontEnd(recording, probe(channels, groups), config)
    filtered = whole(array)
    expected = filtered[:, channels] - filtered[:, [4, 4, 4, 0, 0, 0]]
    np.testing.assert_allclose(tile(front_end), expected, atol=0.01)


def test_dead_periods_are_half_open_and_the_rest_is_alive():
    config = replace(CONFIG, dead_intervals=((10, 20), (30, 31), (40, 60)))
    front_end = FrontEnd(ArrayRecording(counts(100), RATE), probe(), config)
    times = np.arange(-5, 100)
    expected = [
        not any(start <= t < stop for start, stop in config.dead_intervals)
        for t in times
    ]
    assert front_end.alive(times).tolist() == expected
    assert FrontEnd(front_end.recording, probe(), CONFIG).alive(times).all()
    assert front_end.alive(np.empty(0, np.int64)).shape == (0,)


def test_frames_past_the_range_of_32_bits():
    array = counts(1000)
    start = 2**33
    recording = ArrayRecording(array, RATE, start, gain=GAIN)
    front_end = FrontEnd(recording, probe(), CONFIG)
    piece = front_end.read(2, 50)
    assert (piece.first_frame, piece.t_start) == (start + 550, start + 600)
    assert_within_noise(tile(front_end), whole(array))


def test_recorded_samples_stay_as_they_are():
    array = counts(600)
    copy = array.copy()
    config = replace(CONFIG, remove_median=True, common_ground=(("0", 1),))
    tile(FrontEnd(ArrayRecording(array, RATE), probe(), config))
    np.testing.assert_array_equal(array, copy)
    floats = array.astype(np.float32)
    config = replace(config, cut_off_hz=None)
    tile(FrontEnd(ArrayRecording(floats, RATE), probe(), config))
    np.testing.assert_array_equal(floats, copy)
