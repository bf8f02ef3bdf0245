from types import SimpleNamespace

import pytest

from circus_io.parallel import SerialComm
from sorting.chunk_map import each_item, map_items, own_items, silent


@pytest.mark.parametrize("items", [[], [4], list(range(11)), [2, 3, 7, 19]])
@pytest.mark.parametrize("n_ranks", [1, 2, 3, 4])
def test_ranks_share_the_items_without_gap_or_double(items, n_ranks):
    ranks = [SimpleNamespace(rank=rank, size=n_ranks) for rank in range(n_ranks)]
    shares = [list(own_items(items, comm)) for comm in ranks]
    assert sorted(item for share in shares for item in share) == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert all(share == sorted(share) for share in shares)


@pytest.mark.parametrize("n_ranks", [1, 3])
def test_sticky_items_go_to_the_same_rank_each_time(n_ranks):
    items = [2, 3, 7, 19]
    for rank in range(n_ranks):
        comm = SimpleNamespace(rank=rank, size=n_ranks)
        shares = [list(own_items(items, comm, sticky=True)) for _ in range(2)]
        assert shares[0] == shares[1] == items[rank::n_ranks]


@pytest.mark.parametrize("n_ranks", [1, 3])
@pytest.mark.parametrize("n_items", [0, 1, 7])
def test_progress_rises_to_the_number_of_items(n_items, n_ranks):
    reports = []
    comm = SimpleNamespace(rank=0, size=n_ranks)
    for _ in own_items(range(n_items), comm, lambda *done: reports.append(done)):
        pass
    done = [report[0] for report in reports]
    assert all(total == n_items for _, total in reports)
    assert done == sorted(done)
    assert done[-1] == n_items


def test_results_come_in_the_order_of_items():
    squares = map_items(lambda item: item**2, [1, 4, 9, 30], SerialComm())
    assert squares == [1, 16, 81, 900]


def test_items_are_computed_once_and_in_order():
    seen = []
    map_items(seen.append, range(5), SerialComm())
    assert seen == [0, 1, 2, 3, 4]


def test_one_rank_is_the_root():
    assert map_items(str, [1, 2], SerialComm(), root=0) == ["1", "2"]
    assert map_items(str, [], SerialComm()) == []


def test_an_error_of_an_item_is_raised():
    with pytest.raises(ZeroDivisionError):
        map_items(lambda item: 1 // item, [1, 0], SerialComm())


def test_each_item_is_computed_when_it_is_asked_for():
    seen, reports = [], []
    results = each_item(
        lambda item: seen.append(item) or 10 * item,
        [1, 4, 9],
        SerialComm(),
        lambda *done: reports.append(done),
    )
    assert next(results) == 10
    assert seen == [1]
    assert list(results) == [40, 90]
    assert reports == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_silence():
    assert silent(1, 2) is None
