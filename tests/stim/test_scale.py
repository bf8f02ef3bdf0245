"""From nA and µV to what a converter puts out: half a step at most, no charge left."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from circus_io.errors import SafetyError
from stim import Program, Scale, Waveform

QUICK = settings(max_examples=100, deadline=None, derandomize=True)

# 160 µA, 1.6 mA, 16 mA and 160 mA, each with converters of 13 to 16 bits
VARIANTS = [
    Scale(range_na // (1000 * 2 ** (bits - 11)) or 1, bits, range_na)
    for range_na in (160_000, 1_600_000, 16_000_000, 160_000_000)
    for bits in (13, 14, 15, 16)
]
VARIANT = st.sampled_from(VARIANTS)


def name(scale):
    return f"{scale.range / 1e6:g}mA-{scale.dac_bits}bit"


@st.composite
def balanced(draw):
    """Give a variant, and runs in nA whose phases differ and sum up to nothing."""
    scale = draw(VARIANT)
    most = scale.most_counts * scale.resolution
    runs = []
    for _ in range(draw(st.integers(1, 5))):
        ratio = draw(st.integers(1, 20))
        amplitude = draw(st.integers(-(most // ratio), most // ratio))
        ticks = draw(st.integers(1, 300))
        runs += [(amplitude, ticks * ratio), (-amplitude * ratio, ticks)]
    return scale, draw(st.permutations(runs))


@QUICK
@given(VARIANT, st.data())
def test_amplitudes_are_off_by_half_a_step_at_most(scale, data):
    most = scale.most_counts * scale.resolution
    amplitudes = data.draw(st.lists(st.integers(-most, most), min_size=1, max_size=9))
    counts = scale.counts(np.array(amplitudes))
    for amplitude, count in zip(amplitudes, counts.tolist(), strict=True):
        exact = Fraction(amplitude, scale.resolution)
        assert abs(exact - count) <= Fraction(1, 2)
    assert np.array_equal(scale.counts(-np.array(amplitudes)), -counts)


@pytest.mark.parametrize("scale", VARIANTS, ids=name)
def test_every_amplitude_at_the_edges_of_its_steps(scale):
    steps = np.arange(scale.most_counts)[:, None] * scale.resolution
    half = scale.resolution // 2
    near = steps + np.array([0, 1, half, half + 1])
    near = near.clip(0, scale.most_counts * scale.resolution)
    error = scale.counts(near) * scale.resolution - near
    assert np.all(2 * np.abs(error) <= scale.resolution)


@pytest.mark.parametrize("scale", VARIANTS, ids=name)
def test_words_are_left_justified(scale):
    """As a device reads them: bits below the converter's are dropped, then steps."""
    counts = np.array([0, 1, -1, scale.most_counts, -scale.most_counts])
    words = scale.words(counts)
    assert words.dtype == np.int16
    as_read = [int(np.floor(word / 2 ** (16 - scale.dac_bits))) for word in words]
    assert as_read == counts.tolist()
    with pytest.raises(SafetyError, match="the channel has ±"):
        scale.words(np.array([scale.most_counts + 1]))


def test_the_constants_of_the_variants_follow_from_their_steps():
    """Words per mA of 14 bits with range / 8000, as measured on one and derived."""
    expected = {160_000: 200_000, 1_600_000: 20_000, 16_000_000: 2000, 160_000_000: 200}
    for range_na, words_per_ma in expected.items():
        scale = Scale(range_na // 8000, 14, range_na)
        assert scale.words_per_unit * 1e6 == words_per_ma
        assert scale.most_counts == 8000


@QUICK
@given(balanced())
def test_balanced_programs_leave_exactly_nothing(drawn):
    scale, runs = drawn
    waveform = Waveform.of([(amplitude, 20 * ticks) for amplitude, ticks in runs])
    assume(waveform.largest >= scale.resolution)  # else nothing might leave
    program = scale.quantize(waveform)
    assert program.net_counts == 0
    put_out = np.repeat(program.counts, program.ticks)
    asked_for = waveform.samples() / scale.resolution
    assert put_out.sum() == 0
    assert np.abs(put_out - asked_for).max() < 1


@pytest.mark.parametrize("scale", VARIANTS, ids=name)
def test_a_hundred_thousand_balanced_programs_at_once(scale):
    """Each is a stretch of one long waveform, and each leaves nothing by itself."""
    rng = np.random.default_rng(scale.dac_bits + scale.range)
    n_programs = 100_000
    most = scale.most_counts * scale.resolution
    # three runs of any kind, one that takes all of their charge back, and a pause
    amplitudes = np.zeros((n_programs, 5), np.int64)
    ticks = np.full((n_programs, 5), 10)
    ticks[:, :3] = rng.integers(1, 30, (n_programs, 3))
    ticks[:, 3] = 1
    amplitudes[:, :3] = rng.integers(-most, most + 1, (n_programs, 3)) // 90
    amplitudes[:, 3] = -(amplitudes[:, :3] * ticks[:, :3]).sum(1)
    waveform = Waveform(amplitudes.ravel(), 20 * ticks.ravel())
    program = scale.quantize(waveform)
    put_out = np.repeat(program.counts, program.ticks)
    ends = ticks.sum(1).cumsum()
    assert put_out.size == ends[-1]
    assert not np.cumsum(put_out)[ends - 1].any()
    off = np.abs(put_out * scale.resolution - waveform.samples())
    assert off.max() < scale.resolution
    # alone, each becomes the same
    for index in rng.integers(0, n_programs, 50).tolist():
        runs = Waveform(amplitudes[index], 20 * ticks[index])
        if 2 * runs.largest <= scale.resolution:
            continue
        alone = scale.quantize(runs)
        begin, end = ends[index] - ticks[index].sum(), ends[index]
        assert np.array_equal(np.repeat(alone.counts, alone.ticks), put_out[begin:end])


def test_rounding_to_the_nearest_would_leave_a_charge():
    """The negative control: what the stretches above have to make up for."""
    scale = Scale(2000, 14, 16_000_000)
    asymmetric = Waveform.of([(333_000, 200), (-66_600, 1000)])
    nearest = np.round(asymmetric.amplitudes / 2000) * (asymmetric.durations_us // 20)
    assert nearest.sum() != 0
    assert scale.quantize(asymmetric).net_counts == 0


def test_only_what_is_needed_is_moved_and_at_the_end():
    scale = Scale(571, 16, 12_000_000, "uV")
    program = scale.quantize(Waveform.of([(100_000, 200), (-50_000, 400)], "uV"))
    # 175.13 and -87.57 steps: 175 × 10, then 10 samples of -88 and 10 of -87
    assert program.counts.tolist() == [175, -88, -87]
    assert program.ticks.tolist() == [10, 10, 10]


def test_long_weak_phases_take_it_where_the_last_cannot():
    scale = Scale(1000, 14, 8_000_000)
    # 0.4 steps for 1000 ticks round to nothing; the last phase has 4 ticks
    waveform = Waveform.of([(400, 20_000), (-100_000, 80)])
    program = scale.quantize(waveform)
    assert program.net_counts == 0
    samples = program.words() >> scale.shift
    assert np.abs(samples - waveform.samples() / 1000).max() < 1


def test_what_leaves_a_charge_is_only_rounded():
    scale = Scale(2000, 14, 16_000_000)
    program = scale.quantize(Waveform.of([(333_000, 200), (-66_600, 980)]))
    assert program.counts.tolist() == [166, -33]
    assert program.net_counts == 166 * 10 - 33 * 49
    # the part that is balanced is balanced all the same
    parts = [(333_000, 200), (-66_600, 1000), (0, 100), (5000, 100)]
    both = scale.quantize(Waveform.of(parts))
    assert both.net_counts == 2 * 5


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ([(16_000_001, 100)], r"16000001 nA is beyond the channel.* ±16000000 nA"),
        ([(-17_000_000, 100)], "17000000 nA is beyond"),
        ([(2_000_000, 110)], "110 µs: the device counts in 20 µs"),
        ([(999, 100), (-999, 100)], "too little for the steps of the channel, 2000 nA"),
    ],
)
def test_what_a_channel_cannot_do_is_refused(runs, words):
    with pytest.raises(SafetyError, match=words):
        Scale(2000, 14, 16_000_000).quantize(Waveform.of(runs))


def test_units_are_not_mixed_up():
    with pytest.raises(SafetyError, match="in uV for a channel that is driven in nA"):
        Scale(2000, 14, 16_000_000).quantize(Waveform.of([(1, 20)], "uV"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((2000, 17, 16_000_000), "dac_bits = 17: expected 2 to 16"),
        ((0, 14, 16_000_000), "expected both above 0"),
        ((2000, 14, 1000), "at least one step"),
        ((2000, 14, 16_000_000, "mA"), "choose from uV, nA"),
    ],
)
def test_what_is_no_converter_is_refused(values, words):
    with pytest.raises(SafetyError, match=words):
        Scale(*values)


def test_a_program_says_what_leaves():
    scale = Scale(2000, 14, 16_000_000)
    program = scale.quantize(Waveform.of([(500_900, 40), (-500_900, 40), (0, 40)]))
    assert program.amplitudes.tolist() == [500_000, -500_000, 0]
    assert program.durations_us.tolist() == [40, 40, 40]
    assert program.words().tolist() == [1000, 1000, -1000, -1000, 0, 0]
    assert program.words(50_000).tolist() == program.words().tolist()
    assert program.words(100_000).size == 12
    assert program.waveform == Waveform.of([(500_000, 40), (-500_000, 40), (0, 40)])
    assert not program.is_silent
    assert (program.n_ticks, program.duration_us) == (6, 120)
    assert program == scale.quantize(program.waveform)
    with pytest.raises(SafetyError, match="no whole samples at 10000 Hz"):
        program.words(10_000)
    with pytest.raises(ValueError, match="read-only"):
        program.counts[0] = 8000


def test_what_is_no_program_is_refused():
    scale = Scale(2000, 14, 16_000_000)
    for counts, ticks in (([1], [0]), ([], []), ([1, 2], [1])):
        with pytest.raises(SafetyError, match="ticks above 0 for each"):
            Program(counts, ticks, scale)
    with pytest.raises(SafetyError, match="the channel has ±8000"):
        Program([8001], [1], scale)
    with pytest.raises(SafetyError, match="too long"):
        Program([1], [1 << 50], scale)
    assert Program([0], [1 << 40], scale).is_silent
