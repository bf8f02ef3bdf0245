import numpy as np
import pytest

from sorting.kernels.neighbours import nearest_channels, neighbour_lists


def test_lists_hold_the_neighbours_of_each_channel_in_order():
    near = np.random.default_rng(0).random((9, 9)) < 0.4
    near[4] = False
    ptr, neighbours = neighbour_lists(near)
    assert ptr.dtype == neighbours.dtype == np.int64
    for channel in range(9):
        mine = neighbours[ptr[channel] : ptr[channel + 1]].tolist()
        assert mine == [other for other in range(9) if near[channel, other]]
    assert ptr[-1] == neighbours.size


@pytest.mark.parametrize("n_nearest", [1, 3, 5, 8])
def test_nearest_channels_equal_sorting_by_distance_and_index(n_nearest):
    position = np.array([0, 20, 40, 60, 80, 0, 20])  # the last two: another shank
    shank = np.array([0, 0, 0, 0, 0, 1, 1])
    distance = np.abs(position[:, None] - position).astype(float)
    distance[shank[:, None] != shank] = np.inf
    nearest = nearest_channels(distance, n_nearest)
    assert nearest.shape == (7, min(n_nearest, 7))
    for channel in range(7):
        peers = [c for c in range(7) if shank[c] == shank[channel]]
        peers.sort(key=lambda c: (abs(position[c] - position[channel]), c))
        expected = (peers + 7 * [-1])[: nearest.shape[1]]
        assert nearest[channel].tolist() == expected
    assert nearest[:, 0].tolist() == list(range(7))


def test_contacts_at_one_place_come_in_the_order_of_their_index():
    # itself first, even so
    nearest = nearest_channels(np.zeros((3, 3)), 2)
    assert nearest[0].tolist() == [0, 1]
    assert nearest[:, 0].tolist() == [0, 1, 2]
