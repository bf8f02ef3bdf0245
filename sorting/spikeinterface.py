"""The sorter of the toolkit inside of SpikeInterface's ``run_sorter``.

::

    import sorting.spikeinterface

    sorting.spikeinterface.register()
    units = run_sorter("circus_toolkit", recording, folder="out")

SpikeInterface finds sorters in a table of its own, which `register` adds a row to.
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import circus_io
from circus_io.errors import MissingDependencyError, ParameterError
from circus_io.params import Parameters, build_params, read_params
from circus_io.probe import Probe
from circus_io.spikeinterface import as_datafile
from sorting.api import sort
from sorting.results import SUFFIX, Result, load_result

try:
    from spikeinterface.core import NumpySorting
    from spikeinterface.sorters import BaseSorter, sorterlist
except ImportError as error:
    raise MissingDependencyError(
        f"spikeinterface cannot be imported ({error}); install it with: pip install "
        "'circus-toolkit[spikeinterface]'"
    ) from error

__all__ = ["CircusToolkitSorter", "as_sorting", "probe_of", "register"]

RECORDING = "spikeinterface_recording.json"  # SpikeInterface's name, beside our folder


def register() -> str:
    """Add this sorter to the table of SpikeInterface, and return its name there."""
    name = CircusToolkitSorter.sorter_name
    if name not in sorterlist.sorter_dict:
        sorterlist.sorter_full_list.append(CircusToolkitSorter)
        sorterlist.sorter_dict[name] = CircusToolkitSorter
    return name


class CircusToolkitSorter(BaseSorter):
    """Template sorting of this toolkit, as SpikeInterface calls it."""

    sorter_name = "circus_toolkit"
    requires_locations = True
    handle_multi_segment = False
    sorter_description = "Template matching of circus-toolkit, after SpyKING CIRCUS."
    installation_mesg = "pip install 'circus-toolkit[spikeinterface]'"

    _default_params: ClassVar[dict[str, Any]] = {
        "preset": "",
        "spike_thresh": None,
        "radius_um": None,
        "filter": True,
        "n_ranks": 1,
        "parameters": {},
    }
    _params_description: ClassVar[dict[str, str]] = {
        "preset": "fast, or empty for the default.",
        "spike_thresh": "Threshold of detection, in MAD of the noise; None: default.",
        "radius_um": "Reach of a unit, µm; None: that of the default.",
        "filter": "Filter the recording; False if it is filtered already.",
        "n_ranks": "Processes, started by MPI if more than 1.",
        "parameters": 'Any key of a parameter file: {"clustering.nb_repeats": 3}.',
    }

    @classmethod
    def is_installed(cls) -> bool:
        """Tell that this can run: it is here."""
        return True

    @classmethod
    def get_sorter_version(cls) -> str:
        """Return the version of the toolkit."""
        return circus_io.__version__

    @classmethod
    def _check_params(cls, recording: Any, output_folder: Path, params: Any) -> Any:
        _parameters(params)  # refuses what the schema does not know
        if params["n_ranks"] > 1 and not recording.check_serializability("json"):
            raise ParameterError(
                "other processes cannot load this recording: save it first, with "
                "recording.save(folder=...), or take n_ranks = 1"
            )
        return params

    @classmethod
    def _check_apply_filter_in_params(cls, params: Mapping[str, Any]) -> bool:
        return params["filter"]

    @classmethod
    def _setup_recording(
        cls, recording: Any, folder: Path, params: Mapping[str, Any], verbose: bool
    ) -> None:
        probe_of(recording).write_prb(folder / "probe.prb")
        given = {
            "data.file_format": "spikeinterface",
            "data.mapping": "probe.prb",
            **_overrides(params),
        }
        sections: dict[str, list[str]] = {}
        for name, value in given.items():
            section, _, key = name.partition(".")
            sections.setdefault(section, []).append(f"{key} = {value}")
        lines = [f"[{name}]\n" + "\n".join(keys) for name, keys in sections.items()]
        (folder / "recording.params").write_text("\n\n".join(lines) + "\n", "utf-8")

    @classmethod
    def _run_from_folder(
        cls, folder: Path, params: Mapping[str, Any], verbose: bool
    ) -> None:
        if params["n_ranks"] > 1:
            _sort_on_ranks(folder, params["n_ranks"])
            return
        parameters = read_params(folder / "recording.params")
        recording = cls.load_recording_from_folder(folder.parent)
        sort(as_datafile(recording), parameters=parameters, output_dir=folder)

    @classmethod
    def _get_result_from_folder(cls, folder: Path) -> NumpySorting:
        (path,) = Path(folder).glob(f"*{SUFFIX}")
        return as_sorting(load_result(path))


def as_sorting(result: Result) -> NumpySorting:
    """Return a result as a sorting of SpikeInterface, with the table of its units.

    Times count from the first frame of the recording. Columns of the table are
    properties.
    """
    trains = {
        int(unit): result.spike_train(unit) - result.t_start for unit in result.unit_ids
    }
    units = NumpySorting.from_unit_dict([trains], result.sampling_rate)
    table = result.unit_table()
    for name in table.dtype.names:
        if name != "unit_id" and len(table):
            units.set_property(f"circus_{name}", table[name])
    return units


def probe_of(recording: Any) -> Probe:
    """Return the contacts of a recording of SpikeInterface, by its channels."""
    return Probe(
        channels=np.arange(recording.get_num_channels()),
        groups=np.asarray(recording.get_channel_groups()),
        contact_positions=recording.get_channel_locations(),
        total_nb_channels=recording.get_num_channels(),
        radius_um=None,
        name=type(recording).__name__,
    )


def _overrides(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given, as keys of a parameter file."""
    named = {
        "circus.preset": params["preset"] or None,
        "detection.spike_thresh": params["spike_thresh"],
        "detection.radius": params["radius_um"],
        "filtering.filter": params["filter"],
    }
    given = {name: value for name, value in named.items() if value is not None}
    return {**given, **params["parameters"]}


def _parameters(params: Mapping[str, Any]) -> Parameters:
    return build_params(_overrides(params))


def _sort_on_ranks(folder: Path, n_ranks: int) -> None:
    """Run the command line on several ranks: a library starts no MPI by itself."""
    recording = folder.parent / RECORDING
    command = [sys.executable, "-m", "circus_cli", "sort", str(recording)]
    command += ["--params", str(folder / "recording.params")]
    command += ["--output-dir", str(folder), "-c", str(n_ranks)]
    log = folder / f"{CircusToolkitSorter.sorter_name}.log"
    with log.open("w", encoding="utf-8") as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT)
    if done.returncode:
        raise RuntimeError(
            f"circus sort ended with status {done.returncode}; its output is in {log}"
        )
