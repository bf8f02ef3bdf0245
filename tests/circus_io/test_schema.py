import configparser
from pathlib import Path

import pytest

from circus_io.schema import (
    FORMAT_KEYS,
    KEYS,
    SECTIONS,
    format_value,
    spelling,
)


def every_key():
    return [key for keys in KEYS.values() for key in keys.values()]


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_is_complete_without_values(section):
    model = SECTIONS[section]()
    for key in KEYS[section].values():
        assert getattr(model, key.attribute) == key.default


@pytest.mark.parametrize(
    "key", every_key(), ids=lambda key: f"{key.section}.{key.name}"
)
def test_a_default_passes_its_own_check_as_text(key):
    model = SECTIONS[key.section].model_validate({key.name: format_value(key.default)})
    assert getattr(model, key.attribute) == key.default


@pytest.mark.parametrize(
    "key", every_key(), ids=lambda key: f"{key.section}.{key.name}"
)
def test_a_key_says_what_it_is(key):
    assert key.type_words
    assert key.help.endswith(".")
    assert "#" not in key.help + key.allowed
    times = ("_time", "_lag", "_bin", "_rpv", "N_t", "refractory", "_jitter")
    if key.name.endswith(times) and not isinstance(key.default, bool):
        assert key.unit == "ms"


def test_sections_are_immutable():
    section = SECTIONS["detection"]()
    with pytest.raises(ValueError, match="frozen"):
        section.N_t = 5


def test_spellings_do_not_collide():
    for keys in KEYS.values():
        folded = [spelling(key.name) for key in keys.values()]
        assert len(set(folded)) == len(folded)
    assert FORMAT_KEYS.keys().isdisjoint(KEYS["data"])


@pytest.mark.parametrize(
    ("section", "key", "text", "value"),
    [
        ("filtering", "cut_off", "300, auto", (300, "auto")),
        ("filtering", "cut_off", "300, AUTO", (300, "auto")),
        ("filtering", "cut_off", "500", (500, "auto")),
        ("filtering", "cut_off", "(100, 3000)", (100, 3000)),
        ("filtering", "common_ground", "{1: 5}", {1: 5}),
        ("filtering", "common_ground", "", {}),
        ("filtering", "filter", "off", False),
        ("detection", "radius", "Auto", "auto"),
        ("detection", "radius", "120", 120),
        ("detection", "peaks", "Negative", "negative"),
        (
            "detection",
            "dead_channels",
            "{1: [0, 2], 'b': (3,)}",
            {1: (0, 2), "b": (3,)},
        ),
        ("detection", "weird_thresh", "", None),
        ("detection", "weird_thresh", "40", 40),
        ("detection", "matched-filter", "True", True),
        ("fitting", "amp_limits", "(0.5, 2)", (0.5, 2)),
        ("fitting", "amp_limits", "0.5, 2", (0.5, 2)),
        ("fitting", "max_chunk", "inf", float("inf")),
        ("merging", "auto_mode", "", 0),
        ("whitening", "output_dim", "0.9", 0.9),
        ("converting", "export_pcs", "prompt", "none"),
        ("clustering", "make_plots", "None", "none"),
        ("clustering", "make_plots", "", "none"),
        ("data", "stream_mode", "None", None),
    ],
)
def test_text_becomes_a_value(section, key, text, value):
    model = SECTIONS[section].model_validate({key: text})
    assert getattr(model, KEYS[section][spelling(key)].attribute) == value


@pytest.mark.parametrize(
    ("section", "key", "text"),
    [
        ("detection", "spike_thresh", "six"),
        ("detection", "spike_thresh", "nan"),
        ("detection", "spike_thresh", "inf"),
        ("detection", "spike_thresh", ""),
        ("detection", "N_t", "0"),
        ("detection", "radius", "wide"),
        ("detection", "radius", "-1"),
        ("detection", "radius", "nan"),
        ("detection", "peaks", "up"),
        ("detection", "dead_channels", "[1, 2]"),
        ("detection", "dead_channels", "{1: 2"),
        ("detection", "dead_channels", "{1: ['a']}"),
        ("detection", "dead_channels", "__import__('os')"),
        ("filtering", "cut_off", "1, 2, 3"),
        ("filtering", "cut_off", "0, auto"),
        ("filtering", "cut_off", "auto, 300"),
        ("filtering", "filter", ""),
        ("filtering", "sat_value", "1.5"),
        ("clustering", "nb_elts", "0"),
        ("clustering", "nb_elts", "1.01"),
        ("clustering", "cc_merge", "-0.1"),
        ("clustering", "max_elts", "10.5"),
        ("clustering", "sparsity_limit", "1.1"),
        ("clustering", "make_plots", "gif"),
        ("fitting", "ratio_thresh", "0"),
        ("fitting", "amp_limits", "0.3"),
        ("merging", "auto_mode", "1.2"),
        ("merging", "noise_limit", "-1"),
        ("validating", "test_size", "1"),
        ("data", "memory_usage", "1.5"),
        ("triggers", "dead_unit", "s"),
        ("circus", "seed", "-1"),
    ],
)
def test_text_that_is_not_allowed_is_refused(section, key, text):
    with pytest.raises(ValueError, match="validation error"):
        SECTIONS[section].model_validate({key: text})


# a sample needs no more, see "Numbers in the code": the classic value is cut to it
OTHER_DEFAULTS = {
    ("clustering", "sub_dim"): 10,
    ("clustering", "max_elts"): 10000,
    ("merging", "time_rpv"): 5,
}


def test_defaults_are_those_of_a_classic_file():
    """SpikeInterface carries a parameter file of the classic program."""
    sorters = pytest.importorskip("spikeinterface.sorters.external")
    path = Path(sorters.__path__[0]) / "sc_config_default.params"
    if not path.is_file():
        pytest.skip(f"SpikeInterface has no {path.name}")
    classic = configparser.ConfigParser(
        interpolation=None, inline_comment_prefixes=("#",)
    )
    classic.read(path, encoding="utf-8")
    # the wrapper of SpikeInterface has its own choice for one, and asks for the {}
    own = {("converting", "sparse_export"), ("data", "file_format")}
    compared = 0
    for section in classic.sections():
        for name, text in classic[section].items():
            if text == "{}" or (section, name) in own or name in FORMAT_KEYS:
                continue
            key = KEYS[section][name]
            model = SECTIONS[section].model_validate({key.name: text})
            default = OTHER_DEFAULTS.get((section, name), key.default)
            assert getattr(model, key.attribute) == default, (section, name)
            compared += 1
    assert compared > 60
