import numpy as np
import pytest
from scipy import stats

from sorting.kernels.isocut import isocut


def test_one_gaussian_rarely_has_a_dip_above_two():
    rng = np.random.default_rng(0)
    n_draws = 300
    above = sum(isocut(rng.normal(size=500))[0] > 2 for _ in range(n_draws))
    # about 5 % do
    assert above <= stats.binom.ppf(0.9999, n_draws, 0.05)


@pytest.mark.parametrize("name", ["uniform", "expon", "laplace", "gumbel_r", "t3"])
def test_unimodal_densities_of_other_shapes_rarely_dip(name):
    law = stats.t(3) if name == "t3" else getattr(stats, name)()
    draws = [law.rvs(400, random_state=seed) for seed in range(60)]
    above = sum(isocut(draw)[0] > 2 for draw in draws)
    assert above <= stats.binom.ppf(0.9999, 60, 0.05)


@pytest.mark.parametrize("sizes", [(500, 500), (1000, 100), (100, 2000)])
def test_two_modes_dip_and_are_cut_between_them(sizes):
    rng = np.random.default_rng(1)
    for _ in range(10):
        low, high = rng.normal(-3, 1, sizes[0]), rng.normal(3, 1, sizes[1])
        values = rng.permutation(np.concatenate([low, high]))
        dip, cut = isocut(values)
        assert dip > 2
        wrong = np.count_nonzero(low >= cut) + np.count_nonzero(high < cut)
        assert wrong <= 0.01 * sum(sizes)


def test_cut_lies_in_the_gap():
    values = np.concatenate([np.linspace(0, 1, 100), np.linspace(9, 10, 50)])
    dip, cut = isocut(values)
    assert dip > 2
    assert 1 < cut < 9


def test_dip_grows_with_separation():
    rng = np.random.default_rng(2)
    noise = rng.normal(size=1000)
    side = np.repeat([-0.5, 0.5], 500)
    dips = [isocut(noise + distance * side)[0] for distance in (3.5, 5, 8)]
    assert dips[0] < dips[1] < dips[2]


def test_dip_has_no_scale_and_the_cut_has_that_of_the_values():
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.normal(-3, 1, 300), rng.normal(3, 1, 200)])
    dip, cut = isocut(values)
    assert isocut(1024 * values) == (pytest.approx(dip), pytest.approx(1024 * cut))
    moved_dip, moved_cut = isocut(values + 8)
    assert moved_dip == pytest.approx(dip)
    assert moved_cut == pytest.approx(cut + 8)


@pytest.mark.parametrize("values", [[], [1.0], [1, 2], [5, 5, 5], [7.0] * 100])
def test_few_or_equal_values_have_no_dip(values):
    dip, _ = isocut(np.array(values, dtype=np.float64))
    assert dip == 0


def test_values_are_not_changed():
    values = np.random.default_rng(4).normal(size=100)
    copy = values.copy()
    isocut(values)
    np.testing.assert_array_equal(values, copy)


def test_repeated_values_do_not_break_the_test():
    values = np.repeat([0.0, 1.0, 2.0, 30.0, 31.0, 32.0], 50)
    dip, cut = isocut(values)
    assert np.isfinite([dip, cut]).all()
