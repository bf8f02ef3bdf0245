"""Files of recorders, made with struct from their published layouts.

Nothing here is shared with neo or with circus_io.
"""

import struct

import numpy as np

RATE_HZ = 20000


def write_at(size, *fields):
    """Return `size` bytes with ``(offset, format, values...)`` packed into them."""
    content = bytearray(size)
    for offset, form, *values in fields:
        struct.pack_into(f"<{form}", content, offset, *values)
    return bytes(content)


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
