"""Writes kwik data with h5py, as Open Ephys lays it out."""

import numpy as np

__all__ = ["BIT_VOLTS", "add_recording"]

BIT_VOLTS = np.array([0.195, 0.195, 0.5, 0.195], "f4")


def add_recording(file, number, raw, *, bit_volts=BIT_VOLTS, **attributes):
    """Write a recording; bit_volts as an attribute, as the GUI does, or not at all."""
    group = file.create_group(f"recordings/{number}")
    group.attrs.update(
        {"sample_rate": np.float32(30000), "bit_depth": 16, **attributes}
    )
    group.create_dataset(
        "data", data=raw, maxshape=(None, None), chunks=(128, raw.shape[1])
    )
    if bit_volts is not None:
        more = group.create_group("application_data")
        more.attrs["channel_bit_volts"] = bit_volts
        more["timestamps"] = np.zeros((3, raw.shape[1]), "i8")
    return group
