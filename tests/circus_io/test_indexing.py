import numpy as np
import pytest

from circus_io.indexing import as_slice, select_channels

FRAMES = np.arange(70).reshape(7, 10)


@pytest.mark.parametrize(
    ("nodes", "copied"),
    [
        (None, False),
        ([], False),
        ([4], False),
        ([9], False),
        ([2, 3, 4], False),
        ([0, 2, 4, 6, 8], False),
        ([1, 5, 9], False),
        ([3, 2, 1], True),
        ([0, 2, 3], True),
        ([5, 5], True),
        ([0, 9, 0], True),
    ],
)
def test_channels_at_equal_steps_are_a_view(nodes, copied):
    expected = FRAMES if nodes is None else FRAMES[:, np.array(nodes, int)]
    for chosen in (nodes, None if nodes is None else np.array(nodes, int)):
        found = select_channels(FRAMES, chosen)
        assert np.array_equal(found, expected)
        assert found.shape == expected.shape
        assert (as_slice(chosen) is None) == copied
        if expected.size:
            assert np.shares_memory(found, FRAMES) != copied


@pytest.mark.parametrize(
    "nodes",
    [
        [i for i in range(60) if i != 14],  # the reference electrode is left out
        [*range(30, 60), *range(30)],
        [*range(14), *range(2, 40), *range(20, 60)],
        np.random.default_rng(0).permutation(60),
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_channels_in_runs_and_one_by_one(nodes, order):
    frames = np.random.default_rng(1).integers(0, 2**16, (50, 60)).astype("<u2", order)
    expected = np.stack([frames[:, node] for node in nodes], axis=1)
    found = select_channels(frames, nodes)
    assert found.dtype == frames.dtype
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("nodes", [[3, 1, 10], [*range(8), *range(3, 11)]])
def test_channels_that_are_not_there_are_not_made_up(nodes):
    with pytest.raises((IndexError, ValueError)):
        select_channels(FRAMES, nodes)
