"""The fields of a file format, among the parameters of a file."""

import pytest

from circus_io.params import build_params, read_params
from tests.circus_io.params_files import FORMAT, FORMAT_FIELDS, problems_of, write

WRAPPER = """
from circus_io import DataFile

class MyFile(DataFile):
    description = "mine"
    is_streamable = ("multi-files", "wells")
    _required_fields = {"Well_Name": str, "sampling_rate": float}
    _default_values = {"plate": 1}
"""


def test_a_wrapper_beside_the_file_says_what_may_be_given(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(WRAPPER)
    text = (
        "[data]\nfile_format = ./mine.py:MyFile\nstream_mode = wells\n"
        "WELL_name = 'a 1'\nsampling_rate = 2e4\nplate = 3\n"
    )
    path = write(tmp_path, text)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    data = read_params(path).data
    assert data.format_fields == {
        "Well_Name": "a 1",
        "sampling_rate": 2e4,
        "plate": "3",
    }
    assert data.file_format == f"{tmp_path / 'mine.py'}:MyFile"
    message = problems_of(write(tmp_path, text.replace("= 3", "= x\nplat = 1")))
    assert "line 6: [data] plate = 'x'" in message
    assert "did you mean plate?" in message


def test_what_hangs_on_the_format_comes_with_all_other_problems(tmp_path):
    text = (
        "[data]\nfile_format = raw_binary\nstream_mode = single-file\n"
        "data_dtype = int16\nsampling_rate = 20000\nmapping = nowhere.prb\n"
        "[detection]\nspike_tresh = 5\n"
    )
    message = problems_of(write(tmp_path, text))
    assert "4 problems" in message
    assert "line 3: [data] stream_mode = single-file: raw_binary has no" in message
    assert "\n  [data] nb_channels is required (int; raw_binary files" in message
    assert "line 6: [data] mapping" in message
    assert "line 8: [detection] spike_tresh" in message


def test_an_unknown_format_is_one_problem_among_others(tmp_path):
    text = "[data]\nfile_format = raw_binry\n[detection]\nN_t = six\n"
    message = problems_of(write(tmp_path, text), required=("mapping",))
    assert "3 problems" in message
    assert "line 2: [data] file_format = raw_binry" in message
    assert "did you mean raw_binary?" in message
    assert "[data] mapping is required" in message


def test_a_value_given_besides_the_file_is_named_as_such(tmp_path):
    path = write(tmp_path, FORMAT + "[detection]\nN_t = six\n")
    low = {"detection.spike_thresh": "six"}
    message = problems_of(path, overrides=low)
    assert f"{path}: 2 problems" in message
    assert "given value: [detection] spike_thresh = six" in message
    good = write(tmp_path, FORMAT)
    message = problems_of(good, overrides=low)
    assert str(good) not in message
    assert message.startswith("the given values: 1 problem\n  [detection] spike_thr")


def test_a_field_of_another_format_gives_a_notice(tmp_path):
    text = FORMAT + "h5_key = /data\ngain = 2\n"
    parameters = read_params(write(tmp_path, text))
    assert parameters.data.format_fields == FORMAT_FIELDS | {"gain": 2}
    assert len(parameters.notices) == 1
    assert "h5_key" in str(parameters.notices[0])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("dtype_offset = auto", "auto"),
        ("dtype_offset = 32768", 32768),
        ("gain = [0.1, 0.2]", (0.1, 0.2)),
        ("data_dtype = >u2", ">u2"),
        ("h5_key = '/a/b c'", "/a/b c"),
        ("time_axis = 1", 1),
        ("time_axis = Auto", "auto"),
    ],
)
def test_fields_have_their_types(tmp_path, text, value):
    name, _, given = text.partition(" = ")
    fields = build_params({f"data.{name}": given.strip("'")}).data.format_fields
    assert fields == {name: value}


@pytest.mark.parametrize(
    "text",
    [
        "data_dtype = int17",
        "data_dtype = bool",
        "nb_channels = 0",
        "data_offset = MCS",
        "gain =",
    ],
)
def test_fields_are_checked(tmp_path, text):
    path = write(tmp_path, f"[data]\nfile_format = raw_binary\n{text}\n")
    assert f"line 3: [data] {text.split()[0]}" in problems_of(path)
