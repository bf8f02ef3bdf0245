"""The reference is scipy.signal on the whole array, in float64."""

import numpy as np
import pytest
from scipy import signal

from sorting.kernels.butterworth import butter_sos, settling_frames
from sorting.kernels.filters import band_pass, subtract_median

EXTENSION_MS = 30.0


def recording(
    n_frames: int, n_channels: int = 3, offset: float = 8000.0, seed: int = 0
) -> np.ndarray:
    """Noise of 10 µV with a slow drift, on a large offset of either sign."""
    rng = np.random.default_rng(seed)
    drift = 50 * np.sin(np.linspace(0, 3, n_frames))[:, None]
    offsets = offset * np.linspace(-1, 1, n_channels)
    noise = rng.normal(0, 10, (n_frames, n_channels))
    return (noise + drift + offsets).astype(np.float32)


def whole(traces: np.ndarray, sos: np.ndarray, extension: int) -> np.ndarray:
    """Filter the whole array at once, in float64."""
    padlen = min(extension, len(traces) - 1)
    traces = traces.astype(np.float64)
    return signal.sosfiltfilt(sos, traces, axis=0, padtype="odd", padlen=padlen)


def assert_within_noise(filtered: np.ndarray, expected: np.ndarray) -> None:
    """Every sample within a thousandth of the MAD of each channel."""
    mad = np.median(np.abs(expected - np.median(expected, axis=0)), axis=0)
    worst = np.abs(filtered - expected).max(axis=0)
    assert np.all(worst <= 1e-3 * mad), worst / mad


def in_chunks(
    traces: np.ndarray, sos: np.ndarray, chunk_size: int, extension: int
) -> np.ndarray:
    margin = settling_frames(sos)
    cores = []
    for start in range(0, len(traces), chunk_size):
        stop = min(start + chunk_size, len(traces))
        first, last = max(start - margin, 0), min(stop + margin, len(traces))
        before = extension if first == 0 else 0
        after = extension if last == len(traces) else 0
        piece = band_pass(traces[first:last], sos, before, after)
        cores.append(piece[start - first : stop - first])
    return np.concatenate(cores)


@pytest.mark.parametrize(
    ("cut_off", "rate", "order"),
    [
        ((300, None), 20_000, 3),
        ((300, 9500), 20_000, 3),
        ((500, 3000), 30_000, 2),
        ((150, 6000), 24_414.0625, 3),
        ((100, None), 10_000, 1),
        ((5, 12_000), 25_000, 3),
        ((300, 1e6), 32_000, 4),
    ],
)
def test_whole_recording_equals_scipy_at_every_frame(cut_off, rate, order):
    traces = recording(6000)
    extension = round(EXTENSION_MS * rate / 1000)
    sos = butter_sos(cut_off, rate, order)
    filtered = band_pass(traces, sos, extension, extension)
    assert filtered.dtype == np.float32
    assert_within_noise(filtered, whole(traces, sos, extension))


@pytest.mark.parametrize("chunk_size", [1, 7, 300, 1499, 1500, 1501])
def test_chunks_tile_into_the_whole_recording(chunk_size):
    traces = recording(1500)
    sos = butter_sos((300, None), 20_000)
    expected = whole(traces, sos, 600)
    assert_within_noise(in_chunks(traces, sos, chunk_size, 600), expected)


@pytest.mark.parametrize(
    ("cut_off", "rate"), [((150, 3000), 30_000), ((500, None), 10_000)]
)
def test_margins_of_settling_frames_are_enough_for_other_bands(cut_off, rate):
    traces = recording(5000, n_channels=2)
    sos = butter_sos(cut_off, rate)
    extension = round(EXTENSION_MS * rate / 1000)
    expected = whole(traces, sos, extension)
    assert_within_noise(in_chunks(traces, sos, 450, extension), expected)


@pytest.mark.parametrize("n_frames", [2, 3, 50, 599, 600, 601])
def test_recording_shorter_than_the_extension_is_reflected_as_far_as_it_goes(n_frames):
    traces = recording(n_frames)
    sos = butter_sos((300, None), 20_000)
    filtered = band_pass(traces, sos, 600, 600)
    np.testing.assert_allclose(filtered, whole(traces, sos, 600), atol=5e-3)


@pytest.mark.parametrize(("before", "after"), [(600, 0), (0, 600), (0, 0), (600, 40)])
def test_each_end_is_extended_on_its_own(before, after):
    traces = recording(1000)
    sos = butter_sos((300, None), 20_000)
    head = 2 * traces[:1].astype("f8") - traces[before:0:-1]
    tail = 2 * traces[-1:].astype("f8") - traces[::-1][1 : after + 1]
    extended = np.concatenate([head, traces, tail])
    expected = signal.sosfiltfilt(sos, extended, axis=0, padlen=0)
    filtered = band_pass(traces, sos, before, after)
    assert_within_noise(filtered, expected[before : before + 1000])


def test_no_frames_stay_no_frames():
    filtered = band_pass(
        np.zeros((0, 4), np.float32), butter_sos((300, None), 20_000), 600, 600
    )
    assert filtered.shape == (0, 4)
    assert filtered.dtype == np.float32


def test_a_constant_is_removed_even_from_one_frame():
    sos = butter_sos((300, None), 20_000)
    for n_frames in (1, 2, 5000):
        traces = np.full((n_frames, 2), 4321.5, np.float32)
        np.testing.assert_allclose(band_pass(traces, sos, 600, 600), 0, atol=1e-3)


def test_input_is_not_changed():
    traces = recording(700)
    before = traces.copy()
    band_pass(traces, butter_sos((300, None), 20_000), 600, 600)
    band_pass(traces, butter_sos((300, None), 20_000), 0, 0)
    np.testing.assert_array_equal(traces, before)


def test_read_only_and_strided_input_is_filtered():
    traces = recording(1400, n_channels=6)[::2, 1::2]
    traces.setflags(write=False)
    sos = butter_sos((300, None), 10_000)
    filtered = band_pass(traces, sos, 300, 300)
    assert_within_noise(filtered, whole(traces, sos, 300))


def response(sos: np.ndarray, frequency_hz: float, rate: float) -> float:
    """Gain of the filter, from its polynomials."""
    z = np.exp(-2j * np.pi * frequency_hz / rate) ** np.arange(3)
    return float(np.prod(np.abs((sos[:, :3] @ z) / (sos[:, 3:] @ z))))


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize(
    ("cut_off", "edges"),
    [((300, 3000), (300, 3000)), ((300, None), (300, 9500)), ((1, 9500), (1, 9500))],
)
def test_edges_of_the_band_pass_half_the_power(order, cut_off, edges):
    sos = butter_sos(cut_off, 20_000, order)
    for edge in edges:
        assert response(sos, edge, 20_000) == pytest.approx(np.sqrt(0.5), rel=1e-6)
    assert response(sos, 0, 20_000) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("upper", [9501, 10_000, 50_000])
def test_an_upper_edge_beyond_the_nyquist_fraction_is_a_high_pass(upper):
    sos = butter_sos((300, upper), 20_000, 3)
    for frequency in (30, 100, 300, 1000, 9900):
        # the bilinear transform of the analogue Butterworth high-pass
        ratio = np.tan(np.pi * 300 / 20_000) / np.tan(np.pi * frequency / 20_000)
        expected = 1 / np.sqrt(1 + ratio**6)
        assert response(sos, frequency, 20_000) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("cut_off", [(300, None), (10, 9000), (300, 20_000)])
@pytest.mark.parametrize("residue", [1e-3, 1e-8])
def test_settling_is_the_decay_of_the_slowest_pole(cut_off, residue):
    sos = butter_sos(cut_off, 20_000)
    slowest = max(np.abs(np.roots(section[3:])).max() for section in sos)
    n_frames = settling_frames(sos, residue)
    assert slowest**n_frames <= residue < slowest ** (n_frames - 1)


def test_median_is_that_of_each_group():
    rng = np.random.default_rng(2)
    groups = np.array([1, 2, 1, 2, 1, 3, 3, 2, 2])
    traces = rng.normal(0, 10, (40, 9)).astype(np.float32)
    original = traces.copy()
    cleaned = subtract_median(traces, groups)
    for frame in range(40):
        for channel, group in enumerate(groups):
            peers = np.sort(original[frame, groups == group].astype("f8"))
            middle = (peers[(len(peers) - 1) // 2] + peers[len(peers) // 2]) / 2
            middle = middle if group != 3 else 0  # two channels are left alone
            expected = original[frame, channel] - middle
            assert cleaned[frame, channel] == pytest.approx(expected, abs=1e-5)
    np.testing.assert_array_equal(traces, original)


def test_median_removes_what_all_channels_share():
    rng = np.random.default_rng(3)
    own = np.array([0, 0, 5], dtype=np.float32)
    shared = rng.normal(0, 100, (50, 1)).astype(np.float32)
    cleaned = subtract_median(own + shared, np.array(["a", "a", "a"]))
    np.testing.assert_allclose(cleaned, np.tile(own, (50, 1)), atol=1e-4)
