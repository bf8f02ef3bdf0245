"""Recordings at the edge: each ends in a right answer or in an error with a name."""

from itertools import pairwise

import numpy as np
import pytest

import circus_io
from circus_cli.main import main
from circus_io import ArrayRecording, JoinedRecording
from circus_io.errors import ProbeError
from circus_io.probe import Probe
from circus_io.synthetic import SyntheticRecording, make_probe

RATE_HZ = 20_000.0
FAR = 2**32 + 12_345
NEAR_FRAMES = 4  # a spike is found where it is, within 0.2 ms


def noise(n_frames, n_channels, seed=0):
    """Noise of 10 µV."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 10, (n_frames, n_channels)).astype(np.float32)


def experiment(n_channels=4, layout="linear", n_units=2, duration_s=20, **settings):
    """A recording with two neurons of SNR 12 and 16, or as given."""
    settings.setdefault("snr", tuple(np.linspace(12.0, 16.0, n_units)))
    return SyntheticRecording(
        n_channels=n_channels,
        layout=layout,
        n_units=n_units,
        duration_s=duration_s,
        rate_range_hz=(4.0, 8.0),
        **{"seed": 1, **settings},
    )


def fraction_found(true_times, result):
    """Which part of the true spikes has a sorted one at its place."""
    found = np.append(result.spike_times, np.iinfo(np.int64).max)
    after = np.searchsorted(result.spike_times, true_times)
    nearest = np.minimum(
        np.abs(found[after] - true_times),
        np.abs(found[np.maximum(after - 1, 0)] - true_times),
    )
    return np.mean(nearest <= NEAR_FRAMES)


def traces_of(recording):
    return np.array(recording[recording.t_start : recording.t_stop])


# too little to sort ---------------------------------------------------------------


@pytest.mark.parametrize("n_channels", [1, 4])
@pytest.mark.parametrize("n_frames", [0, 1, 3, 100])
def test_next_to_no_samples(sort_here, n_frames, n_channels):
    recording = ArrayRecording(noise(n_frames, n_channels), RATE_HZ)
    result = sort_here(recording, make_probe("linear", n_channels))
    assert len(result) == len(result.spike_times) == 0
    assert result.t_stop - result.t_start == n_frames


def test_an_empty_file_sorts_to_nothing_from_the_command_line(tmp_path):
    make_probe("linear", 4).write_prb(tmp_path / "rec.prb")
    write_params(tmp_path)
    (tmp_path / "rec.dat").write_bytes(b"")
    assert main(["sort", str(tmp_path / "rec.dat"), "-c", "1", "--quiet"]) == 0


@pytest.mark.parametrize("value", [0, 7, 30_001])
def test_constant(sort_here, value):
    samples = np.full((50_000, 4), value, np.int16)
    recording = ArrayRecording(samples, RATE_HZ, gain=0.195)
    assert len(sort_here(recording, make_probe("linear", 4))) == 0


@pytest.mark.parametrize("n_channels", [1, 4, 16])
def test_noise_alone(sort_here, n_channels):
    recording = ArrayRecording(noise(200_000, n_channels), RATE_HZ)
    result = sort_here(recording, make_probe("linear", n_channels))
    assert "good" not in result.units.label


def test_one_channel(sort_here, accuracy):
    recording = experiment(n_channels=1, snr=(8.0, 18.0))
    result = sort_here(recording, recording.probe)
    assert accuracy(recording.ground_truth, result).min() > 0.8


# broken samples -------------------------------------------------------------------


def test_a_silent_channel_among_good_ones(sort_here, accuracy):
    recording = experiment(n_channels=6)
    traces = traces_of(recording)
    silent = 5 if recording.ground_truth.peak_channels.max() < 5 else 0
    traces[:, silent] = 0
    result = sort_here(ArrayRecording(traces, RATE_HZ), recording.probe)
    assert result.channels.good.tolist() == [k != silent for k in range(6)]
    assert silent not in result.template_channels
    assert accuracy(recording.ground_truth, result).min() > 0.8


@pytest.mark.parametrize("n_missing", [1, 200])
def test_missing_samples_are_no_spikes(sort_here, accuracy, n_missing):
    """60 gaps of NaN, or single infinities, in a recording with an offset of 3 mV."""
    recording = experiment()
    traces = traces_of(recording) + np.float32(3000)
    gaps = np.random.default_rng(0).integers(1000, len(traces) - 1000, 60)
    for start in gaps:
        traces[start : start + n_missing] = np.nan if n_missing > 1 else np.inf
    result = sort_here(ArrayRecording(traces, RATE_HZ), recording.probe)
    assert len(result) == 2
    assert np.isfinite(result.template_waveforms).all()
    times = recording.ground_truth.spike_times
    from_gap = np.abs(times[:, np.newaxis] - gaps - n_missing / 2).min(axis=1)
    assert fraction_found(times[from_gap > 300], result) > 0.95
    assert accuracy(recording.ground_truth, result).min() > 0.8


def test_all_samples_nan(sort_here):
    samples = np.full((50_000, 4), np.nan, np.float32)
    result = sort_here(ArrayRecording(samples, RATE_HZ), make_probe("linear", 4))
    assert len(result) == 0


def write_params(folder, **changes):
    data = {
        "file_format": "raw_binary",
        "data_dtype": "int16",
        "sampling_rate": 20000,
        "nb_channels": 4,
        "gain": 0.2,
        "mapping": "rec.prb",
        **changes,
    }
    lines = [f"{name} = {value}" for name, value in data.items()]
    (folder / "rec.params").write_text("\n".join(["[data]", *lines]) + "\n")


def test_file_cut_off_within_a_sample(tetrode, undisturbed, sort_here, tmp_path):
    """It sorts as the whole frames before the cut do."""
    fields = {"data_dtype": "int16", "sampling_rate": RATE_HZ, "nb_channels": 4}
    results = []
    for name, n_bytes in (("odd", 8 * 250_000 + 3), ("even", 8 * 250_000)):
        (tmp_path / f"{name}.dat").write_bytes(tetrode.read_bytes()[:n_bytes])
        with circus_io.open_recording(
            tmp_path / f"{name}.dat", "raw_binary", gain=0.2, **fields
        ) as recording:
            results.append(sort_here(recording, make_probe("tetrode", 4), name=name))
    odd, even = results
    assert odd.t_stop == 250_000
    assert len(odd) > 0
    np.testing.assert_array_equal(odd.spike_times, even.spike_times)
    np.testing.assert_array_equal(odd.spike_units, even.spike_units)


# what the parameters and the probe say --------------------------------------------


@pytest.mark.parametrize(
    ("n_columns", "n_contacts", "total"), [(4, 4, 5), (4, 5, None), (2, 4, 4)]
)
def test_probe_of_another_recording(sort_here, n_columns, n_contacts, total):
    probe = make_probe("linear", n_contacts)
    probe = Probe(
        probe.channels, probe.groups, probe.contact_positions, total_nb_channels=total
    )
    recording = ArrayRecording(noise(1000, n_columns), RATE_HZ)
    with pytest.raises(ProbeError, match=f"{n_columns}|channel"):
        sort_here(recording, probe)


def test_wrong_number_of_channels_is_status_3(tetrode, tmp_path, capfd):
    make_probe("tetrode", 4).write_prb(tmp_path / "rec.prb")
    write_params(tmp_path, nb_channels=3)
    arguments = ["--params", str(tmp_path / "rec.params"), "-c", "1"]
    folder = tmp_path / "out"
    status = main(["sort", str(tetrode), *arguments, "--output-dir", str(folder)])
    assert status == 3
    assert "has 3 channels" in capfd.readouterr().err
    assert not folder.exists()


def test_dead_channels_take_no_part(sort_here, accuracy):
    recording = experiment(n_channels=6)
    truth = recording.ground_truth
    dead = int(np.setdiff1d(np.arange(6), truth.peak_channels)[0])
    traces = traces_of(recording)
    traces[:, dead] += 500 * np.sign(np.sin(np.arange(len(traces)) / 3))
    changes = {"detection.dead_channels": {1: [dead]}}
    result = sort_here(ArrayRecording(traces, RATE_HZ), recording.probe, changes)
    columns = result.channels.column[result.channels.good]
    assert columns.tolist() == [k for k in range(6) if k != dead]
    assert accuracy(truth, result).min() > 0.8
    changes = {"detection.dead_channels": {1: list(range(6))}}
    with pytest.raises(ProbeError, match="no channel is left"):
        sort_here(recording, recording.probe, changes)


@pytest.mark.parametrize("unit", ["ms", "timestep"])
def test_no_spikes_in_dead_times(sort_here, tmp_path, unit):
    recording = experiment()
    periods = np.array([[0, 500], [2000, 4500], [4400, 5000], [19_000, 30_000]])
    scale = 1 if unit == "ms" else 20
    np.savetxt(tmp_path / "dead.txt", periods * scale, fmt="%d")
    changes = {
        "triggers.dead_file": str(tmp_path / "dead.txt"),
        "triggers.dead_unit": unit,
        "triggers.ignore_times": True,
    }
    result = sort_here(recording, recording.probe, changes)

    def dead(frames, margin=0):
        ms = frames[:, np.newaxis] / (RATE_HZ / 1000)
        return ((ms >= periods[:, 0] - margin) & (ms < periods[:, 1] + margin)).any(1)

    assert not dead(result.spike_times).any()
    times = recording.ground_truth.spike_times
    assert fraction_found(times[~dead(times, 1)], result) > 0.95
    all_of_them = sort_here(
        recording, recording.probe, changes | {"triggers.ignore_times": False}
    )
    assert dead(all_of_them.spike_times).sum() > 0.9 * dead(times).sum()


@pytest.mark.parametrize("sign", ["negative", "positive", "both"])
def test_sign_of_the_peaks(sort_here, accuracy, sign):
    """Turned upside down, the same neurons are found as positive peaks."""
    recording = experiment()
    traces = traces_of(recording)
    truth = recording.ground_truth
    changes = {"detection.peaks": sign}
    upright, turned = (
        sort_here(
            ArrayRecording(s * traces, RATE_HZ), recording.probe, changes, name=str(s)
        )
        for s in (1, -1)
    )
    if sign != "positive":
        assert accuracy(truth, upright).min() > 0.8
    if sign != "negative":
        assert accuracy(truth, turned).min() > 0.8
        for unit in turned.unit_ids:
            waveform, _ = turned.template(unit)
            assert waveform.max() > -waveform.min()


def test_peaks_of_both_signs_in_one_recording(sort_here, accuracy):
    upright, turned = (experiment(seed=seed) for seed in (5, 6))
    traces = np.concatenate([traces_of(upright), -traces_of(turned)], axis=1)
    recording, probe = ArrayRecording(traces, RATE_HZ), make_probe("linear", 8)
    result = sort_here(recording, probe, {"detection.peaks": "both"})
    for side in (upright, turned):
        assert accuracy(side.ground_truth, result).min() > 0.8
    signs = [np.sign(t.flat[np.abs(t).argmax()]) for t in result.dense_templates()]
    on_turned = result.units.peak_channel >= 4
    np.testing.assert_array_equal(signs, np.where(on_turned, 1, -1))


def test_templates_stay_within_their_shank(sort_here, accuracy):
    """Two tetrodes whose files give each its own origin: places are equal."""
    sides = [experiment(layout="tetrode", seed=seed) for seed in (4, 6)]
    traces = np.concatenate([traces_of(side) for side in sides], axis=1)
    positions = np.tile(make_probe("tetrode", 4).contact_positions, (2, 1))
    groups = np.repeat([1, 2], 4)
    probe = Probe(np.arange(8), groups, positions, radius_um=200)
    result = sort_here(ArrayRecording(traces, RATE_HZ), probe)
    shanks = groups[result.template_channels]
    bounds = result.template_ptr
    assert all(len(set(shanks[a:b])) == 1 for a, b in pairwise(bounds))
    for side in sides:
        assert accuracy(side.ground_truth, result).min() > 0.8


@pytest.mark.parametrize("reference", ["median", "ground"])
def test_references_take_a_common_artefact_away(sort_here, accuracy, reference):
    recording = experiment(n_channels=8, seed=4)
    truth = recording.ground_truth
    assert truth.peak_channels.max() < 7  # the last channel is free to be the ground
    traces = traces_of(recording)
    rng = np.random.default_rng(0)
    traces[:, 7] = rng.normal(0, 1, len(traces))
    traces += rng.normal(0, 60, (len(traces), 1))
    changes = {
        "median": {"filtering.remove_median": True},
        "ground": {"filtering.common_ground": {1: 7}},
    }[reference]
    noisy = ArrayRecording(traces, RATE_HZ)
    plain = sort_here(noisy, recording.probe, name="plain")
    assert plain.noise_levels_uv.min() > 50
    result = sort_here(noisy, recording.probe, changes)
    assert result.noise_levels_uv.max() < 12
    assert accuracy(truth, result).min() > 0.8


def test_without_filter(sort_here, accuracy):
    recording = experiment()
    result = sort_here(recording, recording.probe, {"filtering.filter": False})
    assert accuracy(recording.ground_truth, result).min() > 0.8
    # an unfiltered template is the average that was put in
    template = result.dense_templates()[0]
    peaks = recording.ground_truth.templates.min(axis=(1, 2))
    assert np.min(np.abs(template.min() / peaks - 1)) < 0.1


def test_without_spatial_whitening(sort_here, accuracy):
    recording = experiment()
    result = sort_here(recording, recording.probe, {"whitening.spatial": False})
    matrix = result.whitening_matrix
    np.testing.assert_array_equal(matrix, np.diag(matrix.diagonal()))
    np.testing.assert_allclose(1 / matrix.diagonal(), result.noise_levels_uv, rtol=0.1)
    assert accuracy(recording.ground_truth, result).min() > 0.8


# which column is which electrode ---------------------------------------------------


def test_channels_in_another_order(sort_here, accuracy):
    recording = experiment(n_channels=8, n_units=3, seed=7)
    probe, order = recording.probe, np.array([5, 2, 7, 0, 6, 3, 1, 4])
    turned = Probe(
        probe.channels[order],
        probe.groups,
        probe.contact_positions[order],
        radius_um=probe.radius_um,
    )
    first = sort_here(recording, probe, name="first")
    second = sort_here(recording, turned, name="second")
    assert len(first) == len(second) == 3
    truth = recording.ground_truth
    for result in (first, second):
        assert accuracy(truth, result).min() > 0.95
        peaks = result.channels.column[result.units.peak_channel]
        assert sorted(peaks) == sorted(truth.peak_channels)


def test_columns_without_an_electrode_do_not_matter(sort_here):
    recording = experiment()
    traces = traces_of(recording)
    columns = np.array([6, 1, 4, 3])
    wide = 1000 * noise(len(traces), 8, seed=9)
    wide[:, columns] = traces
    probe = recording.probe
    of_wide = Probe(
        columns, probe.groups, probe.contact_positions, 8, radius_um=probe.radius_um
    )
    narrow = sort_here(ArrayRecording(traces, RATE_HZ), probe, name="narrow")
    found = sort_here(ArrayRecording(wide, RATE_HZ), of_wide, name="wide")
    assert len(found) == 2
    assert found.channels.column.tolist() == columns.tolist()
    for name in ("spike_times", "spike_units", "amplitudes", "template_waveforms"):
        np.testing.assert_array_equal(getattr(found, name), getattr(narrow, name))


# time ------------------------------------------------------------------------------


def test_spikes_at_the_ends_of_streams_are_found(sort_here):
    """Known spikes in the first and the last 50 ms of streams with gaps."""
    recording = experiment(n_channels=4, snr=(14.0, 18.0))
    truth = recording.ground_truth
    traces = traces_of(recording)
    starts, lengths = [0, 200_000, 1_000_000], [120_000, 130_000, 150_000]
    from_end = np.array([980, 600, 300, 120, 40, 15])
    parts, added = [], []
    for number, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        first = sum(lengths[:number])
        part = traces[first : first + length].copy()
        for k, away in enumerate(from_end):
            for trough in (away, length - away):
                add_spike(part, truth.templates[k % 2], trough, truth.n_before)
                added.append(start + trough)
        parts.append(ArrayRecording(part, RATE_HZ, t_start=start))
    result = sort_here(JoinedRecording(parts), recording.probe)
    assert fraction_found(np.array(added), result) == 1
    streams = np.searchsorted(starts, result.spike_times, side="right") - 1
    local = result.spike_times - np.array(starts)[streams]
    assert np.all((local >= 0) & (local < np.array(lengths)[streams]))


def add_spike(traces, template, trough, n_before):
    first = trough - n_before
    rows = np.arange(max(first, 0), min(first + len(template), len(traces)))
    traces[rows] += template[rows - first]


def test_stream_that_starts_beyond_2_to_the_32(sort_here, accuracy):
    pieces = ((0, 150_000), (FAR, 250_000))
    recording = experiment(pieces=pieces)
    result = sort_here(recording, recording.probe)
    truth = recording.ground_truth
    assert result.spike_times.dtype == np.int64
    assert result.streams.t_start.tolist() == [0, FAR]
    late = truth.spike_times >= FAR
    assert late.sum() > 50
    assert (result.spike_times >= FAR).sum() > 0.9 * late.sum()
    assert result.t_stop == FAR + 250_000
    assert accuracy(truth, result).min() > 0.8
    alone = ArrayRecording(
        recording.streams[1][FAR : FAR + 250_000], RATE_HZ, t_start=FAR
    )
    result = sort_here(alone, recording.probe, name="alone")
    assert result.t_start == FAR
    assert fraction_found(truth.spike_times[late], result) > 0.95


def test_rate_that_is_no_whole_number(sort_here, accuracy):
    recording = experiment(sampling_rate=24414.0625)
    result = sort_here(recording, recording.probe)
    assert result.sampling_rate == 24414.0625
    assert accuracy(recording.ground_truth, result).min() > 0.8


def test_what_is_too_large_for_a_neuron_is_no_spike(sort_here):
    recording = experiment(duration_s=20)
    traces = traces_of(recording)
    truth = recording.ground_truth
    pulse = 4000 * np.hanning(21)[:, np.newaxis].astype(np.float32)
    artefacts = np.arange(15_000, len(traces) - 1000, 17_001)
    for frame in artefacts:
        traces[frame - 10 : frame + 11] -= pulse
    source = ArrayRecording(traces, RATE_HZ)

    def near(result):
        gaps = np.abs(result.spike_times[:, np.newaxis] - artefacts).min(axis=1)
        return np.count_nonzero(gaps < 20)

    kept = sort_here(source, recording.probe, {"detection.weird_thresh": 150})
    assert near(kept) == 0
    apart = np.abs(truth.spike_times[:, np.newaxis] - artefacts).min(axis=1) > 100
    assert fraction_found(truth.spike_times[apart], kept) > 0.9
