"""``IO.dat``: a line of names, then the samples as text, a row for each."""

import logging
import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.errors import FormatError, RecordingNotFoundError
from stim.sampling import store_layout
from stim.sampling.configs import plain, setting
from stim.sampling.legacy.sampler_configs import read_sampler_configs
from stim.sampling.store import StoreWriter
from stim.sampling.timing import count_samples

__all__ = ["count_columns", "count_rows", "import_io_dat", "read_io_dat"]

logger = logging.getLogger(__name__)

BLOCK_ROWS = 1 << 14
BLOCK_BYTES = 1 << 22
MAX_HEADER_CHARACTERS = 1 << 16


def count_columns(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return how many inputs and outputs the first line names."""
    path = Path(path)
    if not path.exists():
        raise RecordingNotFoundError(f"there is no file {path}")
    with path.open(encoding="ascii", errors="replace") as file:
        header = file.readline(MAX_HEADER_CHARACTERS)
    names = [name.strip() for name in header.lstrip("# ").split(",")]
    kinds = [re.sub(r" *\d+$", "", name) for name in names]
    n_inputs, n_outputs = kinds.count("Input"), kinds.count("Output")
    is_right = kinds == ["Input"] * n_inputs + ["Output"] * n_outputs
    if not (header.startswith("#") and is_right and n_inputs and n_outputs):
        raise FormatError(
            f"{path} does not begin with the line '# Input 0, ..., Output 0, ...', as "
            "an IO.dat does"
        )
    return n_inputs, n_outputs


def count_rows(path: str | os.PathLike[str]) -> int:
    """Return how many complete rows there are: a last one without its end is none."""
    n_lines = 0
    with Path(path).open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            n_lines += block.count(b"\n")
    return max(0, n_lines - 1)


def read_io_dat(
    path: str | os.PathLike[str], rows: int = BLOCK_ROWS
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield inputs and outputs, float64, as `numpy.loadtxt` would read them.

    Parameters
    ----------
    path : path
    rows : int
        Of a piece; the last may be shorter. Memory holds one piece.

    Raises
    ------
    FormatError
        A row is not one.
    """
    path = Path(path)
    n_inputs, n_outputs = count_columns(path)
    n_left, n_done = count_rows(path), 0
    with path.open(encoding="ascii", errors="replace") as file:
        next(file)
        while n_left:
            lines = list(islice(file, min(rows, n_left)))
            try:
                values = np.loadtxt(lines, ndmin=2)
                if values.shape != (len(lines), n_inputs + n_outputs):
                    raise ValueError(f"{values.shape[1]} columns")
            except ValueError as error:
                raise FormatError(
                    f"{path}, lines {n_done + 2} to {n_done + 1 + len(lines)}: "
                    f"{error}; expected rows of {n_inputs + n_outputs} numbers"
                ) from error
            n_left, n_done = n_left - len(lines), n_done + len(lines)
            yield values[:, :n_inputs], values[:, n_inputs:]


def import_io_dat(
    folder: str | os.PathLike[str], out: str | os.PathLike[str] | None = None
) -> Path:
    """Turn ``IO.dat`` and ``sampler_configs.json`` of a folder into a ``samples.h5``.

    Values are kept as they are, in float64; memory holds one batch.

    Parameters
    ----------
    folder : path
        Its files are only read.
    out : path, optional
        The folder of the new file, by default the same.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    FormatError, NotWritableError
        The files do not agree with each other; there is a ``samples.h5``.
    """
    folder = Path(folder)
    configs = plain(read_sampler_configs(folder / "sampler_configs.json"))
    source = folder / "IO.dat"
    n_inputs, n_outputs = count_columns(source)
    _check_columns(configs, n_inputs, n_outputs, folder)
    rate_hz = setting(configs, "driver.instruments_setup.activation_sampling_frequency")
    n_batch = count_samples(setting(configs, "input_data.batch_time"), rate_hz)
    n_rows = count_rows(source)
    n_planned = n_batch * int(setting(configs, "input_data.number_batches"))
    if n_rows != n_planned:
        logger.warning(
            "%s has %d samples, and its configuration speaks of %d: the run was cut "
            "short, or goes on elsewhere",
            source,
            n_rows,
            n_planned,
        )
    if not n_rows:
        raise FormatError(f"{source} holds no samples")
    lengths = [n_batch] * (n_rows // n_batch)
    if n_rows % n_batch:
        lengths.append(n_rows % n_batch)
    target = Path(out or folder) / "samples.h5"
    target.parent.mkdir(parents=True, exist_ok=True)
    info = _info(configs, rate_hz)
    store_layout.create(target, lengths, n_inputs, n_outputs, info, dtype="<f8")
    try:
        with StoreWriter(target) as writer:
            for index, (inputs, outputs) in enumerate(read_io_dat(source, n_batch)):
                writer.append(
                    inputs,
                    outputs,
                    design_batch=index,
                    driver="IO.dat",
                    sample_index=-1,
                )
    except BaseException:
        target.unlink()
        raise
    return target


def _check_columns(
    configs: dict[str, Any], n_inputs: int, n_outputs: int, folder: Path
) -> None:
    for name, n_columns in (
        ("activation_electrode_no", n_inputs),
        ("readout_electrode_no", n_outputs),
    ):
        told = setting(configs, f"input_data.{name}", n_columns)
        if told != n_columns:
            raise FormatError(
                f"{folder}: {name} = {told}, but IO.dat has {n_columns} such columns"
            )


def _info(configs: dict[str, Any], rate_hz: float) -> dict[str, Any]:
    return {
        "design": {"kind": "imported", "rate_hz": rate_hz},
        "device": {"driver": "IO.dat", "version": "unknown"},
        "units": {"inputs": "V", "outputs": "nA"},
        "sampling_configs": configs,
    }
