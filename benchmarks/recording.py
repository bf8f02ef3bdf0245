"""How fast recordings are read and filtered, next to bare numpy and scipy.

::

    python benchmarks/recording.py            about a minute
    python benchmarks/recording.py --quick    a few seconds, for the tests

Each row is one way to go through the same file, chunk by chunk. The two sides of a row
run in turn, and the fastest of their repeats counts: what else the machine does then
slows both, or neither. Times are CPU seconds of one thread. The file is in the page
cache: this is the cost of the code, not of the disk.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from circus_io.threads import set_thread_variables

set_thread_variables()  # before numpy is loaded

import numpy as np  # noqa: E402
from machine import describe  # noqa: E402
from scipy.signal import sosfiltfilt  # noqa: E402

import circus_io  # noqa: E402
from circus_io.params import build_params  # noqa: E402
from circus_io.synthetic import make_probe  # noqa: E402
from sorting.config import SortingConfig  # noqa: E402
from sorting.front_end import FrontEnd  # noqa: E402
from sorting.kernels.butterworth import butter_sos  # noqa: E402
from sorting.kernels.filters import band_pass  # noqa: E402

SAMPLING_RATE = 20000.0
CHUNK_FRAMES = 30720
CUT_OFF_HZ = (300.0, 9500.0)
GAIN = 0.2


@dataclass(frozen=True)
class Row:
    """Two ways to do one thing; each goes through all samples."""

    what: str
    ours: Callable[[], None]
    bare_name: str
    bare: Callable[[], None]


def main() -> None:
    """Measure all rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few seconds in all")
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    if given.quick:
        given.channels, given.seconds, given.repeats = 16, 4.0, 2
    print(describe())
    print(
        f"file       {given.seconds:g} s of {given.channels} channels, int16, "
        f"{SAMPLING_RATE:g} Hz; chunks of {CHUNK_FRAMES} frames"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rec.dat"
        n_frames = write_noise(path, given.channels, given.seconds)
        report(make_rows(path, given.channels), n_frames * given.channels, given)


def write_noise(path: Path, n_channels: int, seconds: float) -> int:
    """Write int16 noise, one block again and again; return the number of frames."""
    n_frames = round(seconds * SAMPLING_RATE)
    block = np.random.default_rng(0).normal(0, 35, (CHUNK_FRAMES, n_channels))
    block = block.astype(np.int16)
    with path.open("wb") as file:
        for start in range(0, n_frames, CHUNK_FRAMES):
            file.write(block[: n_frames - start].tobytes())
    return n_frames


def make_rows(path: Path, n_channels: int) -> Iterator[Row]:
    """List what is compared with what."""
    plain = open_file(path, n_channels, 1.0)
    scaled = open_file(path, n_channels, GAIN)
    mapped = np.memmap(path, np.int16, "r").reshape(-1, n_channels)
    some = list(range(n_channels - 1, -1, -2))
    starts = range(0, len(mapped), CHUNK_FRAMES)

    def read(recording, nodes=None):
        for _ in recording.chunks(CHUNK_FRAMES, nodes=nodes):
            pass

    def bare(function):
        for start in starts:
            # kept until the next one is there, as a loop over chunks does
            _kept = function(mapped[start : start + CHUNK_FRAMES])

    yield Row(
        "read, as float32",
        lambda: read(plain),
        "memmap, astype",
        lambda: bare(lambda raw: raw.astype(np.float32)),
    )
    yield Row(
        "read, in µV",
        lambda: read(scaled),
        "memmap, times gain",
        lambda: bare(lambda raw: np.multiply(raw, np.float32(GAIN), dtype=np.float32)),
    )
    yield Row(
        "read every 2nd channel",
        lambda: read(plain, some),
        "memmap, index, astype",
        lambda: bare(lambda raw: raw[:, some].astype(np.float32)),
    )
    sos = butter_sos(CUT_OFF_HZ, SAMPLING_RATE)
    yield Row(
        "band-pass",
        lambda: bare(lambda raw: band_pass(raw.astype(np.float32), sos, 600, 600)),
        "scipy sosfiltfilt",
        lambda: bare(lambda raw: sosfiltfilt(sos, raw, axis=0, padlen=600)),
    )
    front_end = make_front_end(scaled, n_channels)
    yield Row(
        "read, µV, band-pass",
        lambda: [front_end.read(index) for index in range(len(front_end))],
        "memmap, sosfiltfilt",
        lambda: bare(lambda raw: sosfiltfilt(sos, raw * GAIN, axis=0, padlen=600)),
    )


def open_file(path: Path, n_channels: int, gain: float) -> circus_io.DataFile:
    """Open the benchmark's file as a recording."""
    return circus_io.open_recording(
        path,
        "raw_binary",
        data_dtype="int16",
        sampling_rate=SAMPLING_RATE,
        nb_channels=n_channels,
        gain=gain,
    )


def make_front_end(recording: circus_io.DataFile, n_channels: int) -> FrontEnd:
    """Make the front end that all steps of a sort read through."""
    config = SortingConfig.from_parameters(
        build_params({"filtering.cut_off": CUT_OFF_HZ}),
        sampling_rate=SAMPLING_RATE,
        n_channels=n_channels,
        probe_radius_um=100.0,
    )
    return FrontEnd(recording, make_probe("staggered", n_channels), config.filtering)


def report(rows: Iterator[Row], n_samples: int, given: argparse.Namespace) -> None:
    """Print million samples per CPU second of both sides, and their ratio."""
    print(
        f"\n{'million samples per CPU second':32}{'here':>8}   {'compared with':22}"
        f"{'that':>8}{'here / that':>13}"
    )
    for row in rows:
        ours_s, bare_s = fastest([row.ours, row.bare], given.repeats)
        print(
            f"{row.what:32}{n_samples / ours_s / 1e6:8.1f}   {row.bare_name:22}"
            f"{n_samples / bare_s / 1e6:8.1f}{bare_s / ours_s:13.2f}"
        )


def fastest(functions: list[Callable[[], None]], repeats: int) -> list[float]:
    """Run functions in turn; return the fewest CPU seconds of each."""
    for function in functions:  # compiles what is compiled, fills the page cache
        function()
    best = [float("inf")] * len(functions)
    for _ in range(repeats):
        for i, function in enumerate(functions):
            start = time.process_time()
            function()
            best[i] = min(best[i], time.process_time() - start)
    return best


if __name__ == "__main__":
    main()
