"""Sums and residues of units are told from units by what spikes lose without them."""

import numpy as np
import pytest

from sorting.kernels.basis import correlations
from sorting.kernels.matching import Bank
from sorting.kernels.mixtures import (
    expendable,
    loss_without,
    outnumber,
    related,
    restrict,
)
from sorting.kernels.overlaps import overlap_table

T, N_CHANNELS, N_FRAMES = 41, 10, 123
LAM = 100.0


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


class Case:
    """Templates with their bank, on a basis that holds them all."""

    def __init__(self, *templates):
        self.templates = np.array(templates)
        rows = self.templates.transpose(0, 2, 1).reshape(-1, T)
        self.basis = np.linalg.svd(rows, full_matrices=False)[2][:20]
        self.coefficients = np.einsum("ktc,pt->kcp", self.templates, self.basis)
        table = overlap_table(
            self.coefficients.astype(np.float32), correlations(self.basis)
        )
        n = len(templates)
        self.bank = Bank(
            norms=(self.templates**2).sum(axis=(1, 2)),
            lams=np.full(n, LAM),
            floors=np.full(n, 20.0),
            a_min=np.full(n, 0.5),
            a_max=np.full(n, 2.0),
            ptr=table.ptr,
            neighbours=table.neighbours,
            overlaps=table.values,
        )

    def correlation(self, *placed):
        """Correlate templates with traces that hold (waveform, frame, amplitude)."""
        traces = np.zeros((N_FRAMES + T - 1, N_CHANNELS))
        for waveform, frame, amplitude in placed:
            traces[frame : frame + T] += amplitude * waveform
        windows = np.lib.stride_tricks.sliding_window_view(traces, T, axis=0)
        return np.einsum("sct,ktc->ks", windows, self.templates).astype(np.float32)

    def loss(self, k, *placed):
        """What is lost without k, relative to its squared norm, and what is used."""
        loss, used = loss_without(self.correlation(*placed), self.bank, k, 10)
        return loss / self.bank.norms[k], np.flatnonzero(used).tolist()


A, B = unit(2, 2.0), unit(6, 2.8)


def test_a_lone_spike_loses_the_norm_of_its_template():
    loss, used = Case(A, B).loss(0, (A, 40, 1.0))
    assert loss == pytest.approx(1.0, abs=1e-3)  # o = n for a spike that fits
    assert used == []


@pytest.mark.parametrize("amplitude", [0.8, 1.3])
def test_the_loss_counts_the_prior(amplitude):
    case = Case(A, B)
    norm = case.bank.norms[0]
    expected = (amplitude * norm + LAM) ** 2 / (norm + LAM) - LAM
    loss, _ = case.loss(0, (A, 40, amplitude))
    assert loss * norm == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("lag", [0, 3, 9])
def test_collisions_do_without_a_template_of_their_own(lag):
    loss, used = Case(A, B, A + later(B, lag)).loss(
        2, (A, 40, 1.0), (B, 40 + lag + 2, 0.9)
    )
    assert loss < 0.02
    assert used == [0, 1]


def test_a_unit_is_needed_although_a_mixture_holds_it():
    loss, _ = Case(A, B, A + B).loss(0, (A, 40, 1.0))
    assert loss > 0.3


def test_neighbours_that_explain_half_do_not_replace_a_unit():
    other = unit(4, 4.5, 25.0)
    case = Case(A, B, A + other)
    assert case.loss(2, (A + other, 40, 1.0))[0] > 0.5


def test_a_template_of_infinite_floor_takes_no_part():
    case = Case(A, B, A + B)
    case.bank.floors[1] = np.inf
    loss, used = case.loss(2, (A, 40, 1.0), (B, 40, 1.0))
    assert loss > 0.3
    assert used == [0]


def test_the_bank_is_left_as_it_was():
    case = Case(A, B)
    correlation = case.correlation((A, 40, 1.0))
    before = correlation.copy()
    loss_without(correlation, case.bank, 0, 10)
    np.testing.assert_array_equal(case.bank.floors, 20.0)
    np.testing.assert_array_equal(correlation, before)


def test_related_are_those_that_share_energy():
    far = unit(8, 2.0)
    twin = 0.7 * A
    case = Case(A, far, twin, A + B)
    assert related(case.bank, 0).tolist() == [0, 2, 3]
    assert related(case.bank, 1).tolist()[0] == 1


def test_a_restricted_bank_is_that_of_its_templates():
    c = unit(4, 3.5)
    whole, part = Case(A, B, c, A + c), Case(A, c, A + c)
    found = restrict(whole.bank, np.array([0, 2, 3]))
    np.testing.assert_array_equal(found.ptr, part.bank.ptr)
    np.testing.assert_array_equal(found.neighbours, part.bank.neighbours)
    np.testing.assert_allclose(found.overlaps, part.bank.overlaps, atol=0.5)
    np.testing.assert_array_equal(found.norms, whole.bank.norms[[0, 2, 3]])


def test_the_rarest_go_first_and_what_rests_on_them_waits():
    used = np.zeros((5, 5), bool)
    used[0, 1] = used[1, 0] = True  # doubles of each other
    used[2, 3] = True
    used[4, 0] = True  # rests on one that waits
    losses = np.array([0.01, 0.02, 0.03, 0.5, 0.04])
    gone = expendable(losses, used, np.array([90, 80, 10, 5, 99]), 0.1)
    assert gone.tolist() == [False, True, True, False, False]


def test_what_is_not_in_question_stays():
    alone, sizes = np.zeros((2, 2), bool), np.array([5, 5])
    assert not expendable(np.array([np.inf, 0.1]), alone, sizes, 0.1).any()


def test_no_template():
    none = np.zeros(0, np.int64)
    assert expendable(np.zeros(0), np.zeros((0, 0), bool), none, 0.1).size == 0


def test_neurons_meet_in_a_part_of_the_spikes_of_the_rarer_one():
    n_used = np.zeros((4, 4), int)
    n_used[0, [1, 2]] = 12, 9  # 0 would be 1 and 2 at once
    n_used[1, 2] = 12  # one other alone
    n_used[2, [1, 3]] = 12, 3  # 3 was there by chance
    n_judged = np.array([12, 12, 12, 0])
    settled, norms = np.ones(4, bool), np.array([9.0, 4.0, 5.0, 4.0])
    told = [
        outnumber(
            np.array([size, 50, 80, 10]), norms, n_used, n_judged, settled
        ).tolist()
        for size in (25, 26)
    ]
    assert told == [[False] * 4, [True, False, False, False]]
    none = np.zeros(0, int)
    nothing = none, none.astype(float), np.zeros((0, 0), int), none, none.astype(bool)
    assert outnumber(*nothing).size == 0


def test_what_may_be_a_collision_itself_is_no_measure_of_frequency():
    n_used = np.zeros((3, 3), int)
    n_used[0, [1, 2]] = 12
    given = np.array([30, 10, 1000]), np.array([9.0, 4.0, 5.0]), n_used, np.full(3, 12)
    assert outnumber(*given, np.array([False, True, True]))[0]
    assert not outnumber(*given, np.array([False, False, True]))[0]
    assert not outnumber(*given, np.zeros(3, bool))[0]


def test_what_is_larger_than_a_collision_is_no_part_of_it():
    # its rare twin explains every spike of it; the neurons that meet are frequent
    n_used = np.zeros((3, 3), int)
    n_used[0, [1, 2]] = 12
    sizes, n_judged, settled = (
        np.array([60, 20, 1000]),
        np.full(3, 12),
        np.ones(3, bool),
    )
    for twin, frequent in ((8.9, True), (9.1, False)):
        norms = np.array([9.0, twin, 5.0])
        assert outnumber(sizes, norms, n_used, n_judged, settled)[0] == frequent
