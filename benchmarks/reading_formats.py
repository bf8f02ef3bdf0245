"""How fast each file format is read, next to a memory map and numpy.

::

    python benchmarks/reading_formats.py                 all formats, a minute or two
    python benchmarks/reading_formats.py --format mcd
    python benchmarks/reading_formats.py --quick         a few seconds, for the tests

The same samples (uint16) are written in each format, by programs that share nothing
with the readers, and read chunk by chunk as float32 µV. In turn with it, numpy does the
same from a memory map of the bare samples: it picks the channels, casts to float32,
subtracts the offset, multiplies by the gain. Times are CPU seconds of one thread, the
fewest of the repeats; files are in the page cache: this is the cost of the code, not of
the disk.

* **here**, **numpy** are million samples per CPU second, of all channels, and **ratio**
  the one over the other; **cast** is the ratio to a cast alone, without offset or gain.
  Those of **raw_binary int16** are µV, so that numpy does nothing but the cast either.
* **cost** of a part of the channels is in units of that of all; **ratio** again is to
  what numpy needs for the same. The parts are all channels but one (the reference),
  half of them side by side, half of them here and there, and one. Where the channels of
  a frame lie together, all pages have to be looked at for one channel, too.
* **peak** is the private memory (MB) that reading took, in a process of its own, and
  **chunk** that of the traces of a chunk.

A format is added by a line in `FORMATS`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from circus_io.threads import set_thread_variables

set_thread_variables()  # before numpy is loaded

import h5py  # noqa: E402
import numpy as np  # noqa: E402
from machine import describe, load  # noqa: E402
from recording import fastest  # noqa: E402
from sorting_cost import private_mb  # noqa: E402

import circus_io  # noqa: E402
from circus_io.registry import get_format  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.writers import mcd, mcs_raw_binary, mda, neo_signals  # noqa: E402

RATE = 25000.0
CHUNK_FRAMES = 25000
ZERO = 32768
VOLTS_PER_COUNT = 0.000125 / 1200
GAIN = VOLTS_PER_COUNT * 1e6
LOOKS = 100  # at the memory


def scattered(n_channels: int) -> np.ndarray:
    """Return half of the channels, in order, without a rule."""
    chosen = np.random.default_rng(0).permutation(n_channels)[: n_channels // 2]
    return np.sort(chosen)


PARTS: dict[str, Callable[[int], np.ndarray]] = {
    "all but one": lambda n_channels: np.delete(np.arange(n_channels), n_channels // 4),
    "half": lambda n_channels: np.arange(n_channels // 2),
    "scattered": scattered,
    "one": lambda n_channels: np.array([n_channels // 2]),
}


def main() -> None:
    """Measure all formats and print the table."""
    given = parse_arguments()
    if given.peak_of:
        print(peak_of(**json.loads(given.peak_of)))
        return
    print(describe())
    print(
        f"file       {given.seconds:g} s of {given.channels} channels, uint16, "
        f"{RATE:g} Hz; chunks of {CHUNK_FRAMES} frames"
    )
    parts = "".join(f"{name:^13}" for name in PARTS)
    print(f"\n{'':17}{'all channels':^31}{parts}{'memory':^13}")
    columns = ("here", "numpy", "ratio", "cast", *["cost", "ratio"] * len(PARTS))
    widths = (9, 8, 7, 7, *[7, 6] * len(PARTS))
    print(" " * 17, end="")
    print(*map(str.rjust, columns, widths), f"{'peak':>7}{'chunk':>7}", sep="")
    with tempfile.TemporaryDirectory() as folder:
        counts = make_counts(Path(folder) / "bare.dat", given.channels, given.seconds)
        for name in given.format or FORMATS:
            (suffix, *_) = (*get_format(name.split()[0]).extension, ".dat")
            path = Path(folder) / f"rec{suffix}"
            report(name, path, FORMATS[name](path, counts), counts, given.repeats)
            path.unlink()
    print(f"\nload afterwards  {load()}")


def parse_arguments() -> argparse.Namespace:
    """Return what is asked for; `peak_of` is how the memory is measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few seconds in all")
    parser.add_argument("--format", action="append", choices=sorted(FORMATS))
    parser.add_argument("--channels", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.quick:
        given.channels, given.seconds, given.repeats = 16, 4.0, 2
    return given


def make_counts(path: Path, n_channels: int, seconds: float) -> np.ndarray:
    """Write noise, one block again and again; return it as a memory map."""
    rng = np.random.default_rng(0)
    block = rng.normal(ZERO, 300, (CHUNK_FRAMES, n_channels)).astype("<u2")
    n_frames = round(seconds * RATE)
    with path.open("wb") as file:
        for start in range(0, n_frames, CHUNK_FRAMES):
            file.write(block[: n_frames - start].tobytes())
    return np.memmap(path, "<u2", "r").reshape(-1, n_channels)


# ---------------------------------------------------------------------- the formats


def write_hdf5(path: Path, counts: np.ndarray) -> Mapping[str, Any]:
    """Write a dataset as one block of the file."""
    with h5py.File(path, "w") as file:
        file["traces"] = counts
    return {"h5_key": "traces", "sampling_rate": RATE, "gain": GAIN, "time_axis": 0}


def write_mcd(path: Path, counts: np.ndarray) -> Mapping[str, Any]:
    """Write chunks of 100 ms between those of three analog inputs and of a port."""
    n_channels = counts.shape[1]
    electrodes = tuple(mcd.Channel(i, str(i), i) for i in range(n_channels))
    inputs = tuple(mcd.Channel(i, f"A{i}", i) for i in range(3))
    options = {"rate_hz": RATE, "units_per_count": VOLTS_PER_COUNT}
    streams = (
        mcd.Stream("elec0001", "analog", "Electrodes", electrodes, **options),
        mcd.Stream("anlg0001", "analog", "Inputs", inputs, **options),
    )
    with_inputs = (
        chunk
        for electrode in mcd.sampled("elec0001", counts.tobytes(), n_channels, RATE)
        for chunk in (
            electrode,
            mcd.Chunk(
                "anlg0001",
                electrode.start_ns,
                electrode.stop_ns,
                bytes(len(electrode.content) // n_channels * 3),
            ),
        )
    )
    mcd.write(path, mcd.Recording(streams), with_inputs)
    return {}


def write_mcs_raw_binary(path: Path, counts: np.ndarray) -> Mapping[str, Any]:
    """Write the samples behind a header."""
    streams = ";".join(f"El_{i}" for i in range(counts.shape[1]))
    scales = f"El = {GAIN:.6f}µV/AD"
    with path.open("wb") as file:
        file.write(mcs_raw_binary.header(streams, scales, str(ZERO), f"{RATE:g}"))
        counts.tofile(file)
    return {}


def write_mda(path: Path, counts: np.ndarray) -> Mapping[str, Any]:
    """Write the samples behind a header of 20 bytes."""
    with path.open("wb") as file:
        file.write(mda.header(counts.shape[::-1], code=-6))
        counts.tofile(file)
    return {"sampling_rate": RATE, "gain": GAIN}


def write_numpy(path: Path, counts: np.ndarray) -> Mapping[str, Any]:
    """Write an array."""
    with path.open("wb") as file:
        np.save(file, counts)
    return {"sampling_rate": RATE, "gain": GAIN, "time_axis": 0}


def write_raw_binary(path: Path, counts: np.ndarray) -> Mapping[str, Any]:
    """Write the samples alone."""
    counts.tofile(path)
    return {
        "sampling_rate": RATE,
        "gain": GAIN,
        "data_dtype": "uint16",
        "nb_channels": counts.shape[1],
    }


def write_microvolts(path: Path, counts: np.ndarray) -> Mapping[str, Any]:
    """Write samples that are µV if they are read as int16."""
    given = dict(write_raw_binary(path, counts))
    return given | {"data_dtype": "int16", "gain": 1.0}


def write_brainvision(path: Path, counts: np.ndarray) -> Mapping[str, Any]:
    """Write int16 beside a header that neo parses: mapped, as are other flat files."""
    neo_signals.write_brainvision(path, counts - np.uint16(ZERO))
    return {}


FORMATS: dict[str, Callable[[Path, np.ndarray], Mapping[str, Any]]] = {
    "brainvision": write_brainvision,
    "hdf5": write_hdf5,
    "mcd": write_mcd,
    "mcs_raw_binary": write_mcs_raw_binary,
    "mda": write_mda,
    "numpy": write_numpy,
    "raw_binary": write_raw_binary,
    "raw_binary int16": write_microvolts,
}


# ---------------------------------------------------------------------- measuring


def report(
    name: str, path: Path, params: Mapping[str, Any], counts: np.ndarray, repeats: int
) -> None:
    """Print the row of a format."""
    n_channels = counts.shape[1]
    parts = [None, *(part(n_channels) for part in PARTS.values())]
    with circus_io.open_recording(path, name.split()[0], **params) as recording:
        assert recording.shape == counts.shape
        ways = [partial(read, recording, nodes) for nodes in parts]
        same = partial(bare, counts, cast_only=params.get("gain") == 1)
        ways += [partial(same, nodes) for nodes in parts]
        ways += [partial(bare, counts, cast_only=True)]
        *seconds, cast_s = fastest(ways, repeats)
    (all_s, *here_s), (numpy_s, *same_s) = seconds[: len(parts)], seconds[len(parts) :]
    print(f"{name:17}{counts.size / all_s / 1e6:9.1f}", end="")
    print(f"{counts.size / numpy_s / 1e6:8.1f}", end="")
    print(f"{numpy_s / all_s:7.2f}{cast_s / all_s:7.2f}", end="")
    for part_s, numpy_part_s in zip(here_s, same_s, strict=True):
        print(f"{part_s / all_s:7.2f}{numpy_part_s / part_s:6.2f}", end="")
    task = json.dumps({"name": name, "path": str(path), "params": dict(params)})
    command = [sys.executable, __file__, "--peak-of", task]
    peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    print(f"{float(peak):7.1f}{CHUNK_FRAMES * n_channels * 4 / 2**20:7.1f}")


def read(recording: circus_io.DataFile, nodes: np.ndarray | None = None) -> None:
    """Read all chunks."""
    for _ in recording.chunks(CHUNK_FRAMES, nodes=nodes):
        pass


def bare(
    counts: np.ndarray, nodes: np.ndarray | None = None, cast_only: bool = False
) -> None:
    """Make traces of all chunks, the way numpy is fast."""
    for start in range(0, len(counts), CHUNK_FRAMES):
        raw = counts[start : start + CHUNK_FRAMES]
        raw = raw if nodes is None else raw[:, nodes]
        # kept until the next ones are there, as a loop over chunks does
        _kept = traces = raw.astype(np.float32)
        if not cast_only:
            traces -= np.float32(ZERO)
            traces *= np.float32(GAIN)


def peak_of(name: str, path: str, params: Mapping[str, Any]) -> float:
    """Return by how much reading a file makes the memory of this process grow, MB."""
    sizes = [private_mb(os.getpid())]
    done = threading.Event()

    def watch():
        while not done.wait(0.001):
            sizes.append(private_mb(os.getpid()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with circus_io.open_recording(path, name.split()[0], **params) as recording:
        while len(sizes) < LOOKS:  # again, if it was over too soon to be seen
            read(recording)
    done.set()
    watcher.join()
    return max(sizes) - sizes[0]


if __name__ == "__main__":
    main()
