import numpy as np
import pytest

from circus_io import ArrayRecording, Events

TIMES_S = np.array([0.5, 1.0, 2.25])


def test_events_count_their_times():
    assert len(Events(TIMES_S, labels=("a", "b", "a"))) == 3


@pytest.mark.parametrize("field", ["labels", "values", "waveforms"])
def test_a_field_has_one_entry_per_event(field):
    with pytest.raises(ValueError, match=f"2 {field} for 3 events"):
        Events(TIMES_S, **{field: np.zeros((2, 4))})


def test_a_recording_without_labels_counts_its_channels():
    recording = ArrayRecording(np.zeros((10, 3)), 1000)
    assert recording.channel_labels == ("0", "1", "2")
    assert recording.channel_positions is None
    assert (dict(recording.metadata), recording.read_events()) == ({}, {})
