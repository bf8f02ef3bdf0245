"""Files of recorders, written with struct from their published layouts."""

import struct

import numpy as np
import pytest

from circus_io import FormatError, get_format, open_recording
from circus_io.testing import DataFileContract

RATE_HZ = 20000

X = np.random.default_rng(2).integers(-3000, 3000, (1024, 5)).astype("<i2")


def write_at(size, *fields):
    """Return `size` bytes with ``(offset, format, values...)`` packed into them."""
    content = bytearray(size)
    for offset, form, *values in fields:
        struct.pack_into(f"<{form}", content, offset, *values)
    return bytes(content)


# ------------------------------------------------------------------------------- Intan


def q_string(text):
    coded = text.encode("utf-16-le")
    return struct.pack("<I", len(coded)) + coded


def rhd_header(n_channels, n_auxiliary=0):
    """Give the header of a version 2.0 .rhd with one port."""
    content = struct.pack(
        "<Ihhfh6fh2f", 0xC6912702, 2, 0, RATE_HZ, 1, *[1.0] * 6, 0, 0, 0
    )
    content += q_string("note") + q_string("") + q_string("")
    content += struct.pack("<hh", 0, 0) + q_string("n/a") + struct.pack("<h", 1)
    n_all = n_channels + n_auxiliary
    content += q_string("Port A") + q_string("A") + struct.pack("<hhh", 1, n_all, n_all)
    for index in range(n_all):
        kind = 0 if index < n_channels else 1
        name = f"A-{index:03}" if kind == 0 else f"A-AUX{index - n_channels + 1}"
        content += q_string(name) + q_string(name)
        content += struct.pack(
            "<6h4h2f", index, index, kind, 1, index, 0, 0, 0, 0, 0, 0, 0
        )
    return content


def rhd_blocks(raw, auxiliary=None):
    """Give blocks of 128 samples: time stamps, then channel after channel."""
    content = []
    for start in range(0, len(raw), 128):
        content.append(np.arange(start, start + 128, dtype="<i4").tobytes())
        content.append(raw[start : start + 128].astype("<u2").T.tobytes())
        if auxiliary is not None:
            quarter = slice(start // 4, start // 4 + 32)
            content.append(auxiliary[quarter].astype("<u2").T.tobytes())
    return b"".join(content)


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

    def make_streams(self, folder, n_streams):
        pytest.skip("each recording has a folder, and the name is always info.rhd")

    def test_a_name_without_number_is_no_run(self, tmp_path, raw):
        self.make_streams(tmp_path, 1)

    def test_other_files_of_the_folder_are_left_alone(self, tmp_path):
        self.make_streams(tmp_path, 1)


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


def nsx_header(n_channels, period=1):
    """Give the header of file specification 2.3: 314 bytes and 66 per channel."""
    content = struct.pack(
        "<8sBBI16s256sII8HI",
        b"NEURALCD",
        *(2, 3),
        314 + 66 * n_channels,
        b"30 kS/s",
        b"a comment",
        period,
        30000,
        *(2020, 1, 4, 30, 10, 11, 12, 0),
        n_channels,
    )
    for channel in range(n_channels):
        content += struct.pack(
            "<2sH16sBBhhhh16sIIHIIH",
            *(b"CC", channel + 1, f"elec{channel + 1}".encode(), 0, channel),
            *(-32764, 32764, -8191, 8191, b"uV"),
            *(300, 1, 0, 7500, 3, 0),
        )
    return content


def nsx_block(raw, stamp=0):
    return struct.pack("<BII", 1, stamp, len(raw)) + raw.astype("<i2").tobytes()


class TestBlackrock(DataFileContract):
    wrapper = get_format("blackrock")
    gain = 8191 / 32764
    any_case = False
    holds_no_frames = False

    def path(self, folder, stem="rec_0"):
        return folder / f"{stem}.ns5"

    def write_file(self, path, raw):
        path.write_bytes(nsx_header(raw.shape[1]) + nsx_block(raw))
        return {}

    @pytest.mark.parametrize("shape", [(2, 1), (2, 4), (400, 1)])
    def test_tiny_recordings(self, tmp_path, shape):
        """A block of one frame is what the recorder leaves when it synchronises."""
        super().test_tiny_recordings(tmp_path, shape)


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
    with pytest.raises(FormatError, match="2 segments"):
        open_recording(path)
    assert open_recording(path.with_suffix(".ns2"), segment="1").sampling_rate == 1000


# ------------------------------------------------------------------------------ Plexon


def plx_bytes(raw, block=100, spikes=(), events=()):
    """Give a version 106 .plx with one wideband channel per column.

    Signals have 16 bits and a range of 5000 mV, spikes 12 bits; `spikes` are (tick,
    unit), `events` ticks.
    """
    n_frames, n_channels = raw.shape
    content = write_at(
        7504,
        (0, "4si", b"PLEX", 106),
        (8, "128s", b"a comment"),
        (
            136,
            "17i",
            40000,
            1,
            1,
            n_channels,
            32,
            8,
            2020,
            1,
            30,
            10,
            11,
            12,
            0,
            40000,
            0,
            0,
            0,
        ),
        (200, "BBBBHHH", 1, 1, 12, 16, 3000, 5000, 1000),
    )
    content += write_at(1020, (0, "32s32s", b"sig001", b"sig001"), (64, "3i", 1, 10, 1))
    content += write_at(296, (0, "32si", b"Strobed", 257))
    for channel in range(n_channels):
        name = f"WB{channel + 1:02}".encode()
        content += write_at(296, (0, "32s5i", name, channel, RATE_HZ, 2, 1, 500))
    for tick, unit in spikes:
        content += struct.pack("<HHIHHHH", 1, 0, tick, 1, unit, 1, 32) + bytes(64)
    for tick in events:
        content += struct.pack("<HHIHHHH", 4, 0, tick, 257, 7, 0, 0)
    for start in range(0, n_frames, block):
        for channel, part in enumerate(raw[start : start + block].T):
            tick = 2 * start
            head = struct.pack("<HHIHHHH", 5, 0, tick, channel, 0, 1, len(part))
            content += head + part.astype("<i2").tobytes()
    return content


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


def test_a_file_of_spikes_alone_says_so(tmp_path):
    path = tmp_path / "a.plx"
    path.write_bytes(plx_bytes(X[:0, :0], spikes=[(400, 1)]))
    with pytest.raises(FormatError, match=r"a\.plx holds no continuous signals"):
        open_recording(path)


# ------------------------------------------------------------------------ SpikeGadgets


def rec_bytes(raw):
    """Give a .rec: XML, then packets of two bytes, the time and the samples."""
    n_frames, n_channels = raw.shape
    trodes = "".join(
        f'<SpikeNTrode id="{i + 1}" spikeScalingToUv="0.25">'
        f'<SpikeChannel hwChan="{i}"/></SpikeNTrode>'
        for i in range(n_channels)
    )
    header = (
        '<?xml version="1.0"?>\n<Configuration>\n<GlobalConfiguration/>\n'
        f'<HardwareConfiguration samplingRate="{RATE_HZ}" numChannels="{n_channels}">'
        '<Device name="MCU_IO" numBytes="1"/></HardwareConfiguration>\n'
        f'<SpikeConfiguration chanPerChip="1">{trodes}</SpikeConfiguration>\n'
        "</Configuration>\n"
    )
    packets = np.zeros(
        n_frames,
        [("sync", "u1"), ("din", "u1"), ("time", "<u4"), ("raw", "<i2", (n_channels,))],
    )
    packets["sync"], packets["time"], packets["raw"] = 0x55, np.arange(n_frames), raw
    return header.encode() + packets.tobytes()


class TestSpikeGadgets(DataFileContract):
    wrapper = get_format("spikegadgets")
    gain = 0.25
    holds_no_frames = False

    def write_file(self, path, raw):
        path.write_bytes(rec_bytes(raw))
        return {}


# -------------------------------------------------------------------------------- Axon


def abf_bytes(raw, sweeps=(), unit=b"mV"):
    """Give an ABF 1.83: gap-free, or with `sweeps` of (first frame, frames)."""
    n_channels = raw.shape[1]
    n_blocks = -(-2 * raw.size // 512)
    header = write_at(
        6144,
        (0, "4sfhi", b"ABF ", 1.83, 5 if sweeps else 3, raw.size),
        (16, "iii", len(sweeps), 20200130, 3600),
        (40, "i", 12),
        (92, "ii", 12 + n_blocks if sweeps else 0, len(sweeps)),
        (100, "h", 0),
        (120, "hf", n_channels, 1e6 / RATE_HZ / n_channels),
        (244, "f", 10.0),
        (252, "i", 32768),
        (378, "16h", *range(16)),
        (410, "16h", *range(n_channels), *[-1] * (16 - n_channels)),
        (442, "160s", b"".join(b"IN %-7d" % i for i in range(16))),
        (602, "128s", unit.ljust(8) * 16),
        *((offset, "16f", *[1.0] * 16) for offset in (730, 1050, 4576)),
        (922, "16f", *[0.5] * 16),
    )
    table = b"".join(
        struct.pack("<ii", a * n_channels, n * n_channels) for a, n in sweeps
    )
    return header + raw.astype("<i2").tobytes().ljust(512 * n_blocks, b"\0") + table


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
    assert recording.metadata["units"] == ("pA",) * 5
