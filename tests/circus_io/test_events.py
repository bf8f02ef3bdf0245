import numpy as np
import pytest

from circus_io import ArrayRecording, Events, JoinedRecording
from circus_io.events import in_order

TIMES_S = np.array([0.5, 1.0, 2.25])


def test_events_count_their_times():
    assert len(Events(TIMES_S, labels=("a", "b", "a"))) == 3


@pytest.mark.parametrize("field", ["labels", "values", "waveforms", "n_before"])
def test_a_field_has_one_entry_per_event(field):
    with pytest.raises(ValueError, match=f"2 {field} for 3 events"):
        Events(TIMES_S, **{field: np.zeros((2, 4))})


def test_a_recording_without_labels_counts_its_channels():
    recording = ArrayRecording(np.zeros((10, 3)), 1000)
    assert recording.channel_labels == ("0", "1", "2")
    assert recording.channel_positions is None
    assert (dict(recording.metadata), recording.read_events()) == ({}, {})


def test_events_of_several_parts_are_in_the_order_of_time():
    early = Events(TIMES_S, ("a", "b", "c"), np.array([1, 2, 3]))
    late = Events(np.array([0.75]), ("d",), np.array([4]), n_before=np.array([7]))
    both = in_order([late, early])
    assert both.times_s.tolist() == [0.5, 0.75, 1.0, 2.25]
    assert both.labels == ("a", "d", "b", "c")
    assert both.values.tolist() == [1, 4, 2, 3]
    assert both.n_before is None  # early has none


def test_parts_without_events_take_nothing_away():
    spikes = Events(TIMES_S, waveforms=np.zeros((3, 5)), n_before=np.full(3, 2))
    both = in_order([Events(np.zeros(0)), spikes])
    assert both.waveforms.shape == (3, 5)
    assert both.n_before.tolist() == [2, 2, 2]
    assert len(in_order([])) == len(in_order([Events(np.zeros(0))])) == 0


class Marked(ArrayRecording):
    """A recording with a mark after 4 ms of its own clock."""

    def read_events(self):
        return {"mark": Events(np.array([0.004]))}


def test_recordings_that_are_joined_keep_their_events():
    first, second, third = (Marked(np.zeros((10, 2)), 1000) for _ in range(3))
    inner = JoinedRecording([first, second])
    recording = JoinedRecording([inner, third])
    times_s = recording.read_events()["mark"].times_s
    np.testing.assert_allclose(times_s, [0.004, 0.014, 0.024])
    np.testing.assert_allclose(inner.read_events()["mark"].times_s, [0.004, 0.014])
    # they are recordings of their own as before
    assert (second.t_start, third.t_start) == (0, 0)
