"""Waveform words both ways, against values that other programs have sent."""

import random

import pytest

from circus_io.errors import SafetyError
from circus_live.speaker.words import (
    SCALE,
    Switch,
    decode,
    encode_dac,
    encode_switches,
    ticks_of,
)


def test_the_words_of_the_square_pulse_mean_what_is_known_of_them():
    first, second = decode(0x00007F51), decode(0x001980AF)
    assert (first.amplitude_uv, first.ticks) == (-99_925, 0)
    assert (second.amplitude_uv, second.ticks) == (99_925, 25)  # 500 µs
    on, rest = decode(3211289), decode(655385)
    assert (on.switches, on.ticks) == (Switch.PULSE, 49)
    assert (rest.switches, rest.ticks) == (Switch.PULSE, 10)
    assert Switch.PULSE == 0x19


def test_the_slip_of_pen_in_that_pulse_shows():
    assert decode(32211289).ticks == 491
    assert decode(32211289).low == 0x8159


@pytest.mark.parametrize("ticks", [1, 25, 999, 1000, 1001, 1023, 25_500, 1_234_567])
def test_words_last_as_long_as_they_should(ticks):
    found = [decode(word) for word in encode_dac([(-175, ticks), (175, ticks)])]
    assert sum(word.ticks for word in found if word.counts == -175) == ticks
    assert sum(word.ticks for word in found if word.counts == 175) == ticks
    assert (found[-1].counts, found[-1].ticks) == (0, 1)
    assert all(word.ticks for word in found)
    switches = [decode(word) for word in encode_switches(ticks)]
    assert sum(word.ticks for word in switches if word.switches == 0x19) == ticks
    assert (switches[-1].low, switches[-1].ticks) == (0, 1)


def test_1000_random_pulses_come_back():
    draw = random.Random(5)
    for _ in range(1000):
        phases = [
            (draw.randint(-32767, 32767), draw.randint(1, 3000)) for _ in range(3)
        ]
        timeline = [c for c, ticks in phases for _ in range(ticks)] + [0]
        words = [decode(word) for word in encode_dac(phases)]
        assert [w.counts for w in words for _ in range(w.ticks)] == timeline


def test_the_time_base_is_bit_26():
    assert encode_dac([(0, 2000)])[0] == 1 << 26 | 2 << 16 | 0x8000


def test_amplitudes_are_rounded_to_the_nearest_step():
    draw = random.Random(6)
    for uv in [draw.randint(-10_000_000, 10_000_000) for _ in range(1000)]:
        assert abs(SCALE.counts(uv) * 571 - uv) <= 571 / 2
        assert SCALE.counts(-uv) == -SCALE.counts(uv)
    assert SCALE.counts(100_000) == 175


def test_what_the_dac_cannot_do_is_refused():
    assert SCALE.counts(11_999_565) == 21015
    with pytest.raises(SafetyError, match="which reaches ±11999565 uV"):
        SCALE.counts(-12_000_000)
    for duration_us in (0, 10, 30, -20):
        with pytest.raises(SafetyError, match="choose a multiple"):
            ticks_of(duration_us)
    with pytest.raises(SafetyError, match="27 bits"):
        decode(1 << 27)
