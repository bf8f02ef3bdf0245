"""Exports of MC_DataTool: headers written as text, samples by numpy, neo as reader."""

import logging

import numpy as np
import pytest

from circus_io import FormatError, MissingParameterError, open_recording
from circus_io.files.mcs_raw_binary import MCSRawBinaryFile
from circus_io.testing import DataFileContract
from tests.writers.mcs_raw_binary import MIXED, header, write

X = np.random.default_rng(2).integers(0, 2**16, (300, 4)).astype("<u2")


class TestMCSRawBinary(DataFileContract):
    wrapper = MCSRawBinaryFile
    dtype = "uint16"
    dtype_offset = 32768
    gain = 0.1042

    def write_file(self, path, raw):
        streams = ";".join(f"El_{i:02d}" for i in range(raw.shape[1]))
        scales = f"El = {self.gain}µV/AD"
        zero = str(self.dtype_offset)
        write(path, raw, streams=streams, scales=scales, zero=zero)
        return {}


class TestSigned(TestMCSRawBinary):
    dtype = "int16"
    dtype_offset = 0
    gain = 0.25


class TestBesideOtherColumns(TestMCSRawBinary):
    """Electrodes between digital and analog columns."""

    def write_file(self, path, raw):
        names = [f"El_{i}" for i in range(raw.shape[1])]
        columns = ["Di_D1", *names[:2], "An_A1", *names[2:]]
        table = np.random.default_rng(0).integers(0, 9, (len(raw), len(columns)))
        table = table.astype("<u2")
        table[:, [i for i, name in enumerate(columns) if name in names]] = raw
        scales = f"Di = 1/AD; An = 125µV/AD; El = {self.gain}µV/AD"
        write(path, table, streams=";".join(columns), scales=scales)
        return {}


class TestWithoutHeader(TestMCSRawBinary):
    dtype = "int16"
    dtype_offset = 0
    gain = 0.5

    def write_file(self, path, raw):
        raw.tofile(path)
        given = {"sampling_rate": 20000, "nb_channels": raw.shape[1]}
        return {**given, "data_dtype": "int16", "gain": 0.5}

    def test_missing_parameters_are_all_named(self, tmp_path, raw):
        raw.tofile(tmp_path / "a.raw")
        words = "no header of MC_DataTool, so sampling_rate and nb_channels"
        with pytest.raises(MissingParameterError, match=words):
            self.wrapper(tmp_path / "a.raw", {"data_dtype": "int16"})


def test_labels_rate_and_scale_come_from_the_header(tmp_path):
    recording = open_recording(write(tmp_path / "a.raw", X))
    assert recording.description == "mcs_raw_binary"
    assert recording.channel_labels == ("47", "48", "12", "13")
    assert recording.sampling_rate == 25000
    assert recording.data_offset == len(header())
    expected = (X.astype(float) - 32768) * 0.1136
    np.testing.assert_allclose(recording[:], expected, rtol=2e-7)


def test_neo_reads_the_same(tmp_path, require):
    neo = require("neo.rawio", extra="demo")
    path = write(tmp_path / "a.raw", X)
    theirs = neo.RawMCSRawIO(filename=str(path))
    theirs.parse_header()
    counts = theirs.get_analogsignal_chunk(stream_index=0)
    values = theirs.rescale_signal_raw_to_float(counts, dtype="float64")
    recording = open_recording(path)
    np.testing.assert_allclose(recording[:], values, rtol=2e-7, atol=1e-8)
    names = [f"El_{label}" for label in recording.channel_labels]
    assert names == list(theirs.header["signal_channels"]["name"])
    assert recording.sampling_rate == theirs.get_signal_sampling_rate()


@pytest.mark.parametrize(
    ("scales", "gain"),
    [
        ("El = 0.1042µV/AD", 0.1042),
        ("El = 0,1042 µV/AD", 0.1042),
        ("El=12nV/AD", 0.012),
        ("El = 0.0001042mV/AD", 0.1042),
        ("Di = 1/AD; El = 0.1042uV/AD", 0.1042),
        ("Di = 0/AD;An = 2V/AD ; El = 0.1042µV/AD;", 0.1042),
        ("An = 2V/AD\r\nEl = 0.1042µV/AD", 0.1042),
    ],
)
def test_scales_are_found_in_all_their_forms(tmp_path, scales, gain):
    recording = open_recording(write(tmp_path / "a.raw", X, scales=scales))
    assert recording.gain == pytest.approx(gain, rel=1e-15)


def test_a_sign_in_utf8_is_the_same_sign(tmp_path):
    text = header().replace("µ".encode("windows-1252"), "µ".encode())
    (tmp_path / "a.raw").write_bytes(text + X.tobytes())
    assert open_recording(tmp_path / "a.raw").gain == 0.1136


@pytest.mark.parametrize(
    ("stream", "column", "gain", "zero"),
    [
        ("auto", 3, 0.25, 32768),
        ("El", 3, 0.25, 32768),
        ("fi", 1, 0.5, 32768),
        ("An", 2, 125, 32768),
        ("Di", 0, 1, 0),
    ],
)
def test_one_kind_of_columns_is_read(tmp_path, stream, column, gain, zero):
    recording = open_recording(write(tmp_path / "a.raw", X, **MIXED), stream=stream)
    expected = (X[:, [column]].astype(float) - zero) * gain
    assert np.array_equal(recording[:], expected.astype(np.float32))


def test_writing_leaves_the_other_columns(tmp_path):
    path = write(tmp_path / "a.raw", X, **MIXED)
    with open_recording(path, stream="An").open("r+") as recording:
        recording.set_data(10, np.zeros((5, 1)))
    stored = np.fromfile(path, "<u2", offset=len(header(**MIXED))).reshape(-1, 4)
    expected = X.copy()
    expected[10:15, 2] = 32768
    assert np.array_equal(stored, expected)


def test_filtered_electrodes_are_read_where_there_are_no_others(tmp_path):
    lines = {"streams": "An_1;Fi_1;Fi_2;An_2", "scales": "An = 1V/AD; Fi = 2µV/AD"}
    recording = open_recording(write(tmp_path / "a.raw", X, **lines))
    assert (recording.gain, recording.channel_labels) == (2, ("1", "2"))


def test_a_header_of_more_than_5000_bytes(tmp_path):
    streams = ";".join(f"El_{i:04d}" for i in range(2000))
    raw = np.arange(4000, dtype="<u2").reshape(2, 2000)
    recording = open_recording(write(tmp_path / "a.raw", raw, streams=streams))
    assert recording.shape == (2, 2000)
    assert recording[1, 1999] == pytest.approx((3999 - 32768) * 0.1136)


def test_samples_that_look_like_a_header_are_samples(tmp_path):
    raw = np.frombuffer(b"\r\nEOH\r\nEOH\r\n\r\n\r\n" * 12, "<u2").reshape(-1, 4)
    recording = open_recording(write(tmp_path / "a.raw", raw))
    assert len(recording) == len(raw)
    assert recording[0, 0] == pytest.approx((int(raw[0, 0]) - 32768) * 0.1136)


def test_what_the_user_says_of_the_type_goes_before_a_guess(tmp_path):
    recording = open_recording(
        write(tmp_path / "a.raw", X, zero="0"), data_dtype="uint16"
    )
    np.testing.assert_allclose(recording[:], X * 0.1136, rtol=2e-7)


def test_a_file_that_was_cut_off_is_read_up_to_its_last_frame(tmp_path, caplog):
    path = write(tmp_path / "a.raw", X)
    path.write_bytes(path.read_bytes()[:-3])
    with caplog.at_level(logging.WARNING):
        assert len(open_recording(path)) == 299
    assert "leave 5 bytes over" in caplog.text


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ({"rate": ""}, r"says Sample rate = \(nothing\)"),
        ({"rate": "fast"}, "says Sample rate = fast"),
        ({"rate": "-1"}, "rate in Hz above 0"),
        ({"rate": "1e999"}, "rate in Hz above 0"),
        ({"zero": "1e9"}, "16 bits"),
        ({"zero": "nan"}, "16 bits"),
        ({"scales": "El = 0µV/AD"}, "gain"),
        ({"scales": "El = 1.2.3µV/AD"}, "El = 1.2.3"),
        ({"scales": "El = 5furlong/AD"}, "counts El in furlong"),
        ({"scales": "An = 5µV/AD"}, "no scale for its El columns"),
        ({"streams": ""}, "has no columns"),
        ({"streams": "Xx_1"}, "no scale for its Xx"),
    ],
)
def test_a_header_that_cannot_be_is_named(tmp_path, lines, words):
    with pytest.raises(FormatError, match=words):
        open_recording(write(tmp_path / "a.raw", X, **lines))


def test_a_kind_that_is_not_there_names_those_that_are(tmp_path):
    with pytest.raises(FormatError, match="has Di, Fi, An, El"):
        open_recording(write(tmp_path / "a.raw", X, **MIXED), stream="Xx")


def test_a_header_without_end_is_named(tmp_path):
    (tmp_path / "a.raw").write_bytes(header().replace(b"EOH", b"") + X.tobytes())
    with pytest.raises(FormatError, match="no line EOH"):
        open_recording(tmp_path / "a.raw")


def test_other_raw_files_are_not_taken_for_exports(tmp_path):
    X.tofile(tmp_path / "a.raw")
    with pytest.raises(FormatError, match="not clear"):
        open_recording(tmp_path / "a.raw")
    assert MCSRawBinaryFile.recognises(tmp_path) is False
