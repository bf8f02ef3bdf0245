"""The tables of a comparison of sorters."""

import math
from dataclasses import dataclass, field
from typing import Any

from scoring import SNR_BINS, WELL, Score, pool

__all__ = ["Outcome", "pool_outcomes", "table"]


@dataclass(frozen=True)
class Outcome:
    """Of a sorter on a recording, or on several together.

    Attributes
    ----------
    sorter : str
    score : Score
    wall_s, cpu_s, peak_mb : float
        See `process_tree.Usage`; of several recordings the sum, and the largest peak.
    n_samples : int
        Frames × channels that were sorted.
    failure : str
        Why there is no score; empty if there is one.
    """

    sorter: str
    score: Score = field(default_factory=Score)
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float = 0.0
    n_samples: int = 0
    failure: str = ""

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Outcome":
        """Make one from what `dataclasses.asdict` gave."""
        return cls(**{**stored, "score": Score(**stored["score"])})


def pool_outcomes(outcomes: list[Outcome]) -> Outcome:
    """Put the recordings of one sorter together; it fails if it fails on one."""
    failures = [o.failure for o in outcomes if o.failure]
    failure = failures[0] if failures else ""
    if failures and len(outcomes) > 1:
        failure = f"{len(failures)} of {len(outcomes)} failed: {failure}"
    return Outcome(
        outcomes[0].sorter,
        pool([o.score for o in outcomes]),
        wall_s=sum(o.wall_s for o in outcomes),
        cpu_s=sum(o.cpu_s for o in outcomes),
        peak_mb=max(o.peak_mb for o in outcomes),
        n_samples=sum(o.n_samples for o in outcomes),
        failure=failure,
    )


def table(heading: str, outcomes: list[Outcome]) -> str:
    """Return a Markdown table: accuracy at the left, cost at the right.

    One row for each sorter, in the order in which they come.
    """
    names = list(dict.fromkeys(o.sorter for o in outcomes))
    rows = [HEADER, ["---"] + ["--:"] * (len(HEADER) - 1)]
    rows += [
        _row(pool_outcomes([o for o in outcomes if o.sorter == name])) for name in names
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"\n### {heading}\n", *lines])


def _bin_name(low: float, high: float) -> str:
    if low == 0:
        return f"SNR < {high:g}"
    return f"SNR > {low:g}" if math.isinf(high) else f"{low:g}-{high:g}"


HEADER = [
    *("sorter", "accuracy", f">= {WELL:g}", "found"),
    *("false positive", "redundant", "over-merged"),
    *(_bin_name(*edges) for edges in SNR_BINS),
    *("colliding spikes", "CPU s", "wall s", "peak MB", "Msamples / CPU s"),
]


def _row(outcome: Outcome) -> list[str]:
    if outcome.failure:
        reason = " ".join(outcome.failure.split()).replace("|", "\\|")
        return [outcome.sorter, f"failed: {reason}"] + [""] * (len(HEADER) - 2)
    score = outcome.score
    return [
        outcome.sorter,
        _three(score.mean_accuracy),
        f"{score.n_well}/{len(score.accuracy)}",
        f"{score.n_found}",
        f"{score.n_false_positive}",
        f"{score.n_redundant}",
        f"{score.n_overmerged}",
        *map(_three, score.accuracy_by_snr()),
        _three(score.colliding_recall),
        f"{outcome.cpu_s:.1f}",
        f"{outcome.wall_s:.1f}",
        f"{outcome.peak_mb:.0f}",
        f"{outcome.n_samples / 1e6 / max(outcome.cpu_s, 1e-9):.2f}",
    ]


def _three(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
