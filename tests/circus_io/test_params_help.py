"""What the sections of parameters say of themselves: times, help, the template."""

from pathlib import Path

import numpy as np
import pytest

from circus_io.errors import ParameterError
from circus_io.params import (
    explain,
    read_params,
    reference_markdown,
    template_text,
    to_samples,
)
from circus_io.schema import KEYS, format_value
from tests.circus_io.params_files import write

# samples ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("duration_ms", "sampling_rate", "samples"),
    [
        (3, 20000, 60),
        (600_000, 24414.0625, 14648438),
        (0.025, 20000, 0),
        (0.075, 20000, 2),
        (1, 30000, 30),
        (5 * 3600e3 * 24, 30000, 12_960_000_000),
    ],
)
def test_milliseconds_are_rounded_once(duration_ms, sampling_rate, samples):
    found = to_samples(duration_ms, sampling_rate)
    assert found == samples
    assert isinstance(found, int)


def test_times_become_int64():
    found = to_samples([0.05, 1e9], 20000)
    assert found.dtype == np.int64
    assert found.tolist() == [1, 20_000_000_000]


# help -------------------------------------------------------------------------


def test_explain_one_key_or_all_of_a_name():
    text = explain("detection.n_t")
    for part in ("detection.N_t", "ms", "> 0", "Default: 3"):
        assert part in text
    both = explain("cc_merge")
    assert "clustering.cc_merge" in both
    assert "extracting.cc_merge" in both
    assert "No effect here" in both
    assert "without effect" in explain("dip_threshold")
    assert "µV" in explain("gain")
    with pytest.raises(ParameterError, match=r"did you mean spike_thresh"):
        explain("spike_tresh")


def test_explain_gives_a_way_on():
    text = explain("detection")
    for key in KEYS["detection"].values():
        assert key.name in text
    assert "h5_key" in explain("[data]")
    assert "0, 1 or 2" in explain("time_axis")
    with pytest.raises(ParameterError, match=r"keys of \[data\] are file_format, "):
        explain("data.nope")
    with pytest.raises(ParameterError, match="did you mean detection"):
        explain("detectio.N_t")
    with pytest.raises(ParameterError, match="ask for a section"):
        explain("zzzz")
    assert "int16" in explain("data_dtype").split("Allowed")[1]


def test_the_template_is_a_file_with_every_used_key(tmp_path):
    text = template_text(
        data_dtype="int16",
        sampling_rate=20000,
        nb_channels=8,
        **{"detection.spike_thresh": 5.5},
    )
    parameters = read_params(write(tmp_path, text))
    assert parameters.notices == ()
    assert parameters.detection.spike_thresh == 5.5
    assert parameters.data.format_fields == {
        "data_dtype": "int16",
        "sampling_rate": 20000,
        "nb_channels": 8,
        "dtype_offset": "auto",
        "data_offset": 0,
        "gain": 1,
    }
    for section, keys in KEYS.items():
        for key in keys.values():
            assert (f"{section}.{key.name.lower()}" in parameters.given) == key.used
            if key.used and (section, key.name) not in {
                ("data", "file_format"),
                ("detection", "spike_thresh"),
            }:
                value = getattr(getattr(parameters, section), key.attribute)
                assert format_value(value) == format_value(key.default)


def test_the_template_says_what_may_be_given_and_where_formats_are():
    lines = template_text("data_dtype", "sampling_rate", "nb_channels").splitlines()
    found = {line.split()[0]: line for line in lines if " = " in line}
    assert found["gain"].split()[2] == "1"
    assert "µV per bit" in found["gain"]
    assert found["dtype_offset"].split()[2] == "auto"
    assert found["data_offset"].split()[2] == "0"
    assert "circus formats" in found["file_format"]


def test_every_line_of_the_template_says_its_unit():
    lines = template_text().splitlines()
    values = {line.split()[0]: line for line in lines if " = " in line.split("#")[0]}
    for name in ("N_t", "refractory", "time_rpv"):
        assert "(ms)" in values[name]
    for line in values.values():
        assert line.count("#") == 1
        assert line.endswith("]")


def test_a_template_is_checked():
    with pytest.raises(ParameterError, match="in several sections"):
        template_text(safety_time=3)
    with pytest.raises(ParameterError, match="no key is named"):
        template_text(nonsense=3)
    with pytest.raises(ParameterError, match="sampling_rate = -1"):
        template_text(sampling_rate=-1)
    with pytest.raises(ParameterError, match="cannot hold a #"):
        template_text(mapping="a#b.prb")


def test_the_reference_page_is_current():
    page = Path(__file__).parents[2] / "docs" / "reference" / "params.md"
    assert page.read_text(encoding="utf-8") == reference_markdown(), (
        "write circus_io.params.reference_markdown() to docs/reference/params.md"
    )
