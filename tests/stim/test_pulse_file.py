"""Pulses in mA and ms, by the names that are documented for them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circus_io.errors import SafetyError
from stim import PulseFile, PulseFileAlternative, Waveform, decompress, entrain

QUICK = settings(max_examples=100, deadline=None, derandomize=True)


def test_the_defaults():
    pulse = PulseFile()
    assert pulse.compile() == pulse() == ([1, -1, 0], [0.1, 0.1, 49.8])
    assert pulse.duration_in_ms == pytest.approx(50)
    assert pulse.waveform == Waveform.of([(10**6, 100), (-(10**6), 100), (0, 49_800)])


def test_keywords_and_bursts():
    pulse = PulseFile(
        intensity_in_mA=-0.5,
        mode="monophasic",
        pulsewidth_in_ms=0.2,
        burstcount=3,
        isi_in_ms=1,
    )
    assert pulse() == ([-0.5, 0] * 3, [0.2, 1] * 3)
    assert pulse.duration_in_ms == pytest.approx(3.6)
    assert PulseFile(isi_in_ms=0)() == ([1, -1], [0.1, 0.1])


def test_bursts_with_pauses_in_between():
    amplitudes, durations = entrain(PulseFile(isi_in_ms=1), ibi_in_ms=20, count=3)
    assert amplitudes == [1, -1, 0, 0, 1, -1, 0, 0, 1, -1, 0]
    assert durations == [0.1, 0.1, 1, 20, 0.1, 0.1, 1, 20, 0.1, 0.1, 1]
    signal = decompress(amplitudes, durations)
    assert signal.size == (3 * 1200 + 2 * 20_000) // 20
    assert np.flatnonzero(signal > 0).tolist() == [
        begin + i for begin in (0, 1060, 2120) for i in range(5)
    ]
    assert entrain(PulseFile(), 0, 2) == PulseFile(burstcount=2)()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mode": "triphasic"}, "choose from biphasic, monophasic"),
        ({"pulsewidth_in_ms": 0}, "pulsewidth_in_ms = 0: expected above 0"),
        ({"burstcount": 0}, "burstcount = 0"),
        ({"burstcount": 1.5}, "burstcount = 1.5"),
        ({"isi_in_ms": -1}, "isi_in_ms = -1"),
    ],
)
def test_what_is_no_pulse_file(settings, words):
    with pytest.raises(SafetyError, match=words):
        PulseFile(**settings)


def test_what_is_no_train():
    with pytest.raises(SafetyError, match="count = 0"):
        entrain(PulseFile(), 10, 0)
    with pytest.raises(SafetyError, match="ibi_in_ms = -1"):
        entrain(PulseFile(), -1, 2)


# --------------------------------------------------------------------- unequal phases


@QUICK
@given(
    st.floats(0.3, 3),
    st.floats(0.01, 3),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.sampled_from([0, 0.05, 0.1]),
    st.floats(20, 200),
)
def test_unequal_phases_leave_no_charge(width, intensity, ratio, delay, frequency):
    pulse = PulseFileAlternative(
        width, 0.1, frequency, intensity, ratio, polarity_change_delay=delay
    )
    waveform = pulse.waveform
    assert waveform.net_charge == 0
    assert np.all(waveform.durations_us % 20 == 0)
    # pulses begin where they should, to half a tick
    onsets = np.cumsum(np.r_[0, waveform.durations_us])[:-1]
    first = waveform.amplitudes < 0
    starts = onsets[first & np.r_[True, ~first[:-1]]]
    expected = np.arange(starts.size) * 1e6 / frequency
    assert np.abs(starts - expected).max() <= 10.001
    assert starts.size == int(0.1 * frequency + 1e-9) or starts.size == 1


def test_an_unequal_pulse_by_hand():
    pulse = PulseFileAlternative(1, 0.2, 10, 2, (1, 4))
    assert pulse() == ([-2, 0.5, 0] * 2, [0.2, 0.8, 99] * 2)
    assert pulse.duration_in_ms == pytest.approx(200)
    positive = PulseFileAlternative(1, 0.1, 10, 2, (1, 4), False)
    assert positive()[0] == [2, -0.5, 0]
    gap = PulseFileAlternative(1.1, 0.1, 10, 2, (1, 4), polarity_change_delay=0.1)
    assert gap() == ([-2, 0, 0.5, 0], [0.2, 0.1, 0.8, 98.9])


def test_the_other_shapes():
    equal = PulseFileAlternative(1, 0.1, 10, 2, waveform="symm_biphasic")
    assert equal() == ([-2, 2, 0], [0.5, 0.5, 99])
    one = PulseFileAlternative(1, 0.1, 10, 2, waveform="monophasic")
    assert one() == ([-2, 0], [1, 99])
    # 0.3 × 10 is a float below 3
    assert PulseFileAlternative(1, 0.1 * 3, 10, 2, (1, 1)).burstcount == 3


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"intensity": 4}, "intensity = 4: expected 0 to 3 mA"),
        ({"intensity": -1}, "expected 0 to 3"),
        ({"phase_ratio": None}, "two numbers above 0"),
        ({"phase_ratio": (1, 0)}, "two numbers above 0"),
        ({"frequency": 0}, "frequency = 0: expected both above 0"),
        ({"frequency": 2000}, "does not fit into a period of 0.5 ms"),
        ({"polarity_change_delay": 1}, "below the pulse_width of 1 ms"),
        ({"waveform": "sine"}, "choose from rectangular_assym_biphasic"),
    ],
)
def test_what_cannot_be_shaped(settings, words):
    given = {
        "pulse_width": 1,
        "stimulation_duration": 1,
        "frequency": 10,
        "intensity": 1,
        "phase_ratio": (1, 4),
        **settings,
    }
    with pytest.raises(SafetyError, match=words):
        PulseFileAlternative(**given)
