"""Limits that are kept in a file."""

import dataclasses
import re
from pathlib import Path

import pytest

from circus_io.errors import SafetyError
from stim import SafetyLimits, read_limits
from stim.limits_file import find_limits, load_limits

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "stimulus-files.md"
GOOD = """
unit = "nA"
max_amplitude = 100_000
max_phase_us = 500
min_period_us = 10_000
electrodes = [12, 13]
max_phase_charge_fc = 20_000_000
max_on_time_s = 600
electrode_area_um2 = 706.9
max_charge_density_uc_per_cm2 = 3000.0
allow_endless = true
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "limits.toml"


def test_a_file_of_limits(path):
    path.write_text(GOOD)
    assert read_limits(path) == SafetyLimits(
        100_000,
        500,
        10_000,
        {12, 13},
        "nA",
        max_phase_charge_fc=20_000_000,
        max_on_time_s=600,
        electrode_area_um2=706.9,
        max_charge_density_uc_per_cm2=3000.0,
        allow_endless=True,
    )


@pytest.mark.parametrize(
    ("was", "becomes", "words"),
    [
        ("max_amplitude = 100_000\n", "", "max_amplitude: is needed"),
        ('unit = "nA"\n', "", 'unit: is needed, "nA" or "uV"'),
        ('"nA"', '"mA"', 'unit = \'mA\': expected "nA" or "uV"'),
        ("500", "500.5", "max_phase_us = 500.5: expected a whole number"),
        ("500", '"500"', "max_phase_us = '500': expected a whole number"),
        ("500", "true", "max_phase_us = True: expected a whole number"),
        ("500", "-500", "max_phase_us = -500: expected above 0"),
        ("[12, 13]", '"12"', "electrodes = '12': expected a list of labels"),
        ("allow_endless = true", "allow_endless = 1", "expected true or false"),
        ("706.9", '"?"', "electrode_area_um2 = '?': expected a number"),
        ("max_phase_us", "max_phase_ms", "max_phase_ms: is no limit; did you mean max"),
        ("max_on_time_s", "colour", "colour: is no limit; max_amplitude, "),
        ("electrode_area_um2 = 706.9\n", "", "need electrode_area_um2"),
        ("= 500", "= = 500", "Invalid value"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(path, was, becomes, words):
    path.write_text(GOOD.replace(was, becomes))
    with pytest.raises(SafetyError, match=re.escape(str(path))) as caught:
        read_limits(path)
    assert words in str(caught.value)


def test_all_that_is_wrong_is_told_at_once(path):
    path.write_text('max_amplitude = "a"\nelectrodes = 3\nfoo = 1\n')
    with pytest.raises(SafetyError) as caught:
        read_limits(path)
    for key in ("max_amplitude", "electrodes", "foo", "max_phase_us", "unit"):
        assert key in str(caught.value)


def test_the_page_lists_every_limit_and_its_example_can_be_read(path):
    page = PAGE.read_text("utf-8")
    names = {field.name for field in dataclasses.fields(SafetyLimits)}
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == names
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    path.write_text(example)
    assert read_limits(path).max_phase_charge_fc == 20_000_000


def test_where_limits_are_looked_for(path, tmp_path, monkeypatch):
    monkeypatch.delenv("CIRCUS_STIM_LIMITS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert find_limits() is None
    assert load_limits() is None
    home = tmp_path / "circus-toolkit" / "stim-limits.toml"
    home.parent.mkdir()
    home.write_text(GOOD)
    assert load_limits().max_amplitude == 100_000
    # named, it has to be there
    monkeypatch.setenv("CIRCUS_STIM_LIMITS", str(path))
    with pytest.raises(SafetyError, match="No such file"):
        load_limits()
    path.write_text(GOOD.replace("100_000", "5"))
    assert load_limits().max_amplitude == 5
