"""From records to data sets: the counterpart of `bspysmg.data.postprocess`.

Nothing is deleted: what an amplifier clipped is marked, output by output, and the order
of time and the borders of batches stay.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.errors import ParameterError
from stim.sampling.clipping import clipping_limits, is_clipped
from stim.sampling.configs import amplification_of, plain, setting
from stim.sampling.legacy.io_dat import count_columns, import_io_dat, read_io_dat
from stim.sampling.npz_file import Pieces, read_arrays, write_npz
from stim.sampling.store import SampleStore

__all__ = [
    "clip_data",
    "get_electrode_info",
    "get_sampling_data",
    "get_voltage_ranges",
    "post_process",
    "print_electrode_info",
    "save_npz",
]

logger = logging.getLogger(__name__)

BLOCK_SAMPLES = 1 << 16


def post_process(
    data_dir: str | os.PathLike[str],
    clipping_value: str | float | Sequence[Any] | None = "default",
    charging_signal_batch_no: int = 40,
    reference_signal_batch_no: int = 15,
    filename: str = "postprocessed_data",
    *,
    list_data: Sequence[str | os.PathLike[str]] = (),
    plots: bool = False,
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Make the data sets of a run, or of several.

    Parameters
    ----------
    data_dir : path
        A folder with ``samples.h5``, or with ``IO.dat``, of which a ``samples.h5`` is
        made then.
    clipping_value : 'default', None, number, or sequence
        See `clipping_limits`.
    charging_signal_batch_no : int
        How many of the first batches show the device charging up.
    reference_signal_batch_no : int
        How many of the last batches another run can be compared with; a record with
        repeated reference batches gives those instead.
    filename : str
        Of the data set of all batches, the repeated ones left out.
    list_data : sequence of path
        Folders of further runs of the same device, appended in their order.
    plots : bool
        Draw how the outputs are distributed, to ``output_distribution.png``.

    Returns
    -------
    inputs : float array, shape (n_samples, n_inputs), mapped from the file
    outputs : float array, shape (n_samples, n_outputs), mapped from the file
    configs : dict
        The configuration with ``electrode_info``: what the file has as ``info``.

    Raises
    ------
    ParameterError
        There are too few batches, or the runs do not fit together.
    """
    folder = Path(data_dir)
    with ExitStack() as stores:
        runs = [
            Run.of(stores.enter_context(_open_store(Path(path))))
            for path in (folder, *list_data)
        ]
        _check_same_device(runs)
        first = runs[0]
        charging, reference = first.charging_and_reference(
            charging_signal_batch_no, reference_signal_batch_no
        )
        first.save(folder / "charging_signal.npz", charging, first.configs)
        first.save(folder / "reference_batch.npz", reference, first.configs)
        configs = _merged_configs(runs, clipping_value)
        limits = clipping_limits(clipping_value, amplification_of(first.configs))
        path = folder / f"{filename}.npz"
        _save(path, [(run, run.data_batches) for run in runs], configs, limits)
    inputs, outputs = read_arrays(path, "inputs", "outputs")
    if plots:
        from stim.sampling.plots import draw_distribution

        draw_distribution(folder / "output_distribution.png", outputs, limits)
    return inputs, outputs, configs


def _open_store(folder: Path) -> SampleStore:
    if not (folder / "samples.h5").exists() and (folder / "IO.dat").exists():
        logger.info("%s: reading IO.dat into samples.h5, once", folder)
        import_io_dat(folder)
    return SampleStore(folder)


@dataclass(frozen=True)
class Run:
    """A record, and which of its batches are what.

    Attributes
    ----------
    data_batches, repeated_batches : int array
        Indices of batches: those of the design, and the reference among them.
    """

    store: SampleStore
    configs: dict[str, Any]
    data_batches: np.ndarray
    repeated_batches: np.ndarray

    @classmethod
    def of(cls, store: SampleStore) -> "Run":
        """Look at an open record."""
        if not store.is_complete:
            logger.warning(
                "%s has %d of %d batches; those are used",
                store.path,
                store.n_batches,
                store.n_planned,
            )
        is_repeated = store.batches["is_reference"].astype(bool)
        return cls(
            store,
            store.info["sampling_configs"],
            np.flatnonzero(~is_repeated),
            np.flatnonzero(is_repeated),
        )

    def charging_and_reference(
        self, n_charging: int, n_reference: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the batches of the charging signal, and of the reference."""
        n_batches = len(self.data_batches)
        n_needed = n_charging
        if not len(self.repeated_batches):
            n_needed += n_reference
        if not (n_charging >= 1 and n_reference >= 1 and n_needed <= n_batches):
            raise ParameterError(
                f"charging_signal_batch_no = {n_charging}, reference_signal_batch_no = "
                f"{n_reference}: {self.store.path} has {n_batches} batches, the first "
                "of which are the charging signal and the last the reference; give at "
                "least 1 each, together no more than there are"
            )
        reference = self.data_batches[-n_reference:]
        if len(self.repeated_batches):
            reference = self.repeated_batches
        return self.data_batches[:n_charging], reference

    def blocks(self, batches: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield inputs and outputs of some batches, a bounded piece each."""
        for row in self.store.batches[batches]:
            start = int(row["t_start"])
            yield from self.store.blocks(start, start + int(row["n_samples"]))

    def count(self, batches: np.ndarray) -> int:
        """Return how many samples some batches have."""
        return int(self.store.batches[batches]["n_samples"].sum())

    def save(self, path: Path, batches: np.ndarray, configs: Mapping[str, Any]) -> None:
        """Write some batches as a data set."""
        _save(path, [(self, batches)], configs, None)


def _save(
    path: Path,
    parts: list[tuple[Run, np.ndarray]],
    configs: Mapping[str, Any],
    limits: np.ndarray | None,
) -> None:
    """Write batches of runs; with limits, also which outputs are clipped."""
    n_samples = sum(run.count(batches) for run, batches in parts)
    store = parts[0][0].store
    dtype = np.result_type(*(run.store.dtype for run, _ in parts))

    def pieces(of: Callable[..., np.ndarray], n_columns: int, kind: Any) -> Pieces:
        blocks = (
            of(inputs, outputs)
            for run, batches in parts
            for inputs, outputs in run.blocks(batches)
        )
        return Pieces((n_samples, n_columns), np.dtype(kind), blocks)

    arrays = {
        "inputs": pieces(lambda inputs, outputs: inputs, store.n_inputs, dtype),
        "outputs": pieces(lambda inputs, outputs: outputs, store.n_outputs, dtype),
    }
    if limits is not None:
        arrays["clipped"] = pieces(
            lambda inputs, outputs: is_clipped(outputs, limits), store.n_outputs, bool
        )
    write_npz(path, arrays, configs)


def _check_same_device(runs: Sequence[Run]) -> None:
    first = runs[0]
    for run in runs[1:]:
        for what, one, other in (
            ("inputs", first.store.n_inputs, run.store.n_inputs),
            ("outputs", first.store.n_outputs, run.store.n_outputs),
            ("units", first.store.info["units"], run.store.info["units"]),
            *[
                (
                    name,
                    setting(first.configs, name, None),
                    setting(run.configs, name, None),
                )
                for name in (
                    "driver.amplification",
                    "driver.instruments_setup.activation_sampling_frequency",
                )
            ],
        ):
            if one != other:
                raise ParameterError(
                    f"{run.store.path} has {what} {other}, and {first.store.path} "
                    f"{one}: they are not runs of the same set-up"
                )


def _merged_configs(
    runs: Sequence[Run], clipping_value: str | float | Sequence[Any] | None
) -> dict[str, Any]:
    """Return the configuration of the first run, with what is so of all."""
    infos = [get_electrode_info(run.configs, clipping_value) for run in runs]
    ranges = [info["activation_electrodes"]["voltage_ranges"] for info in infos]
    lowest = np.min([np.array(pairs)[:, 0] for pairs in ranges], axis=0)
    highest = np.max([np.array(pairs)[:, 1] for pairs in ranges], axis=0)
    info = infos[0]
    info["activation_electrodes"]["voltage_ranges"] = np.stack(
        [lowest, highest], axis=1
    )
    configs = plain(runs[0].configs) | {"electrode_info": plain(info)}
    configs["units"] = runs[0].store.info["units"]
    configs["runs"] = [
        {"name": run.store.path.parent.name, "n_samples": run.count(run.data_batches)}
        for run in runs
    ]
    return configs


# ---------------------------------------------------------------- the documented pieces


def get_sampling_data(
    filename: str | os.PathLike[str],
    activation_electrode_no: int,
    readout_electrode_no: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return all samples of a record, or of a text file, in memory.

    Parameters
    ----------
    filename : path
        A ``samples.h5`` or an ``IO.dat``.
    activation_electrode_no, readout_electrode_no : int
        What it should have.

    Returns
    -------
    inputs : float array, shape (n_samples, activation_electrode_no)
    outputs : float array, shape (n_samples, readout_electrode_no)
    """
    path = Path(filename)
    with ExitStack() as opened:
        if path.suffix == ".dat":
            columns, blocks = count_columns(path), list(read_io_dat(path))
        else:
            store = opened.enter_context(SampleStore(path))
            columns, blocks = (store.n_inputs, store.n_outputs), list(store.blocks())
    if columns != (activation_electrode_no, readout_electrode_no):
        raise ParameterError(
            f"{path} has {columns[0]} inputs and {columns[1]} outputs, not "
            f"{activation_electrode_no} and {readout_electrode_no}"
        )
    if not blocks:
        return tuple(np.empty((0, n_columns)) for n_columns in columns)
    inputs, outputs = zip(*blocks, strict=True)
    return np.concatenate(inputs), np.concatenate(outputs)


def clip_data(
    inputs: np.ndarray, outputs: np.ndarray, clipping_value_range: Sequence[Any]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return inputs and outputs as they are, and which outputs are clipped.

    Parameters
    ----------
    inputs : float array, shape (n_samples, n_inputs)
    outputs : float array, shape (n_samples, n_outputs)
    clipping_value_range : [low, high], or such a pair for each output

    Returns
    -------
    inputs, outputs, is_clipped
        The last bool (n_samples, n_outputs).
    """
    limits = clipping_limits(clipping_value_range, np.ones(outputs.shape[1]))
    if limits is None:
        return inputs, outputs, np.zeros(outputs.shape, dtype=bool)
    return inputs, outputs, is_clipped(outputs, limits)


def get_electrode_info(
    configs: Mapping[str, Any],
    clipping_value: str | float | Sequence[Any] | None = "default",
) -> dict[str, Any]:
    """Return what a model has to know of the electrodes.

    Returns
    -------
    dict
        ``electrode_no``, ``activation_electrodes`` with ``voltage_ranges`` (n, 2), V,
        and ``output_electrodes`` with ``amplification`` and ``clipping_value``: a pair
        if all outputs have the same, else one for each; None for none.
    """
    data = setting(configs, "input_data")
    amplification = amplification_of(configs)
    limits = clipping_limits(clipping_value, amplification)
    clipping = None if limits is None else limits.tolist()
    if clipping and all(pair == clipping[0] for pair in clipping):
        clipping = clipping[0]
    n_inputs = int(setting(configs, "input_data.activation_electrode_no"))
    n_outputs = int(setting(configs, "input_data.readout_electrode_no"))
    if data.get("amplitude") is None or data.get("offset") is None:
        ranges = np.asarray(
            setting(configs, "driver.instruments_setup.activation_voltage_ranges"),
            dtype=np.float32,
        )
    else:
        ranges = get_voltage_ranges(data["offset"], data["amplitude"])
    if ranges.shape != (n_inputs, 2):
        raise ParameterError(
            f"activation_electrode_no = {n_inputs}: the configuration has ranges of "
            f"{len(ranges)} electrodes"
        )
    return {
        "electrode_no": n_inputs + n_outputs,
        "activation_electrodes": {"electrode_no": n_inputs, "voltage_ranges": ranges},
        "output_electrodes": {
            "electrode_no": n_outputs,
            "amplification": amplification.tolist(),
            "clipping_value": clipping,
        },
    }


def get_voltage_ranges(
    offset: Sequence[float] | np.ndarray, amplitude: Sequence[float] | np.ndarray
) -> np.ndarray:
    """Return the lowest and highest voltage of each electrode, float32 (n, 2)."""
    offset, amplitude = np.asarray(offset, float), np.asarray(amplitude, float)
    pairs = np.stack(
        np.broadcast_arrays(offset - amplitude, offset + amplitude), axis=-1
    )
    return np.atleast_2d(pairs).astype(np.float32)


def print_electrode_info(configs: Mapping[str, Any]) -> None:
    """Print ``electrode_info`` of a configuration, to the standard output."""
    info = setting(configs, "electrode_info")
    inputs, outputs = info["activation_electrodes"], info["output_electrodes"]
    lines = [
        f"{info['electrode_no']} electrodes: {inputs['electrode_no']} driven, "
        f"{outputs['electrode_no']} read"
    ]
    lines += [
        f"  electrode {index}: {low:g} to {high:g} V"
        for index, (low, high) in enumerate(inputs["voltage_ranges"])
    ]
    lines.append(f"  amplification {outputs['amplification']} nA/V")
    lines.append(f"  clipped at {outputs['clipping_value']} nA")
    sys.stdout.write("\n".join(lines) + "\n")


def save_npz(
    data_dir: str | os.PathLike[str],
    file_name: str,
    inputs: np.ndarray,
    outputs: np.ndarray,
    configs: Mapping[str, Any],
) -> None:
    """Write a data set: ``<data_dir>/<file_name>.npz``; `configs` become its info."""
    arrays = {"inputs": Pieces.of(inputs), "outputs": Pieces.of(outputs)}
    write_npz(Path(data_dir) / f"{file_name}.npz", arrays, plain(configs))
