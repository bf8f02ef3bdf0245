"""Defects known from drivers of STGs that concern values, each with its old formula.

The old formulas stand here as they were, so that each test shows what it is about: it
fails on them, and holds for ours.
"""

import dataclasses

import numpy as np
import pytest

from circus_io.errors import SafetyError
from stim import (
    PulseFile,
    PulseFileAlternative,
    SafetyLimits,
    Scale,
    Stimulator,
    Waveform,
    decompress,
    read_dat,
)

# range / 8000 at 14 bits; a word of such a device holds 4 × its counts
DEVICES = {
    range_na: Scale(range_na // 8000, 14, range_na)
    for range_na in (160_000, 1_600_000, 16_000_000, 160_000_000)
}
OF_16_MA = DEVICES[16_000_000]


def words_of(amplitude_in_ma, scale=OF_16_MA):
    pulse = PulseFile(amplitude_in_ma).waveform
    return scale.quantize(pulse).words(50_000)


def put_out_na(words, scale):
    """Return what a device makes of words: its upper bits, in its own steps."""
    return (words.astype(int) // 4) * scale.resolution


# 1: int(v) * 2000 cuts mA to whole numbers


def test_fractions_of_a_ma_are_put_out():
    for amplitude_in_ma in (0.5, 1.9, 0.002, 15.998):
        old = int(amplitude_in_ma) * 2000
        assert old != round(amplitude_in_ma * 2000)
        words = words_of(amplitude_in_ma)
        assert words.max() == -words.min() == round(amplitude_in_ma * 2000)


def test_what_is_beyond_the_device_is_an_error_before_it_is_sent():
    with pytest.raises(OverflowError):
        np.int16(17 * 2000)
    with pytest.raises(SafetyError, match="17000000 nA is beyond the channel"):
        words_of(17)


# 2: 2000 words per mA on every device; no voltages


@pytest.mark.parametrize("range_na", DEVICES)
def test_each_device_puts_out_what_was_asked_for(range_na):
    scale = DEVICES[range_na]
    amplitude_in_ma = range_na / 1e6 / 2
    found = put_out_na(words_of(amplitude_in_ma, scale), scale).max()
    assert abs(found - amplitude_in_ma * 1e6) <= scale.resolution / 2
    old = np.array([min(amplitude_in_ma * 2000, 32767)]).astype(np.int16)
    ratio = put_out_na(old, scale).max() / (amplitude_in_ma * 1e6)
    assert (ratio == pytest.approx(1, rel=0.01)) == (range_na == 16_000_000)


def test_voltages_are_streamed_in_their_own_steps():
    scale = Scale(1000, 14, 8_000_000, "uV")
    program = scale.quantize(Waveform.from_mV([500, -500], [0.1, 0.1]))
    assert put_out_na(program.words(), scale).max() == 500_000


# 12: int(d * 50) loses samples, and a float path is off by one


def test_no_duration_of_the_grid_loses_a_sample():
    ticks = range(1, 5001)
    as_written = [float(f"{i // 50}.{i % 50 * 2:02d}") for i in ticks]
    as_computed = [i * 0.02 for i in ticks]
    for durations_in_ms, n_lost in ((as_written, 287), (as_computed, 89)):
        old = [int(duration * 50) for duration in durations_in_ms]
        assert sum(n != i for n, i in zip(old, ticks, strict=True)) == n_lost
        assert [decompress([1], [d]).size for d in durations_in_ms] == list(ticks)
    assert int(0.58 * 50) == 28


def test_unequal_phases_stay_balanced_when_they_are_decompressed():
    amplitudes, durations = PulseFileAlternative(1.74, 0.1, 10, 1, (1, 2))()
    assert (amplitudes, durations) == ([-1, 0.5, 0], [0.58, 1.16, 98.26])
    old = sum(a * int(d * 50) for a, d in zip(amplitudes, durations, strict=True))
    assert old != 0
    assert decompress(amplitudes, durations).sum() == 0


def test_durations_off_the_grid_are_not_cut():
    assert int(0.25 * 50) == 12  # of 12.5
    with pytest.raises(SafetyError, match="give a multiple"):
        decompress([1], [0.25])


def test_amplitudes_and_durations_are_not_off_by_one():
    thousandths = [float(f"{i // 1000}.{i % 1000:03d}") for i in range(1, 5001)]
    grid = [i * 0.02 for i in range(1, 5001)]
    assert sum(int(v * 1e6) != 1000 * i for i, v in enumerate(thousandths, 1)) == 95
    assert sum(int(d * 1e3) != 20 * i for i, d in enumerate(grid, 1)) == 22
    waveform = Waveform.from_mA(thousandths, grid)
    assert waveform.amplitudes.tolist() == [1000 * i for i in range(1, 5001)]
    assert waveform.durations_us.tolist() == [20 * i for i in range(1, 5001)]


# 13: mA written where µA are read


def test_files_are_written_in_microamperes(tmp_path):
    path = tmp_path / "pulse.dat"
    PulseFile(intensity_in_mA=0.5).dump(path)
    lines = path.read_text().splitlines()
    old = f"{0.5}\t{0.1 * 1000}"
    assert old not in lines
    assert "500\t100" in lines
    assert read_dat(path).waveforms[0].largest == 500_000


def test_files_have_the_channels_that_are_needed(tmp_path):
    from stim.pulse_file import dump

    path = tmp_path / "pulse.dat"
    dump([PulseFile()] * 5, path)
    assert "channels: 8" in path.read_text().splitlines()
    assert sum(w is not None for w in read_dat(path).waveforms) == 5


# 15: no limit anywhere


def test_every_limit_holds_and_none_is_left_out():
    """Each keeps one program from leaving that the others would let through."""
    loose = SafetyLimits(16_000_000, 10**6, 1, unit="nA")
    program = OF_16_MA.quantize(PulseFile(burstcount=2).waveform)
    loose.check_program(program)
    for name, value in (
        ("max_amplitude", 999_999),
        ("max_phase_us", 99),
        ("min_period_us", 50_001),
        ("max_phase_charge_fc", 99_999_999),
        ("max_running_charge_fc", 99_999_999),
        ("max_on_time_s", 0.0003),
    ):
        tight = dataclasses.replace(loose, **{name: value})
        with pytest.raises(SafetyError, match="limit"):
            tight.check_program(program)
    monophasic = OF_16_MA.quantize(PulseFile(mode="monophasic").waveform)
    with pytest.raises(SafetyError, match="leaves a charge"):
        loose.check_program(monophasic)


def test_without_limits_there_is_no_stimulator():
    class Device(Stimulator):
        _connect = _disconnect = _start = _stop = _quantize = _set_signal = None

    with pytest.raises(SafetyError, match="needs SafetyLimits"):
        Device(None)
