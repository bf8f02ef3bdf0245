"""Loops of the download mode: shorter, and played the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circus_io.errors import SafetyError
from stim import PulseFile, Train, Waveform, entrain
from stim.loops import decode, encode

QUICK = settings(max_examples=100, deadline=None, derandomize=True)


def play(entries):
    """Return the runs of entries, by the words of the vendor's manual, recursively."""
    runs, rest = _block(list(entries), 0)
    assert rest == []
    return runs


def _block(entries, depth):
    runs = []
    while entries:
        amplitude, duration = entries.pop(0)
        if duration:
            runs.append((amplitude, duration))
        elif amplitude == 0:
            inner, entries = _block(entries, depth + 1)
            runs += inner
        else:
            assert depth
            return runs * amplitude, entries
    assert not depth
    return runs, entries


def pairs(arrays):
    return [*zip(*(array.tolist() for array in arrays), strict=True)]


ENTRY = st.tuples(st.integers(-2, 2), st.integers(1, 3))
BLOCK = st.recursive(
    st.lists(ENTRY, min_size=1, max_size=4),
    lambda inner: st.builds(
        lambda parts, times: [run for part in parts for run in part] * times,
        st.lists(inner, min_size=1, max_size=3),
        st.integers(1, 5),
    ),
    max_leaves=6,
)


@QUICK
@given(BLOCK)
def test_what_is_encoded_is_played_the_same(runs):
    amplitudes, durations = zip(*runs, strict=True)
    encoded = encode(amplitudes, durations)
    assert len(encoded[0]) <= len(runs)
    assert play(pairs(encoded)) == runs
    assert pairs(decode(*encoded)) == runs


def test_trains_become_loops_of_loops():
    burst = Waveform.from_mA(*entrain(PulseFile(burstcount=5, isi_in_ms=1), 0, 1))
    train = Train(burst, 250_000, 10_000).waveform
    encoded = pairs(encode(train.amplitudes, train.durations_us))
    once = [(1_000_000, 100), (-1_000_000, 100)]
    assert encoded == [
        (0, 0),
        *[(0, 0), *once, (0, 1000), (4, 0)],
        *once,
        (0, 250_000 - 4 * 1200 - 200),
        (10_000, 0),
    ]
    assert len(train.amplitudes) == 10_000 * 15


def test_what_does_not_repeat_stays_as_it_is():
    rng = np.random.default_rng(0)
    amplitudes = rng.permutation(5000)
    encoded = encode(amplitudes, np.full(5000, 20))
    assert encoded[0].tolist() == amplitudes.tolist()
    # a loop of two short runs would take as much
    assert pairs(encode([1, 2, 1, 2], [20] * 4)) == [(1, 20), (2, 20)] * 2
    assert len(encode([1, 2] * 3, [20] * 6)[0]) == 4


def test_what_begins_and_ends_differently():
    pulse = [(0, 40), (5, 20), (-5, 20)]
    waveform = Waveform.of([(0, 1000), *pulse * 50, (7, 20)])
    runs = pairs((waveform.amplitudes, waveform.durations_us))
    encoded = pairs(encode(waveform.amplitudes, waveform.durations_us))
    assert len(encoded) <= 10
    assert play(encoded) == runs


def test_a_run_of_no_duration_would_be_a_mark():
    """The trap: as an entry, it would open a block that nobody closes."""
    for amplitude in (0, 3):
        with pytest.raises(SafetyError, match="the mark of a loop; leave it out"):
            encode([1, amplitude, -1], [20, 0, 20])
    with pytest.raises(SafetyError, match="1 blocks of a loop are not closed"):
        decode([1, 0, -1], [20, 0, 20])
    with pytest.raises(SafetyError, match="a loop of 3 is closed that is not open"):
        decode([1, 3, -1], [20, 0, 20])
    with pytest.raises(SafetyError, match=r"not open, holds nothing"):
        decode([0, 5], [0, 0])
    with pytest.raises(SafetyError, match="2 amplitudes for 1"):
        encode([1, 2], [20])
    assert [array.size for array in encode([], [])] == [0, 0]


def test_loops_that_are_open_and_closed_by_hand():
    # 2 × (1, then 3 × 2), as the manual shows it
    entries = [(0, 0), (1, 20), (0, 0), (2, 20), (3, 0), (2, 0), (9, 20)]
    amplitudes, durations = zip(*entries, strict=True)
    found = pairs(decode(amplitudes, durations))
    assert [amplitude for amplitude, _ in found] == [1, 2, 2, 2, 1, 2, 2, 2, 9]
