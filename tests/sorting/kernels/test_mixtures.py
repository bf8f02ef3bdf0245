"""Sums of two units are told from units, and from near twins."""

import numpy as np
import pytest

from sorting.kernels.basis import correlations
from sorting.kernels.matching import Bank
from sorting.kernels.mixtures import find_mixtures
from sorting.kernels.overlaps import overlap_table

T, N_CHANNELS = 41, 10


def unit(channel, width, size=15.0):
    """A trough with a slower positive phase, on three channels."""
    time = np.arange(T) - 14.0
    wave = -np.exp(-0.5 * (time / width) ** 2)
    wave += 0.4 * np.exp(-0.5 * ((time - 4 * width) / (2 * width)) ** 2)
    full = np.zeros((T, N_CHANNELS))
    for step, share in ((-1, 0.4), (0, 1.0), (1, 0.5)):
        full[:, channel + step] = share * size * wave
    return full


def later(template, frames):
    moved = np.zeros_like(template)
    moved[frames:] = template[: T - frames]
    return moved


def judge(templates, sizes, explained=0.9):
    full = np.array(templates)
    rows = full.transpose(0, 2, 1).reshape(-1, T)
    basis = np.linalg.svd(rows, full_matrices=False)[2][:8].astype(np.float32)
    coefficients = np.einsum("ktc,pt->kcp", full, basis).astype(np.float32)
    table = overlap_table(coefficients, correlations(basis))
    n = len(full)
    bank = Bank(
        norms=(coefficients.astype(float) ** 2).sum(axis=(1, 2)),
        lams=np.full(n, 100.0),
        floors=np.full(n, 42.0),
        a_min=np.full(n, 0.5),
        a_max=np.full(n, 2.0),
        ptr=table.ptr,
        neighbours=table.neighbours,
        overlaps=table.values,
    )
    return find_mixtures(bank, np.array(sizes), explained).tolist()


A, B = unit(2, 2.0), unit(6, 2.8)


@pytest.mark.parametrize("lag", [0, 3, 9])
def test_a_rare_sum_of_two_units_is_a_mixture(lag):
    assert judge([A, B, A + later(B, lag)], [900, 700, 40]) == [False, False, True]


def test_a_frequent_sum_is_a_unit_of_its_own():
    assert judge([A, B, A + B], [900, 700, 800]) == [False] * 3


def test_twins_of_other_size_are_no_mixtures():
    assert judge([A, 1.2 * A, B], [900, 20, 700]) == [False] * 3


def test_half_explained_is_not_explained():
    other = unit(4, 4.5, 25.0)
    assert judge([A, B, A + other], [900, 700, 10]) == [False] * 3


def test_a_sum_of_three_with_another_sum_present():
    c = unit(4, 3.5)
    templates = [A, B, c, A + B, A + B + c]
    assert judge(templates, [900, 800, 700, 60, 10]) == [False] * 3 + [True] * 2


def test_no_and_one_template():
    assert judge([A], [10]) == [False]
