"""Which templates the spikes need: part of step 5."""

from dataclasses import dataclass, field

import numpy as np

from sorting.bank import make_bank
from sorting.chunk_map import map_items
from sorting.kernels.correlation import coarsest_stride, correlate
from sorting.kernels.matching import Bank
from sorting.kernels.mixtures import (
    expendable,
    loss_without,
    outnumber,
    related,
    restrict,
)
from sorting.kernels.sampling import hash_keys
from sorting.steps.context import STAGE_PRUNING, Context, Whitener
from sorting.steps.motion import steady_front_end

__all__ = ["choose_windows", "needed_templates"]

EVIDENCE = 2.0  # times the least gain of a spike: a collision has one spike more
EASIER = 0.5  # times the least gain of a spike: small ones that are missed count too


def choose_windows(context: Context, times: np.ndarray) -> np.ndarray:
    """Choose a few spikes of a template by hash, int64 (at most n_trials,).

    The hash of the time, to the length of a chunk, comes first: templates prefer the
    same chunks, and few have to be read.
    """
    times = np.unique(times)
    seed, length = context.config.templates.seed, context.config.filtering.chunk_frames
    order = np.lexsort(
        [hash_keys(seed, STAGE_PRUNING, field) for field in (times, times // length)]
    )
    return np.sort(times[order[: context.config.templates.n_trials]])


def needed_templates(
    context: Context,
    coefficients: np.ndarray,
    basis: np.ndarray,
    sizes: np.ndarray,
    windows: list[np.ndarray],
) -> np.ndarray:
    """Tell which templates are needed to explain their own spikes.

    Parameters
    ----------
    context : Context
    coefficients : float32 (n_templates, n_channels, n_components)
    basis : float32 (n_components, n_template_frames)
    sizes : int64 (n_templates,)
        Spikes behind each template.
    windows : list of int64 (n_windows,)
        First frames of some spikes of each template.

    Returns
    -------
    bool (n_templates,)
        The same on every rank.
    """
    least = context.config.templates.least_loss
    trial = _Trial(context, coefficients, basis, sizes, windows)
    kept = np.ones(len(coefficients), bool)
    losses, n_used, n_judged = trial.losses(kept, kept)
    evident = EVIDENCE * context.config.templates.min_norm**2 / trial.norms
    while (losses < least).any():
        frequent = outnumber(sizes, trial.norms, n_used, n_judged, losses >= least)
        in_question = (losses < least) & ~((losses >= evident) & frequent)
        if not in_question.any():
            break
        asked = np.where(in_question, losses, np.inf)
        gone = expendable(asked, n_used > 0, sizes, least)
        kept = kept & ~gone
        losses[gone] = np.inf
        stale = (losses < least) & (n_used[:, gone] > 0).any(axis=1)
        trial.forget_all_but(losses < least)
        again = trial.losses(stale, kept)
        for known, new in zip((losses, n_used, n_judged), again, strict=True):
            known[stale] = new[stale]
    return kept


@dataclass
class _Trial:
    """Spikes of all templates, explained again and again with fewer of them.

    Each rank keeps the correlations around the spikes in its own chunks.
    """

    context: Context
    coefficients: np.ndarray
    basis: np.ndarray
    sizes: np.ndarray
    windows: list[np.ndarray]
    members: list[np.ndarray] = field(init=False)
    channels: list[np.ndarray] = field(init=False)
    banks: list[Bank] = field(init=False)
    seen: dict[int, list] = field(default_factory=dict)

    def __post_init__(self):
        config = self.context.config.templates
        bank = make_bank(
            self.coefficients,
            self.basis,
            bounds=config.amplitude_bounds,
            amplitude_sd=config.amplitude_sd,
            min_norm=config.min_norm * np.sqrt(EASIER),
        )
        self.norms = bank.norms
        self.stride = coarsest_stride(bank)
        self.members = [related(bank, k) for k in range(len(self.coefficients))]
        support = np.any(self.coefficients != 0, axis=2)
        self.channels = [np.flatnonzero(support[m].any(axis=0)) for m in self.members]
        self.banks = [restrict(bank, members) for members in self.members]
        self.times = np.concatenate([np.zeros(0, np.int64), *self.windows])
        self.owners = np.repeat(
            np.arange(len(self.windows)), [w.size for w in self.windows]
        )
        self.chunks = self.context.chunks_with(self.times)
        matrix = self.context.store.load("whitening")["matrix"]
        self.whitener = Whitener(steady_front_end(self.context), matrix)

    def losses(
        self, wanted: np.ndarray, kept: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Judge some templates by those that are kept.

        Returns
        -------
        losses : float64 (n_templates,)
            Median over the spikes, relative to the squared norm; inf if not judged.
        n_used : int64 (n_templates, n_templates)
            ``n_used[k, j]`` spikes of k are explained with j.
        n_judged : int64 (n_templates,)
            Spikes of each template that were explained.
        """
        n = kept.size
        found = map_items(
            lambda index: self._judge(index, wanted, kept),
            self.chunks,
            self.context.comm,
            sticky=True,
        )
        losses = [[] for _ in range(n)]
        n_used = np.zeros((n, n), np.int64)
        for k, loss, parts in (item for items in found for item in items):
            losses[k].append(loss / self.norms[k])
            n_used[k, parts] += 1
        medians = [np.median(values) if values else np.inf for values in losses]
        n_judged = np.array([len(values) for values in losses], np.int64)
        return np.array(medians, np.float64), n_used, n_judged

    def forget_all_but(self, in_question: np.ndarray) -> None:
        """Free the memory of templates that are settled."""
        for index, items in self.seen.items():
            self.seen[index] = [item for item in items if in_question[item[0]]]

    def _judge(self, index: int, wanted: np.ndarray, kept: np.ndarray) -> list[tuple]:
        if index not in self.seen:
            self.seen[index] = self._read(index)
        return [self._loss(k, w, kept) for k, w in self.seen[index] if wanted[k]]

    def _loss(self, k: int, window: np.ndarray, kept: np.ndarray) -> tuple:
        members, bank = self.members[k], self.banks[k]
        bank = bank._replace(floors=np.where(kept[members], bank.floors, np.inf))
        loss, used = loss_without(
            window,
            bank,
            int(np.searchsorted(members, k)),
            self.context.config.templates.refractory_frames,
        )
        return k, loss, members[used]

    def _read(self, index: int) -> list[tuple[int, np.ndarray]]:
        """Correlate the surroundings of the spikes in a chunk."""
        width = self.basis.shape[1]
        piece, traces = self.whitener.read(index, 2 * width)
        mine = (self.times >= piece.t_start) & (self.times < piece.t_stop)
        found = []
        for k, time in zip(self.owners[mine], self.times[mine], strict=True):
            start = time - piece.first_frame - width
            if start >= 0 and start + 3 * width <= len(traces):
                window = traces[start : start + 3 * width, self.channels[k]]
                members = self.coefficients[np.ix_(self.members[k], self.channels[k])]
                correlation = correlate(window, self.basis, members, self.stride)
                found.append((int(k), correlation[:, : 2 * width + 1].copy()))
        return found
