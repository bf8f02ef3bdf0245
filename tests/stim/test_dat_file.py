"""Files of MC_Stimulus II: µA, mV and µs, line by line."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circus_io.errors import FormatError
from stim import DatFile, PulseFile, Waveform, read_dat, write_dat
from stim.pulse_file import dump, encode, init_datfile

QUICK = settings(max_examples=100, deadline=None, derandomize=True)

# as the program exports: tabs, three pairs of columns and a repeat, sync-outs behind
# the analog channels, and columns that are not used as zeros
EXPORTED = """\
Multi Channel Systems MC_Stimulus II
ASCII import Version 1.10

channels:\t2
output mode:\tvoltage
format:\t3

channel:\t1
value\ttime\tvalue\ttime\tvalue\ttime\trepeat
-100\t200\t100.5\t200\t0\t9600\t0
-200\t200\t0\t0\t0\t9800\t2

channel:\t2
value\ttime\tvalue\ttime\tvalue\ttime\trepeat

channel:\t3
value\ttime\tvalue\ttime\tvalue\ttime\trepeat
1\t100\t0\t0\t0\t9900\t0
""".replace("\n", "\r\n")


def write(path, text):
    path.write_bytes(text.encode())
    return path


def test_what_the_program_exports(tmp_path):
    file = read_dat(write(tmp_path / "stimulus.dat", EXPORTED))
    row = [(-200_000, 200), (0, 9800)]
    first = [(-100_000, 200), (100_500, 200), (0, 9600)]
    assert file.waveforms == (Waveform.of([*first, *row, *row], "uV"), None)
    assert file.unit == "uV"
    assert file.syncouts == {0: ((1, 100), (0, 9900))}


def test_spelling_is_free_of_case_comments_and_blank_lines(tmp_path):
    text = (
        "# made by hand\nmulti channel systems mc_stimulus ii\n"
        "ASCII IMPORT VERSION 1.00  # older\nChannels: 8\nOutput Mode: Current\n"
        "format: 1\n\nchannel: 7\n\nValue Time\n 10.5  100 # µA, µs\n\n-10.5 100\n"
    )
    file = read_dat(write(tmp_path / "a.txt", text))
    assert len(file.waveforms) == 8
    assert file.waveforms[6] == Waveform.of([(10_500, 100), (-10_500, 100)])
    assert [w for w in file.waveforms if w is not None] == [file.waveforms[6]]


HEAD = EXPORTED.split("channel:\t1")[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello", "line 1: expected “Multi Channel Systems MC_Stimulus II”"),
        ("", "as the first line"),
        (HEAD.replace("ASCII import", "binary"), "line 2: expected “ASCII import"),
        (HEAD + "1\t2\r\n", "line 8: “1\t2” before the first “channel:”"),
        (HEAD + "channel: 0\r\n", "line 8: channel: 0: expected 1 or more"),
        (HEAD + "channel: x\r\n", "line 8: invalid literal"),
        (HEAD + "channel: 1\r\npulse\tvalue\tvalue\ttime\r\n", "export the file in"),
        (HEAD + "channel: 1\r\nrepeat\r\n", "columns “repeat”"),
        (HEAD + "channel: 1\r\nvalue\ttime\r\n1\r\n", "1 values for 2 columns"),
        (HEAD + "channel: 1\r\nvalue\ttime\r\n1\t2.5\r\n", "time = 2.5: expected a"),
        (HEAD + "channel: 1\r\nvalue\ttime\r\n1\t-2\r\n", "time = -2"),
        (HEAD + "channel: 1\r\nvalue\ttime\r\nx\t2\r\n", "line 10: "),
        (HEAD + "channel: 1\r\nvalue\ttime\r\n1e99\t2\r\n", "below 2|too large|line"),
        (HEAD + "channel: 1\r\nvalue\ttime\trepeat\r\n1 2 1e9\r\n", "more than 1000"),
        (HEAD.replace("channels:\t2", "channels: 9999"), "channels: 9999: expected 1"),
        (HEAD + "channel: 3\r\nvalue\ttime\r\n0.5\t20\r\n", "level = 0.5: expected"),
        (HEAD + "colour: red\r\n", "line 8: colour: expected channels,"),
        (HEAD.replace("voltage", "light"), "output mode: light: choose from current"),
        (HEAD.replace("channels:\t2", ""), "no “channels:”"),
    ],
)
def test_what_is_no_such_file(tmp_path, text, words):
    with pytest.raises(FormatError, match=words):
        read_dat(write(tmp_path / "a.dat", text))


PIECE = st.sampled_from([b"9" * 9, b"nan", b"inf", b"1e999", b":", b"\t", b"\xff"])


@QUICK
@given(st.data())
def test_damaged_files_end_in_values_or_in_format_errors(tmp_path_factory, data):
    text = bytearray(EXPORTED.encode())
    for _ in range(data.draw(st.integers(1, 5))):
        begin = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(begin, min(len(text), begin + 9)))
        text[begin:end] = data.draw(PIECE | st.binary(max_size=3))
    path = tmp_path_factory.getbasetemp() / "damaged.dat"
    path.write_bytes(text)
    with suppress(FormatError):
        assert read_dat(path).unit in ("nA", "uV")


WAVEFORM = st.lists(
    st.tuples(st.integers(-(10**9), 10**9), st.integers(1, 10**6)), min_size=1
)


@QUICK
@given(st.lists(st.none() | WAVEFORM, min_size=1, max_size=20), st.sampled_from("nu"))
def test_what_is_written_is_read_back(tmp_path_factory, runs, letter):
    unit = {"n": "nA", "u": "uV"}[letter]
    waveforms = [Waveform.of(r, unit) if r else None for r in runs]
    path = tmp_path_factory.getbasetemp() / "round.dat"
    if not any(waveforms):
        with pytest.raises(FormatError, match="nothing"):
            write_dat(path, waveforms)
        return
    write_dat(path, waveforms, n_channels=20, syncouts={1: [(1, 20), (0, 40)]})
    padded = (*waveforms, *[None] * (20 - len(waveforms)))
    assert read_dat(path) == DatFile(padded, unit, {1: ((1, 20), (0, 40))})


def test_the_lines_that_are_written(tmp_path):
    path = tmp_path / "a.dat"
    waveform = Waveform.of([(1500, 100), (-1_000_000, 20), (1, 20)])
    write_dat(path, [None, waveform, waveform])
    lines = path.read_bytes().decode().split("\r\n")
    assert lines[:9] == [
        "Multi Channel Systems MC_Stimulus II",
        "ASCII import Version 1.10",
        "",
        "channels: 4",
        "",
        "output mode: current",
        "",
        "format: 4",
        "",
    ]
    section = ["channel: 2", "", "value\ttime", "1.5\t100", "-1000\t20", "0.001\t20"]
    assert lines[9:15] == section
    assert lines[16] == "channel: 3"


def test_what_is_not_written(tmp_path):
    current, voltage = Waveform.of([(1, 20)]), Waveform.of([(1, 20)], "uV")
    for path, waveforms, words in (
        ("a.txt", [current], "end in .dat"),
        ("a.dat", [current, voltage], "in nA, uV; a file has"),
        ("a.dat", [current] * 3, "3 waveforms for 2 channels"),
    ):
        with pytest.raises(FormatError, match=words):
            write_dat(tmp_path / path, waveforms, n_channels=2)
    assert not list(tmp_path.iterdir())


def test_the_documented_functions(tmp_path):
    path = tmp_path / "a.dat"
    pulses = [PulseFile(intensity_in_mA=n) for n in (1, 2, 3)]
    dump(pulses, path)
    found = read_dat(path).waveforms
    assert found == (*(pulse.waveform for pulse in pulses), None)
    pulses[1].dump(path)
    assert read_dat(path).waveforms == (pulses[1].waveform, None)
    # put together by hand, as the functions of the documentation are
    init_datfile(path, n_channels=8)
    with path.open("a", newline="\r\n") as file:
        file.writelines(encode(pulses[2], channel=5))
    assert read_dat(path).waveforms == (*[None] * 5, pulses[2].waveform, None, None)
    with pytest.raises(FormatError, match=r"end in \.dat"):
        init_datfile(tmp_path / "a.txt")
