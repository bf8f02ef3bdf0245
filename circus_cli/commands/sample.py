"""``circus sample``: a design on a device, recorded batch by batch."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from circus_cli.console import StepProgress, say_table, show
from circus_cli.errors import UsageError
from circus_cli.options import Debug, Quiet
from circus_io.errors import DeviceError, FormatError, ParameterError, SafetyError

if TYPE_CHECKING:
    from stim.sampling.characterisation import Characterisation
    from stim.sampling.device import SamplingDevice
    from stim.sampling.limits import DriveLimits

__all__ = ["EXAMPLES", "sample"]

EXAMPLES = """\b
Examples:
  circus sample design.toml --out run1                  with the simulated device
  circus sample design.toml --out run1 --check          what would be driven, and stop
  circus sample design.toml --out run1 --resume         go on after an interrupt
  circus sample design.toml --device nidaqmx --limits electrodes.toml --out run2
  circus sample design.toml --device my_lab.py:open_device --out run3 --plots 10
"""

TABLES = {"design", "device", "limits", "run"}
LIMIT_KEYS = {"low", "high", "max_slew_per_s", "unit"}
RUN_KEYS = {"ramp_s", "reference_every"}


def sample(
    design: Annotated[
        Path,
        typer.Argument(
            metavar="DESIGN",
            help="TOML file with the tables design, limits, run and device.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FOLDER", help="Gets the record."),
    ],
    device: Annotated[
        str,
        typer.Option(
            "--device",
            metavar="DEVICE",
            help="simulated, nidaqmx, or MODULE:FUNCTION that takes the table device "
            "and the limits and returns an open device; MODULE may be a .py file.",
        ),
    ] = "simulated",
    limits: Annotated[
        Path | None,
        typer.Option(
            "--limits",
            metavar="FILE",
            help="TOML file with the table limits, in place of that of DESIGN.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the record that is in FOLDER."),
    ] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Show what would be driven, and stop."),
    ] = False,
    plots: Annotated[
        int,
        typer.Option(
            "--plots", metavar="N", help="Draw every N-th batch to a file of its own."
        ),
    ] = 0,
    debug: Debug = False,
    quiet: Quiet = False,
) -> int:
    """Drive electrodes with a design, and record what comes back.

    Every wave is held against the limits before it leaves. Each batch begins and ends
    at rest; however a run ends, the outputs go down. A run that was interrupted or
    killed goes on with --resume, and has lost one batch at most.
    """
    if plots < 0:
        raise UsageError(f"--plots {plots}: expected at least 0")
    settings = _read(design, TABLES)
    if limits is not None:
        settings["limits"] = _read(limits, {"limits"}).get("limits")
    allowed = _limits(settings.get("limits"), limits or design)
    if plots:
        from stim.sampling.plots import check_plots

        check_plots()
    opened = _open(device, settings, allowed)
    try:
        run = _run(settings, allowed, opened, design)
        _describe(run, quiet)
        if not check:
            _record(run, out, resume, plots, quiet)
    finally:
        opened.close()
    return 0


def _read(path: Path, tables: set[str]) -> dict[str, Any]:
    if not path.exists():
        raise UsageError(f"there is no file {path}")
    try:
        settings = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"{path} is no TOML: {error}") from error
    unknown = sorted(set(settings) - tables)
    if unknown:
        raise ParameterError(
            f"{path} has {', '.join(unknown)}; expected the tables "
            f"{', '.join(sorted(tables))}"
        )
    return settings


def _limits(table: Mapping[str, Any] | None, path: Path) -> DriveLimits:
    from stim.sampling.limits import DriveLimits

    if table is None:
        raise SafetyError(
            f"{path} has no table limits; there are no defaults: give low, high (V, of "
            "each electrode) and max_slew_per_s (V/s)"
        )
    _check_keys(table, LIMIT_KEYS, "limits", path)
    for key in ("low", "high", "max_slew_per_s"):
        if key not in table:
            raise SafetyError(f"{path}: limits.{key} is absent, and has no default")
    return DriveLimits(**table)


def _check_keys(
    table: Mapping[str, Any], known: set[str], name: str, path: Path
) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise ParameterError(
            f"{path}: {name}.{unknown[0]} is not known; choose from "
            f"{', '.join(sorted(known))}"
        )


def _open(
    name: str, settings: Mapping[str, Any], limits: DriveLimits
) -> SamplingDevice:
    table = dict(settings.get("device", {}))
    if name == "simulated":
        from stim.sampling.devices.simulated import SimulatedDevice

        try:
            return SimulatedDevice(limits, **table)
        except TypeError as error:
            raise ParameterError(f"the table device: {error}") from error
    if name != "nidaqmx" and ":" not in name:
        raise UsageError(
            f"--device {name}: choose from simulated, nidaqmx, or give MODULE:FUNCTION"
        )
    from stim.sampling.devices.kept import KeptDevice

    return KeptDevice(_open_real, name, table, limits)


def _open_real(
    name: str, table: Mapping[str, Any], limits: DriveLimits
) -> SamplingDevice:
    """Open a device that is more than a simulation, in the process of its keeper."""
    if name != "nidaqmx":
        return _open_own(name, table, limits)
    from stim.sampling.devices.daqmx import DaqmxDevice

    try:
        return DaqmxDevice(limits=limits, **table)
    except TypeError as error:
        raise ParameterError(f"the table device: {error}") from error


def _open_own(
    name: str, table: Mapping[str, Any], limits: DriveLimits
) -> SamplingDevice:
    """Call the function of a user that opens a device."""
    import importlib
    import importlib.util

    from stim.sampling.device import SamplingDevice

    module_name, _, function = name.rpartition(":")
    if module_name.endswith(".py"):
        if not Path(module_name).exists():
            raise UsageError(f"--device {name}: there is no file {module_name}")
        spec = importlib.util.spec_from_file_location("sampled_device", module_name)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(module_name)
    device = getattr(module, function)(table, limits)
    if not isinstance(device, SamplingDevice):
        raise DeviceError(
            f"--device {name} returned a {type(device).__name__}, which has not all of "
            "limits, run, safe_state, close, n_electrodes, n_readouts and facts"
        )
    return device


def _run(
    settings: Mapping[str, Any], limits: DriveLimits, device: SamplingDevice, path: Path
) -> Characterisation:
    from stim.sampling.characterisation import Characterisation
    from stim.sampling.designs import make_design

    table = {"n_electrodes": limits.n_electrodes, **settings.get("design", {})}
    options = settings.get("run", {})
    _check_keys(options, RUN_KEYS, "run", path)
    try:
        return Characterisation(
            device=device, design=make_design(table), limits=limits, **options
        )
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from error


def _describe(run: Characterisation, quiet: bool) -> None:
    if quiet:
        return
    design, facts = run.design, run.device.facts
    n_ramps = 2 * run.n_ramp * len(run.steps)
    n_samples = len(run.steps) * design.batch_samples
    seconds = (n_samples + n_ramps) / design.rate_hz
    n_columns = run.device.n_electrodes + run.device.n_readouts
    show(
        f"{design.kind}: {len(run.steps)} batches of {design.batch_samples} samples at "
        f"{design.rate_hz:g} Hz, {seconds:,.1f} s with ramps, "
        f"{n_samples * n_columns * 4 / 1e6:,.1f} MB, seed {design.seed}"
    )
    bounds, unit = design.bounds(), run.limits.unit
    rows = [
        (electrode, *(f"{value:g}" for value in values))
        for electrode, values in enumerate(
            zip(bounds[0], bounds[1], run.limits.low, run.limits.high, strict=True)
        )
    ]
    columns = [
        f"{name} ({unit})" for name in ("lowest", "highest", "at least", "at most")
    ]
    say_table(
        ["electrode", *columns], rows, title=f"{facts['driver']} {facts['version']}"
    )


def _record(
    run: Characterisation, out: Path, resume: bool, plots: int, quiet: bool
) -> None:
    from stim.sampling.characterisation import Progress

    with StepProgress(quiet=quiet) as shown:

        def after(progress: Progress) -> None:
            shown("sampling", progress.n_done, progress.n_batches)
            if plots and progress.n_done % plots == 0:
                from stim.sampling.plots import draw_batch

                draw_batch(out, progress.n_done - 1)

        run.record(out, resume=resume, on_batch=after)
    if not quiet:
        _say_quality(out)
    show(f"recorded to {out / 'samples.h5'}")


def _say_quality(out: Path) -> None:
    from stim.sampling.quality import measure
    from stim.sampling.store import SampleStore

    with SampleStore(out) as store:
        quality = measure(store)
    show(f"discrepancy of the inputs {quality.discrepancy:.4f}")
    if quality.drift is not None and quality.snr_db is not None:
        rows = [
            (output, round(drift, 4), round(snr, 1))
            for output, (drift, snr) in enumerate(
                zip(quality.drift, quality.snr_db, strict=True)
            )
        ]
        say_table(("output", "drift", "SNR (dB)"), rows)
    if quality.n_not_compliant:
        show(f"{quality.n_not_compliant} samples were not delivered as driven")
