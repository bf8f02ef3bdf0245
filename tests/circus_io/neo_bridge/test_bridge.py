"""What all formats of the bridge have in common."""

import logging
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from circus_io import (
    FormatError,
    MissingDependencyError,
    get_format,
    list_formats,
    open_recording,
)
from circus_io.files.neo_bridge.catalogue import CATALOGUE
from circus_io.files.neo_bridge.units import Scale
from circus_io.params import read_params
from tests.writers.neo_recorders import plx_bytes

neo = pytest.importorskip("neo", reason="needs circus-toolkit[neo]")

RATE_HZ = 20000
PLX_GAIN = 5000 / (0.5 * 2**16 * 2 * 500) * 1000
X = np.random.default_rng(6).integers(-3000, 3000, (700, 4)).astype("<i2")
HERE = Path(__file__).parent


def write_edr(path, raw=X, unit="uV"):
    """Write WinEDR: a text of 2048 bytes, then frames; the simplest flat file."""
    n_channels = raw.shape[1]
    lines = [
        f"NC={n_channels}",
        f"NP={raw.size}",
        "NBH=2048",
        "AD=32768",
        "ADCMAX=32767",
    ]
    lines += [f"DT={1 / RATE_HZ}", "TU=s"]
    for channel in range(n_channels):
        lines += [f"YN{channel}=ch", f"YU{channel}={unit}", f"YCF{channel}=8"]
        lines += [f"YAG{channel}=1", f"YZ{channel}=0", f"YO{channel}={channel}"]
    header = ("\r\n".join(lines) + "\r\n").encode().ljust(2048, b" ")
    path.write_bytes(header + raw.astype("<i2").tobytes())
    return path


# ---------------------------------------------------------------------------- catalogue


def test_a_format_is_verified_where_a_test_holds_it_to_the_contract():
    texts = [path.read_text("utf-8") for path in HERE.glob("test_*.py")]
    tested = {
        name
        for text in texts
        for name in re.findall(r'wrapper = get_format\("(\w+)', text)
    }
    assert tested == {row.name for row in CATALOGUE.values() if row.verified}
    infos = {info.name: info for info in list_formats()}
    assert all(infos[name].verified == row.verified for name, row in CATALOGUE.items())
    assert infos["raw_binary"].verified


def test_every_reader_exists_and_its_signals_are_somewhere_in_the_catalogue():
    import neo.rawio

    named = {row.reader for row in CATALOGUE.values()}
    there = {reader.__name__ for reader in neo.rawio.rawiolist}
    # spikes alone, or formats that are read natively
    elsewhere = {"PhyRawIO", "RawBinarySignalRawIO", "RawMCSRawIO"}
    assert there - named == elsewhere
    assert named <= there


@pytest.mark.parametrize(
    ("classic", "name"), [("rhd", "intan"), ("brw", "biocam"), ("NIX", "nix")]
)
def test_classic_names_are_known(classic, name):
    assert get_format(classic).description == name


CLASSIC = [
    "blackrock",
    "brw",
    "maxwell",
    "neuralynx",
    "nix",
    "openephys",
    "plexon",
    "rhd",
]


@pytest.mark.parametrize("name", CLASSIC)
def test_old_parameter_files_name_their_formats(name, tmp_path):
    """What the classic tool needs of these formats is read from their headers."""
    (tmp_path / "probe.prb").touch()
    text = f"[data]\nfile_format = {name}\nmapping = probe.prb\nstream_mode = None\n"
    path = tmp_path / "old.params"
    path.write_text(text + "gain = 0.195\nsampling_rate = 20000\nnb_channels = 4\n")
    parameters = read_params(path)
    assert get_format(parameters.data.file_format).row is not None


def test_choosing_a_format_does_not_import_neo(tmp_path):
    write_edr(tmp_path / "a.edr")
    np.save(tmp_path / "a.npy", X)
    code = (
        "import sys, circus_io\n"
        "from circus_io.registry import guess_format\n"
        f"names = [{str(tmp_path)!r} + name for name in ('/a.edr', '/a.npy')]\n"
        "print([guess_format(name) for name in names])\n"
        "circus_io.list_formats()\n"
        "assert 'neo' not in sys.modules and 'quantities' not in sys.modules\n"
        f"circus_io.open_recording({str(tmp_path / 'a.edr')!r})\n"
        "assert 'neo' in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['winedr', 'numpy']"


def test_neo_itself_finds_the_reader(tmp_path):
    path = write_edr(tmp_path / "a.edr")
    with open_recording(path, "neo") as recording:
        assert recording.description == "neo"
        assert np.array_equal(recording[:], X / np.float32(8))
    renamed = path.rename(tmp_path / "a.bin")
    with pytest.raises(FormatError, match=r"format is unclear; give reader = alpha"):
        open_recording(renamed, "neo")
    for reader in ("winedr", "WinEdrRawIO"):
        with open_recording(renamed, "neo", reader=reader) as recording:
            assert recording.shape == X.shape
    with pytest.raises(FormatError, match="there is no reader nonsense"):
        open_recording(renamed, "neo", reader="nonsense")


# --------------------------------------------------------------------------- microvolts


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("uV", 1),
        ("µV", 1),
        ("μV", 1),
        ("mV", 1e3),
        ("V", 1e6),
        (" mV ", 1e3),
        ("nA", 1),
    ],
)
def test_units_become_microvolts(unit, factor):
    scale = Scale.of(np.array([0.25]), np.array([-8.0]), [unit])
    counts = np.array([[32], [36], [-4]], np.int16)
    assert scale.to_float32(counts, None).tolist() == [[0], [factor], [-9 * factor]]


def test_values_are_rounded_once_from_float64():
    rng = np.random.default_rng(0)
    raw = rng.integers(-(2**31), 2**31, (1000, 3)).astype(np.int32)
    gains, offsets = np.array([0.195, -1 / 3, 1e-3]), np.array([0.0, 7.77, 0.1])
    traces = Scale.of(gains, offsets, ["uV"] * 3).to_float32(raw, None)
    zero = np.round(-offsets / gains, 9)
    assert np.array_equal(traces, ((raw - zero) * gains).astype(np.float32))
    exact = raw.astype(np.longdouble) * gains + offsets
    np.testing.assert_allclose(traces, exact, rtol=2**-24 * 1.01)


def test_each_channel_has_its_gain_and_its_zero():
    scale = Scale.of(np.array([1.0, 2.0, 4.0]), np.array([0.0, -2.0, 8.0]), ["uV"] * 3)
    raw = np.array([[1, 1, 1]], np.int16)
    assert scale.to_float32(raw, None).tolist() == [[1, 0, 12]]
    assert scale.to_float32(raw[:, [2, 2, 0]], np.array([2, 2, 0])).tolist() == [
        [12, 12, 1]
    ]


# ------------------------------------------------------ parsed once, closed, travelling


@pytest.mark.parametrize("name", ["a.edr", "a.plx"])
def test_a_recording_that_was_sent_does_not_parse_again(tmp_path, monkeypatch, name):
    """One is mapped by us; of the other, neo has an index of all blocks."""
    write_edr(tmp_path / "a.edr")
    (tmp_path / "a.plx").write_bytes(plx_bytes(X, spikes=[(400, 1)]))
    recording = open_recording(tmp_path / name)
    expected, found = recording[10:20, [3, 1]], recording.read_events().keys()
    sent = pickle.dumps(recording)

    def fail(self):
        raise AssertionError("parsed again")

    for reader in neo.rawio.rawiolist:
        monkeypatch.setattr(reader, "parse_header", fail)
    with pickle.loads(sent) as copy:
        assert np.array_equal(copy[10:20, [3, 1]], expected)
        assert copy.read_events().keys() == found
    assert np.array_equal(recording[10:20, [3, 1]], expected)
    with pytest.raises(FormatError, match="parsed again"):
        open_recording(tmp_path / name)


RANKS = """
import sys
import circus_io, neo.rawio
from circus_io.parallel import get_comm

comm = get_comm()
if comm.rank:
    for reader in neo.rawio.rawiolist:
        reader.parse_header = None  # it cannot be called
recording = circus_io.open_recording(sys.argv[1]) if comm.rank == 0 else None
recording = comm.bcast(recording)
with recording:
    total = float(recording[100 * comm.rank : 100 * comm.rank + 100].sum())
print(f"rank {comm.rank} of {comm.size}: {total}")
"""


def test_ranks_read_one_file_that_one_of_them_parsed(tmp_path, mpi_run):
    path = tmp_path / "a.plx"
    path.write_bytes(plx_bytes(X))
    (tmp_path / "ranks.py").write_text(RANKS)
    done = mpi_run(2, tmp_path / "ranks.py", path)
    assert done.returncode == 0, done.stderr
    for rank in (0, 1):
        expected = X[100 * rank : 100 * rank + 100].sum() * PLX_GAIN
        total = re.search(rf"rank {rank} of 2: (\S+)", done.stdout)[1]
        assert float(total) == pytest.approx(expected, rel=1e-5)


def test_a_closed_recording_holds_no_file_open(tmp_path):
    import psutil

    path = write_edr(tmp_path / "a.edr")
    recording = open_recording(path)

    def held():
        maps = {found.path for found in psutil.Process().memory_maps(grouped=False)}
        return str(path) in maps

    assert not held()
    with recording:
        recording[0]
        assert held()
    assert not held()


def test_files_that_are_mapped_say_when_they_change(tmp_path):
    recording = open_recording(write_edr(tmp_path / "a.edr"))
    assert recording.source_files == (str(tmp_path / "a.edr"),)


# ------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("name", sorted(CATALOGUE))
@pytest.mark.parametrize("content", [b"", b"\0" * 5000, b"VER=1\r\n" * 900])
def test_nonsense_is_an_error_with_names_and_versions(name, content, tmp_path):
    row = CATALOGUE[name]
    path = tmp_path / f"a{row.suffixes[0]}"
    path.write_bytes(content)
    with pytest.raises((FormatError, MissingDependencyError)) as caught:
        open_recording(path, name)
    assert re.search(
        rf"neo {re.escape(neo.__version__)} \({row.reader}\)", str(caught.value)
    )


def test_a_library_that_is_not_there_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.edf").write_bytes(b"0       ".ljust(600))
    monkeypatch.setitem(sys.modules, "pyedflib", None)
    with pytest.raises(
        MissingDependencyError, match=r"pip install 'circus-toolkit\[neo"
    ):
        open_recording(tmp_path / "a.edf")
    write_edr(tmp_path / "a.edr")
    monkeypatch.setitem(sys.modules, "neo.rawio", None)
    with pytest.raises(
        MissingDependencyError, match=r"pip install 'circus-toolkit\[neo"
    ):
        open_recording(tmp_path / "a.edr")


def test_what_neo_says_is_logged_and_not_printed(tmp_path, monkeypatch, capfd, caplog):
    from neo.rawio import WinEdrRawIO

    parse = WinEdrRawIO.parse_header

    def talk(self):
        print("a library that prints")
        logging.getLogger("neo").warning("a library that logs")
        parse(self)

    monkeypatch.setattr(WinEdrRawIO, "parse_header", talk)
    with caplog.at_level(logging.INFO):
        open_recording(write_edr(tmp_path / "a.edr"))
    assert "WinEdrRawIO), a.edr: a library that prints" in caplog.text
    assert "a library that logs" in caplog.text
    assert capfd.readouterr().out == ""


def test_a_choice_of_block_and_segment_is_checked(tmp_path):
    path = write_edr(tmp_path / "a.edr")
    for given in ({"segment": 1}, {"segment": "x"}, {"block": 3}):
        with pytest.raises(FormatError, match=r"segment|block"):
            open_recording(path, **given)
    assert open_recording(path, segment=0, block="0").shape == X.shape


def test_channels_of_one_name_are_told_apart(tmp_path):
    recording = open_recording(write_edr(tmp_path / "a.edr"))
    assert recording.channel_labels == ("ch 0", "ch 1", "ch 2", "ch 3")
