"""Scores of trains whose agreement is known by how they were made."""

import numpy as np
import pytest

from circus_io.synthetic import GroundTruth

RATE_HZ = 10_000.0
N_SPIKES = 200


@pytest.fixture
def scoring(require):
    return require("scoring", extra="demo")


def make_truth(trains, positions, snr):
    times = np.concatenate(trains)
    units = np.repeat(np.arange(len(trains)), [len(train) for train in trains])
    order = np.lexsort((units, times))
    n_units = len(trains)
    return GroundTruth(
        spike_times=times[order],
        spike_units=units[order],
        spike_fractions=np.zeros(times.size),
        spike_amplitudes=np.ones(times.size),
        templates=np.zeros((n_units, 3, 1), np.float32),
        n_before=1,
        snr=np.array(snr, float),
        peak_channels=np.zeros(n_units, np.int64),
        unit_positions=np.array(positions, float),
        noise_levels_uv=np.ones(1),
        sampling_rate=RATE_HZ,
    )


@pytest.fixture
def truth():
    """Three units; every other spike of the first has one of the second 0.5 ms later.

    The third fires 0.8 ms before each spike of the first as well, a millimetre away.
    """
    first = 1000 + 500 * np.arange(N_SPIKES)
    second = np.sort(np.concatenate([first[::2] + 5, first[1::2] + 250]))
    places = [[0, 0, 0], [50, 0, 0], [1000, 0, 0]]
    return make_truth([first, second, first - 8], places, [4, 9, 20])


def as_found(*trains):
    units = np.repeat(np.arange(len(trains)), [len(train) for train in trains])
    return np.concatenate(trains), units


def test_collisions_are_near_in_time_and_in_space(scoring, truth):
    found = scoring.colliding(truth)
    counts = np.bincount(truth.spike_units[found], minlength=3)
    assert counts.tolist() == [N_SPIKES / 2, N_SPIKES / 2, 0]


def test_the_truth_itself_scores_best(scoring, truth):
    score = scoring.score(truth, truth.spike_times, truth.spike_units)
    assert score.accuracy == [1.0, 1.0, 1.0]
    assert (score.n_found, score.n_well) == (3, 3)
    assert score.n_false_positive == score.n_redundant == score.n_overmerged == 0
    assert score.colliding_recall == 1.0
    assert score.accuracy_by_snr()[0] == score.accuracy_by_snr()[3] == 1.0
    assert np.isnan(score.accuracy_by_snr()[1])  # no unit from 5 to 8


def test_what_is_missing_shifted_or_too_much_counts(scoring, truth):
    first, second, third = map(truth.spike_train, range(3))
    score = scoring.score(
        truth,
        *as_found(
            first[::2],  # half of it, all of it colliding
            np.delete(second, np.flatnonzero(np.isin(second, first[::4] + 5))) + 2,
            third + 300,  # 30 ms late is not found
            7 + 997 * np.arange(100),  # nobody
        ),
    )
    assert score.accuracy == pytest.approx([0.5, 0.75, 0.0])
    assert (score.n_found, score.n_well, score.n_false_positive) == (4, 0, 2)
    assert score.mean_accuracy == pytest.approx(1.25 / 3)
    # 100 of 100 colliding spikes of the first, 50 of 100 of the second
    assert score.n_colliding == 200
    assert score.colliding_recall == pytest.approx(0.75)


def test_a_unit_found_twice_is_redundant(scoring, truth):
    first, second, third = map(truth.spike_train, range(3))
    score = scoring.score(truth, *as_found(first, second, third, third[:80]))
    assert (score.n_redundant, score.n_false_positive) == (1, 0)


def test_no_spikes_at_all_score_nothing(scoring, truth):
    none = np.zeros(0, np.int64)
    score = scoring.score(truth, none, none)
    assert score.accuracy == [0.0, 0.0, 0.0]
    assert score.n_found == 0
    assert np.isnan(score.colliding_recall)


def test_the_order_of_spikes_is_of_no_account(scoring, truth):
    shuffled = np.random.default_rng(0).permutation(truth.spike_times.size)
    score = scoring.score(
        truth, truth.spike_times[shuffled], truth.spike_units[shuffled]
    )
    assert score.accuracy == [1.0, 1.0, 1.0]


def test_pooled_units_weigh_the_same(scoring):
    many = scoring.Score([1.0, 1.0, 1.0], [9.0] * 3, n_found=3, n_colliding=8)
    one = scoring.Score([0.0], [9.0], n_found=5, n_colliding=2, n_colliding_found=2)
    pooled = scoring.pool([many, one])
    assert pooled.mean_accuracy == 0.75
    assert pooled.n_found == 8
    assert pooled.colliding_recall == 0.2
