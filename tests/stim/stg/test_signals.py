"""Signals against a model that is written sample by sample."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stim.stg.signals import MAX_BLOCK, SILENCE, Signals

words = st.lists(st.integers(-3, 3), min_size=1, max_size=7).map(
    lambda values: np.array(values, np.int16)
)
steps = st.lists(
    st.one_of(
        st.integers(0, 40),  # make so many frames
        st.dictionaries(st.integers(0, 2), words, min_size=1),  # change these
    ),
    max_size=12,
)


class Model:
    """One channel: plays its signal; when told to change, ends it and waits."""

    def __init__(self):
        self.word, self.at, self.waiting = SILENCE, 0, None

    def frames_to_end(self):
        if not self.word.any():
            return 0
        return -self.at % self.word.size

    def play(self, frame):
        if self.waiting is not None and frame >= self.waiting[0]:
            self.word, self.at, self.waiting = self.waiting[1], 0, None
        if self.waiting is not None and self.frames_to_end() == 0:
            self.word, self.at = SILENCE, 0  # at its end, until the others are
        value = self.word[self.at % self.word.size]
        self.at += 1
        return value


@settings(max_examples=300, deadline=None)
@given(steps)
def test_signals_end_before_they_change_and_change_together(steps):
    signals, models, frame = Signals(3), [Model() for _ in range(3)], 0
    for step in steps:
        if isinstance(step, int):
            block = signals.make(step)
            for i in range(step):
                expected = [int(model.play(frame + i)) for model in models]
                assert block[:, i].tolist() == expected
            frame += step
            continue
        start = signals.change(step)
        ends = [frame + models[channel].frames_to_end() for channel in step]
        assert start == max(ends)
        for channel, word in step.items():
            models[channel].waiting = (start, word)


def test_a_restart_begins_at_frame_0_with_what_was_set_last():
    signals = Signals(2)
    one, two = np.array([1, 2, 3], np.int16), np.array([7, 8], np.int16)
    signals.set({0: one})
    signals.make(4)
    signals.change({1: two})
    signals.restart()
    assert signals.make(4).tolist() == [[1, 2, 3, 1], [7, 8, 7, 8]]
    assert signals.position == 4


def test_notes_are_told_when_their_change_is_made_and_once():
    signals = Signals(2)
    word = np.array([1, -1, 0, 0], np.int16)
    signals.set({0: word, 1: word}, dict.fromkeys((0, 1), "first"))
    signals.restart()
    assert signals.heard() == [(0, "first")]
    signals.make(2)
    signals.change({0: SILENCE}, {0: "dropped"})
    signals.change({0: SILENCE, 1: SILENCE}, dict.fromkeys((0, 1), "second"))
    assert signals.heard() == []
    signals.make(10)
    assert signals.heard() == [(4, "second")]
    assert signals.heard() == []


@pytest.mark.parametrize("size", [1, 3, MAX_BLOCK - 1, MAX_BLOCK, 2 * MAX_BLOCK + 7])
def test_signals_of_any_length_repeat_seamlessly(size):
    word = np.random.default_rng(1).integers(-9, 9, size).astype(np.int16)
    word[0] = 1
    signals = Signals(1)
    signals.set({0: word})
    made = np.concatenate([signals.make(n)[0] for n in (MAX_BLOCK, 1, 17, MAX_BLOCK)])
    assert np.array_equal(made, np.resize(word, made.size))
