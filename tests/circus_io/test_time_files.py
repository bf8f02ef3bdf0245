import numpy as np
import pytest

from circus_io.errors import ParameterError
from circus_io.time_files import read_durations, read_intervals, read_triggers


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "times.txt"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_rate_that_is_no_multiple_of_1000_is_rounded_once(write):
    path = write("600000 600100\n")
    found = read_intervals(path, "ms", 24414.0625)
    # 600 s × 24414.0625 Hz = 14648437.5; truncating the rate would give 14400000
    assert found.tolist() == [[14648438, 14650879]]
    assert found.dtype == np.int64


def test_intervals_are_sorted_and_merged(write):
    path = write(
        "50 60\n10 20 # overlaps the next\n15\t30\n30 40 // touches\n\n5 6\n12 13"
    )
    found = read_intervals(path, "timestep", 20000)
    assert found.tolist() == [[5, 6], [10, 40], [50, 60]]


def test_merged_intervals_cover_the_same_frames(write):
    rng = np.random.default_rng(5)
    starts = rng.integers(0, 2000, 100)
    stops = starts + rng.integers(1, 30, 100)
    lines = "\n".join(f"{a} {b}" for a, b in zip(starts, stops, strict=True))
    found = read_intervals(write(lines), "timestep", 1000)
    expected, covered = np.zeros(2100, dtype=bool), np.zeros(2100, dtype=bool)
    for start, stop in zip(starts, stops, strict=True):
        expected[start:stop] = True
    for start, stop in found:
        assert not covered[max(start - 1, 0) : stop + 1].any()
        covered[start:stop] = True
    np.testing.assert_array_equal(covered, expected)


def test_times_beyond_32_bits(write):
    found = read_intervals(write("8589934592 8589934600"), "timestep", 30000)
    assert found.tolist() == [[2**33, 2**33 + 8]]


def test_an_empty_file_has_no_intervals(write):
    assert read_intervals(write("# nothing\n// here\n"), "ms", 20000).shape == (0, 2)


def test_an_interval_shorter_than_a_frame_vanishes(write):
    assert read_intervals(write("1.001 1.002"), "ms", 20000).shape == (0, 2)


@pytest.mark.parametrize("text", ["1 2\n3\n4 x", "1 2\n3 4 5", "a b", "1 nan", "1,2"])
def test_broken_lines_are_numbered(write, text):
    with pytest.raises(ParameterError, match=r"line \d: .* is not two numbers"):
        read_intervals(write(text), "ms", 20000)


def test_every_broken_line_is_reported(write):
    with pytest.raises(ParameterError) as error:
        read_intervals(write("5 1\n1 2\n-3 4\n7 7\n"), "ms", 20000)
    assert [f"line {n}" in str(error.value) for n in (1, 2, 3, 4)] == [1, 0, 1, 1]


def test_units_and_files_are_checked(write, tmp_path):
    with pytest.raises(ParameterError, match="choose ms or timestep"):
        read_intervals(write("1 2"), "s", 20000)
    with pytest.raises(ParameterError, match="no file"):
        read_intervals(tmp_path / "none.txt", "ms", 20000)


def test_stimuli_come_by_time(write):
    path = write("2 30.5\n1 10 # first\n2 10\n")
    assert read_triggers(path, "ms", 20000) == [(1, 200), (2, 200), (2, 610)]


def test_durations_by_label(write):
    assert read_durations(write("1 5\n2 0.5\n"), "ms", 20000) == {1: 100, 2: 10}
    with pytest.raises(ParameterError, match="line 2: label 1 was given before"):
        read_durations(write("1 5\n1 6\n"), "timestep", 20000)
    with pytest.raises(ParameterError, match="line 1: 0 is shorter than one frame"):
        read_durations(write("1 0\n"), "timestep", 20000)


def test_a_stimulus_before_the_recording_is_refused(write):
    with pytest.raises(ParameterError, match="line 1: time -3 must be 0 or later"):
        read_triggers(write("1 -3\n"), "ms", 20000)
