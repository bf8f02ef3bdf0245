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
