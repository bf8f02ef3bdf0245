"""Formats of recorders, each a file."""

import numpy as np
import pytest

from circus_io import FormatError, get_format, open_recording
from circus_io.testing import DataFileContract
from tests.writers.neo_recorders import (
    RATE_HZ,
    abf_bytes,
    nsx_block,
    nsx_header,
    plx_bytes,
    rec_bytes,
    rhd_blocks,
    rhd_header,
)

X = np.random.default_rng(2).integers(-3000, 3000, (1024, 5)).astype("<i2")


# ------------------------------------------------------------------------------- Intan


class TestIntan(DataFileContract):
    wrapper = get_format("intan")
    dtype = "uint16"
    dtype_offset = 32768
    gain = 0.195
    block_frames = 128
    holds_no_frames = False
    any_case = False  # for neo

    def write_file(self, path, raw):
        path.write_bytes(rhd_header(raw.shape[1]) + rhd_blocks(raw))
        return {}


class TestIntanFilePerSignal(TestIntan):
    """``info.rhd`` beside ``amplifier.dat``: signed samples, any number of frames."""

    dtype, dtype_offset, block_frames = "int16", 0, 1

    def path(self, folder, stem="rec_0"):
        return folder / stem / "info.rhd"

    def write_file(self, path, raw):
        path.parent.mkdir()
        path.write_bytes(rhd_header(raw.shape[1]))
        raw.astype("<i2").tofile(path.with_name("amplifier.dat"))
        np.arange(len(raw), dtype="<i4").tofile(path.with_name("time.dat"))
        return {}

    def samples_file(self, path):
        return path.with_name("amplifier.dat")

    def test_a_missing_file_is_an_error(self, tmp_path, raw):
        params = self.write_file(self.path(tmp_path), raw)
        self.samples_file(self.path(tmp_path)).unlink()
        with pytest.raises(FormatError, match=r"neo .*IntanRawIO.*cannot read info"):
            self.wrapper(self.path(tmp_path), params)

    is_numbered = False  # each recording has a folder, and the name is always info.rhd


def test_the_amplifier_goes_before_auxiliary_inputs(tmp_path):
    raw = (X + 32768.0).astype("<u2")
    path = tmp_path / "a.rhd"
    path.write_bytes(rhd_header(5, 1) + rhd_blocks(raw, raw[:256, :1]))
    recording = open_recording(path)
    assert recording.channel_labels == ("A-000", "A-001", "A-002", "A-003", "A-004")
    np.testing.assert_allclose(recording[:], X * 0.195, 1e-6)
    auxiliary = open_recording(path, stream="RHD2000 auxiliary input channel")
    assert auxiliary.sampling_rate == RATE_HZ / 4
    np.testing.assert_allclose(auxiliary[:][:, 0], raw[:256, 0] * 37.4, 1e-6)


# --------------------------------------------------------------------------- Blackrock


class TestBlackrock(DataFileContract):
    wrapper = get_format("blackrock")
    gain = 8191 / 32764
    any_case = False
    holds_no_frames = False
    least_frames = 2  # a block of one is what the recorder leaves when it synchronises

    def path(self, folder, stem="rec_0"):
        return folder / f"{stem}.ns5"

    def write_file(self, path, raw):
        path.write_bytes(nsx_header(raw.shape[1]) + nsx_block(raw))
        return {}


def test_pauses_are_segments_and_the_suffix_is_the_stream(tmp_path):
    path = tmp_path / "a.ns5"
    blocks = nsx_block(X[:300]) + nsx_block(X[300:], stamp=1000)
    path.write_bytes(nsx_header(5) + blocks)
    slow = nsx_block(X[:30]) + nsx_block(X[30:], stamp=1000)
    path.with_suffix(".ns2").write_bytes(nsx_header(5, period=30) + slow)
    recording = open_recording(path, stream_mode="single-file")
    assert recording.sampling_rate == 30000
    starts = [(source.t_start, source.duration) for source in recording.streams]
    assert starts == [(0, 300), (1000, len(X) - 300)]
    np.testing.assert_allclose(recording[1000:1020], X[300:320] / 4, 1e-3)
    assert open_recording(path).nb_streams == 2
    assert open_recording(path.with_suffix(".ns2"), segment="1").sampling_rate == 1000


# ------------------------------------------------------------------------------ Plexon


class TestPlexon(DataFileContract):
    """The formula is that of the vendor's Plexon.h, with the bits of slow channels."""

    wrapper = get_format("plexon")
    gain = 5000 / (0.5 * 2**16 * 2 * 500) * 1000
    holds_no_frames = False

    def write_file(self, path, raw):
        path.write_bytes(plx_bytes(raw))
        return {}


def test_plexon_spikes_and_events(tmp_path):
    path = tmp_path / "a.plx"
    path.write_bytes(plx_bytes(X, spikes=[(400, 1), (800, 2), (1200, 1)], events=[600]))
    found = open_recording(path).read_events()
    np.testing.assert_allclose(found["Strobed"].times_s, [0.015])
    assert found["Strobed"].labels == ("7",)
    np.testing.assert_allclose(found["sig001"].times_s, [0.01, 0.03])
    np.testing.assert_allclose(found["sig001 ch1#2"].times_s, [0.02])


def test_events_of_several_files_are_on_one_clock(tmp_path):
    for number in range(2):
        content = plx_bytes(X, spikes=[(400, 1)], events=[600])
        (tmp_path / f"rec_{number}.plx").write_bytes(content)
    recording = open_recording(tmp_path / "rec_0.plx", stream_mode="multi-files")
    second_s = len(X) / recording.sampling_rate
    times_s = recording.read_events()["Strobed"].times_s
    np.testing.assert_allclose(times_s, [0.015, second_s + 0.015])


def test_a_file_of_spikes_alone_says_so(tmp_path):
    path = tmp_path / "a.plx"
    path.write_bytes(plx_bytes(X[:0, :0], spikes=[(400, 1)]))
    with pytest.raises(FormatError, match=r"no continuous signals in a\.plx"):
        open_recording(path)


# ------------------------------------------------------------------------ SpikeGadgets


class TestSpikeGadgets(DataFileContract):
    wrapper = get_format("spikegadgets")
    gain = 0.25
    holds_no_frames = False

    def write_file(self, path, raw):
        path.write_bytes(rec_bytes(raw))
        return {}


# -------------------------------------------------------------------------------- Axon


class TestAxon(DataFileContract):
    wrapper = get_format("axon")
    gain = 10 / 32768 / 0.5 * 1000  # the range over the steps, amplified by half, in mV
    holds_no_frames = False

    def write_file(self, path, raw):
        path.write_bytes(abf_bytes(raw))
        return {}

    def test_a_truncated_file_gives_its_whole_frames_or_an_error(self, tmp_path, raw):
        path = self.path(tmp_path)
        path.write_bytes(abf_bytes(raw)[: 6144 + 2 * raw.size - 15])
        with pytest.raises(FormatError, match="exceeds the file size"):
            self.wrapper(path, {})


def test_sweeps_are_segments(tmp_path):
    path = tmp_path / "a.abf"
    path.write_bytes(abf_bytes(X, sweeps=[(0, 500), (5000, 524)]))
    recording = open_recording(path, stream_mode="single-file")
    # times of a synch array count samples of all channels
    assert [source.duration for source in recording.streams] == [500, 524]
    np.testing.assert_allclose(
        recording.streams[1][-524:], X[500:] * TestAxon.gain, 1e-6
    )


def test_other_units_stay_and_are_told(tmp_path, caplog):
    path = tmp_path / "a.abf"
    path.write_bytes(abf_bytes(X, unit=b"pA"))
    recording = open_recording(path)
    assert "5 of 5 channels of Signals are in pA, not in volts" in caplog.text
    np.testing.assert_allclose(recording[:], X * TestAxon.gain / 1000, 1e-6)
    assert recording.metadata["units"] == "pA"
