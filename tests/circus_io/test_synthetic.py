import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from circus_io.errors import ParameterError, ProbeError, StreamError
from circus_io.params import read_params
from circus_io.probe import Probe, read_probe
from circus_io.synthetic import (
    GroundTruthSpec,
    SyntheticRecording,
    make_probe,
    read_ground_truth,
)

SMALL = {"n_channels": 8, "duration_s": 8.0, "n_units": 4, "seed": 3}
QUIET = {"noise_range_uv": (1e-6, 1e-6)}  # µV; an SNR of 5e7 makes 50 µV
SILENT = {"noise_range_uv": (0.0, 0.0)}


@pytest.fixture(scope="module")
def small():
    return SyntheticRecording(**SMALL)


def everything(recording):
    return recording[recording.t_start : recording.t_stop]


# background -------------------------------------------------------------------


def test_noise_has_the_sd_and_correlation_that_were_asked_for():
    recording = SyntheticRecording(
        n_channels=6,
        duration_s=20,
        n_units=0,
        layout="linear",
        noise_range_uv=(5, 9),
        noise_decay_um=30,
    )
    traces = everything(recording).astype(np.float64)
    levels = recording.ground_truth.noise_levels_uv
    assert levels.min() >= 5
    assert levels.max() <= 9
    np.testing.assert_allclose(traces.std(axis=0), levels, rtol=0.01)
    heights = recording.probe.contact_positions[:, 1]
    distances = np.abs(heights[:, None] - heights)
    measured = np.corrcoef(traces.T)
    np.testing.assert_allclose(measured, np.exp(-distances / 30), atol=0.01)


def test_noise_is_white_in_time_across_block_borders():
    recording = SyntheticRecording(n_channels=4, duration_s=10, n_units=0)
    traces = everything(recording).astype(np.float64)[:, 0]
    spectrum = np.abs(np.fft.rfft(traces)) ** 2
    tenths = np.array([part.mean() for part in np.array_split(spectrum[1:], 10)])
    np.testing.assert_allclose(tenths / tenths.mean(), 1, atol=0.05)
    # consecutive blocks are different noise
    blocks = np.array_split(traces[: 3 * 65536], 3)
    assert np.abs(np.corrcoef(blocks) - np.eye(3)).max() < 0.02


def test_the_slow_field_has_its_size_and_band():
    spec = {"n_channels": 8, "duration_s": 64, "sampling_rate": 2000, "n_units": 0}
    recording = SyntheticRecording(lfp_uv=50, **spec, **SILENT)
    traces = everything(recording).astype(np.float64)
    assert np.sqrt((traces**2).mean()) == pytest.approx(50, rel=0.2)
    spectrum = (np.abs(np.fft.rfft(traces, axis=0)) ** 2).sum(axis=1)
    frequencies = np.fft.rfftfreq(len(traces), 1 / 2000)
    band = (frequencies > 0.4) & (frequencies < 101)
    assert spectrum[band].sum() / spectrum.sum() > 0.99
    slow = spectrum[(frequencies > 0.4) & (frequencies < 7)].sum()
    assert 0.3 < slow / spectrum.sum() < 0.7  # 1/f: half of it below √(0.5 × 100) Hz


# spikes -----------------------------------------------------------------------


def test_snr_is_that_of_the_traces():
    """Measured without the truth: spike-triggered means over an sd of noise alone."""
    spec = GroundTruthSpec(
        n_channels=16,
        duration_s=60,
        n_units=6,
        seed=5,
        snr_range=(8, 20),
        amplitude_spread=0.0,
    )
    recording = SyntheticRecording(spec)
    truth = recording.ground_truth
    traces = everything(recording)
    noise = everything(SyntheticRecording(replace(spec, n_units=0))).std(axis=0)
    for unit in range(truth.n_units):
        # spikes on the sample, so that the mean has the peak of the template
        on_sample = np.abs(truth.spike_fractions) < 0.15
        times = truth.spike_times[(truth.spike_units == unit) & on_sample]
        mean = np.mean([traces[t - 10 : t + 30] for t in times[2:-2]], axis=0)
        channel = np.abs(mean).max(axis=0).argmax()
        assert channel == truth.peak_channels[unit]
        peak = np.abs(mean[:, channel]).max() / noise[channel]
        tolerance = 0.05 * truth.snr[unit] + 3 / np.sqrt(len(times))
        assert abs(peak - truth.snr[unit]) < tolerance


def test_templates_have_the_snr_of_their_unit(small):
    truth = small.ground_truth
    peaks = np.abs(truth.templates).max(axis=1)
    channels = peaks.argmax(axis=1)
    np.testing.assert_array_equal(channels, truth.peak_channels)
    found = peaks.max(axis=1) / truth.noise_levels_uv[channels]
    np.testing.assert_allclose(found, truth.snr, rtol=1e-5)
    trough = truth.templates[np.arange(4), :, channels].argmin(axis=1)
    assert trough.tolist() == [truth.n_before] * 4


def test_snr_covers_its_range_or_is_given():
    snr = SyntheticRecording(n_units=40, seed=9).ground_truth.snr
    assert snr.min() >= 3
    assert snr.max() <= 20
    # log-uniform and stratified: one unit in each of 40 equal steps
    steps = np.floor(np.log(snr / 3) / np.log(20 / 3) * 40)
    assert sorted(steps) == list(range(40))
    given = SyntheticRecording(**SMALL, snr=(4, 8, 12, 16)).ground_truth.snr
    assert given.tolist() == [4, 8, 12, 16]


def test_a_silent_recording_is_the_sum_of_its_spikes():
    """Rebuilt from the published truth; a fraction is a shift of the spectrum."""
    recording = SyntheticRecording(
        n_channels=6, duration_s=3, n_units=3, seed=2, **SILENT, snr_range=(5, 10)
    )
    assert not everything(recording).any()  # no noise, no scale: SNR × 0 µV
    recording = SyntheticRecording(
        n_channels=6,
        duration_s=3,
        n_units=3,
        seed=2,
        **QUIET,
        snr=(5e7, 6e7, 7e7),
        sampling_rate=40000,
    )
    truth = recording.ground_truth
    n_frames = truth.templates.shape[1]
    pad = 64
    expected = np.zeros((recording.duration + 4 * n_frames, 6))
    padded = np.pad(truth.templates, ((0, 0), (pad, pad), (0, 0))).astype(np.float64)
    turns = -2j * np.pi * np.fft.rfftfreq(padded.shape[1])[:, None]
    for time, unit, fraction, amplitude in zip(
        truth.spike_times,
        truth.spike_units,
        truth.spike_fractions,
        truth.spike_amplitudes,
        strict=True,
    ):
        spectrum = np.fft.rfft(padded[unit], axis=0) * np.exp(turns * fraction)
        waveform = amplitude * np.fft.irfft(spectrum, n=padded.shape[1], axis=0)
        first = time - truth.n_before - pad + 2 * n_frames
        expected[first : first + len(waveform)] += waveform
    expected = expected[2 * n_frames : 2 * n_frames + recording.duration]
    inner = slice(n_frames, -n_frames)  # a spike outside reaches in, and is not listed
    error = np.abs(everything(recording)[inner] - expected[inner]).max()
    assert error < 0.01 * np.abs(expected).max()


def test_a_spike_on_the_sample_is_the_template():
    recording = SyntheticRecording(
        n_channels=6,
        duration_s=20,
        n_units=1,
        seed=2,
        **QUIET,
        snr=(5e7,),
        amplitude_spread=0.0,
        rate_range_hz=(2, 2),
    )
    truth = recording.ground_truth
    best = np.abs(truth.spike_fractions).argmin()
    start = truth.spike_times[best] - truth.n_before
    traces = recording[start : start + truth.templates.shape[1]]
    np.testing.assert_allclose(traces, truth.templates[0], atol=1.0)
    assert traces.min() == pytest.approx(-50, rel=0.01)


def test_far_contacts_are_weaker_and_later():
    recording = SyntheticRecording(
        n_channels=12, layout="linear", n_units=5, seed=4, sampling_rate=100_000
    )
    truth = recording.ground_truth
    contacts = recording.probe.contact_positions
    for unit in range(5):
        place = truth.unit_positions[unit]
        distances = np.hypot(np.linalg.norm(contacts - place[:2], axis=1), place[2])
        near = np.argsort(distances)[:4]
        depths = -truth.templates[unit].min(axis=0)[near]
        assert (np.diff(depths) < 0).all()
        # exponential fall: the logarithm is a line through distance
        slope, offset = np.polyfit(distances[near], np.log(depths), 1)
        assert 18 <= -1 / slope <= 45
        np.testing.assert_allclose(
            np.log(depths), offset + slope * distances[near], atol=0.01
        )
        troughs = truth.templates[unit].argmin(axis=0)[near]
        delays_ms = (troughs - troughs[0]) / 100
        farther = distances[near] - distances[near][0]
        # 200 to 400 µm/ms; frames are 0.01 ms
        assert (delays_ms <= farther / 200 + 0.01).all()
        assert (delays_ms >= farther / 400 - 0.01).all()


def test_amplitudes_spread_as_asked():
    recording = SyntheticRecording(
        n_channels=4, duration_s=200, n_units=2, amplitude_spread=0.15
    )
    amplitudes = recording.ground_truth.spike_amplitudes
    assert amplitudes.mean() == pytest.approx(1, abs=0.015)
    # clipping at 3 sd takes 1.3 % off
    assert amplitudes.std() == pytest.approx(0.15 * 0.987, rel=0.05)


def test_jitter_is_uniform_within_a_sample():
    fractions = SyntheticRecording(duration_s=60).ground_truth.spike_fractions
    counts, _ = np.histogram(fractions, bins=8, range=(-0.5, 0.5))
    assert counts.sum() == len(fractions)
    np.testing.assert_allclose(counts / counts.mean(), 1, atol=0.12)


@pytest.mark.parametrize("synchrony", [0.0, 0.3])
@pytest.mark.parametrize("sampling_rate", [20000, 24414.0625])
def test_refractory_periods_and_rates(synchrony, sampling_rate):
    recording = SyntheticRecording(
        duration_s=100,
        n_units=15,
        sampling_rate=sampling_rate,
        synchrony=synchrony,
        rate_range_hz=(5, 15),
    )
    truth = recording.ground_truth
    assert (np.diff(truth.spike_times) >= 0).all()
    assert truth.spike_times.dtype == np.int64
    for unit in range(15):
        intervals = np.diff(truth.spike_train(unit))
        assert intervals.min() >= 0.003 * sampling_rate
        rate = len(truth.spike_train(unit)) / 100
        assert 5 - 1 < rate < 15 * (1 + 2 * synchrony) + 2
    if not synchrony:
        # intervals beyond the refractory period are exponential: mean = sd
        free = [
            np.diff(truth.spike_train(u)) - 0.003 * sampling_rate for u in range(15)
        ]
        ratios = [gaps.std() / gaps.mean() for gaps in free]
        assert np.mean(ratios) == pytest.approx(1, abs=0.05)


def test_synchrony_adds_coincidences():
    def coincidences(synchrony):
        truth = SyntheticRecording(duration_s=60, synchrony=synchrony).ground_truth
        gaps = np.diff(truth.spike_times)
        return np.mean(gaps <= 20), len(truth.spike_times)

    (few, n_few), (many, n_many) = coincidences(0.0), coincidences(0.2)
    assert n_many == pytest.approx(1.2 * n_few, rel=0.05)
    assert many > few + 0.1


def test_drift_moves_the_centre_of_mass():
    settings = dict(
        QUIET, n_channels=16, n_units=1, duration_s=40, layout="linear", snr=(5e7,)
    )
    drift = {"drift_um": 20.0, "drift_period_s": 40.0, "rate_range_hz": (10, 10)}
    candidates = (SyntheticRecording(**settings, **drift, seed=s) for s in range(20))
    recording = next(
        candidate
        for candidate in candidates
        if 100 < candidate.ground_truth.unit_positions[0, 1] < 275  # of 0 to 375 µm
    )
    truth = recording.ground_truth
    heights = recording.probe.contact_positions[:, 1]

    def centre(start_s, stop_s):
        times = truth.spike_times
        near = times[(times > start_s * 20000) & (times < stop_s * 20000)]
        sizes = np.mean(
            [np.ptp(recording[t - 20 : t + 40], axis=0) for t in near], axis=0
        )
        return np.average(heights, weights=sizes**2)

    rest, up, down = centre(19, 21), centre(9, 11), centre(29, 31)
    assert 15 < up - rest < 25
    assert 15 < rest - down < 25


# the same bytes ---------------------------------------------------------------


@pytest.mark.parametrize("chunk_size", [1000, 7777, 65536, 160000])
def test_frames_do_not_depend_on_the_chunk(small, chunk_size):
    traces = np.concatenate(
        [c.traces for c in SyntheticRecording(**SMALL).chunks(chunk_size)]
    )
    np.testing.assert_array_equal(traces, everything(small))


def test_frames_do_not_depend_on_order_or_channels(small):
    whole = everything(small)
    again = SyntheticRecording(**SMALL)
    for start in (150_000, 65_530, 3, 100_000):
        np.testing.assert_array_equal(
            again[start : start + 50], whole[start : start + 50]
        )
    np.testing.assert_array_equal(
        again[70_000:70_100, [5, 0, 5]], whole[70_000:70_100][:, [5, 0, 5]]
    )


def test_frames_do_not_depend_on_the_process():
    settings = dict(SMALL, duration_s=4.0)
    code = (
        "from circus_io.synthetic import SyntheticRecording; import hashlib;"
        f"r = SyntheticRecording(**{settings!r});"
        "print(hashlib.sha256(r[0:80000].tobytes()).hexdigest())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"OPENBLAS_NUM_THREADS": threads, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert len(runs[0].strip()) == 64


def test_a_longer_recording_begins_the_same(small):
    longer = SyntheticRecording(**dict(SMALL, duration_s=25.0))
    np.testing.assert_array_equal(longer[:160_000], everything(small))
    truth, shorter = longer.ground_truth, small.ground_truth
    inside = truth.spike_times < 160_000
    np.testing.assert_array_equal(truth.spike_times[inside], shorter.spike_times)
    np.testing.assert_array_equal(truth.spike_units[inside], shorter.spike_units)


def test_seeds_differ(small):
    other = SyntheticRecording(**dict(SMALL, seed=4))
    assert abs(np.corrcoef(other[:80_000, 0], small[:80_000, 0])[0, 1]) < 0.05
    assert not np.array_equal(other.ground_truth.snr, small.ground_truth.snr)


def test_it_travels_as_its_settings(small):
    everything(small)
    assert small.ground_truth.n_units == 4
    message = pickle.dumps(small)
    assert len(message) < 10_000
    again = pickle.loads(message)
    np.testing.assert_array_equal(again[100_000:100_050], small[100_000:100_050])
    np.testing.assert_array_equal(
        again.ground_truth.spike_times, small.ground_truth.spike_times
    )


# time -------------------------------------------------------------------------


def test_t_start_opens_a_window_on_the_same_experiment(small):
    window = SyntheticRecording(**dict(SMALL, duration_s=2.0), t_start=100_000)
    assert (window.t_start, window.t_stop) == (100_000, 140_000)
    np.testing.assert_array_equal(
        window[100_000:140_000], everything(small)[100_000:140_000]
    )
    times = window.ground_truth.spike_times
    assert times.min() >= 100_000
    assert times.max() < 140_000


def test_pieces_are_streams_with_gaps(small):
    pieces = ((0, 20_000), (50_000, 30_000))
    recording = SyntheticRecording(**SMALL, pieces=pieces)
    assert recording.nb_streams == 2
    assert recording.shape == (50_000, 8)
    assert [s.t_start for s in recording.streams] == [0, 50_000]
    whole = everything(small)
    np.testing.assert_array_equal(recording[55_000:55_100], whole[55_000:55_100])
    times = recording.ground_truth.spike_times
    assert ((times < 20_000) | ((times >= 50_000) & (times < 80_000))).all()
    inside = small.ground_truth.spike_times
    inside = inside[(inside < 20_000) | ((inside >= 50_000) & (inside < 80_000))]
    np.testing.assert_array_equal(times, inside)


def test_frames_beyond_32_bits():
    start = 2**33 + 17
    recording = SyntheticRecording(**dict(SMALL, duration_s=1.0), t_start=start)
    traces = recording[start : start + 20_000]
    assert traces.std() == pytest.approx(7, rel=0.3)
    times = recording.ground_truth.spike_times
    assert times.size
    assert (times >= start).all()
    assert (times < start + 20_000).all()


def test_an_empty_recording():
    recording = SyntheticRecording(n_channels=3, duration_s=0.0, n_units=2)
    assert recording.shape == (0, 3)
    assert recording.ground_truth.spike_times.shape == (0,)


# files ------------------------------------------------------------------------


def test_a_written_recording_can_be_read_by_anyone(tmp_path, small):
    path = small.write(tmp_path / "rec.dat")
    names = ["rec.dat", "rec.ground_truth.npz", "rec.params", "rec.prb"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    counts = np.fromfile(path, dtype="<i2").reshape(-1, 8)
    expected = np.rint(everything(small).astype(np.float64) / 0.2)
    assert np.abs(counts - expected).max() == 0
    parameters = read_params(tmp_path / "rec.params")
    assert parameters.data.format_fields == {
        "data_dtype": "int16",
        "sampling_rate": 20000.0,
        "nb_channels": 8,
        "gain": 0.2,
        "dtype_offset": "auto",
        "data_offset": 0,
    }
    probe = read_probe(parameters.data.mapping)
    probe.check(8)
    np.testing.assert_array_equal(
        probe.contact_positions, small.probe.contact_positions
    )
    assert probe.radius_um == 100
    truth = read_ground_truth(tmp_path / "rec.ground_truth.npz")
    np.testing.assert_array_equal(truth.spike_times, small.ground_truth.spike_times)
    np.testing.assert_array_equal(truth.templates, small.ground_truth.templates)
    assert (truth.n_before, truth.sampling_rate) == (20, 20000)


def test_written_samples_saturate(tmp_path, small):
    path = small.write(tmp_path / "rec.dat", dtype="int8", gain=0.05)
    counts = np.fromfile(path, dtype="i1").reshape(-1, 8)
    expected = np.clip(np.rint(everything(small).astype(np.float64) / 0.05), -128, 127)
    np.testing.assert_array_equal(counts, expected)
    assert (counts == -128).any()


def test_a_window_is_written_from_frame_0(tmp_path, small):
    window = SyntheticRecording(**dict(SMALL, duration_s=1.0), t_start=100_000)
    path = window.write(tmp_path / "rec.dat", dtype="float32", gain=1)
    traces = np.fromfile(path, dtype="<f4").reshape(-1, 8)
    np.testing.assert_array_equal(traces, everything(small)[100_000:120_000])
    times = read_ground_truth(tmp_path / "rec.ground_truth.npz").spike_times
    np.testing.assert_array_equal(times, window.ground_truth.spike_times - 100_000)


def test_gaps_cannot_be_written(tmp_path):
    recording = SyntheticRecording(**SMALL, pieces=((0, 100), (200, 100)))
    with pytest.raises(StreamError, match="each of recording"):
        recording.write(tmp_path / "rec.dat")


class ManyRanks:
    """Ranks that run one after the other: what they write must not overlap or miss."""

    def __init__(self, rank, size, path):
        self.rank, self.size, self._path = rank, size, path

    def bcast(self, value, root=0):
        return self._path

    def Barrier(self):  # noqa: N802
        pass


def test_ranks_share_the_writing(tmp_path, small):
    from circus_io.synthetic import writing

    single = small.write(tmp_path / "single.dat")
    shared = tmp_path / "shared.dat"
    shared.write_bytes(bytes(single.stat().st_size))
    for rank in (2, 0, 1):
        comm = ManyRanks(rank, 3, shared)
        writing._write_samples(SyntheticRecording(**SMALL), shared, "int16", 0.2, comm)
    assert shared.read_bytes() == single.read_bytes()


# probes and settings ----------------------------------------------------------


@pytest.mark.parametrize(
    ("layout", "n_channels", "nearest_um"),
    [("tetrode", 4, 20), ("linear", 16, 25), ("staggered", 9, 20), ("grid", 60, 40)],
)
def test_layouts(layout, n_channels, nearest_um):
    probe = make_probe(layout, n_channels)
    assert probe.n_channels == n_channels
    places = probe.contact_positions
    gaps = np.linalg.norm(places[:, None] - places, axis=2)
    gaps[np.diag_indices(n_channels)] = np.inf
    assert gaps.min() == nearest_um
    wide = make_probe(layout, n_channels, pitch_um=2 * nearest_um)
    np.testing.assert_allclose(wide.contact_positions, 2 * places)


def test_layouts_that_do_not_exist():
    with pytest.raises(
        ProbeError, match="choose from tetrode, linear, staggered, grid"
    ):
        make_probe("circle", 4)
    with pytest.raises(ProbeError, match="tetrode probe cannot have 5"):
        make_probe("tetrode", 5)


def test_columns_follow_the_channels_of_the_probe():
    straight = make_probe("linear", 6)
    order = [3, 0, 5, 1, 4, 2]
    permuted = Probe(
        channels=straight.channels[order],
        groups=straight.groups[order],
        contact_positions=straight.contact_positions[order],
    )
    settings = {"duration_s": 1.0, "n_units": 3, "seed": 8}
    one = SyntheticRecording(probe=straight, **settings)
    other = SyntheticRecording(probe=permuted, **settings)
    np.testing.assert_array_equal(one[:2000], other[:2000])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n_units": -1}, "negative"),
        ({"snr": (1.0, 2.0)}, "20 units"),
        ({"rate_range_hz": (1, 400)}, "refractory"),
        ({"amplitude_spread": 2}, "amplitude_spread"),
        ({"pieces": ((100, 50), (120, 10))}, "pieces"),
        ({"probe": Probe([1, 2], [1, 1], [[0, 0], [0, 9]])}, "0 to 1"),
    ],
)
def test_settings_are_checked(settings, words):
    with pytest.raises(ParameterError, match=words):
        SyntheticRecording(**settings)
