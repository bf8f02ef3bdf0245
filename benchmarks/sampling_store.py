"""How fast and how large a record of samples is, next to the text it replaces.

::

    python benchmarks/sampling_store.py          1 million rows as text, 10 as a record
    python benchmarks/sampling_store.py --text-rows 10000000    both; minutes, and 2 GB
    python benchmarks/sampling_store.py --quick  a few seconds, for the tests

The same samples, 7 inputs and 1 output, are written with `numpy.savetxt`, as the
program that the text comes from does (``%.18e``, in batches, appended), and as the
record of `stim.sampling` is: checksums, rows and flushes to the disk included. Then
both are read, with `numpy.loadtxt`, and as batches that are held against their
checksums. Times are CPU seconds of this process, those of the system included.

* **same rows**: text and record of the same samples, and the ratio.
* **all rows**: the record alone, of as many rows as asked for.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe, load

from stim.sampling import store_layout
from stim.sampling.store import SampleStore, StoreWriter

N_INPUTS, N_OUTPUTS = 7, 1
BATCH_ROWS = 100_000


def main() -> None:
    """Measure, and print the table."""
    given = parse_arguments()
    print(describe())
    print(
        f"samples    {N_INPUTS} inputs, {N_OUTPUTS} output, in batches of {given.batch}"
    )
    print(f"\n{'':12}{'rows':>10}{'write, s':>10}{'read, s':>10}{'MB':>10}")
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        text = report("text", given.text_rows, given.batch, Path(folder), TEXT)
        same = report("record", given.text_rows, given.batch, Path(folder), RECORD)
        names = ("write", "read", "size")
        ratios = [
            of_text / of_record for of_text, of_record in zip(text, same, strict=True)
        ]
        shown = ", ".join(
            f"{name} {ratio:.1f}" for name, ratio in zip(names, ratios, strict=True)
        )
        print(f"same rows, text over record: {shown}")
        report("record", given.rows, given.batch, Path(folder), RECORD)
    print(f"\nload afterwards  {load()}")


def parse_arguments() -> argparse.Namespace:
    """Return what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few seconds in all")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--text-rows", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=BATCH_ROWS)
    parser.add_argument("--folder", help="where the files are made, and removed")
    given = parser.parse_args()
    if given.quick:
        given.rows, given.text_rows, given.batch = 400_000, 40_000, 10_000
    return given


def samples(index: int, n_rows: int) -> np.ndarray:
    """Return a batch, float64 (n_rows, 8)."""
    return np.random.default_rng(index).normal(size=(n_rows, N_INPUTS + N_OUTPUTS))


def write_text(path: Path, batches: list[np.ndarray]) -> None:
    """Write rows of numbers, a batch at a time."""
    names = [f"Input {i}" for i in range(N_INPUTS)]
    names += [f"Output {i}" for i in range(N_OUTPUTS)]
    with path.open("ab") as file:
        file.write(f"# {', '.join(names)}\n".encode())
        for batch in batches:
            np.savetxt(file, batch)


def write_record(path: Path, batches: list[np.ndarray]) -> None:
    """Write the record, with its checksums, and flush each batch to the disk."""
    lengths = [len(batch) for batch in batches]
    store_layout.create(path, lengths, N_INPUTS, N_OUTPUTS, {})
    with StoreWriter(path) as writer:
        for index, batch in enumerate(batches):
            writer.append(batch[:, :N_INPUTS], batch[:, N_INPUTS:], design_batch=index)


def read_text(path: Path) -> None:
    """Read all rows."""
    np.loadtxt(path)


def read_record(path: Path) -> None:
    """Read all batches, each against its checksum."""
    with SampleStore(path) as store:
        for index in range(store.n_batches):
            store.batch(index)


TEXT = ("IO.dat", write_text, read_text)
RECORD = ("samples.h5", write_record, read_record)


def report(
    name: str, n_rows: int, n_batch: int, folder: Path, way: tuple[str, Any, Any]
) -> tuple[float, float, float]:
    """Print a row; return CPU seconds of writing and reading, and bytes."""
    file_name, write, read = way
    path = folder / file_name
    starts = range(0, n_rows, n_batch)
    batches = [samples(start, min(n_batch, n_rows - start)) for start in starts]
    write_s = cpu_seconds(lambda: write(path, batches))
    read_s = cpu_seconds(lambda: read(path))
    n_bytes = path.stat().st_size
    path.unlink()
    print(f"{name:12}{n_rows:10}{write_s:10.3f}{read_s:10.3f}{n_bytes / 1e6:10.1f}")
    return write_s, read_s, n_bytes


def cpu_seconds(work: Callable[[], None]) -> float:
    """Return the CPU seconds that some work takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
