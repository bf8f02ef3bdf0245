"""Sound files of MCS HDF5, MC_DataTool and the formats of SpyKING CIRCUS.

Each function writes into a folder, and returns path, parameters, other files and bytes
of the header of its seeds, as `tests.fuzz.seeds.Seed` has them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from circus_io.files.mcs_hdf5 import MCSHDF5Writer
from tests.writers import kwd, mcs_hdf5, mcs_raw_binary, mda

__all__ = ["CLASSIC_SEEDS"]

COUNTS = np.arange(600, dtype=np.int16).reshape(-1, 3)
Sound = tuple[Any, ...]


def write_arf(folder: Path) -> list[Sound]:
    """Write two entries, one with events."""
    path = folder / "entries.arf"
    with h5py.File(path, "w") as file:
        file.attrs["arf_version"] = "2.1"
        for number, seconds in enumerate((1_700_000_000, 1_700_000_009)):
            entry = file.create_group(f"entry_{number}")
            entry.attrs["timestamp"] = [seconds, 250_000]
            for i in range(2):
                entry[f"channel_{i}"] = COUNTS[:50, i]
                attributes = {"sampling_rate": 20000, "units": "mV", "datatype": 23}
                entry[f"channel_{i}"].attrs.update(attributes)
        entry["licks"] = [0.1, 0.2]
        entry["licks"].attrs.update({"units": "s", "datatype": 1002})
    return [(path,)]


def write_kwd(folder: Path) -> list[Sound]:
    """Write two recordings."""
    path = folder / "recordings.kwd"
    with h5py.File(path, "w") as file:
        for number in range(2):
            start = {"start_time": np.int64(9999 * number)}
            kwd.add_recording(file, number, COUNTS, bit_volts=[0.2] * 3, **start)
    return [(path,), (path, {"stream_mode": "single-file"})]


def write_mcs_hdf5(folder: Path) -> list[Sound]:
    """Write two streams, one with gaps; and what a writer that works has written."""
    path = folder / "streams.h5"
    with h5py.File(path, "w") as file:
        file.attrs["McsHdf5ProtocolType"] = "RawData"
        recording = file.create_group("Data/Recording_0")
        gaps = [(0, 0, 49), (5000, 50, 199)]
        counts = COUNTS.astype("i4")
        mcs_hdf5.add_stream(recording, 0, counts, spans=gaps)
        mcs_hdf5.add_stream(recording, 1, counts, subtype="Auxiliary")
    working = folder / "working.h5"
    writer = MCSHDF5Writer(working, 500, ["a", "b", "c"], gain=0.06)
    writer.append(COUNTS[:150])
    writer.append(COUNTS, t_start=1000)
    content = working.read_bytes()
    writer.finish()
    working.write_bytes(content)  # as if it had been killed before
    return [(path,), (path, {"stream": "1"}), (working,)]


def write_mcs_raw_binary(folder: Path) -> list[Sound]:
    """Write exports of one kind of columns and of four."""
    raw = np.arange(80, dtype="<u2").reshape(-1, 4)
    seeds = []
    for name, lines in (("one", {}), ("four", mcs_raw_binary.MIXED)):
        path = mcs_raw_binary.write(folder / f"{name}.raw", raw, **lines)
        seeds.append((path, {}, (), len(mcs_raw_binary.header(**lines))))
    return seeds


def write_mda(folder: Path) -> list[Sound]:
    """Write arrays with dimensions of 32 and of 64 bits."""
    return [
        (mda.write(folder / name, COUNTS, long=long), {"sampling_rate": 20000}, (), 28)
        for name, long in (("short.mda", False), ("long.mda", True))
    ]


def write_nwb(folder: Path) -> list[Sound]:
    """Write a series with a rate, one with time stamps, and a table of electrodes."""
    path = folder / "series.nwb"
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.5"
        table = file.create_group("general/extracellular_ephys/electrodes")
        for name, values in (("id", [0, 1, 2]), ("rel_x", [0.0] * 3)):
            table[name] = values
        table["rel_y"] = [0.0, 20.0, 40.0]
        table["channel_name"] = np.array(["a", "b", "c"], object)
        for name in ("rate", "stamps"):
            series = file.create_group(f"acquisition/{name}")
            series.attrs["neurodata_type"] = "ElectricalSeries"
            series.create_dataset("data", data=COUNTS, chunks=(64, 3), compression=4)
            series["data"].attrs.update({"conversion": 1e-6, "unit": "volts"})
            series["electrodes"] = [2, 0, 1]
            series["electrodes"].attrs["table"] = table.ref
        file["acquisition/rate/starting_time"] = 0.5
        file["acquisition/rate/starting_time"].attrs["rate"] = 20000.0
        frames = np.r_[np.arange(80), np.arange(500, 620)]
        file["acquisition/stamps/timestamps"] = frames / 20000
    return [(path, {"h5_key": name}) for name in ("rate", "stamps")]


CLASSIC_SEEDS: dict[str, tuple[Callable[[Path], list[Sound]], str]] = {
    "arf": (write_arf, "h5py"),
    "kwd": (write_kwd, "h5py"),
    "mcs_hdf5": (write_mcs_hdf5, "h5py"),
    "mcs_raw_binary": (write_mcs_raw_binary, ""),
    "mda": (write_mda, ""),
    "nwb": (write_nwb, "h5py"),
}
