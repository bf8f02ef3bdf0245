"""Writes analog streams of the Multi Channel DataManager with h5py alone."""

import h5py
import numpy as np

__all__ = ["FIELDS", "add_stream"]

# as in a file of the vendor, in another order; fields are found by their names
FIELDS = [
    ("Label", h5py.string_dtype()),
    ("Unit", h5py.string_dtype()),
    ("ChannelID", "i4"),
    ("RowIndex", "i4"),
    ("Exponent", "i4"),
    ("ADZero", "i4"),
    ("ConversionFactor", "i8"),
    ("Tick", "i8"),
]


def add_stream(recording, number, raw, *, subtype="Electrode", source="", **fields):
    """Write frames × channels as a stream, channels in rows of a random order."""
    n_channels = raw.shape[1]
    channel = np.arange(n_channels)
    rows = np.random.default_rng(n_channels).permutation(n_channels)
    given = {
        "Label": [f"E{i:02d}  \r\n" for i in channel],
        "Unit": "V",
        "ChannelID": channel + 10,
        "RowIndex": rows,
        "Exponent": -9,
        "ADZero": 0,
        "ConversionFactor": 381470,
        "Tick": 50,
        **fields,
    }
    spans = given.pop("spans", [(0, 0, len(raw) - 1)] if len(raw) else [])
    info = np.empty(n_channels, FIELDS)
    for name, values in given.items():
        info[name] = values
    group = recording.create_group(f"AnalogStream/Stream_{number}")
    group.attrs["DataSubType"] = np.bytes_(subtype)
    group.attrs["Label"] = np.bytes_(f"{subtype} ({number})   \r\n")
    group.attrs["SourceStreamGUID"] = np.bytes_(source)
    stored = np.empty(raw.T.shape, raw.dtype)
    stored[given["RowIndex"]] = raw.T
    options = {"chunks": (min(8, n_channels), 256), "compression": "gzip"}
    group.create_dataset("ChannelData", data=stored, maxshape=(None, None), **options)
    group["ChannelDataTimeStamps"] = np.array(spans, "i8").reshape(-1, 3)
    group["InfoChannel"] = info
    return group
