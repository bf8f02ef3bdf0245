import configparser
import json
import pickle
from pathlib import Path

import pytest

from circus_io.errors import ParameterError
from circus_io.params import (
    Parameters,
    build_params,
    group_notices,
    read_params,
)
from circus_io.schema import KEYS
from tests.circus_io.params_files import FORMAT, problems_of, write

CLASSIC = """\
### what people have in their files

[data]
file_format    = 'raw_binary'      # quotes are common
data_dtype     = int16
sampling_rate  = 24414.0625        # Hz
nb_channels    = 4
gain\t\t= 0.2
stream_mode    = 'multi-files'
mapping        = probes/mea.prb    # relative to this file
overwrite      = True

[detection]
radius         = auto
n_t            = 5                 # keys are the same in any case
SPIKE_THRESH   = 7
dead_channels  = {1: [0,
                      2]}

[filtering]
cut_off        = 500, auto
filter         = False  #!! AUTOMATICALLY EDITED: DO NOT MODIFY !!

[clustering]
dip_threshold  = 0.5
nb_repeats     = 3
smart_search   = False

[fitting]
chunk          = 1

[converting]
export_pcs     = prompt

[noedits]
filter_done    = True
median_done    = False
"""


@pytest.fixture
def classic(tmp_path):
    (tmp_path / "probes").mkdir()
    (tmp_path / "probes" / "mea.prb").write_text("channel_groups = {}")
    return write(tmp_path, CLASSIC)


def test_a_classic_file_is_read_and_left_alone(classic):
    before = classic.read_bytes(), classic.stat().st_mtime_ns
    parameters = read_params(classic)
    assert parameters.data.file_format == "raw_binary"
    assert parameters.data.stream_mode == "multi-files"
    assert parameters.data.mapping == classic.parent / "probes" / "mea.prb"
    assert parameters.data.format_fields == {
        "data_dtype": "int16",
        "sampling_rate": 24414.0625,
        "nb_channels": 4,
        "gain": 0.2,
    }
    assert parameters.detection.N_t == 5
    assert parameters.detection.spike_thresh == 7
    assert parameters.detection.dead_channels == {1: (0, 2)}
    assert parameters.filtering.cut_off == (500, "auto")
    assert parameters.filtering.filter is False
    assert parameters.clustering.cc_merge == 0.95
    assert parameters.path == classic
    assert (classic.read_bytes(), classic.stat().st_mtime_ns) == before


def test_what_has_no_effect_is_said_once_each(classic):
    notices = [str(notice) for notice in read_params(classic).notices]
    expected = [
        ("[data] overwrite", "line 11", "never modified"),
        ("[clustering] dip_threshold", "line 25", "no effect"),
        ("[clustering] nb_repeats = 3", "line 26", "no effect"),
        ("[clustering] smart_search", "line 27", "no effect"),
        ("[fitting] chunk", "line 30", "no effect"),
        ("[converting] export_pcs", "line 33", "prompt means none"),
        ("[noedits] filter_done", "line 36", "changed the raw file"),
        ("[noedits] median_done", "line 37", "no effect"),
    ]
    assert len(notices) == len(expected)
    for parts in expected:
        assert [all(part in text for part in parts) for text in notices].count(
            True
        ) == 1


def test_every_problem_comes_at_once_with_its_line(tmp_path):
    text = """\
[data]
file_format = raw_binary
sampling_rate = -3
mapping = nowhere.prb
sampling_rat = 4
[detection]
N_t = six #!! AUTO
n_t = 5
spike_tresh = 4
cut_off = 4
[filtering]
cut_off = 500, 200
[detectionn]
x = 1
hello
[triggers]
clean_artefact = True
ignore_times =
[data]
multi-files = True
"""
    message = problems_of(write(tmp_path, text))
    for line, *parts in [
        (3, "[data] sampling_rate", "-3", "> 0", "Hz"),
        (4, "[data] mapping", "nowhere.prb"),
        (5, "sampling_rat", "did you mean sampling_rate?"),
        (7, "[detection] N_t", "six", "number > 0 (ms)"),
        (8, "before", "line 7"),
        (9, "spike_tresh", "did you mean spike_thresh?"),
        (10, "cut_off", "belongs to [filtering]"),
        (12, "cut_off", "500 Hz must be below 200 Hz"),
        (13, "[detectionn]", "did you mean detection?"),
        (15, "hello"),
        (17, "clean_artefact", "it needs a trig_file"),
        (18, "ignore_times", "True or False"),
        (19, "[data]", "line 1"),
        (20, "multi-files", "stream_mode"),
    ]:
        # a section that is not known is reported where its first key stands
        lines = [n for n in (line, line + 1) if f"line {n}: " in message]
        rows = [row for row in message.splitlines() if f"line {lines[0]}: " in row]
        assert all(part in rows[0] for part in parts), (rows, parts)
    for name in ("data_dtype", "nb_channels"):
        assert f"[data] {name} is required" in message
    assert "16 problems" in message
    assert "recording.params" in message


def test_a_value_of_the_wrong_type_is_never_replaced(tmp_path):
    text = "[data]\nfile_format = raw_binary\n[detection]\nspike_thresh = six\n"
    assert "spike_thresh = six" in problems_of(write(tmp_path, text))


def test_the_file_format_is_required_in_a_file(tmp_path):
    path = write(tmp_path, FORMAT.replace("raw_binary", ""))
    assert "file_format is required" in problems_of(path)
    given = read_params(path, {"data.file_format": "raw_binary"})
    assert given.data.file_format == "raw_binary"
    assert "file_format is required" in problems_of(write(tmp_path, ""))


def test_overrides_win_and_are_checked(classic):
    parameters = read_params(
        classic, {"detection.Spike_thresh": 5, "circus": {"seed": "3"}}
    )
    assert parameters.detection.spike_thresh == 5
    assert parameters.circus.seed == 3
    message = problems_of(classic, overrides={"detection.spike_thresh": "low"})
    assert "spike_thresh = low" in message
    assert "line" not in message.split("spike_thresh")[0].splitlines()[-1]


def test_paths_are_relative_to_where_they_are_given(classic, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "own.prb").write_text("channel_groups = {}")
    monkeypatch.chdir(elsewhere)
    read = read_params(classic).data
    assert read.mapping == tmp_path / "probes" / "mea.prb"
    given = read_params(classic, {"data.mapping": "own.prb"}).data
    assert given.mapping == elsewhere / "own.prb"


def test_an_override_needs_its_section():
    with pytest.raises(ParameterError) as error:
        build_params({"spike_thresh": 5, "safety_time": 1, "nonsense": 0})
    for part in (
        "detection.spike_thresh",
        "whitening.safety_time or clustering.safety_time or extracting.safety_time",
        "nonsense is not section.key",
    ):
        assert part in str(error.value)


def test_parameters_without_a_file():
    parameters = Parameters.from_values({"data.sampling_rate": "20000"})
    assert parameters.data.format_fields == {"sampling_rate": 20000}
    assert parameters.path is None
    assert parameters.notices == ()
    assert parameters.given == {"data.sampling_rate"}


# values at odds ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"filtering.cut_off": "400, 300"}, "400 Hz must be below 300 Hz"),
        ({"filtering.cut_off": "300, 12000"}, "not below 10000 Hz"),
        ({"filtering.cut_off": "11000, auto"}, "not below 10000 Hz"),
        ({"detection.N_t": 0.1}, "less than 3 samples"),
        ({"fitting.amp_limits": (2, 1)}, "lower limit"),
        ({"clustering.dispersion": "(0, 5)"}, "> 0"),
        ({"triggers.ignore_times": True}, "dead_file"),
        ({"triggers.ignore_times": True, "triggers.dead_file": "x.txt"}, "no file"),
        ({"data.mapping": "nowhere.prb"}, "no file"),
    ],
)
def test_values_must_fit_together(values, words):
    with pytest.raises(ParameterError, match=words):
        build_params({"data.sampling_rate": 20000} | values)


def test_a_broken_value_is_not_blamed_twice():
    with pytest.raises(ParameterError) as error:
        build_params({"data.sampling_rate": 2e4, "filtering.cut_off": "x, y"})
    assert "1 problem\n" in str(error.value)


# text -------------------------------------------------------------------------


def test_older_encodings_and_windows_lines(tmp_path):
    text = "\ufeff" + FORMAT.replace("\n", " # 5 µm\r\n") + "; a comment\r\n"
    assert read_params(write(tmp_path, text)).data.file_format == "raw_binary"
    latin = FORMAT.replace(" =", ":").replace("\n", " # 5 µm\n").encode("latin-1")
    assert read_params(write(tmp_path, latin)).data.file_format == "raw_binary"


def test_a_value_ends_at_the_first_hash_and_nothing_is_interpolated(tmp_path):
    text = FORMAT + "suffix = -%(x)s=1#2\n"
    assert read_params(write(tmp_path, text)).data.suffix == "-%(x)s=1"


def test_a_file_that_is_not_there(tmp_path):
    assert "no parameter file" in problems_of(tmp_path / "none.params")


@pytest.mark.parametrize(
    ("content", "words"),
    [(FORMAT.encode() + b"\0", "NUL bytes"), (b"# \n" * 500_000, "larger than 1 MB")],
)
def test_a_file_of_something_else_is_not_parsed(tmp_path, content, words):
    message = problems_of(write(tmp_path, content, "rec.dat"))
    assert words in message
    assert "rec.dat" in message
    assert "problem" not in message


# values that count for less, or not ---------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("converting.export_pcs", "all", "principal components are not exported"),
        ("converting.erase_all", False, "kept under another name"),
        ("clustering.max_elts", 10000, "at most 5000 are used"),
        ("fitting.amp_limits", (0.1, 9), "amp_auto = True takes"),
        ("clustering.sub_dim", 8, "at most 6 are used"),
        ("clustering.n_abs_min", 10, "at least 15 are used"),
        ("merging.time_rpv", 3, "at most 2 ms are used"),
        ("merging.cc_bin", 3, "no effect here"),
        ("merging.cc_bin", 2, "no effect here"),  # its default
    ],
)
def test_a_value_that_is_bent_or_ignored_is_said_once(key, value, words):
    notices = build_params({key: value}).notices
    assert len(notices) == 1
    assert words in notices[0].reason
    assert f"{key.split('.')[1]} = {value}" in notices[0].value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("clustering.max_elts", 900),
        ("clustering.sub_dim", 4),
        ("clustering.n_abs_min", 16),
        ("merging.time_rpv", 1.5),
    ],
)
def test_a_value_that_counts_is_not_remarked(key, value):
    assert build_params({key: value}).notices == ()


def test_the_classic_file_that_spikeinterface_carries(tmp_path):
    sorters = pytest.importorskip("spikeinterface.sorters.external")
    source = Path(sorters.__path__[0]) / "sc_config_default.params"
    if not source.is_file():
        pytest.skip(f"SpikeInterface has no {source.name}")
    answers = iter(
        ["20000", "mea.prb", "3", "6", "negative", "True", "1000", "10000", "0.75"]
    )
    (tmp_path / "mea.prb").write_text("channel_groups = {}")
    text = source.read_text(encoding="utf-8")
    while "{}" in text:
        text = text.replace("{}", next(answers), 1)
    parameters = read_params(write(tmp_path, text))
    assert parameters.data.file_format == "numpy"
    assert parameters.clustering.max_elts == 10000
    assert parameters.merging.auto_mode == 0.75
    keys = [notice.value.split(" = ")[0] for notice in parameters.notices]
    assert len(keys) == len(set(keys))
    bent = {"[clustering] max_elts", "[clustering] sub_dim", "[merging] time_rpv"}
    unused = {f"[{key.section}] {key.name}" for key in unused_keys(text)}
    assert set(keys) == unused | bent
    assert len(group_notices(parameters.notices)) < 10


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("clustering.extraction", "median-pca"),
        ("clustering.nb_repeats", ""),
        ("whitening.max_elts", 0),
        ("noedits.artefacts_done", True),
    ],
)
def test_a_key_without_use_may_have_any_value(key, value):
    (notice,) = build_params({key: value}).notices
    assert notice.value.endswith(f"{key.split('.')[1]} = {value}")


def unused_keys(text):
    """Read the names in a file by the library's parser, and keep those without use."""
    parser = configparser.ConfigParser(inline_comment_prefixes="#", strict=False)
    parser.read_string(text)
    named = {(section, name) for section in parser for name in parser[section]}
    return [
        key
        for section, keys in KEYS.items()
        for spelled, key in keys.items()
        if (section, spelled) in named and not key.used
    ]


def test_values_with_one_reason_are_told_together():
    values = {
        "merging.cc_bin": 3,
        "merging.correct_lag": False,
        "converting.erase_all": 1,
    }
    messages = group_notices(build_params(values).notices)
    assert len(messages) == 2
    first, second = messages[0].splitlines()[1:]
    assert (first.strip(), second.strip()) == (
        "[merging] cc_bin = 3",
        "[merging] correct_lag = False",
    )
    assert messages[1].startswith("[converting] erase_all = 1: ")


# out of parameters ------------------------------------------------------------


def test_values_survive_json(classic):
    parameters = read_params(classic)
    values = json.loads(json.dumps(parameters.to_dict(), allow_nan=False))
    again = build_params(values)
    assert again.to_dict() == parameters.to_dict()
    assert again.fitting.max_chunk == float("inf")


def test_parameters_pickle(classic):
    parameters = read_params(classic)
    assert pickle.loads(pickle.dumps(parameters)) == parameters
