"""Results built by hand; recordings with known spikes, and ways to sort them."""

import hashlib
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sorting
from circus_io.params import build_params
from circus_io.probe import Probe
from circus_io.synthetic import GroundTruth, SyntheticRecording
from sorting.results import ChannelTable, Result, StreamTable, UnitTable
from sorting.unit_metrics import unit_table


@pytest.fixture
def make_result() -> Callable[..., Result]:
    """``make_result(n_units=3, n_channels=4, n_spikes=300, ...)``: a valid result.

    Unit k has its trough, -100 µV, on channel ``k % n_channels`` and a tenth of it on
    the next good channel; noise is 10 µV. Changes of fields go by keyword.
    """

    def make(
        n_units: int = 3,
        n_channels: int = 4,
        n_spikes: int = 300,
        *,
        n_template_frames: int = 31,
        good: np.ndarray | None = None,
        columns: np.ndarray | None = None,
        groups: np.ndarray | None = None,
        streams: StreamTable | None = None,
        seed: int = 0,
        **changes: object,
    ) -> Result:
        rng = np.random.default_rng(seed)
        streams = streams or StreamTable(["rec.dat"], [0], [60_000])
        good = np.ones(n_channels, bool) if good is None else np.asarray(good)
        rows = np.arange(n_channels)
        channels = ChannelTable(
            column=rows if columns is None else columns,
            electrode=rows,
            group=np.ones(n_channels, int) if groups is None else groups,
            x=np.zeros(n_channels),
            y=20.0 * rows,
            z=np.zeros(n_channels),
            good=good,
        )
        pointer, owners, waveforms = templates(n_units, np.flatnonzero(good))
        waveforms = waveforms.reshape(-1, 31)[:, :n_template_frames]
        times, units = spikes(rng, streams, n_units, n_spikes)
        noise = np.full(n_channels, 10.0, dtype=np.float32)
        result = Result(
            sampling_rate=20_000.0,
            t_start=int(streams.t_start[0]),
            t_stop=int(streams.t_start[-1] + streams.n_frames[-1]),
            unit_ids=np.arange(n_units),
            spike_times=times,
            spike_units=units,
            amplitudes=rng.normal(1, 0.1, len(times)),
            template_ptr=pointer,
            template_channels=owners,
            template_waveforms=waveforms,
            n_before=10,
            channels=channels,
            noise_levels_uv=noise,
            thresholds=np.full(n_channels, 6.0),
            whitening_matrix=np.eye(n_channels) / 10,
            units=unit_table(
                times,
                units,
                np.ones(len(times), dtype=np.float32),
                template_ptr=pointer,
                template_channels=owners,
                template_waveforms=waveforms,
                noise_levels=noise,
                streams=streams,
                sampling_rate=20_000.0,
            ),
            streams=streams,
            parameters={"detection": {"spike_thresh": 6}},
            provenance={"seed": seed},
        )
        return replace(result, **changes)

    return make


def templates(n_units: int, good_rows: np.ndarray) -> tuple[np.ndarray, ...]:
    shape = -100 * np.exp(-(((np.arange(31) - 10) / 3.0) ** 2))
    pointer, owners, waveforms = [0], [], []
    for unit in range(n_units):
        reached = dict.fromkeys(good_rows[(unit + k) % len(good_rows)] for k in (0, 1))
        owners += sorted(reached)
        peak = good_rows[unit % len(good_rows)]
        waveforms += [shape if row == peak else shape / 10 for row in sorted(reached)]
        pointer.append(len(owners))
    return np.array(pointer), np.array(owners), np.array(waveforms, dtype=np.float32)


def spikes(
    rng: np.random.Generator, streams: StreamTable, n_units: int, n_spikes: int
) -> tuple[np.ndarray, np.ndarray]:
    held = np.concatenate(
        [
            np.arange(a, a + n)
            for a, n in zip(streams.t_start, streams.n_frames, strict=True)
        ]
    )
    n_spikes = n_spikes if n_units else 0
    times = np.sort(rng.choice(held, n_spikes, replace=False))
    return times, rng.integers(0, max(n_units, 1), n_spikes)


@pytest.fixture
def same_result() -> Callable[[Result, Result], None]:
    """``same_result(a, b)`` asserts that every field is equal, dtypes included."""

    def same(first: Result, second: Result) -> None:
        pairs = [(first, second)]
        pairs += [
            (getattr(first, name), getattr(second, name))
            for name in ("channels", "units", "streams")
        ]
        for left, right in pairs:
            for name in left.layout:
                np.testing.assert_array_equal(getattr(left, name), getattr(right, name))
        for name in UnitTable.layout:
            left, right = getattr(first.units, name), getattr(second.units, name)
            assert left.dtype.kind == right.dtype.kind

    return same


# recordings and sorts ---------------------------------------------------------


@dataclass(frozen=True)
class Sorted:
    """A recording on disk and the folder of its sort.

    Attributes
    ----------
    path : pathlib.Path
        The recording.
    folder : pathlib.Path
        What the sort left behind.
    """

    path: Path
    folder: Path

    @property
    def result_path(self) -> Path:
        return self.folder / f"{self.path.stem}.sorting.hdf5"


@pytest.fixture(scope="session")
def tetrode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three neurons on a tetrode, 30 s: raw data, ``.params``, ``.prb``, read-only.

    20 chunks: the fit keeps its spikes in two parts.
    """
    folder = tmp_path_factory.mktemp("tetrode")
    recording = SyntheticRecording(
        layout="tetrode",
        n_channels=4,
        duration_s=30,
        n_units=3,
        snr=(8.0, 12.0, 18.0),
        rate_range_hz=(3.0, 10.0),
        seed=3,
    )
    path = recording.write(folder / "rec.dat")
    path.chmod(0o444)
    return path


@pytest.fixture(scope="session")
def undisturbed(tetrode: Path, tmp_path_factory: pytest.TempPathFactory) -> Sorted:
    """Sort the tetrode recording on one rank, with a filtered file."""
    folder = tmp_path_factory.mktemp("undisturbed") / "out"
    arguments = ["-c", "1", "--set", "circus.filtered_file=True"]
    command = [sys.executable, "-m", "circus_cli", "sort", tetrode, *arguments]
    subprocess.run([*command, "--output-dir", folder], check=True, capture_output=True)
    return Sorted(tetrode, folder)


@pytest.fixture
def sort_here(tmp_path: Path) -> Callable[..., sorting.Result]:
    """``sort_here(recording, probe, {"detection.peaks": "both"})``, in this process.

    The sort goes to ``tmp_path / "out"``, or to another folder by `name`.
    """

    def sort_here(
        recording: Any,
        probe: Probe,
        changes: Mapping[str, Any] | None = None,
        name: str = "out",
        **keywords: Any,
    ) -> sorting.Result:
        return sorting.sort(
            recording,
            parameters=build_params(changes or {}),
            probe=probe,
            output_dir=tmp_path / name,
            **keywords,
        )

    return sort_here


@pytest.fixture(scope="session")
def accuracy(
    require: Callable[..., Any],
) -> Callable[[GroundTruth, sorting.Result], np.ndarray]:
    """``accuracy(truth, result)``: of each true unit, as SpikeInterface has it."""
    require("pandas", extra="demo")
    comparison = require("spikeinterface.comparison", extra="demo")
    core = require("spikeinterface.core", extra="demo")

    def accuracy(truth: GroundTruth, result: sorting.Result) -> np.ndarray:
        if not len(result.spike_times):
            return np.zeros(truth.n_units)
        trains = (
            (truth.spike_times, truth.spike_units, np.arange(truth.n_units)),
            (result.spike_times, result.spike_units, np.arange(len(result))),
        )
        sortings = [
            core.NumpySorting.from_samples_and_labels(
                [times - result.t_start], [units], result.sampling_rate, unit_ids=ids
            )
            for times, units, ids in trains
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what pandas says to SpikeInterface
            compared = comparison.compare_sorter_to_ground_truth(
                *sortings, exhaustive_gt=True
            )
            table = compared.get_performance(method="by_unit", output="pandas")
        return table["accuracy"].astype(float).to_numpy()

    return accuracy


@pytest.fixture(scope="session")
def digest() -> Callable[[Path], str]:
    """``digest(path)``: the SHA-256 of a file."""

    def digest(path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    return digest
