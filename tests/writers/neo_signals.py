"""Signals in flat files with a header of text, and EDF as pyedflib writes it.

Nothing here is shared with neo or with circus_io.
"""

import json

import numpy as np

RATE_HZ = 20000


def write_edf(path, raw, low=-32767, high=32767):
    """Write EDF+ with two annotations, by pyedflib."""
    import pyedflib

    header = {
        "dimension": "uV",
        "sample_frequency": 10,
        "physical_min": low / 10,
        "physical_max": high / 10,
        "digital_min": low,
        "digital_max": high,
        "transducer": "",
        "prefilter": "",
    }
    kind = pyedflib.FILETYPE_EDFPLUS
    with pyedflib.EdfWriter(str(path), raw.shape[1], kind) as file:
        names = [{**header, "label": f"EEG {i}"} for i in range(raw.shape[1])]
        file.setSignalHeaders(names)
        file.writeSamples(list(np.ascontiguousarray(raw.T.astype("<i4"))), True)
        file.writeAnnotation(0.5, -1, "start")
        file.writeAnnotation(1.0, 0.25, "light")


def write_brainvision(path, raw, orientation="MULTIPLEXED"):
    """Write .vhdr, .vmrk and .eeg."""
    channels = "\n".join(f"Ch{i + 1}=E{i},,0.5,µV" for i in range(raw.shape[1]))
    path.write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n\n[Common Infos]\n"
        f"Codepage=UTF-8\nDataFile={path.stem}.eeg\nMarkerFile={path.stem}.vmrk\n"
        f"DataFormat=BINARY\nDataOrientation={orientation}\n"
        f"NumberOfChannels={raw.shape[1]}\nSamplingInterval={1e6 / RATE_HZ}\n\n"
        f"[Binary Infos]\nBinaryFormat=INT_16\n\n[Channel Infos]\n{channels}\n",
        encoding="utf-8",
    )
    path.with_suffix(".vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n\n[Common Infos]\n"
        f"DataFile={path.stem}.eeg\n\n[Marker Infos]\n"
        "Mk1=New Segment,,1,1,0,20200130101112000000\nMk2=Stimulus,S  7,201,1,0\n"
    )
    samples = raw if orientation == "MULTIPLEXED" else raw.T
    samples.astype("<i2").tofile(path.with_suffix(".eeg"))


def write_neuroscope(path, raw):
    """Write .xml and .dat: ±10 V over 16 bits, amplified 1000 times."""
    group = "".join(f'<channel skip="0">{i}</channel>' for i in range(raw.shape[1]))
    path.write_text(
        "<?xml version='1.0'?>\n<parameters><acquisitionSystem><nBits>16</nBits>"
        f"<nChannels>{raw.shape[1]}</nChannels><samplingRate>{RATE_HZ}"
        "</samplingRate><voltageRange>20</voltageRange><amplification>1000"
        "</amplification><offset>0</offset></acquisitionSystem>"
        "<anatomicalDescription><channelGroups>"
        f"<group>{group}</group></channelGroups></anatomicalDescription></parameters>"
    )
    raw.astype("<i2").tofile(path.with_suffix(".dat"))


def write_neuronexus(path, raw):
    """Write .xdat.json, float32 samples and stamps, with one digital channel."""
    held = path.with_name(f"{path.name.removesuffix('.xdat.json')}_data.xdat")
    n_frames, n_channels = raw.shape
    columns = np.hstack([raw, np.ones((n_frames, 1))]).astype("<f4")
    columns.tofile(held)
    stamps = held.name.replace("_data", "_timestamp")
    np.arange(100, 100 + n_frames, dtype="<i8").tofile(path.with_name(stamps))
    mapped = {
        "chan_name": [f"pri_{i}" for i in range(n_channels)] + ["din_0"],
        "ntv_chan_name": [f"a{i}" for i in range(n_channels)] + ["d0"],
        "chan_type": ["ai0"] * n_channels + ["din"],
    }
    status = {
        "samp_freq": RATE_HZ,
        "shape": [n_frames, n_channels + 1],
        "timestamp_range": [100, 100 + n_frames],
        "t_range": [0.005, 0.005 + n_frames / RATE_HZ],
        "start_time": "2020-01-30T10:11:12.123456+01:00",
    }
    made = {"sapiens_base": {"biointerface_map": mapped}, "status": status}
    path.write_text(json.dumps(made))


def write_elan(path, raw):
    """Write .eeg, big-endian, .eeg.ent, one value a line, and .eeg.pos."""
    n_channels = raw.shape[1] + 2
    lines = ["V3", "sort of", "a test", "10:11:12", "30-01-2020", "-1", "", ""]
    lines += [f"{1 / RATE_HZ:.8f}", str(n_channels)]
    lines += [f"E{i}.1" for i in range(n_channels)] + ["EEG"] * n_channels
    lines += ["uV"] * n_channels
    for value in (-3000, 3000, -30000, 30000):
        lines += [str(value)] * n_channels
    lines += ["raw"] * n_channels
    path.with_name(f"{path.name}.ent").write_text("\n".join(lines) + "\n")
    path.with_name(f"{path.name}.pos").write_text("100 7 0\n")
    ends = np.zeros((len(raw), 2), raw.dtype)
    np.hstack([raw, ends]).astype(">i2").tofile(path)


def write_edr(path, raw):
    """Write a .edr: 2048 bytes of text, then frames."""
    n_channels = raw.shape[1]
    lines = [
        *("VER=6.4", f"NC={n_channels}", f"NP={raw.size}", "NBH=2048"),
        *("AD=5.0", "ADCMAX=32767", f"DT={1000 / RATE_HZ}", "TU=ms"),
    ]
    for channel in range(n_channels):
        lines += [f"YN{channel}=Ch.{channel}", f"YU{channel}=uV"]
        lines += [f"YCF{channel}=0.01", f"YAG{channel}=10", f"YZ{channel}=0"]
        lines += [f"YO{channel}={channel}"]
    header = ("\r\n".join(lines) + "\r\n").encode().ljust(2048, b" ")
    path.write_bytes(header + raw.astype("<i2").tobytes())


def wcp_bytes(raw, n_records=1):
    """Give a .wcp: 1024 bytes of text; records of 1024 bytes of notes and samples."""
    n_frames, n_channels = raw.shape
    held = n_frames // n_records
    n_sectors = 2 * held * n_channels // 512
    lines = [
        *("VER=8", f"NC={n_channels}", f"NR={n_records}", "NBA=2", "AD=5.0"),
        *(f"NBD={n_sectors}", "NBH=2", "ADCMAX=32767", f"DT={1 / RATE_HZ}"),
    ]
    for channel in range(n_channels):
        lines += [f"YN{channel}=Im{channel}", f"YU{channel}=mV"]
        lines += [f"YG{channel}=0.5", f"YO{channel}={channel}"]
    content = ("\r\n".join(lines) + "\r\n").encode().ljust(1024, b" ")
    analysis = np.zeros((), "S8,S4,<f4,<f4,<f4,(8,)<f4")
    analysis["f4"], analysis["f5"] = 1 / RATE_HZ, 5.0
    for start in range(0, held * n_records, held):
        content += analysis.tobytes().ljust(1024, b"\0")
        content += raw[start : start + held].astype("<i2").tobytes()
    return content
