"""Recordings that are folders, written from their published layouts.

Nothing here is shared with neo or with circus_io.
"""

import json
import struct

import numpy as np

RATE_HZ = 20000


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
            "snsSaveChanSubset=all",
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


def write_continuous(path, samples, first_sample=0, bit_volts=0.195, gaps=()):
    """Write a .continuous: 1024 bytes of text, records of 1024 big-endian int16.

    `gaps` are (record, frames that are lost ahead of it).
    """
    gaps = dict(gaps)
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
            first_sample += gaps.get(start // 1024, 0)
            file.write(struct.pack("<qHH", first_sample + start, 1024, 0))
            file.write(samples[start : start + 1024].astype(">i2").tobytes())
            file.write(bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 255]))


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
