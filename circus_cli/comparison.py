"""How well a sort found the units that were put into a synthetic recording."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from circus_io.errors import MissingDependencyError
from sorting.results import Result

__all__ = [
    "FOUND_ACCURACY",
    "LARGE_SNR",
    "compare_with_truth",
    "fraction_found",
    "import_comparison",
]

DELTA_TIME_MS = 0.4
LARGE_SNR = 8.0
FOUND_ACCURACY = 0.8
ROW = np.dtype(
    [
        ("unit", np.int64),
        ("snr", np.float64),
        ("n_spikes", np.int64),
        ("accuracy", np.float64),
        ("precision", np.float64),
        ("recall", np.float64),
        ("matched_unit", np.int64),
    ]
)


def compare_with_truth(
    truth_times: np.ndarray,
    truth_units: np.ndarray,
    result: Result,
    snr: np.ndarray,
) -> np.ndarray:
    """Match every true unit with at most one sorted unit, and score the match.

    Spikes agree if they are at most 0.4 ms apart; units are matched so that the sum of
    agreements is largest (SpikeInterface's ``compare_sorter_to_ground_truth``). A pair
    that agrees in less than half of its spikes is no match and scores 0.

    Parameters
    ----------
    truth_times : (n,) int64
        Global frames, ascending.
    truth_units : (n,) int64
        True unit of each spike, an index into `snr`.
    result : Result
    snr : (n_units,) float64
        Of each true unit; it sets how many there are, with or without spikes.

    Returns
    -------
    (n_units,) structured array
        ``unit``, ``snr``, ``n_spikes``, ``accuracy``, ``precision``, ``recall`` in
        [0, 1] and ``matched_unit``, a unit id or -1.

    Raises
    ------
    MissingDependencyError
        Without SpikeInterface.
    """
    table = np.zeros(len(snr), dtype=ROW)
    table["unit"] = np.arange(len(snr))
    table["snr"] = snr
    table["n_spikes"] = np.bincount(truth_units, minlength=len(snr))
    table["matched_unit"] = -1
    if len(snr) and len(result.spike_times):
        _fill_scores(table, truth_times, truth_units, result)
    return table


def import_comparison() -> tuple[Callable[..., Any], type]:
    """Import ``compare_sorter_to_ground_truth`` and ``NumpySorting``.

    Raises
    ------
    MissingDependencyError
        Without SpikeInterface, or without what its comparison needs.
    """
    try:
        import pandas  # noqa: F401 - SpikeInterface notices its absence too late
        from spikeinterface.comparison import compare_sorter_to_ground_truth
        from spikeinterface.core import NumpySorting
    except ImportError as error:
        raise MissingDependencyError(
            f"a comparison with the truth needs SpikeInterface: {error}; install it "
            "with: pip install 'circus-toolkit[demo]'"
        ) from error
    return compare_sorter_to_ground_truth, NumpySorting


def _fill_scores(
    table: np.ndarray, truth_times: np.ndarray, truth_units: np.ndarray, result: Result
) -> None:
    compare_sorter_to_ground_truth, NumpySorting = import_comparison()
    rate = result.sampling_rate
    # Its times start at zero: both shift by the same.
    truth = NumpySorting.from_samples_and_labels(
        [truth_times - result.t_start], [truth_units], rate, unit_ids=table["unit"]
    )
    found = NumpySorting.from_samples_and_labels(
        [result.spike_times - result.t_start],
        [result.unit_ids[result.spike_units]],
        rate,
        unit_ids=result.unit_ids,
    )
    with warnings.catch_warnings():
        # Its own business: units without spikes divide by zero, pandas deprecates.
        warnings.simplefilter("ignore")
        comparison = compare_sorter_to_ground_truth(
            truth, found, exhaustive_gt=True, delta_time=DELTA_TIME_MS
        )
        scores = comparison.get_performance(method="by_unit", output="pandas")
    scores = scores.astype(float).fillna(0.0).loc[table["unit"]]
    for name in ("accuracy", "precision", "recall"):
        table[name] = scores[name].to_numpy()
    matches = comparison.hungarian_match_12
    table["matched_unit"] = [int(matches[unit]) for unit in table["unit"]]


def fraction_found(table: np.ndarray) -> tuple[int, int]:
    """Count the units with SNR above 8 that reach an accuracy of 0.8, and all of them.

    Returns
    -------
    n_found, n_units : int
    """
    large = table["snr"] > LARGE_SNR
    found = large & (table["accuracy"] >= FOUND_ACCURACY)
    return int(found.sum()), int(large.sum())
