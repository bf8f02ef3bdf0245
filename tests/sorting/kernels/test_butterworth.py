import numpy as np
import pytest
from scipy import signal

from sorting.kernels.butterworth import butter_sos, settling_frames, steady_states

RATES = (10_000.0, 20_000.0, 24_414.0625, 50_000.0)
ORDERS = (1, 2, 3, 4, 5, 6)


def scipy_sos(low: float, high: float, rate: float, order: int) -> np.ndarray:
    if high > 0.95 * rate / 2:
        return signal.butter(order, low, "highpass", fs=rate, output="sos")
    return signal.butter(order, [low, high], "band", fs=rate, output="sos")


def response(sos: np.ndarray) -> np.ndarray:
    return signal.sosfreqz(sos, 2048)[1]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("band", [(300, 3000), (1, 4500), (900, 1000), (300, 1e6)])
def test_response_is_that_of_scipys_design(band, rate, order):
    sos = butter_sos(band, rate, order)
    np.testing.assert_array_equal(sos[:, 3], 1)
    expected = response(scipy_sos(*band, rate, order))
    # a band of 1 to 4500 Hz of order 6 is at the limit of double precision in either
    np.testing.assert_allclose(response(sos), expected, atol=1e-7)


def test_no_upper_edge_means_just_below_the_nyquist_frequency():
    sos = butter_sos((300, None), 20_000)
    expected = response(scipy_sos(300, 9500, 20_000, 3))
    np.testing.assert_allclose(response(sos), expected, atol=1e-10)


@pytest.mark.parametrize("order", ORDERS)
def test_nothing_constant_passes(order):
    for band in ((300, None), (300, 1e6)):
        sos = butter_sos(band, 20_000, order)
        assert abs(response(sos)[0]) < 1e-12


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("band", [(300, None), (300, 1e6)])
def test_steady_states_are_scipys(band, order):
    sos = butter_sos(band, 20_000, order)
    np.testing.assert_allclose(steady_states(sos), signal.sosfilt_zi(sos), atol=1e-10)


def test_steady_states_of_sections_that_pass_a_constant():
    sos = signal.butter(5, 0.2, output="sos")
    np.testing.assert_allclose(steady_states(sos), signal.sosfilt_zi(sos), rtol=1e-9)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("band", [(300, None), (150, 3000), (300, 1e6)])
def test_after_settling_an_impulse_is_gone(band, order):
    sos = butter_sos(band, 20_000, order)
    n_frames = settling_frames(sos)
    impulse = np.zeros(2 * n_frames + 2)
    impulse[0] = 1
    answer = np.abs(signal.sosfilt(sos, impulse))
    # poles of one size add up to a polynomial times the decay of one
    assert answer[n_frames:].max() < 1e-5 * answer.max()
    assert answer[: n_frames // 4].max() == answer.max()
    assert settling_frames(np.array([[1.0, 0, 0, 1, 0, 0]])) == 1
