"""The fast preset finds the units of a recording, from a part of it."""

from dataclasses import fields

import numpy as np
import pytest

from circus_cli.main import main
from circus_io.params import build_params
from circus_io.synthetic import SyntheticRecording
from sorting.config import SortingConfig
from sorting.steps.context import Context


def configure(preset: str, rate: float = 20_000.0, n_channels: int = 64):
    return SortingConfig.from_parameters(
        build_params({"circus.preset": preset}),
        sampling_rate=rate,
        n_channels=n_channels,
        probe_radius_um=None,
    )


def test_accurate_is_the_default():
    default = build_params({})
    assert default.circus.preset == "accurate"
    config = configure("accurate")
    assert config.detection.n_chunks is None
    assert config.fitting.least_peak is None
    assert config.clustering.min_size == 20


def test_fast_learns_from_a_part_and_fits_at_peaks():
    config, accurate = configure("fast"), configure("accurate")
    assert config.detection.n_chunks == 18
    assert len(config.detection.widths_um) < len(accurate.detection.widths_um)
    assert config.templates.n_trials < accurate.templates.n_trials
    assert config.whitening.n_chunks < 20
    assert config.clustering.min_size == 10
    threshold = config.whitening.event_threshold
    assert 0 < config.fitting.least_peak < threshold


def test_fast_learns_from_12_s_also_where_chunks_are_short():
    config = configure("fast", 30_000.0, 4096)
    assert config.filtering.chunk_frames == 4096
    assert config.detection.n_chunks == 88  # 12 s of 30 kHz in chunks of 4096


def test_fast_learns_from_a_twentieth_of_a_long_recording():
    given = dict.fromkeys(field.name for field in fields(Context))
    given |= {"config": configure("fast"), "front_end": range(3600)}
    context = Context(**given)
    learned = context.learning_chunks()
    assert len(learned) == 180
    assert set(np.diff(learned)) == {20}


@pytest.fixture(scope="module")
def recording():
    """100 s: the fast preset learns from 18 of 66 chunks."""
    return SyntheticRecording(
        layout="tetrode",
        n_channels=4,
        duration_s=100,
        n_units=3,
        snr=(8.0, 12.0, 18.0),
        rate_range_hz=(3.0, 10.0),
        seed=3,
    )


def test_fast_finds_the_units(recording, sort_here, accuracy):
    result = sort_here(recording, recording.probe, {"circus.preset": "fast"})
    assert (accuracy(recording.ground_truth, result) > 0.9).all()


def test_the_chunks_to_learn_from_are_spread_evenly(recording, sort_here, tmp_path):
    sort_here(recording, recording.probe, {"circus.preset": "fast"})
    peaks = [
        np.load(path)["time"]
        for path in (tmp_path / "out" / "steps" / "detection-peaks").glob("*.npz")
    ]
    chunks = np.unique((np.concatenate(peaks) + 20) // 30720)
    assert 18 <= chunks.size <= 20  # windows may begin in the chunk before
    assert np.diff(chunks).max() <= 4
    assert chunks[-1] - chunks[0] > 60


def test_the_option_sets_the_parameter(tetrode, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "circus_cli.commands.sort.run_sort", lambda request, *_: asked.append(request)
    )
    main(["sort", str(tetrode), "--preset", "fast"])
    assert (
        build_params(dict([asked[0].overrides[0].split("=")])).circus.preset == "fast"
    )
