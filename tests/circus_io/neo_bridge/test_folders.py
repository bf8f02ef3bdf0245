"""Formats whose recording is a folder, written from their published layouts."""

import json
import struct

import numpy as np
import pytest

from circus_io import FormatError, get_format, open_recording
from circus_io.testing import DataFileContract

RATE_HZ = 20000

X = np.random.default_rng(1).integers(-3000, 3000, (2048, 5)).astype("<i2")


class FolderContract(DataFileContract):
    """A folder is a recording; it has no suffix that could be wrong."""

    def path(self, folder, stem="rec_0"):
        return folder / stem

    def test_another_extension_is_refused_in_any_case(self, tmp_path, raw):
        path = self.path(tmp_path)
        params = self.write_file(path, raw)
        other = path.rename(path.with_name("OTHER.x"))
        assert self.wrapper(other, params).shape == raw.shape
        (tmp_path / "a.txt").touch()
        with pytest.raises(FormatError, match=self.wrapper.extension[0]):
            self.wrapper(tmp_path / "a.txt", params)


# ---------------------------------------------------------------------------- SpikeGLX


def spikeglx_meta(n_channels, *, name, first_sample=0):
    """Give a .meta of Neuropixels 1.0 with gain 500 and a last, digital SY channel."""
    table = "".join(f"({i} 0 0 500 250 1)" for i in range(n_channels))
    names = "".join(f"(AP{i};{i}:{i})" for i in range(n_channels))
    return "\n".join(
        [
            f"fileName=D:/data/{name}.bin",
            "typeThis=imec",
            f"nSavedChans={n_channels + 1}",
            f"snsApLfSy={n_channels},0,1",
            f"imSampRate={RATE_HZ}",
            "imAiRangeMax=0.6",
            "imAiRangeMin=-0.6",
            "imDatPrb_pn=NP1010",
            f"firstSample={first_sample}",
            f"~imroTbl=(0,{n_channels}){table}",
            f"~snsChanMap=({n_channels},0,1){names}(SY0;{n_channels}:{n_channels})",
            "",
        ]
    )


def write_spikeglx(folder, raw, name="run_g0_t0.imec0.ap", first_sample=0):
    folder.mkdir(parents=True, exist_ok=True)
    sync = np.arange(len(raw), dtype="<i2")[:, None]
    np.hstack([raw.astype("<i2"), sync]).tofile(folder / f"{name}.bin")
    meta = spikeglx_meta(raw.shape[1], name=name, first_sample=first_sample)
    (folder / f"{name}.meta").write_text(meta)
    return folder / f"{name}.bin"


class TestSpikeGLX(FolderContract):
    wrapper = get_format("spikeglx")
    gain = 0.6 / 512 / 500 * 1e6  # the range over 512 steps, amplified 500 times

    def write_file(self, path, raw):
        write_spikeglx(path, raw)
        return {}

    def samples_file(self, path):
        return path / "run_g0_t0.imec0.ap.bin"

    holds_no_frames = False


def test_a_spikeglx_file_is_its_stream_and_its_segment(tmp_path):
    first = write_spikeglx(tmp_path, X[:300])
    later = write_spikeglx(tmp_path, X[300:], "run_g0_t1.imec0.ap", first_sample=700)
    for path, expected in ((first, X[:300]), (later.with_suffix(".meta"), X[300:])):
        recording = open_recording(path)
        assert recording.description == "spikeglx"
        assert recording.channel_labels == ("AP0", "AP1", "AP2", "AP3", "AP4")
        np.testing.assert_allclose(recording[:], expected * TestSpikeGLX.gain, 1e-6)


def test_triggers_are_segments_at_their_time(tmp_path):
    write_spikeglx(tmp_path, X[:300], first_sample=100)
    write_spikeglx(tmp_path, X[300:], "run_g0_t1.imec0.ap", first_sample=800)
    with pytest.raises(FormatError, match=r"2 segments.*single-file"):
        open_recording(tmp_path)
    recording = open_recording(tmp_path, stream_mode="single-file")
    starts = [(source.t_start, source.duration) for source in recording.streams]
    assert starts == [(0, 300), (700, len(X) - 300)]
    second = open_recording(tmp_path, segment=1)
    assert np.array_equal(second[:], recording[700 : 700 + len(X) - 300])


def test_a_stream_is_chosen_by_name_or_number(tmp_path):
    write_spikeglx(tmp_path, X)
    sync = open_recording(tmp_path, stream="imec0.ap-SYNC")
    np.testing.assert_allclose(sync[:][:, 0] / sync.gain, np.arange(len(X)), 1e-6)
    assert np.array_equal(open_recording(tmp_path, stream="1")[:], sync[:])
    with pytest.raises(FormatError, match=r"no stream lfp.*imec0\.ap \(5 channels\)"):
        open_recording(tmp_path, stream="lfp")


# ------------------------------------------------------------------ Open Ephys, binary


def write_open_ephys_binary(folder, raw, first_sample=0, events=()):
    """Write one recording as version 0.6 of the GUI does."""
    home = folder / "Record Node 101" / "experiment1" / "recording1"
    held = home / "continuous" / "Acquisition_Board-100.Rhythm Data"
    held.mkdir(parents=True)
    raw.astype("<i2").tofile(held / "continuous.dat")
    np.save(held / "sample_numbers.npy", first_sample + np.arange(len(raw)))
    channels = [
        {"channel_name": f"CH{i + 1}", "bit_volts": 0.195, "units": "uV"}
        for i in range(raw.shape[1])
    ]
    structure = {
        "GUI version": "0.6.4",
        "continuous": [
            {
                "folder_name": f"{held.name}/",
                "sample_rate": RATE_HZ,
                "num_channels": raw.shape[1],
                "channels": channels,
            }
        ],
        "events": [],
    }
    if events:
        lines = home / "events" / f"{held.name}" / "TTL"
        lines.mkdir(parents=True)
        numbers, states = np.array(events).T
        np.save(lines / "sample_numbers.npy", numbers)
        np.save(lines / "timestamps.npy", numbers / RATE_HZ)
        np.save(lines / "states.npy", states.astype(np.int16))
        np.save(lines / "full_words.npy", (states > 0).astype(np.uint64))
        structure["events"] = [
            {
                "folder_name": f"{held.name}/TTL/",
                "channel_name": "TTL input",
                "sample_rate": RATE_HZ,
            }
        ]
    (home / "structure.oebin").write_text(json.dumps(structure))
    return home / "structure.oebin"


class TestOpenEphysBinary(FolderContract):
    wrapper = get_format("openephys_binary")
    gain = 0.195

    def write_file(self, path, raw):
        write_open_ephys_binary(path, raw)
        return {}

    def samples_file(self, path):
        (found,) = path.rglob("continuous.dat")
        return found

    holds_no_frames = False


def test_open_ephys_events_are_on_the_clock_of_the_recording(tmp_path):
    path = write_open_ephys_binary(
        tmp_path / "rec", X, 5000, [(5100, 1), (5300, -1), (6000, 1), (6050, -1)]
    )
    for given in (tmp_path / "rec", path):
        recording = open_recording(given)
        assert recording.description == "openephys_binary"
        (events,) = recording.read_events().values()
        np.testing.assert_allclose(events.times_s * RATE_HZ, [100, 1000])
        np.testing.assert_allclose(events.values * RATE_HZ, [200, 50])


# ---------------------------------------------------------- Open Ephys, file by channel


def write_continuous(path, samples, first_sample=0, bit_volts=0.195):
    """Write a .continuous: 1024 bytes of text, records of 1024 big-endian int16."""
    header = (
        "header.format = 'Open Ephys Data Format'; \n"
        "header.version = 0.4; \n"
        "header.header_bytes = 1024;\n"
        "header.date_created = '30-Jan-2020 101112';\n"
        f"header.channel = '{path.stem.split('_')[1]}';\n"
        "header.channelType = 'Continuous';\n"
        f"header.sampleRate = {RATE_HZ};\n"
        "header.blockLength = 1024;\n"
        "header.bufferSize = 1024;\n"
        f"header.bitVolts = {bit_volts};\n"
    )
    with path.open("wb") as file:
        file.write(header.encode().ljust(1024))
        for start in range(0, len(samples), 1024):
            file.write(struct.pack("<qHH", first_sample + start, 1024, 0))
            file.write(samples[start : start + 1024].astype(">i2").tobytes())
            file.write(bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 255]))


class TestOpenEphys(FolderContract):
    wrapper = get_format("openephys")
    gain = 0.195
    block_frames = 1024
    holds_no_frames = False

    def write_file(self, path, raw):
        path.mkdir(exist_ok=True)
        for channel, samples in enumerate(raw.T):
            write_continuous(path / f"100_CH{channel + 1}.continuous", samples)
        return {}

    def samples_file(self, path):
        return path / "100_CH1.continuous"


def test_electrodes_go_before_other_inputs_and_volts_become_microvolts(tmp_path):
    TestOpenEphys().write_file(tmp_path, X)
    write_continuous(tmp_path / "100_ADC1.continuous", X[:, 0], bit_volts=1.5e-4)
    recording = open_recording(tmp_path / "100_CH3.continuous")
    assert recording.channel_labels == ("CH1", "CH2", "CH3", "CH4", "CH5")
    inputs = open_recording(tmp_path, stream="ADC")
    np.testing.assert_allclose(inputs[:][:, 0], X[:, 0] * 150.0, 1e-6)


def test_the_xml_of_old_parameter_files_names_the_folder(tmp_path):
    TestOpenEphys().write_file(tmp_path, X)
    (tmp_path / "Continuous_Data.openephys").write_text("<EXPERIMENT number='1'/>")
    recording = open_recording(tmp_path / "Continuous_Data.openephys")
    np.testing.assert_allclose(recording[:], X * 0.195, 1e-6)


# --------------------------------------------------------------------------- Neuralynx


def write_ncs(path, samples, *, channel=0, rate=2000, gaps=(), bit_volts=1e-7):
    """Write a .ncs: 16 KiB of text, then records of 512 int16; `gaps` are (record, µs).

    The recorder turns the sign, as most do.
    """
    header = (
        "######## Neuralynx Data File Header\r\n"
        f"-AcqEntName {path.stem}\r\n-FileType NCS\r\n-FileVersion 3.4.0\r\n"
        "-TimeCreated 2020/01/30 10:11:12\r\n-TimeClosed 2020/01/30 10:21:12\r\n"
        f"-RecordSize 1044\r\n-SamplingFrequency {rate}\r\n"
        f"-ADMaxValue 32767\r\n-ADBitVolts {bit_volts}\r\n-NumADChannels 1\r\n"
        f"-ADChannel {channel}\r\n-InputRange 3000\r\n-InputInverted True\r\n"
        "-HardwareSubSystemName AcqSystem1\r\n"
        "-HardwareSubSystemType DigitalLynxSX\r\n"
        '-ApplicationName Cheetah "5.7.4"\r\n'
    )
    stamp, gaps = 1_000_000, dict(gaps)
    with path.open("wb") as file:
        file.write(header.encode("latin-1").ljust(16384, b"\0"))
        for record, start in enumerate(range(0, len(samples), 512)):
            part = samples[start : start + 512].astype("<i2")
            stamp += gaps.get(record, 0)
            file.write(struct.pack("<QIII", stamp, channel, rate, len(part)))
            file.write(part.tobytes().ljust(1024, b"\0"))
            stamp += round(512e6 / rate)


class TestNeuralynx(FolderContract):
    wrapper = get_format("neuralynx")
    gain = -0.1
    holds_no_frames = False

    def write_file(self, path, raw):
        path.mkdir(exist_ok=True)
        for channel, samples in enumerate(raw.T):
            write_ncs(path / f"CSC{channel + 1}.ncs", samples, channel=channel)
        return {}

    def samples_file(self, path):
        return path / "CSC1.ncs"


def test_a_file_stands_for_the_channels_of_its_name(tmp_path):
    for channel in range(12):
        write_ncs(
            tmp_path / f"CSC{channel + 1}.ncs", X[:, 0] + channel, channel=channel
        )
    write_ncs(tmp_path / "CSC1_0001.ncs", X[:600, 0], channel=0)
    write_ncs(tmp_path / "eye.ncs", X[:, 1], channel=50)
    whole = open_recording(tmp_path / "CSC1.ncs")
    assert whole.channel_labels == tuple(f"CSC{i + 1}" for i in range(12))
    np.testing.assert_allclose(whole[:, 10], (X[:, 0] + 10) * -0.1, 1e-6)
    assert open_recording(tmp_path / "CSC1_0001.ncs").shape == (600, 1)
    some = open_recording(tmp_path / "eye.ncs", ncs_pattern="CSC1.")
    assert some.channel_labels == ("CSC1",)
    assert open_recording(tmp_path / "eye.ncs").channel_labels == ("eye",)


def test_gaps_are_borders_or_bridged_and_jitter_is_none(tmp_path):
    gaps = [(1, 1), (2, -1), (3, 5000)]  # µs before a record of 256 ms
    write_ncs(tmp_path / "CSC1.ncs", X[:, 0], gaps=gaps)
    with pytest.raises(FormatError, match=r"2 segments.*gap_tolerance_ms"):
        open_recording(tmp_path)
    parts = open_recording(tmp_path, stream_mode="single-file").streams
    assert [(part.t_start, part.duration) for part in parts] == [(0, 1536), (1546, 512)]
    np.testing.assert_allclose(parts[1][1546:][:, 0], X[1536:, 0] * -0.1, 1e-6)
    bridged = open_recording(tmp_path, gap_tolerance_ms=6)
    np.testing.assert_allclose(bridged[:, 0], X[:, 0] * -0.1, 1e-6)
    with pytest.raises(FormatError, match="gap_tolerance_ms = -1: expected"):
        open_recording(tmp_path, gap_tolerance_ms=-1)


# --------------------------------------------------------------------------------- TDT

STREAM, MARK, STROBE = 0x8101, 0x8801, 0x0101


def tdt_store(name, kind, n_channels, n_points, rate):
    fields = [
        ("StoreName", "S", name),
        ("HeadName", "S", "head"),
        ("Enabled", "B", 1),
        ("CircType", "L", 0),
        ("NumChan", "L", n_channels),
        ("StrobeMode", "L", 0),
        ("TankEvType", "L", kind),
        ("NumPoints", "L", n_points),
        ("DataFormat", "L", 2),
        ("SampleFreq", "D", rate),
    ]
    return "[STOREHDRITEM]" + "".join(
        f"NAME={field};TYPE={kind};VALUE={value};\r\n" for field, kind, value in fields
    )


def write_tdt(folder, raw, block="Block-1", events_s=(), start_s=1e9, n_points=64):
    """Write a block: a list of stores, an index of 40-byte headers, and the samples."""
    home = folder / block
    home.mkdir(parents=True)
    stem = home / f"{folder.name}_{block}"
    stores = tdt_store("Wave", STREAM, raw.shape[1], n_points, RATE_HZ)
    stores += tdt_store("Tick", STROBE, 1, 1, 0)
    stem.with_suffix(".Tbk").write_text(
        stores.removeprefix("[STOREHDRITEM]") + "[USERNOTEDELIMITER]"
    )
    stem.with_suffix(".tdx").write_bytes(b"")
    index, samples = [tdt_header(MARK, b"\1", 0, start_s, 0)] * 2, b""
    for start in range(0, len(raw), n_points):
        for channel, part in enumerate(raw[start : start + n_points].T):
            time_s = start_s + 0.5 + start / RATE_HZ
            header = tdt_header(STREAM, b"Wave", channel + 1, time_s, len(samples))
            index.append(header)
            samples += part.astype("<i2").tobytes()
    for event_s in events_s:
        index.append(tdt_header(STROBE, b"Tick", 0, start_s + 0.5 + event_s, 3))
    index.append(tdt_header(MARK, b"\2", 0, start_s + 99, 0))
    stem.with_suffix(".tsq").write_bytes(b"".join(index))
    stem.with_suffix(".tev").write_bytes(samples or b"\0")
    return stem.with_suffix(".tev")


def tdt_header(kind, name, channel, time_s, offset):
    name = name.ljust(4, b"\0")
    return struct.pack(
        "<ii4sHHdqif", 10, kind, name, channel, 0, time_s, offset, 2, RATE_HZ
    )


class TestTDT(FolderContract):
    wrapper = get_format("tdt")
    block_frames = 64
    holds_no_frames = False

    def write_file(self, path, raw):
        write_tdt(path, raw)
        return {}

    def samples_file(self, path):
        return path / "Block-1" / f"{path.name}_Block-1.tev"

    def test_another_extension_is_refused_in_any_case(self, tmp_path, raw):
        pytest.skip("the files of a block repeat the name of their tank")


def test_a_tank_a_block_and_a_file_of_it_open(tmp_path):
    path = write_tdt(tmp_path / "Tank", X, events_s=[0.01, 0.02])
    for given in (path, path.parent, path.parent.parent, path.with_suffix(".tsq")):
        recording = open_recording(given)
        assert recording.description == "tdt"
        assert np.array_equal(recording[:], X)
        assert recording.channel_labels[0] == "Wave 1"
        events = recording.read_events()["Tick"]
        np.testing.assert_allclose(events.times_s, [0.01, 0.02], atol=1e-6)
        assert events.labels == ("3", "3")


def test_the_blocks_of_a_tank_are_segments(tmp_path):
    write_tdt(tmp_path / "Tank", X, "Block-1")
    write_tdt(tmp_path / "Tank", X[:640], "Block-2", start_s=1e9 + 10)
    recording = open_recording(tmp_path / "Tank", stream_mode="single-file")
    starts = [(source.t_start, source.duration) for source in recording.streams]
    assert starts == [(0, 2048), (10 * RATE_HZ, 640)]
