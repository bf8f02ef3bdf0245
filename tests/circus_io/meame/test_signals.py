"""Channel maps, the test signal, the rate and the segment length of a stream."""

import numpy as np
import pytest

from circus_io.errors import FormatError
from circus_io.meame import (
    CHANNEL_MAPS,
    RateMeter,
    StreamSettings,
    encode_segment,
    find_segment_frames,
    get_channel_map,
    sawtooth,
)

LABELS = {10 * c + r for c in range(1, 9) for r in range(1, 9)} - {11, 18, 81, 88}


@pytest.mark.parametrize("name", ["shodan", "sinri"])
def test_a_map_is_a_permutation_of_the_electrodes(name):
    channel_map = get_channel_map(name)
    assert set(channel_map.labels) == LABELS
    assert [channel_map.index_of(label) for label in channel_map.labels] == list(
        range(60)
    )


def test_maps_have_the_channels_that_their_programs_name():
    shodan, sinri = CHANNEL_MAPS["shodan"], CHANNEL_MAPS["sinri"]
    assert shodan.indices_of([15, 12, 21]) == [14, 20, 23]
    assert sinri.indices_of([51, 21, 12]) == [14, 20, 23]
    for label in LABELS:
        transposed = 10 * (label % 10) + label // 10
        assert sinri.index_of(transposed) == shodan.index_of(label)
    assert shodan.label_of(14) == 15


def test_neighbours_are_a_pitch_apart():
    channel_map = get_channel_map("shodan")
    positions = channel_map.positions(pitch_um=500)
    a, b = channel_map.indices_of([43, 53])
    assert (positions[b] - positions[a]).tolist() == [500, 0]
    assert len(np.unique(positions, axis=0)) == 60


def test_what_is_no_electrode_is_refused():
    with pytest.raises(FormatError, match="without the corners"):
        get_channel_map("shodan").index_of(11)
    with pytest.raises(FormatError, match="0 to 59"):
        get_channel_map("shodan").label_of(60)
    with pytest.raises(FormatError, match="choose from shodan, sinri"):
        get_channel_map("mine")


def test_the_sawtooth_is_that_of_the_formula():
    length, segment = 50, 33
    found = sawtooth(segment * length, (segment + 1) * length)
    for c in range(60):
        highest = ((c // 20) + 1) * 400
        slope = (c % 20) + 1
        for j in range(length):
            value = ((segment * length + j) * slope) % (2 * highest) - highest
            assert found[j, c] == (0 if c == 14 else value)


def test_the_rate_is_that_of_the_arrivals():
    meter = RateMeter(window_s=1.0)
    assert meter.rate_hz is None
    for k in range(1, 301):
        jitter_ns = (k % 7) * 100_000
        meter.note(100 * k, k * 10_000_000 + jitter_ns)
    assert meter.is_settled
    assert meter.rate_hz == pytest.approx(10_000, rel=0.002)
    assert 1.0 <= meter.span_s < 1.05
    meter.reset()
    assert meter.rate_hz is None


def test_a_rate_that_changes_shows_within_the_window():
    meter = RateMeter(window_s=1.0)
    for k in range(1, 101):
        meter.note(100 * k, k * 10_000_000)
    for k in range(1, 121):
        meter.note(10_000 + 200 * k, 1_000_000_000 + k * 10_000_000)
    assert meter.rate_hz == pytest.approx(20_000)


def signal(kind, n_frames, rng):
    if kind == "ramp":
        channels = np.arange(60)
        ramp = np.arange(n_frames)[:, None] + channels * 1_000_000
        return np.where(channels % 2, -ramp, ramp)
    if kind == "sawtooth":
        return sawtooth(0, n_frames)
    offsets = rng.normal(0, 3000, 60)  # channels of a converter differ in their zero
    slow = np.cumsum(rng.normal(0, 20, (n_frames, 60)), axis=0)
    return np.round(offsets + slow + rng.normal(0, 100, (n_frames, 60)))


@pytest.mark.parametrize("kind", ["ramp", "sawtooth", "offsets"])
@pytest.mark.parametrize("length", [10, 100, 1000])
@pytest.mark.parametrize("zeroed", [True, False])
def test_the_segment_length_is_read_off_the_samples(kind, length, zeroed):
    traces = signal(kind, 4000, np.random.default_rng(2)).astype(np.int32)
    if zeroed:
        traces[length - 1 :: length] = 0
    settings = StreamSettings(segment_frames=length)
    data = b"".join(
        encode_segment(traces[start : start + length], settings)
        for start in range(0, 4000, length)
    )
    assert find_segment_frames(np.frombuffer(data, "<i4")) == length


def test_white_noise_and_silence_tell_nothing():
    noise = np.random.default_rng(3).integers(-500, 500, 240_000)
    assert find_segment_frames(noise) is None
    assert find_segment_frames(np.zeros(240_000, int)) is None
    assert find_segment_frames(noise[:30]) is None
