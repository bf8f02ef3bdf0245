"""``circus stim simulate FILE``: play a stimulus on a device in a time of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from circus_cli.commands.stim.check import show_stimulus
from circus_cli.console import show
from circus_cli.options import Debug
from circus_cli.stim_options import (
    Limits,
    Picture,
    Repeats,
    Seconds,
    StimulusFile,
    Variant,
    simulated_bus,
)
from circus_cli.stimulus import Stimulus, load_stimulus, needed_limits

if TYPE_CHECKING:
    from stim.simulated.trace import OutputTrace
    from stim.stg.stg4000 import STG4000

__all__ = ["EXAMPLES", "simulate"]

EXAMPLES = """\b
Examples:
  circus stim simulate pulse.dat --limits limits.toml --repeats 3
  circus stim simulate pulse.dat --variant 1.6mA --seconds 2 --out output.npz
"""


def simulate(
    file: StimulusFile,
    limits: Limits = None,
    variant: Variant = "16mA",
    repeats: Repeats = 1,
    seconds: Seconds = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="NPZ", help="Write times (ns) and levels that left each channel."
        ),
    ] = None,
    picture: Picture = None,
    debug: Debug = False,
) -> int:
    """Play a stimulus on a simulated device, without waiting, and show what left it."""
    from circus_cli.stimulus_figure import write_picture
    from stim.stg.stg4000 import STG4000

    allowed = needed_limits(limits, file)
    bus = simulated_bus(variant or "16mA")
    times = repeats if seconds is None else None
    with STG4000(limits=allowed, bus=bus) as stg:
        stimulus = load_stimulus(file, stg.facts, allowed, times)
        show_stimulus(stimulus)
        if picture is not None:
            write_picture(picture, stimulus, allowed)
            show(f"picture: {picture}")
        stimulus.check()
        if seconds is None:
            play(stg, stimulus)
        else:
            stream(stg, stimulus, seconds)
        _show_output(bus.devices[0].trace, stimulus)
    if out is not None:
        _save(out, bus.devices[0].trace, stimulus)
        show(f"output: {out}")
    return 0


def play(stg: STG4000, stimulus: Stimulus) -> None:
    """Download a stimulus, and play it on all of its channels at once to its end."""
    for line in stimulus.lines:
        stg.download_waveform(
            line.channel, line.asked, repeats=stimulus.repeats, syncout=True
        )
    channels = [line.channel for line in stimulus.lines]
    longest_us = max(line.asked.duration_us for line in stimulus.lines)
    stg.map_triggers([channels], [stimulus.repeats])
    stg.start_stimulation([0])
    stg.wait(timeout_s=1 + 2e-6 * longest_us * stimulus.repeats)


def stream(stg: STG4000, stimulus: Stimulus, seconds: float) -> None:
    """Stream a stimulus, repeated, for a while."""
    if stimulus.mode == "voltage":
        stg.set_mode(mode="voltage")
    stg.set_waveforms({line.channel: line.asked for line in stimulus.lines})
    stg.start_streaming(capacity_in_s=0.1, buffer_in_s=0.05)
    stg.sleep(seconds * 1000)
    stg.stop_streaming()
    stats = stg.stats()
    show(
        f"{stats.n_played} frames were put out, {stats.n_underruns} underruns; a "
        f"change would be heard after {stats.latency_s * 1000:g} ms"
    )


def _show_output(trace: OutputTrace, stimulus: Stimulus) -> None:
    unit = "µA" if stimulus.unit == "nA" else "mV"
    for line in stimulus.lines:
        times_ns, levels = trace.changes(line.channel)
        lasted_ms = (times_ns[-1] - times_ns[0]) / 1e6 if len(times_ns) else 0
        largest = abs(levels).max(initial=0) / 1000
        show(
            f"channel {line.channel + 1} changed {len(levels)} times in "
            f"{lasted_ms:g} ms, up to {largest:g} {unit}"
        )


def _save(path: Path, trace: OutputTrace, stimulus: Stimulus) -> None:
    import numpy as np

    from circus_io.atomic import atomic_path

    arrays = {}
    for line in stimulus.lines:
        times_ns, levels = trace.changes(line.channel)
        arrays[f"times_ns_{line.channel}"] = times_ns
        arrays[f"levels_{stimulus.unit}_{line.channel}"] = levels
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
