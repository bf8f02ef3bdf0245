"""Expected numbers are worked out by hand from the classic parameters."""

import hashlib
from dataclasses import FrozenInstanceError, replace
from statistics import NormalDist

import pytest

from circus_io.params import build_params
from sorting.config import SortingConfig, digest

MAD = NormalDist().inv_cdf(0.75)  # of a Gaussian of sd 1


def configure(
    rate: float = 20_000.0, n_channels: int = 64, **keywords
) -> SortingConfig:
    values = {"data.file_format": "raw_binary"} | keywords.pop("values", {})
    options = {"probe_radius_um": None} | keywords
    return SortingConfig.from_parameters(
        build_params(values), sampling_rate=rate, n_channels=n_channels, **options
    )


def test_defaults_in_frames_at_20_khz():
    config = configure()
    assert config.filtering.cut_off_hz == (300.0, None)
    assert config.filtering.order == 3
    assert config.filtering.extension_frames == 600  # 30 ms
    assert config.whitening.template_frames == 61  # 3 ms, made odd
    assert config.whitening.frames_before < 61 / 2
    assert config.whitening.exclude_frames == 20
    assert config.detection.exclude_frames == 10
    assert config.fitting.refractory_frames == 10
    assert config.merging.violation_frames == 40  # 2 of the 5 ms given
    assert config.detection.polarity == config.whitening.polarity == "negative"
    assert config.filtering.dead_intervals == ()


@pytest.mark.parametrize(
    ("rate", "frames"), [(30_000.0, 91), (25_000.0, 75), (24_414.0625, 73)]
)
def test_templates_have_an_odd_number_of_frames_at_any_rate(rate, frames):
    assert configure(rate).whitening.template_frames == frames


def test_no_duration_is_less_than_a_frame():
    config = configure(500.0, values={"fitting.refractory": 0})
    assert config.fitting.refractory_frames == 1
    assert config.detection.exclude_frames == 1


def test_thresholds_are_counted_in_mad_and_used_in_sd():
    values = {"detection.spike_thresh": 8, "detection.weird_thresh": 100}
    config = configure(values=values)
    assert config.whitening.event_threshold == pytest.approx(8 * MAD)
    assert config.detection.largest == pytest.approx(100 * MAD)
    assert config.detection.threshold >= 8 * MAD
    assert config.merging.noise_norm == pytest.approx(0.75 * 2.75 * 8 * MAD)
    assert configure().detection.largest is None


def test_detection_follows_the_threshold_of_the_user():
    low, high = (
        configure(values={"detection.spike_thresh": value}).detection.threshold
        for value in (4, 8)
    )
    assert high == pytest.approx(2 * low)


@pytest.mark.parametrize(
    ("given", "of_probe", "used"),
    [("auto", None, 100), ("auto", 250.0, 250), (60, 250.0, 60), (60, None, 60)],
)
def test_radius_is_that_of_the_user_else_of_the_probe(given, of_probe, used):
    config = configure(values={"detection.radius": given}, probe_radius_um=of_probe)
    assert config.whitening.radius_um == used
    assert config.detection.radius_um <= used <= config.templates.radius_um


def test_filtering_follows_its_parameters():
    values = {
        "filtering.cut_off": "500, 6000",
        "filtering.butter_order": 2,
        "filtering.remove_median": True,
    }
    config = configure(values=values, dead_intervals=((10, 20), (50, 60))).filtering
    assert config.cut_off_hz == (500.0, 6000.0)
    assert config.order == 2
    assert config.remove_median
    assert config.dead_intervals == ((10, 20), (50, 60))
    off = configure(values={"filtering.filter": False}).filtering
    assert off.cut_off_hz is None


@pytest.mark.parametrize("n_channels", [1, 4, 64, 384, 1000, 4225])
def test_chunks_depend_on_the_channels_alone_and_stay_small(n_channels):
    frames = configure(n_channels=n_channels).filtering.chunk_frames
    for rate in (10_000.0, 32_000.0):
        assert configure(rate, n_channels).filtering.chunk_frames == frames
    assert 4096 <= frames <= 30_720
    assert frames * n_channels <= max(30_720 * 384, 4096 * n_channels)


def test_amplitude_limits_of_the_user_hold_once_auto_is_off():
    limits = {"fitting.amp_limits": "0.4, 3", "fitting.amp_auto": False}
    assert configure(values=limits).fitting.amplitude_bounds == (0.4, 3.0)
    low, high = configure().fitting.amplitude_bounds
    assert 0 < low < 1 < high


def test_merging_follows_its_parameters():
    values = {
        "merging.auto_mode": 0.4,
        "merging.cc_overlap": 0.8,
        "merging.time_rpv": 1.5,
        "merging.remove_noise": False,
    }
    config = configure(30_000.0, values=values).merging
    assert (config.dip, config.min_cosine, config.violation_frames) == (0.4, 0.8, 45)
    assert not config.remove_noise


def test_seed_reaches_all_that_draws():
    config = configure(values={"circus.seed": 7})
    assert [step.seed for step in (config.whitening, config.detection)] == [7, 7]


def test_configuration_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        configure().fitting.min_norm = 1


# digest -----------------------------------------------------------------------


def test_digest_is_the_hash_of_json():
    expected = hashlib.sha256(b'[1, "a", {"b": 2.5, "c": null}]').hexdigest()
    assert digest(1, "a", {"c": None, "b": 2.5}) == expected


def test_digest_of_a_section_is_that_of_its_values():
    section = configure().converting
    assert digest(section) == digest(replace(section))
    assert digest(section) == digest(
        {"sparse": section.sparse, "prelabel": section.prelabel}
    )


def test_digest_changes_with_every_value():
    config = configure()
    section = config.fitting
    digests = {
        digest(section),
        digest(replace(section, min_norm=6.6)),
        digest(replace(section, refractory_frames=11)),
        digest(replace(section, amplitude_bounds=(0.5, 2.1))),
        digest(section, "x"),
        digest("x", section),
        digest(config),
    }
    assert len(digests) == 7


def test_equal_parameters_give_equal_digests():
    assert digest(configure()) == digest(configure())
    assert digest(configure()) != digest(configure(values={"circus.seed": 1}))
