"""The zeroed last sample, against arithmetic on whole arrays."""

import numpy as np
import pytest

from circus_io.errors import FormatError
from circus_io.meame import FrameList, LastSampleRepair

LENGTH = 10


def make(n_segments, n_channels=12, seed=0, zeroed=True):
    """Return what was recorded, and what the server sends of it."""
    recorded = np.random.default_rng(seed).integers(
        -900, 900, (n_segments * LENGTH, n_channels), np.int32
    )
    sent = recorded.copy()
    if zeroed:
        sent[LENGTH - 1 :: LENGTH] = 0
    return recorded, sent


def run(repair, sent):
    """Send segments through; return the frames, and the indices said with them."""
    parts, listed, expected_index = [], [], 0
    for start in range(0, len(sent), LENGTH):
        segment = sent[start : start + LENGTH].copy()
        traces, index, made_up = repair.take(segment, start)
        assert index == expected_index
        expected_index += len(traces)
        parts.append(traces)
        listed.append(made_up)
    last = repair.flush(len(sent))
    if last is not None:
        assert last[1] == expected_index
        parts.append(last[0])
        listed.append(last[2])
    return np.concatenate(parts), np.concatenate(listed), parts


BAD = np.arange(LENGTH - 1, 200, LENGTH)


def test_interpolation_is_the_mean_of_the_neighbours():
    _, sent = make(20)
    repair = LastSampleRepair("interpolate")
    found, listed, parts = run(repair, sent)
    expected = sent.copy()
    after = sent[BAD[:-1] + 1].astype(float)
    expected[BAD[:-1]] = np.floor((sent[BAD[:-1] - 1] + after) / 2)
    expected[-1] = sent[-2]  # nothing follows
    assert np.array_equal(found, expected)
    assert listed.tolist() == repair.frames.to_array().tolist() == BAD.tolist()
    assert repair.n_zeroed == 20
    assert repair.is_confirmed
    assert [len(part) for part in parts] == [9, *[10] * 19, 1]


def test_no_recorded_frame_waits():
    """Each segment's recorded frames leave with it."""
    _, sent = make(5)
    repair = LastSampleRepair("interpolate")
    for start in range(0, 50, LENGTH):
        traces, index, _ = repair.take(sent[start : start + LENGTH].copy(), start)
        assert index + len(traces) == start + LENGTH - 1


def test_interpolation_does_not_overflow():
    sent = np.full((20, 12), np.iinfo(np.int32).max, np.int32)
    sent[9] = 0
    found, _, _ = run(LastSampleRepair("interpolate"), sent)
    assert (found == np.iinfo(np.int32).max).all()


@pytest.mark.parametrize("policy", ["hold", "mask", "keep"])
def test_policies_that_keep_the_segments(policy):
    _, sent = make(20)
    repair = LastSampleRepair(policy)
    found, listed, parts = run(repair, sent)
    expected = sent.copy()
    if policy == "hold":
        expected[BAD] = sent[BAD - 1]
    assert np.array_equal(found, expected)
    assert {len(part) for part in parts} == {LENGTH}
    assert listed.tolist() == ([] if policy == "keep" else BAD.tolist())
    assert repair.n_zeroed == 20


@pytest.mark.parametrize("policy", ["hold", "mask", "keep", "interpolate"])
def test_a_server_without_the_defect_is_left_alone(policy):
    recorded, _ = make(20)
    repair = LastSampleRepair(policy)
    found, listed, parts = run(repair, recorded)
    assert np.array_equal(found, recorded)
    assert not len(listed)
    assert repair.n_zeroed == 0
    assert {len(part) for part in parts} == {LENGTH}


def test_silence_is_no_defect():
    repair = LastSampleRepair("hold")
    run(repair, np.zeros((100, 12), np.int32))
    assert repair.n_zeroed == 0
    assert not repair.is_confirmed


def test_few_channels_need_three_segments_in_a_row():
    _, sent = make(10, n_channels=2)
    found, listed, _ = run(LastSampleRepair("hold"), sent)
    assert listed.tolist() == BAD[2:10].tolist()
    assert (found[[9, 19]] == 0).all()
    recorded, _ = make(10, n_channels=1, zeroed=False)
    recorded[39] = 0  # a zero by chance
    assert np.array_equal(run(LastSampleRepair("hold"), recorded)[0], recorded)


def test_a_gap_after_a_frame_that_waits():
    _, sent = make(2)
    repair = LastSampleRepair("interpolate")
    repair.take(sent[:10].copy(), 0)
    traces, index, listed = repair.flush(10)
    assert (index, listed.tolist()) == (9, [9])
    assert np.array_equal(traces, sent[8:9])
    assert repair.flush(10) is None
    _, index, _ = repair.take(sent[10:].copy(), 500)
    assert index == 500


def test_an_unknown_policy_is_refused():
    with pytest.raises(FormatError, match="choose from keep, hold, interpolate, mask"):
        LastSampleRepair("guess")


def test_periodic_frames_take_no_room():
    frames = FrameList()
    wanted = [5, *range(99, 10**5, 100), 200_000, 200_100, 200_205]
    for frame in wanted:
        frames.append(frame)
    assert frames.to_array().tolist() == wanted
    assert len(frames) == len(wanted)
    assert len(frames.ranges) <= 4
