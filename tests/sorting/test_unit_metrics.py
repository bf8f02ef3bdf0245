import numpy as np
import pytest
from scipy.stats import norm

from sorting import unit_metrics
from sorting.kernels.slices import slices
from sorting.quality import contamination, isi_violations, presence_ratio
from sorting.result_tables import StreamTable
from sorting.unit_metrics import FitFacts, unit_table

FS = 20_000


def table_of(times, units, streams, n_units, amplitudes=None, facts=None):
    amplitudes = np.ones(len(times)) if amplitudes is None else amplitudes
    return unit_table(
        np.asarray(times, dtype=np.int64),
        np.asarray(units, dtype=np.int32),
        np.asarray(amplitudes, dtype=np.float32),
        template_ptr=np.arange(n_units + 1),
        template_channels=np.arange(n_units),
        template_waveforms=np.full((n_units, 4), -60, dtype=np.float32),
        noise_levels=np.full(n_units, 10, dtype=np.float32),
        streams=streams,
        sampling_rate=float(FS),
        facts=facts,
    )


def test_unit_table_leaves_out_the_gap_between_streams():
    streams = StreamTable(["a", "b"], [0, 10**9], [10 * FS, 30 * FS])
    # unit 0 fires in every second of both streams, unit 1 in the last ten seconds only
    steady = np.concatenate([np.arange(10), 10**9 // FS + np.arange(30)]) * FS
    late = 10**9 + np.arange(20, 30) * FS + 7
    times = np.concatenate([steady, late])
    units = np.repeat([0, 1], [40, 10])
    order = np.lexsort([units, times])
    table = table_of(times[order], units[order], streams, 3)
    assert table.n_spikes.tolist() == [40, 10, 0]
    np.testing.assert_allclose(table.firing_rate_hz, [1, 0.25, 0])
    np.testing.assert_allclose(table.presence, [1, 0.25, 0])
    np.testing.assert_allclose(table.snr, 6)
    assert table.peak_channel.tolist() == [0, 1, 2]
    assert table.label.tolist() == ["mua", "mua", "noise"]


def test_unit_table_of_no_units():
    table = table_of([], [], StreamTable(["a"], [0], [FS]), 0)
    assert len(table) == 0
    assert table.n_spikes.dtype == np.int64


def busy_recording():
    """Two units that fire often enough to violate, in two streams with a gap."""
    rng = np.random.default_rng(5)
    times = np.sort(rng.choice(np.arange(0, 40 * FS, 7), 3000, replace=False))
    times[times >= 25 * FS] += 10**7
    units = rng.integers(0, 2, times.size)
    streams = StreamTable(["a", "b"], [0, 25 * FS + 10**7], [25 * FS, 15 * FS])
    return times, units, streams, rng.normal(1, 0.1, times.size)


@pytest.mark.parametrize("block", [1, 50, 10_000])
def test_metrics_are_those_of_the_whole_trains_whatever_the_block(block, monkeypatch):
    monkeypatch.setattr(unit_metrics, "slices", lambda n: slices(n, block))
    times, units, streams, amplitudes = busy_recording()
    times, units, amplitudes = times[:400], units[:400], amplitudes[:400]
    table = table_of(times, units, streams, 2, amplitudes)
    for unit in (0, 1):
        train, n_frames = times[units == unit], 40 * FS
        recorded = streams.to_recorded(train)
        assert table.isi_violations[unit] == isi_violations(train, 30)
        assert table.contamination[unit] == contamination(train, n_frames, 30, 6)
        assert table.presence[unit] == presence_ratio(recorded, n_frames, 10 * FS)


def test_what_is_known_of_the_fit_is_in_the_table():
    times, units, streams, _ = busy_recording()
    amplitudes = np.random.default_rng(1).normal(1, 0.2, 3000)
    smallest = np.array([0.8, 0.1])
    seen = amplitudes > smallest[units]
    facts = FitFacts(np.array([20.0, 30.0]), np.array([12.0, 3.0]), smallest)
    table = table_of(times[seen], units[seen], streams, 2, amplitudes[seen], facts)
    assert table.norm.tolist() == [20, 30]
    assert table.isolation.tolist() == [12, 3]
    expected = norm.cdf((smallest - 1) / 0.2)
    np.testing.assert_allclose(table.amplitude_cutoff, expected, atol=0.03)


def test_what_is_not_known_is_not_a_number():
    table = table_of([1, 2], [0, 0], StreamTable(["a"], [0], [FS]), 1)
    assert np.isnan([table.norm, table.isolation, table.amplitude_cutoff]).all()
