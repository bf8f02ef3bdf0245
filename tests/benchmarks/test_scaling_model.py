"""The model gives back constants that were put in, and counts ranks rightly."""

from itertools import pairwise, product

import numpy as np
import pytest


@pytest.fixture
def scaling(require):
    return require("scaling_model")


@pytest.fixture
def meter(require):
    return require("rank_meter")


def cost(scaling, **known):
    parts = ("items_s", "spread_s", "alike_s", "alone_s", "n_bytes")
    plain = dict.fromkeys(parts, 0.0) | {"n_items": 1, "n_loops": 1, "unevenness": 1.0}
    return scaling.StepCost(**plain | known)


def known_cost(scaling, size):
    """One step whose constants the tests know."""
    channels, seconds = size.n_channels, size.duration_s
    return cost(
        scaling,
        items_s=0.5 + 0.002 * channels * seconds,
        spread_s=0.03 * channels,
        alike_s=0.7 + 1e-5 * channels**2,
        alone_s=0.2 + 0.001 * seconds,
        n_bytes=8.0 * channels**2,
        n_items=size.n_chunks,
    )


def fitted(scaling, channels, durations=(40.0, 120.0)):
    sizes = [scaling.Size(c, d, round(d)) for c, d in product(channels, durations)]
    return scaling.Model(sizes, [{"step": known_cost(scaling, s)} for s in sizes])


def test_constants_come_back_far_beyond_what_was_measured(scaling):
    model = fitted(scaling, (16, 32, 64))
    size = scaling.Size(4225, 3600.0, 3600)
    found, known = model.cost("step", size), known_cost(scaling, size)
    for part in ("items_s", "spread_s", "alike_s", "alone_s", "n_bytes", "n_items"):
        assert getattr(found, part) == pytest.approx(getattr(known, part), rel=1e-3)
    assert model.constants["step"]["items_s"][-1] == pytest.approx(0.002)


def test_two_numbers_of_channels_do_not_show_a_square(scaling):
    model = fitted(scaling, (16, 32))
    assert model.constants["step"]["n_bytes"][2] == 0
    assert fitted(scaling, (16, 24, 32)).constants["step"]["n_bytes"][2] > 0


def test_noise_makes_no_constant_negative(scaling):
    random = np.random.default_rng(1)
    sizes = [scaling.Size(c, d, 9) for c, d in product((8, 16, 32), (40.0, 80.0))]
    noisy = [{"step": cost(scaling, alone_s=random.random())} for _ in sizes]
    model = scaling.Model(sizes, noisy)
    assert (model.constants["step"]["alone_s"] >= 0).all()


@pytest.mark.parametrize(
    ("n_ranks", "expected"), [(1, 10.0), (2, 5.0), (4, 3.0), (10, 1.0), (99, 1.0)]
)
def test_items_are_not_divided(scaling, n_ranks, expected):
    ten = cost(scaling, items_s=10.0, n_items=10)
    assert ten.time_s(n_ranks) == pytest.approx(expected)


def test_the_longest_item_is_waited_for(scaling):
    uneven = cost(scaling, items_s=10.0, n_items=10, unevenness=2.5)
    assert uneven.time_s(2) == pytest.approx(5.0)
    assert uneven.time_s(10) == pytest.approx(2.5)


def test_loops_come_one_after_the_other(scaling):
    loops = cost(scaling, items_s=20.0, n_items=20, n_loops=4)
    assert loops.time_s(5) == pytest.approx(4.0)
    assert loops.time_s(500) == pytest.approx(4.0)


def test_what_ranks_share_and_what_they_do_not(scaling):
    mixed = cost(scaling, spread_s=8.0, alike_s=1.0, alone_s=2.0, n_bytes=3e9)
    assert mixed.time_s(1) == pytest.approx(11.0)
    assert mixed.time_s(4) == pytest.approx(5.0)
    assert mixed.time_s(4, bytes_per_s=1e9) == pytest.approx(5.0 + 2 * 3.0)


def test_more_ranks_are_never_slower_without_a_network(scaling):
    model = fitted(scaling, (16, 32, 64))
    size = scaling.Size(256, 600.0, 600)
    times = [model.time_s(size, n) for n in (1, 2, 3, 7, 64, 600, 10_000)]
    assert all(a >= b for a, b in pairwise(times))
    known = known_cost(scaling, size)
    serial = known.alike_s + known.alone_s + known.items_s / known.n_items
    assert times[-1] == pytest.approx(serial, rel=0.01)


def test_two_sorts_tell_the_parts_of_a_step_apart(scaling, meter):
    """Alike 1 s, alone 1 s, spread 2 s, and 6 s of items; waiting is left out."""
    one = meter.StepUse(cpu_s=10.0, items_s=6.0, longest_s=2.0, n_items=6, n_loops=1)
    first = meter.StepUse(
        cpu_s=6.5, items_s=3.5, longest_s=2.0, calls_s=0.0, n_items=3, n_bytes=5
    )
    second = meter.StepUse(
        cpu_s=6.5, items_s=2.5, longest_s=1.0, calls_s=2.0, n_items=3, n_bytes=9
    )
    found = scaling.observe(one, [first, second])
    assert (found.alike_s, found.alone_s, found.spread_s) == (1.0, 1.0, 2.0)
    assert (found.items_s, found.n_items, found.n_bytes) == (6.0, 6, 9)
    assert found.unevenness == pytest.approx(2.0)
