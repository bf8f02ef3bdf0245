"""Butterworth filters as second-order sections.

Here and not from `scipy.signal`, whose import costs every rank half a second.
"""

import numpy as np

__all__ = ["butter_sos", "settling_frames", "steady_states"]

NYQUIST_FRACTION = 0.95  # what a cut-off of `auto` means, as in the classic tool
ANALOG_RATE = 2.0  # of the bilinear transform; any, since cut-offs are pre-warped


def butter_sos(
    cut_off_hz: tuple[float, float | None], sampling_rate: float, order: int = 3
) -> np.ndarray:
    """Design the Butterworth band-pass as second-order sections.

    Sections, not polynomial coefficients: at 1 % of the Nyquist frequency the
    polynomial form of the same filter is numerically weak.

    Parameters
    ----------
    cut_off_hz : (float, float or None)
        Band edges in Hz. None for the upper edge means 0.95 of the Nyquist
        frequency; an upper edge above that gives a pure high-pass.
    sampling_rate : float
        In Hz.
    order : int
        Order of the prototype; run forward and backward it counts twice.

    Returns
    -------
    float64 (n_sections, 6)
        b0, b1, b2, a0 = 1, a1, a2 of each, poles nearest to the unit circle last.

    Notes
    -----
    The analog prototype, whose poles lie on a half circle, is moved to the band and
    mapped by the bilinear transform (Oppenheim and Schafer, Discrete-Time Signal
    Processing, chapter 7). A band-pass has as many zeros at frequency 0 as at the
    Nyquist frequency, so each section takes one of both.
    """
    low, high = cut_off_hz
    nyquist = sampling_rate / 2
    high = NYQUIST_FRACTION * nyquist if high is None else high
    angles = np.pi * (2 * np.arange(order) + order + 1) / (2 * order)
    prototype = np.exp(1j * angles)
    if high > NYQUIST_FRACTION * nyquist:
        poles, zeros = _warped(low, sampling_rate) / prototype, (1.0, 1.0)
        passed = -1.0  # where the gain is 1: the Nyquist frequency
    else:
        poles, centre = _band(prototype, low, high, sampling_rate)
        zeros = (1.0, -1.0)
        passed = np.exp(2j * np.arctan(centre / (2 * ANALOG_RATE)))
    poles = (2 * ANALOG_RATE + poles) / (2 * ANALOG_RATE - poles)
    sections = _sections(poles, zeros)
    sections[0, :3] /= np.abs(_response(sections, passed))
    return sections


def _warped(frequency_hz: float, sampling_rate: float) -> float:
    """Return the analog frequency, rad/s, that the bilinear transform maps there."""
    return 2 * ANALOG_RATE * np.tan(np.pi * frequency_hz / sampling_rate)


def _band(
    prototype: np.ndarray, low: float, high: float, sampling_rate: float
) -> tuple[np.ndarray, float]:
    """Return the analog poles of a band-pass, and the centre of its band."""
    edges = _warped(low, sampling_rate), _warped(high, sampling_rate)
    half = prototype * (edges[1] - edges[0]) / 2
    root = np.sqrt(half**2 - edges[0] * edges[1])
    return np.concatenate([half + root, half - root]), float(np.sqrt(np.prod(edges)))


def _sections(poles: np.ndarray, zeros: tuple[float, float]) -> np.ndarray:
    """Pair conjugate and real poles; each pair gets both zeros, a single one the first.

    The outermost of the real poles go together, so that no section is all slow.
    """
    real = np.sort(poles[np.abs(poles.imag) < 1e-12].real)
    single, real = real[: real.size % 2], real[real.size % 2 :]
    pairs = [(pole, pole.conj()) for pole in poles[poles.imag >= 1e-12]]
    pairs += zip(real[: real.size // 2], real[::-1], strict=False)
    groups = sorted([*pairs, *zip(single, strict=True)], key=lambda g: max(map(abs, g)))
    sections = np.zeros((len(groups), 6))
    for row, group in zip(sections, groups, strict=True):
        row[: len(group) + 1] = np.poly(zeros[: len(group)])
        row[3 : 4 + len(group)] = np.poly(group).real
    return sections


def _response(sections: np.ndarray, z: complex) -> complex:
    powers = np.array([1, 1 / z, 1 / z**2])
    return np.prod((sections[:, :3] @ powers) / (sections[:, 3:] @ powers))


def steady_states(sections: np.ndarray) -> np.ndarray:
    """States of direct-form-II-transposed sections after a long input of 1.

    Parameters
    ----------
    sections : float64 (n_sections, 6)

    Returns
    -------
    float64 (n_sections, 2)
    """
    states = np.empty((len(sections), 2))
    level = 1.0
    for state, (b0, b1, b2, _, a1, a2) in zip(states, sections, strict=True):
        gain = (b0 + b1 + b2) / (1 + a1 + a2)
        state[1] = (b2 - a2 * gain) * level
        state[0] = (b1 - a1 * gain) * level + state[1]
        level *= gain
    return states


def settling_frames(sections: np.ndarray, residue: float = 1e-8) -> int:
    """Frames after which the slowest pole has decayed to `residue`.

    This is the margin a chunk needs on each side for its core to equal the whole
    stream filtered at once.
    """
    slowest = max(np.abs(np.roots(row)).max(initial=0.0) for row in sections[:, 3:])
    return 1 if slowest == 0 else int(np.ceil(np.log(residue) / np.log(slowest)))
