"""How fast the kernels of a sort are, beside what the processor can do at best.

::

    python benchmarks/kernels.py                           384 channels, 500 units
    python benchmarks/kernels.py --channels 64 --units 30
    python benchmarks/kernels.py --quick                   a second, for the tests

Each row is one kernel on one chunk. Its roofline is the time that the necessary
arithmetic takes at the rate of a large float32 matrix product, or that reading its
input and writing its output once takes at the rate of a copy, whichever is longer; both
rates are measured first. Arithmetic with zeros, and what a kernel keeps in between, is
not necessary. Times are CPU seconds of one thread, the fewest of the repeats.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from circus_io.threads import set_thread_variables

set_thread_variables()  # before numpy is loaded

import numpy as np  # noqa: E402
from machine import describe, load  # noqa: E402

from circus_io.synthetic import make_probe  # noqa: E402
from sorting.bank import make_bank  # noqa: E402
from sorting.kernels.basis import Projector, fit_basis  # noqa: E402
from sorting.kernels.butterworth import butter_sos  # noqa: E402
from sorting.kernels.correlation import coarsest_stride, correlate  # noqa: E402
from sorting.kernels.decimation import (  # noqa: E402
    decimate,
    decimated_waveforms,
)
from sorting.kernels.detection import matched_energy, spatial_filters  # noqa: E402
from sorting.kernels.filters import band_pass  # noqa: E402
from sorting.kernels.matching import Bank, find_spikes  # noqa: E402
from sorting.kernels.whitening import BandedMatrix  # noqa: E402

SAMPLING_RATE = 30000.0
CHUNK_FRAMES = 30720
WIDTH = 91  # frames of a template
N_COMPONENTS = 8
RADIUS_UM = 100.0
RATE_HZ = 5.0  # of a unit
SEED = 3


@dataclass(frozen=True)
class Row:
    """A kernel, and what it cannot do without."""

    what: str
    run: Callable[[], object]
    flop: float
    n_bytes: float


@dataclass(frozen=True)
class Case:
    """A chunk of noise with spikes, and the templates of the units."""

    traces: np.ndarray
    positions: np.ndarray
    basis: np.ndarray
    coefficients: np.ndarray
    bank: Bank


def main() -> None:
    """Measure the machine and all kernels, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a second or two in all")
    parser.add_argument("--channels", type=int, default=384)
    parser.add_argument("--units", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    if given.quick:
        given.channels, given.units, given.repeats = 16, 8, 2
    print(describe())
    case = make_case(given.channels, given.units)
    print(
        f"chunk      {CHUNK_FRAMES} frames of {given.channels} channels, "
        f"{given.units} units, {SAMPLING_RATE:g} Hz"
    )
    gemm, copy = gemm_rate(given.repeats), copy_rate(given.repeats)
    print(
        f"roofline   {gemm / 1e9:.0f} GFLOP/s (product), {copy / 1e9:.0f} GB/s (copy)"
    )
    report(make_rows(case), case.traces.shape, gemm, copy, given.repeats)
    print(f"\nload afterwards  {load()}")


def make_case(n_channels: int, n_units: int) -> Case:
    """Units all over a probe, and a second in which each fires a few times."""
    rng = np.random.default_rng(SEED)
    positions = make_probe("staggered", n_channels).contact_positions
    at = rng.uniform(positions.min(axis=0), positions.max(axis=0), (n_units, 2))
    distance = np.linalg.norm(at[:, None] - positions, axis=2)
    size = rng.uniform(8, 40, n_units)[:, None] * np.exp(-distance / 30)
    time_ = np.arange(WIDTH) - WIDTH // 3
    width = rng.uniform(4, 8, n_units)[:, None]
    shape = np.exp(-((time_ / width) ** 2)) - 0.3 * np.exp(
        -(((time_ - 3 * width) / (2 * width)) ** 2)
    )
    basis, _ = fit_basis(-shape, np.zeros((WIDTH, WIDTH)), N_COMPONENTS)
    coefficients = (
        np.where(size > 0.35, size, 0)[:, :, None] * (-shape @ basis.T)[:, None]
    )
    coefficients = coefficients.astype(np.float32)
    bank = make_bank(
        coefficients, basis, bounds=(0.5, 2.0), amplitude_sd=0.1, min_norm=6.5
    )
    traces = rng.normal(size=(CHUNK_FRAMES, n_channels)).astype(np.float32)
    n_spikes = round(n_units * RATE_HZ * CHUNK_FRAMES / SAMPLING_RATE)
    starts = rng.integers(0, CHUNK_FRAMES - WIDTH, n_spikes)
    for start, unit in zip(starts, rng.integers(0, n_units, n_spikes), strict=True):
        traces[start : start + WIDTH] += (coefficients[unit] @ basis).T
    return Case(traces, positions, basis, coefficients, bank)


def make_rows(case: Case) -> Iterator[Row]:
    """List the kernels in the order in which a chunk goes through them."""
    traces, n_samples = case.traces, case.traces.size
    sos = butter_sos((300.0, None), SAMPLING_RATE)
    yield Row(
        "band-pass, both ways",
        lambda: band_pass(traces, sos),
        2 * len(sos) * 9 * n_samples,
        4 * 4 * n_samples,
    )
    distance = np.linalg.norm(case.positions[:, None] - case.positions, axis=2)
    near = distance <= RADIUS_UM
    matrix = BandedMatrix.from_dense(near.astype(np.float32))
    yield Row(
        "whitening",
        lambda: matrix.apply(traces),
        2 * near.sum() * len(traces),
        2 * 4 * n_samples,
    )
    stride = coarsest_stride(case.bank)
    n_places = -(-len(traces) // stride)
    prototypes = case.basis[:3]
    groups, alive = np.zeros(len(near)), np.ones(len(near), bool)
    filters = spatial_filters(case.positions, groups, (20.0, 40.0), alive)
    n_weights = sum(
        np.count_nonzero(b) for banded in filters for *_, b in banded.blocks
    )
    n_weights += prototypes.size * len(near) // len(prototypes)
    yield Row(
        "detection energy",
        lambda: matched_energy(traces, prototypes, filters, "negative", stride),
        2 * len(prototypes) * n_weights * n_places,
        4 * n_samples * (1 + 1 / stride),
    )
    basis, n_lead = decimated_waveforms(case.basis, stride)
    projector = Projector(basis)
    projecting = 2 * basis.size * len(near) * n_places
    yield Row(
        "decimation, projection",
        lambda: [
            at for at, _ in projector.tiles(decimate(traces, stride, n_lead), n_places)
        ],
        projecting,
        4 * n_samples * (1 + N_COMPONENTS / stride),
    )
    used = np.count_nonzero(case.coefficients)
    n_correlations = len(case.coefficients) * len(traces)
    yield Row(
        "projection, group products",
        lambda: correlate(traces, case.basis, case.coefficients, stride),
        projecting + 2 * used * n_places,
        4 * (n_samples + n_correlations),
    )
    correlation = correlate(traces, case.basis, case.coefficients, stride)
    yield Row(
        "matching",
        lambda: find_spikes(correlation.copy(), case.bank, 15, 5000),
        0,
        2 * 4 * n_correlations,
    )


def report(
    rows: Iterator[Row], shape: tuple[int, int], gemm: float, copy: float, repeats: int
) -> None:
    """Print the time of each kernel, and of its roofline, for a recorded second."""
    per_second = SAMPLING_RATE / shape[0]
    print(
        f"\n{'CPU ms per recorded second':32}{'here':>9}{'roofline':>10}{'share':>8}"
        f"{'Msamples/s':>12}"
    )
    for row in rows:
        taken = fastest(row.run, repeats)
        least = max(row.flop / gemm, row.n_bytes / copy)
        print(
            f"{row.what:32}{1e3 * taken * per_second:9.2f}"
            f"{1e3 * least * per_second:10.2f}{least / taken:8.2f}"
            f"{shape[0] * shape[1] / taken / 1e6:12.1f}"
        )


def gemm_rate(repeats: int) -> float:
    """Return float32 operations per second of a product whose operands fit a cache."""
    a = np.ones((512, 512), np.float32)
    out = np.empty_like(a)
    return 20 * 2 * 512**3 / fastest(lambda: times(20, np.matmul, a, a, out), repeats)


def copy_rate(repeats: int) -> float:
    """Return bytes read and written per second when a large array is copied."""
    a = np.ones(2**24, np.float32)
    out = np.empty_like(a)
    return 2 * a.nbytes / fastest(lambda: np.copyto(out, a), repeats)


def times(n: int, function: Callable, *arguments) -> None:
    """Call a function again and again: one call may be below the clock."""
    for _ in range(n):
        function(*arguments)


def fastest(function: Callable[[], object], repeats: int) -> float:
    """Return the fewest CPU seconds of some calls, after one that compiles."""
    function()
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        taken.append(time.process_time() - start)
    return max(min(taken), 1e-6)


if __name__ == "__main__":
    main()
