"""From what the steps stored to the result that users get."""

from importlib.metadata import version
from typing import Any

import numpy as np

from sorting.bank import make_bank
from sorting.config import digest
from sorting.kernels.isolation import isolation
from sorting.kernels.noise import MAD
from sorting.kernels.overlaps import OverlapTable
from sorting.motion import Motion
from sorting.quality import LabelRule
from sorting.results import ChannelTable, Result, StreamTable
from sorting.spike_file import map_spikes
from sorting.steps.context import Context
from sorting.unit_metrics import FitFacts, unit_table

__all__ = ["assemble", "provenance"]

PROVEN_STEPS = (
    "whitening",
    "motion",
    "clustering",
    "templates",
    "fitting",
    "merging",
)
DOUBTFUL_NORM = 0.84  # times the limit: two of three spikes are above the least norm
SOFTWARE = ("circus-toolkit", "numpy", "scipy", "numba", "h5py")


def assemble(context: Context, parameters: dict[str, Any]) -> Result:
    """Build the result from the stored steps, on rank 0; its spikes stay on disk.

    Parameters
    ----------
    context : Context
        Of the merging step, which has run.
    parameters : dict
        As the user gave them, to be kept with the result.
    """
    noise = context.store.load("whitening")
    bank = context.store.load("templates")
    chosen = context.store.load("merging")["template"]
    spikes = map_spikes(context.store.spikes("merging"))
    templates = _select(bank, chosen)
    streams = _stream_table(context.recording)
    levels = noise["noise_levels"]
    units = unit_table(
        spikes["time"],
        spikes["unit"],
        spikes["amplitude"],
        noise_levels=levels,
        streams=streams,
        sampling_rate=context.recording.sampling_rate,
        facts=_facts(context, bank["coefficients"][chosen], bank["basis"]),
        rule=_label_rule(context.config.merging.noise_norm),
        **templates,
    )
    return Result(
        sampling_rate=context.recording.sampling_rate,
        t_start=int(context.recording.t_start),
        t_stop=int(context.recording.t_stop),
        unit_ids=np.arange(len(units)),
        spike_times=spikes["time"],
        spike_units=spikes["unit"],
        amplitudes=spikes["amplitude"],
        objectives=spikes["objective"],
        n_before=context.config.whitening.frames_before,
        channels=_channel_table(context, levels > 0),
        noise_levels_uv=levels,
        thresholds=np.full(levels.size, context.config.detection.threshold / MAD),
        whitening_matrix=noise["matrix"].T,
        units=units,
        streams=streams,
        parameters=parameters,
        provenance=provenance(context),
        **templates,
        **_motion(context),
    )


def _motion(context: Context) -> dict[str, Any]:
    """Return the motion that was followed, if any, at the middle of each chunk."""
    motion = Motion.from_arrays(context.store.load("motion"))
    if not motion:
        return {}
    grid = context.front_end.grid
    bounds = np.array([grid.bounds(index) for index in range(len(grid))])
    return {
        "motion_times": bounds.sum(axis=1) // 2,
        "motion_depths_um": motion.depths_um,
        "motion_um": motion.displacement_um,
        "motion_axis": motion.axis,
    }


def _facts(context: Context, coefficients: np.ndarray, basis: np.ndarray) -> FitFacts:
    fitting = context.config.fitting
    bank = make_bank(
        coefficients,
        basis,
        bounds=fitting.amplitude_bounds,
        amplitude_sd=fitting.amplitude_sd,
        min_norm=fitting.min_norm,
    )
    overlaps = OverlapTable(bank.ptr, bank.neighbours, bank.overlaps)
    # a spike is found from the gain (B + lam)^2 / (n + lam) - lam = floor on, where the
    # amplitude is (B + lam) / (n + lam)
    smallest = np.sqrt((bank.floors + bank.lams) / (bank.norms + bank.lams))
    return FitFacts(
        norms=np.sqrt(bank.norms),
        isolation=isolation(
            overlaps, bank.norms, context.config.templates.max_lag_frames
        ),
        smallest=np.maximum(smallest, bank.a_min),
    )


def _label_rule(noise_norm: float) -> LabelRule:
    return LabelRule(min_norm=DOUBTFUL_NORM * noise_norm, clear_norm=noise_norm)


def _select(bank: dict, chosen: np.ndarray) -> dict[str, np.ndarray]:
    """Keep the templates of the final units."""
    ptr = bank["ptr"]
    rows = [np.arange(ptr[k], ptr[k + 1]) for k in chosen]
    kept = np.concatenate([np.zeros(0, np.int64), *rows])
    sizes = [r.size for r in rows]
    return {
        "template_ptr": np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        "template_channels": bank["channels"][kept],
        "template_waveforms": bank["waveforms"][kept],
    }


def _channel_table(context: Context, good: np.ndarray) -> ChannelTable:
    positions = np.zeros((context.n_channels, 3))
    given = context.probe.contact_positions
    positions[:, : given.shape[1]] = given
    x, y, z = positions.T
    return ChannelTable(
        column=context.probe.channels,
        electrode=np.arange(context.n_channels),
        group=context.probe.groups.astype(str),
        x=x,
        y=y,
        z=z,
        good=good,
    )


def _stream_table(recording: Any) -> StreamTable:
    sources = list(recording.streams)
    return StreamTable(
        name=np.array([str(source.file_name or "memory") for source in sources]),
        t_start=np.array([int(source.t_start) for source in sources], np.int64),
        n_frames=np.array([int(source.duration) for source in sources], np.int64),
    )


def provenance(context: Context) -> dict[str, Any]:
    """Say where a result comes from: software, settings, and what each step stored."""
    return {
        "software": {name: version(name) for name in SOFTWARE},
        "seed": context.config.whitening.seed,
        "config_sha256": digest(context.config),
        "recording_sha256": context.fingerprint,
        "steps": {step: context.store.output_hash(step) for step in PROVEN_STEPS},
    }
