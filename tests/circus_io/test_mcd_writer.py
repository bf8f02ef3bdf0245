"""The writer of the tests makes the headers of real files, byte for byte."""

import dataclasses
import struct

import pytest

from tests.writers.mcd import Channel, Recording, Stream, header

DIGITAL = {"unit": " ", "units_per_count": 0.0, "sample_bytes": 1}


def read_header(path):
    """Return the header, its layout of electrodes, and what follows each format.

    The two latter are copied: nobody has said what is in them.
    """
    data = path.read_bytes()
    (length,) = struct.unpack_from("<q", data, 24)
    stop, at, tag, layout, more = 32 + length, 32, None, None, {}
    while at < stop:
        item, length = struct.unpack_from("<8sq", data, at)
        content = data[at + 16 : at + 16 + length]
        if item == b"STRMHDR ":
            tag = content[792:800].decode()
        elif item == b"STRMFMT ":
            more[tag] = content[24:]
        elif item == b"LAYOUT  ":
            layout = content
        at += 16 + length
    return data[:stop], layout, more


def refer(*channels):
    """Return channels that refer to the inputs that they were made from."""
    return tuple(
        dataclasses.replace(channel, references=((0xFFFF, channel.hardware_id),))
        for channel in channels
    )


def continuous():
    """Return what Example10kHz.mcd says: MC_Rack 3.4, header version 9."""
    spikes = refer(Channel(52, "68", 55), Channel(54, "78", 53))
    electrodes = (Channel(0, "21", 23), Channel(1, "31", 25))
    port, analog = (Channel(0, "D1", 63),), (Channel(0, "A1", 60),)
    return Recording(
        streams=(
            Stream("spks0001", "spikes", "Spikes 1", spikes, version=5),
            Stream("digi0001", "digital", "Digital Data", port, **DIGITAL),
            Stream("elec0001", "analog", "Electrode Raw Data", electrodes),
            Stream("anlg0001", "analog", "Analog Raw Data", analog),
        ),
        button_ns=12_810_648_427_781_250_000,
        start_ns=12_810_648_427_821_875_000,
        stop_ns=12_810_648_434_721_875_000,
        n_chunks=276,
    )


def electrode(number, label, hardware_id, column, row):
    x, y = 100 * column, 100 * row
    place = (1, x, y, 0, 10, 10, 10, x, y, 100, 100, 0, 50_000_000)
    return Channel(number, label, hardware_id, 1_200_000, place)


def other(label, hardware_id):
    place = (1, 0, 0, 0, 1000, 1000, 1000, 0, 0, 100, 100, 0, 50_000_000)
    return Channel(0, label, hardware_id, 1000, place)


def triggered():
    """Return what NeuroshareExample.mcd says: MC_Rack 3.7, header version 10."""
    inputs = {"rate_hz": 25000.0, "segment_frames": 2500, "unused": 0x7864}

    def v(version):
        return {**inputs, "units_per_count": 0.000125 / 1200, "version": version}

    e14 = electrode(0, "14", 15, 0, 3)
    e12, e23 = electrode(1, "12", 20, 0, 1), electrode(2, "23", 19, 1, 2)
    alone = refer(dataclasses.replace(e23, number=19))
    spiking = refer(dataclasses.replace(e23, number=28))
    electrodes, tool = (dataclasses.replace(e23, number=0), e12), refer(e14, e12, e23)
    port, analog = (other("D1", 63),), (other("A1", 60),)
    return Recording(
        streams=(
            Stream("bupa0001", "bstparam", "Burst Parameter 1", alone, **v(1)),
            Stream("trig0001", "trigger", "Trigger 1", refer(e12), **v(4)),
            Stream("chtl0001", "chat", "Channel Tool Data 1", tool, **v(1)),
            Stream("spks0001", "spikes", "Spikes 1", spiking, **v(6)),
            Stream("digi0001", "digital", "Digital Data", port, **inputs | DIGITAL),
            Stream("elec0001", "analog", "Electrode Raw Data 1", electrodes, **v(0)),
            Stream("sppa0001", "spkparam", "Spike Parameter 1", alone, **v(2)),
            Stream("anlg0001", "analog", "Analog Raw Data", analog, **inputs),
        ),
        version=10,
        software=(3, 7, 14, 0),
        file_name="D:\\TMP\\NeuroshareExample0007.mcd",
        button_ns=12_891_429_735_282_830_100,
        start_ns=12_891_429_736_231_334_200,
        stop_ns=12_891_429_744_495_574_200,
        n_chunks=216,
        window=(1, -100.0, 200.0),
        source=3,
        driver=(1, 0),
        trigger_tags=("trig0001", ""),
        source_kind=2,
        source_name=("Simulation", "Default"),
        bus=(0, 1, 1),
        fill=0xFE,
    )


@pytest.mark.parametrize(
    ("name", "describe"),
    [("Example10kHz", continuous), ("NeuroshareExample", triggered)],
)
def test_headers_are_those_of_real_files(samples, name, describe):
    expected, layout, more = read_header(samples / "mcd" / f"{name}.mcd")
    made = describe()
    streams = [dataclasses.replace(s, more=more[s.tag]) for s in made.streams]
    made = dataclasses.replace(made, streams=tuple(streams), layout=layout)
    assert header(made) == expected
