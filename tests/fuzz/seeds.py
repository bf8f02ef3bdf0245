"""The formats that are fuzzed, and sound files of each.

A format is one line in `FORMATS`: a function that writes sound files into a folder and
returns them as seeds, and the library that parses them, if it is not circus_io. It
writes them small, and without the wrapper that will read them.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.fuzz.classic_seeds import CLASSIC_SEEDS
from tests.fuzz.neo_seeds import NEO_SEEDS
from tests.writers import mcd

__all__ = ["FORMATS", "Format", "Seed"]


@dataclass(frozen=True)
class Seed:
    """A sound file.

    Attributes
    ----------
    path : path
        What is opened; its name without the suffix names the seed.
    params : mapping
        With which it is opened.
    beside : sequence of paths
        Other files that belong to it, relative to the folder of `path`. One of all of
        them is damaged at a time; so is one of the files in `path`, if it is a folder.
    n_header_bytes : int, optional
        Damages lie in so many bytes at the start of a file; by default anywhere.
    """

    path: Path
    params: Mapping[str, Any] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    n_header_bytes: int | None = None


@dataclass(frozen=True)
class Format:
    """How a format is fuzzed: who writes its seeds, and who parses it."""

    write: Callable[[Path], list[Seed]]
    library: str = ""


def write_hdf5(folder: Path) -> list[Seed]:
    """Write a contiguous dataset, a compressed one, and a group of them."""
    counts = np.arange(600, dtype=np.int16).reshape(-1, 3)
    seeds = []
    for name, options in (
        ("contiguous", {}),
        ("compressed", {"chunks": (50, 3), "compression": "gzip"}),
    ):
        path = folder / f"{name}.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("group/traces", data=counts, **options)
        seeds.append(Seed(path, {"h5_key": "group/traces", "sampling_rate": 20000}))
    with h5py.File(folder / "streams.h5", "w") as file:
        for i in range(3):
            file[f"group/{i}"] = counts[: 50 * (i + 1)]
            attributes = {"t_start": 1000 * i, "sampling_rate": 20000.0}
            file[f"group/{i}"].attrs.update(attributes)
        file["channels/labels"] = ["a", "b", "c"]
        file["channels/positions_um"] = np.zeros((3, 2))
        file["metadata"] = '{"comment": "none"}'
        file["events/marks/times_s"] = [0.01, 0.02]
        file["events/marks/labels"] = ["on", "off"]
    params = {"h5_key": "group", "sampling_rate": 20000, "stream_mode": "single-file"}
    return [*seeds, Seed(folder / "streams.h5", params)]


def write_mcd(folder: Path) -> list[Seed]:
    """Write a continuous recording, and a triggered one with events of all kinds."""
    two = tuple(mcd.Channel(i, str(i + 21), i) for i in range(2))
    continuous = (mcd.Stream("elec0001", "analog", "Electrodes", two),)
    chunks = mcd.sampled("elec0001", bytes(1600), 2, 10000.0, chunk_frames=(100,) * 4)
    mcd.write(folder / "continuous.mcd", mcd.Recording(continuous), chunks)

    place = (1, 100, 200, 0, 10, 10, 10, 100, 200, 100, 100, 0, 5_000_000)
    one = (mcd.Channel(0, "23", 19, 1_200_000, place, ((0xFFFF, 19),)),)
    streams = (
        mcd.Stream("trig0001", "trigger", "Trigger 1", one, version=4),
        mcd.Stream("spks0001", "spikes", "Spikes 1", one, version=6),
        mcd.Stream("digi0001", "digital", "Port", one, units_per_count=0.0),
        mcd.Stream("elec0001", "analog", "Electrodes", one, units_per_count=1.04e-7),
    )
    chunks = []
    for sweep in range(3):
        start_ns = mcd.START_NS + sweep * 10**9
        for tag in ("digi0001", "elec0001"):
            samples = np.arange(100, dtype="<u2").tobytes()
            chunks += mcd.sampled(tag, samples, 1, 10000.0, start_ns)
        times = start_ns, start_ns + 10**7
        spikes = mcd.spike(start_ns + 10**6, 0, bytes(40), 6) * 2
        chunks.append(mcd.Chunk("spks0001", *times, spikes))
        trigger = struct.pack("<QH", start_ns + 10**6, 7)
        chunks.append(mcd.Chunk("trig0001", *times, trigger))
    recording = mcd.Recording(streams, version=10, window=(1, -1.0, 9.0))
    mcd.write(folder / "triggered.mcd", recording, chunks)
    return [Seed(folder / "continuous.mcd"), Seed(folder / "triggered.mcd")]


def write_numpy(folder: Path) -> list[Seed]:
    """Write arrays in both orders, and a grid."""
    counts = np.arange(600, dtype="<i2")
    arrays = {
        "c_order": counts.reshape(-1, 3),
        "fortran": np.asfortranarray(counts.reshape(-1, 3)),
        "grid": counts.reshape(-1, 2, 3).astype(">f8"),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    params = {"sampling_rate": 20000}
    return [Seed(folder / f"{name}.npy", params) for name in arrays]


def write_raw_binary(folder: Path) -> list[Seed]:
    """Write samples behind a header that is not parsed."""
    path = folder / "samples.dat"
    path.write_bytes(bytes(10) + np.arange(600, dtype="<i2").tobytes())
    params = {"data_dtype": "int16", "nb_channels": 3, "data_offset": 10}
    return [Seed(path, {**params, "sampling_rate": 20000})]


def write_spikeinterface(folder: Path) -> list[Seed]:
    """Let SpikeInterface save a recording of two segments with a probe."""
    from spikeinterface.core import NumpyRecording, append_recordings

    counts = np.arange(600, dtype="<i2").reshape(-1, 3)
    recording = append_recordings([NumpyRecording([counts], 20000.0)] * 2)
    recording.set_channel_gains(0.2)
    recording.set_channel_offsets(0.0)
    recording.set_dummy_probe_from_locations(np.arange(6.0).reshape(3, 2))
    path = folder / "saved"
    recording.save(folder=path, verbose=False, progress_bar=False)
    return [Seed(path)]


def _neo_format(name: str) -> Format:
    """Return a format whose files neo parses."""

    def write(folder: Path) -> list[Seed]:
        return [Seed(*sound) for sound in NEO_SEEDS[name](folder)]

    return Format(write, library="neo")


def _classic_format(name: str) -> Format:
    """Return a format of `CLASSIC_SEEDS`."""
    write_sound, library = CLASSIC_SEEDS[name]
    return Format(lambda folder: [Seed(*s) for s in write_sound(folder)], library)


FORMATS: dict[str, Format] = {
    **{name: _neo_format(name) for name in NEO_SEEDS},
    **{name: _classic_format(name) for name in CLASSIC_SEEDS},
    "hdf5": Format(write_hdf5, "h5py"),
    "mcd": Format(write_mcd),
    "numpy": Format(write_numpy),
    "raw_binary": Format(write_raw_binary),
    "spikeinterface": Format(write_spikeinterface, "spikeinterface"),
}
