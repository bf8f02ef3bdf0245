import pickle
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from circus_io import (
    FormatError,
    MissingDependencyError,
    get_format,
    list_formats,
    open_recording,
    registry,
)
from circus_io.files.raw_binary import RawBinaryFile
from circus_io.testing import DataFileContract

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = f"{ROOT / 'examples' / 'custom_wrapper.py'}:LabFile"
PACKAGE = ROOT / "tests" / "external_wrapper"

LAB_HEADER = (
    "LAB 1\nchannels: {}\nrate: 20000\nmicrovolt_per_count: 0.25\nfirst_frame: 0\nEND\n"
)


def lab_bytes(raw):
    return LAB_HEADER.format(raw.shape[1]).encode() + raw.astype("<i2").tobytes()


class TestLabFile(DataFileContract):
    wrapper = get_format(EXAMPLE)
    gain = 0.25

    def write_file(self, path, raw):
        path.write_bytes(lab_bytes(raw))
        return {}


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    """Install the package of another laboratory, as its user would."""
    folder = tmp_path_factory.mktemp("plugins")
    source = shutil.copytree(PACKAGE, folder / "source")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    if setuptools_builds_wheels():
        pip += ["--no-index", "--no-build-isolation"]
    subprocess.run([*pip, "--target", folder / "site", source], check=True)
    return folder / "site"


def setuptools_builds_wheels():
    """Tell whether the setuptools here needs no help; else pip fetches one."""
    try:
        version = metadata.version("setuptools").split(".")
    except metadata.PackageNotFoundError:
        return False
    return [int(part) for part in version[:2]] >= [70, 1]


@pytest.fixture
def with_plugins(plugins, monkeypatch):
    monkeypatch.syspath_prepend(plugins)
    yield plugins
    for name in [name for name in sys.modules if name.startswith("tape_format")]:
        del sys.modules[name]


def tape_bytes(raw):
    n_frames, n_channels = raw.shape
    header = b"TAPE" + n_channels.to_bytes(4, "little") + n_frames.to_bytes(8, "little")
    return header + raw.T.astype(">u2").tobytes()


class TestTapeFile(DataFileContract):
    """The plug-in that is installed passes the tests its author inherits."""

    dtype = ">u2"
    dtype_offset = 32768
    gain = 0.5

    # the plug-in is found later than these would be left out: it is only read, and
    # fixes its gain
    test_a_gain_per_channel_goes_with_its_channel = None
    test_what_was_written_is_read = None
    test_writing_leaves_the_array_of_the_caller = None
    test_integers_round_half_to_even_and_saturate = None
    test_a_block_must_lie_inside = None
    test_a_block_is_split_between_streams = None

    @pytest.fixture(autouse=True)
    def _find(self, with_plugins):
        type(self).wrapper = get_format("tape")

    def write_file(self, path, raw):
        path.write_bytes(tape_bytes(raw))
        return {"sampling_rate": 20000}


def test_the_table_is_sorted_and_names_what_it_says():
    assert list(registry.BUILT_IN) == sorted(registry.BUILT_IN)
    for name in registry.BUILT_IN:
        assert get_format(name).description == name


def test_a_name_counts_in_any_case_and_with_quotes():
    assert get_format("Raw_Binary") is get_format("'raw_binary'") is RawBinaryFile


def test_a_module_path_names_a_class():
    assert get_format("circus_io.files.raw_binary:RawBinaryFile") is RawBinaryFile


def test_an_unknown_name_lists_the_choices_and_the_nearest():
    with pytest.raises(FormatError) as caught:
        get_format("raw_binaries")
    assert re.search(
        r"unknown file format 'raw_binaries'; did you mean raw_binary\? choose from "
        r".*hdf5, .*numpy, .*raw_binary.*, or give path/to/wrapper.py:ClassName",
        str(caught.value),
    )


CLASSIC = ["raw_binary", "mcs_raw_binary", "numpy", "hdf5", "nwb", "arf", "kwd", "nix"]
CLASSIC += ["brw", "maxwell", "openephys", "rhd", "neuralynx", "blackrock", "mda"]
CLASSIC += ["plexon", "mcd"]


@pytest.mark.parametrize("name", CLASSIC)
def test_formats_of_spyking_circus_keep_their_names(name):
    assert get_format(name.upper()) is get_format(name)


def test_formats_of_spyking_circus_are_documented():
    page = (ROOT / "docs" / "reference" / "formats-classic.md").read_text("utf-8")
    table = page.partition("What is different")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == CLASSIC


def test_the_list_says_what_a_user_has_to_know():
    by_name = {info.name: info for info in list_formats()}
    info = by_name["raw_binary"]
    assert info.required_fields == {
        "data_dtype": "str",
        "sampling_rate": "float",
        "nb_channels": "int",
    }
    assert (info.is_writable, info.parallel_write, info.error) == (True, True, None)
    assert info.stream_modes == ("multi-files",)
    assert info.description.startswith("Flat binary")
    assert by_name["hdf5"].extensions == (".h5", ".hdf5")
    assert by_name["hdf5"].stream_modes == ("multi-files", "single-file")


def test_a_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(registry.BUILT_IN, "far", ("no_such_library.x:Far", "faraway"))
    with pytest.raises(MissingDependencyError) as caught:
        get_format("far")
    assert "No module named 'no_such_library'" in str(caught.value)
    assert "pip install 'circus-toolkit[faraway]'" in str(caught.value)
    info = next(info for info in list_formats() if info.name == "far")
    assert "no_such_library" in info.error
    assert info.extra == "faraway"


# ------------------------------------------------------------------ a file of one's own


def test_a_relative_file_starts_at_its_folder(tmp_path, monkeypatch):
    shutil.copy(EXAMPLE.rpartition(":")[0], tmp_path / "mine.py")
    monkeypatch.chdir(tmp_path)
    wrapper = get_format("./mine.py:LabFile")
    monkeypatch.chdir("/")
    assert get_format("mine.py:LabFile", folder=tmp_path) is wrapper


def test_the_example_runs():
    script = EXAMPLE.rpartition(":")[0]
    done = subprocess.run(
        [sys.executable, "-W", "error", script],
        check=True,
        capture_output=True,
        text=True,
    )
    lines = done.stdout.splitlines()
    assert lines[0].startswith("LabFile('rec.lab', 1000 frames × 4 channels")
    assert [line.rpartition(" ")[0] for line in lines[1:]] == [
        "0 400 (0, 10)",
        "400 800 (-10, 10)",
        "800 1000 (-10, 0)",
    ]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("absent.py:LabFile", "no wrapper file"),
        ("custom_wrapper.py:Nobody", "does not name a class"),
        ("custom_wrapper.py:read_header", "does not name a class"),
    ],
)
def test_what_is_no_wrapper_is_refused(spec, says):
    with pytest.raises(FormatError, match=says):
        get_format(spec, folder=ROOT / "examples")


def test_a_file_that_fails_says_how(tmp_path):
    (tmp_path / "bad.py").write_text("1 / 0\n")
    with pytest.raises(FormatError, match="ZeroDivisionError"):
        get_format("bad.py:Bad", folder=tmp_path)


def test_a_wrapper_from_a_file_pickles_into_another_process(tmp_path):
    raw = np.arange(60, dtype=np.int16).reshape(20, 3)
    (tmp_path / "a.lab").write_bytes(lab_bytes(raw))
    with open_recording(tmp_path / "a.lab", EXAMPLE) as recording:
        recording[:1]
        (tmp_path / "pickle").write_bytes(pickle.dumps(recording))
    code = (
        "import pickle, sys; recording = pickle.load(open(sys.argv[1], 'rb')); "
        "print(recording[5:7, [2, 0]].tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, tmp_path / "pickle"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str((raw[5:7][:, [2, 0]] / 4).tolist())


# ------------------------------------------------------------------------ a package


def test_an_installed_format_is_found_by_name_and_extension(with_plugins, tmp_path):
    raw = np.arange(60, dtype=np.uint16).reshape(20, 3)
    (tmp_path / "a.tape").write_bytes(tape_bytes(raw))
    recording = open_recording(tmp_path / "a.tape", sampling_rate=1000)
    assert type(recording).__module__ == "tape_format.wrapper"
    assert np.array_equal(recording[:], (raw.astype(float) - 32768) / 2)


def test_a_broken_format_fails_only_when_it_is_used(with_plugins):
    broken = next(info for info in list_formats() if info.name == "broken_tape")
    assert "on fire" in broken.error
    with pytest.raises(FormatError, match="RuntimeError: this tape drive is on fire"):
        get_format("broken_tape")


def test_a_built_in_name_is_not_taken_over(with_plugins, caplog):
    assert get_format("raw_binary") is RawBinaryFile
    assert "raw_binary of tape_format.wrapper:TapeFile is not used" in caplog.text


# ---------------------------------------------------------------------- open_recording


def test_an_unclear_format_names_those_that_fit(tmp_path):
    (tmp_path / "a.dat").touch()
    with pytest.raises(FormatError, match="from its name and content; give file_form"):
        open_recording(tmp_path / "a.dat")


@pytest.fixture
def two_formats(monkeypatch):
    """Make ``signed``, which knows its first bytes, and ``any``, of the same suffix."""

    class Signed(RawBinaryFile):
        extension = (".both",)

        @classmethod
        def recognises(cls, path):
            return path.read_bytes()[:4] == b"SIGN"

    class Unsigned(RawBinaryFile):
        extension = (".both",)

    module = sys.modules[__name__]
    for name, wrapper in {"signed": Signed, "any": Unsigned}.items():
        monkeypatch.setattr(module, wrapper.__name__, wrapper, raising=False)
        monkeypatch.setitem(
            registry.BUILT_IN, name, (f"{__name__}:{wrapper.__name__}", None)
        )


@pytest.mark.usefixtures("two_formats")
@pytest.mark.parametrize(("content", "name"), [(b"SIGN..", "signed"), (b"....", "any")])
def test_the_content_decides_between_formats_of_one_suffix(tmp_path, content, name):
    (tmp_path / "a.both").write_bytes(content)
    assert registry.guess_format(tmp_path / "a.both") == name


def test_a_misspelt_parameter_is_refused(tmp_path):
    with pytest.raises(FormatError, match="no parameter gian; did you mean gain"):
        open_recording(tmp_path / "a.npy", sampling_rate=1, gian=2)
