"""Waveforms as whole numbers, and signals as runs and back."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circus_io.errors import SafetyError
from stim import Pulse, Waveform, compress, decompress

QUICK = settings(max_examples=100, deadline=None, derandomize=True)

# what an STG can do: ±160 mA in nA, on the 20 µs grid
RUNS = st.lists(
    st.tuples(st.integers(-160_000_000, 160_000_000), st.integers(1, 5000)),
    min_size=1,
    max_size=20,
)


def by_hand(runs, unit_us=20):
    """Return the samples of (amplitude, n_samples), one after another."""
    return [amplitude for amplitude, count in runs for _ in range(count)]


@QUICK
@given(RUNS)
def test_samples_are_the_runs_written_out(runs):
    waveform = Waveform.of([(amplitude, 20 * count) for amplitude, count in runs])
    samples = waveform.samples(50_000)
    assert samples.dtype == np.int64
    assert samples.tolist() == by_hand(runs)
    assert waveform.net_charge == 20 * sum(by_hand(runs))
    assert waveform.duration_us == 20 * len(by_hand(runs))
    assert Waveform.from_samples(samples) == waveform


@QUICK
@given(RUNS, RUNS)
def test_waveforms_are_equal_exactly_if_they_are_the_same_output(one, other):
    a, b = (Waveform.of([(v, 20 * n) for v, n in runs]) for runs in (one, other))
    assert (a == b) == (by_hand(one) == by_hand(other))
    split = [(v, 20) for v, n in one for _ in range(min(n, 3))]
    split += [] if all(n <= 3 for _, n in one) else [(7, 20)]
    assert Waveform.of(split) == Waveform.of(split[:1] + split[1:])
    assert hash(Waveform.of(split)) == hash(Waveform.of(split))


def test_runs_are_canonical_and_cannot_be_changed():
    waveform = Waveform([5, 5, -5, 0], [20, 40, 60, 100])
    assert waveform.amplitudes.tolist() == [5, -5, 0]
    assert waveform.durations_us.tolist() == [60, 60, 100]
    assert waveform == Waveform.of([(5, 60), (-5, 60), (0, 100)])
    assert waveform != Waveform.of([(5, 60), (-5, 60), (0, 100)], "uV")
    for array in (waveform.amplitudes, waveform.durations_us):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True


def test_what_was_given_is_not_the_waveform():
    given_to_it = np.array([1, -1])
    waveform = Waveform(given_to_it, [20, 20])
    given_to_it[:] = 9
    assert waveform.amplitudes.tolist() == [1, -1]


def test_pulses_are_waveforms():
    pulse = Pulse.of([(-100, 200), (0, 20), (100, 200)], "nA")
    waveform = Waveform.from_pulse(pulse)
    assert (waveform.largest, waveform.duration_us, waveform.unit) == (100, 420, "nA")
    assert waveform.charges.tolist() == [-20_000, 0, 20_000]


@pytest.mark.parametrize(
    ("amplitudes", "durations_us", "unit", "words"),
    [
        ([1, 2], [20, 0], "nA", r"durations_us\[1\] = 0: expected more than 0"),
        ([1], [-20], "nA", "more than 0"),
        ([1, 2], [20], "nA", "2 amplitudes for 1 durations"),
        ([], [], "nA", "without runs"),
        ([0.5], [20], "nA", r"amplitudes\[0\] = 0.5: expected a whole number"),
        ([1], [float("nan")], "nA", "below 2"),
        ([1], [1e30], "nA", "below 2"),
        (["a"], [20], "nA", "row of whole numbers"),
        ([[1, 2]], [20, 20], "nA", "row of whole numbers"),
        ([1], [20], "mA", "choose from uV, nA"),
        ([160_000_000], [1 << 40], "nA", "too long for its charge"),
    ],
)
def test_what_is_no_waveform_is_refused(amplitudes, durations_us, unit, words):
    with pytest.raises(SafetyError, match=words):
        Waveform(amplitudes, durations_us, unit)


def test_samples_need_a_rate_that_fits():
    with pytest.raises(SafetyError, match="choose another rate"):
        Waveform.of([(1, 30)]).samples(50_000)
    with pytest.raises(SafetyError, match="choose another rate"):
        Waveform.from_samples([1], 30_000)
    assert Waveform.of([(1, 30)]).samples(100_000).size == 3


# -------------------------------------------------------------------- at the surface


def test_all_durations_of_the_grid_are_exact_in_ms_and_in_us():
    for ticks in range(1, 5001):
        duration_in_ms = float(f"{ticks // 50}.{ticks % 50 * 2:02d}")
        assert decompress([1], [duration_in_ms]).size == ticks
        waveform = Waveform.from_mA([1], [duration_in_ms])
        assert waveform.durations_us[0] == 20 * ticks
        assert compress(np.ones(ticks)) == ([1.0], [duration_in_ms])


@pytest.mark.parametrize(
    ("rate_in_hz", "n_programs"), [(50_000, 100_000), (10_000, 2000), (1000, 2000)]
)
def test_a_hundred_thousand_programs_go_round(rate_in_hz, n_programs):
    """Of each, the samples, and the runs, are those before."""
    rng = np.random.default_rng(rate_in_hz)
    sizes = rng.integers(1, 9, n_programs)
    n_runs = sizes.sum()
    # neighbours differ, as in canonical runs: 0.002 mA steps, even and odd by turns
    steps = 2 * rng.integers(-4000, 4000, n_runs) + np.arange(n_runs) % 2
    ticks = rng.integers(1, 100, n_runs)
    amplitudes, durations = steps * 0.002, ticks * 1000 / rate_in_hz
    samples = np.repeat(amplitudes, ticks)  # of all programs, by numpy alone
    ends = np.cumsum(sizes)
    t_ends = np.cumsum(ticks)[ends - 1]
    begin = t_begin = 0
    for end, t_end in zip(ends.tolist(), t_ends.tolist(), strict=True):
        amps, durs = amplitudes[begin:end], durations[begin:end]
        signal = decompress(amps, durs, rate_in_hz)
        assert signal.tobytes() == samples[t_begin:t_end].tobytes()
        assert compress(signal, rate_in_hz) == (amps.tolist(), durs.tolist())
        begin, t_begin = end, t_end


@QUICK
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_any_signal_goes_round(signal):
    assert decompress(*compress(signal)).tolist() == signal


def test_the_names_of_the_documentation():
    by_name = decompress(amplitudes_in_mA=[1], durations_in_ms=[0.06])
    assert by_name.tolist() == decompress(amps=[1], durs=[0.06]).tolist() == [1.0] * 3
    assert decompress([1, 2], [0, 0.02]).tolist() == [2.0]
    assert decompress([1], [0.3], rate_in_hz=10_000).size == 3
    # a float that is only almost 0.3
    assert decompress([1], [0.1 + 0.2], rate_in_hz=10_000).size == 3


@pytest.mark.parametrize(
    ("amplitudes", "durations", "words"),
    [
        ([1, 1], [0.02], "2 amplitudes for 1"),
        ([1], [0.03], r"\[0\] = 0.03: a sample at 50000 Hz lasts 0.02 ms"),
        ([1], [-0.02], "give a multiple"),
        ([1], [float("inf")], "finite numbers"),
        (["x"], [0.02], "row of numbers"),
    ],
)
def test_what_cannot_be_decompressed_is_refused(amplitudes, durations, words):
    with pytest.raises(SafetyError, match=words):
        decompress(amplitudes, durations)


def test_amplitudes_are_the_nearest_na():
    # the exact value of each float, as a fraction
    for value in (0.1, 0.29, 1.9, 0.0000014, 1 / 3, -0.57, 15.9999999):
        (found,) = Waveform.from_mA([value], [0.1]).amplitudes
        assert abs(Fraction(value) * 1_000_000 - int(found)) <= Fraction(1, 2)
    assert Waveform.from_mV([-0.5, 2], [0.1, 0.2]) == Waveform.of(
        [(-500, 100), (2000, 200)], "uV"
    )


@pytest.mark.parametrize(
    ("durations", "words"),
    [
        ([0.25], r"durations_in_ms\[0\] = 0.25: .* 20 µs; choose 0.24 or 0.26"),
        ([0.1001], "choose 0.1 or 0.12"),
        ([0.0], "choose 0.02 or 0.04"),
        ([0.1, 0.2], "1 amplitudes for 2"),
    ],
)
def test_durations_off_the_grid_are_refused(durations, words):
    with pytest.raises(SafetyError, match=words):
        Waveform.from_mA([1], durations)
    with pytest.raises(SafetyError, match="choose from refuse, keep-charge"):
        Waveform.from_mA([1], [0.1], rounding="up")


def test_another_grid():
    assert Waveform.from_mA([1], [0.03], grid_us=10).duration_us == 30


AMPLITUDES = st.floats(-16, 16).filter(lambda x: abs(x) > 1e-3)


@QUICK
@given(
    AMPLITUDES,
    st.floats(0.02, 5),
    st.floats(0.02, 5),
    st.floats(0, 5),
    st.floats(5, 100),
)
def test_charge_is_kept_where_durations_are_rounded(first, one, other, gap, pause):
    """Every phase moves what was asked for; the pulse leaves exactly nothing."""
    amplitudes = [first, 0, -first * one / other, 0]
    waveform = Waveform.from_mA(
        amplitudes, [one, gap, other, pause], rounding="keep-charge"
    )
    assert np.all(waveform.durations_us % 20 == 0)
    assert waveform.net_charge == 0
    positive = waveform.charges[waveform.charges > 0].sum()
    # fC; amplitudes are whole nA, so of each sample at most 1 nA is missing
    longest_us = max(one, other) * 1000 + 20
    assert abs(positive - abs(first) * one * 1e9) <= longest_us + 1
    assert abs(waveform.duration_us - (one + gap + other + pause) * 1000) <= 20 + 20


def test_what_is_balanced_but_for_its_floats_stays_balanced():
    waveform = Waveform.from_mA([1 / 3, -0.1], [0.3, 1], rounding="keep-charge")
    assert waveform.net_charge == 0
    unbalanced = Waveform.from_mA([1, -1], [0.3, 0.2], rounding="keep-charge")
    assert unbalanced.net_charge == 100 * 1_000_000


def test_pauses_make_up_for_the_time():
    waveform = Waveform.from_mA(
        [1, -1, 0] * 300, [0.105, 0.105, 9.79] * 300, rounding="keep-charge"
    )
    assert waveform.duration_us == 300 * 10_000
    assert waveform.net_charge == 0
