"""The history of columns, against a list that forgets nothing."""

import numpy as np
import pytest

from circus_live.view.columns import Column, Columns


def column(first, n_columns):
    values = np.arange(first, first + n_columns, dtype=np.float32)[:, None]
    return Column(values, values + 0.5, values**2, values.astype(np.uint16))


def test_the_last_columns_are_those_that_were_added():
    rng, columns, known = np.random.default_rng(2), Columns(50, 1), []
    for _ in range(200):
        n_new = int(rng.integers(0, 20))
        if rng.random() < 0.2:
            columns.skip(n_new)
            known += [None] * n_new
        else:
            columns.append(column(len(known), n_new))
            known += list(range(len(known), len(known) + n_new))
        assert columns.stop == len(known)
        expected = ([None] * 50 + known)[-50:]
        last = columns.last(50)
        low = [None if np.isnan(value) else value for value in last.low[:, 0]]
        assert low == expected
        counts = [0 if value is None else value for value in expected]
        assert last.n_crossings[:, 0].tolist() == counts
    assert known.count(None) > 50


def test_a_long_silence_leaves_nothing():
    columns = Columns(10, 1)
    columns.append(column(0, 5))
    columns.skip(10**12)
    assert columns.stop == 10**12 + 5
    assert np.isnan(columns.last(10).power).all()


def test_more_than_the_history_holds_leaves_its_end():
    columns = Columns(10, 1)
    columns.append(column(0, 35))
    assert columns.last(10).low[:, 0].tolist() == list(range(25, 35))
    assert columns.stop == 35


def test_older_columns_are_found_by_their_number():
    columns = Columns(10, 1)
    columns.append(column(0, 8))
    assert columns.last(3, stop=6).high[:, 0].tolist() == [3.5, 4.5, 5.5]
    for n_columns, stop in [(3, 9), (10, 7), (11, None)]:
        with pytest.raises(ValueError, match="not kept"):
            columns.last(n_columns, stop)
