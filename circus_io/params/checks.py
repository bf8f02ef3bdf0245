"""What must hold between values that are each allowed on their own."""

from collections.abc import Iterator
from pathlib import Path

from circus_io.params.parameters import Parameters, to_samples

__all__ = ["check_files", "check_values"]

Finding = tuple[tuple[str, ...], str]
"""``section.key`` of the values at odds, the first to blame, and the sentence."""


def check_values(parameters: Parameters) -> Iterator[Finding]:
    """Find values at odds with each other or with the sampling rate."""
    yield from _check_band(parameters)
    yield from _check_template_width(parameters)
    low, high = parameters.fitting.amp_limits
    if not low < high:
        yield ("fitting.amp_limits",), f"the lower limit {low:g} must be below {high:g}"
    if min(parameters.clustering.dispersion) <= 0:
        yield ("clustering.dispersion",), "both numbers must be > 0"
    triggers = parameters.triggers
    if triggers.clean_artefact and None in (triggers.trig_file, triggers.trig_windows):
        yield ("triggers.clean_artefact",), "it needs a trig_file and a trig_windows"
    if parameters.triggers.ignore_times and parameters.triggers.dead_file is None:
        yield ("triggers.ignore_times", "triggers.dead_file"), "it needs a dead_file"


def check_files(parameters: Parameters) -> Iterator[Finding]:
    """Find files that are named, needed and absent."""
    needed: dict[str, Path | None] = {"data.mapping": parameters.data.mapping}
    if parameters.triggers.ignore_times:
        needed["triggers.dead_file"] = parameters.triggers.dead_file
    if parameters.triggers.clean_artefact:
        needed["triggers.trig_file"] = parameters.triggers.trig_file
        needed["triggers.trig_windows"] = parameters.triggers.trig_windows
    for key, path in needed.items():
        if path is not None and not path.is_file():
            yield (key,), f"there is no file at {path}"


def _check_band(parameters: Parameters) -> Iterator[Finding]:
    low, high = parameters.filtering.cut_off
    rate = parameters.data.format_fields.get("sampling_rate")
    keys = ("filtering.cut_off", "data.sampling_rate")
    if high != "auto" and not low < high:
        yield keys[:1], f"the lower edge {low:g} Hz must be below {high:g} Hz"
    top = low if high == "auto" else high
    if parameters.filtering.filter and rate is not None and top >= rate / 2:
        yield keys, f"{top:g} Hz is not below {rate / 2:g} Hz, half the sampling rate"


def _check_template_width(parameters: Parameters) -> Iterator[Finding]:
    rate = parameters.data.format_fields.get("sampling_rate")
    width_ms = parameters.detection.N_t
    if rate is not None and to_samples(width_ms, rate) < 3:
        yield (
            ("detection.N_t", "data.sampling_rate"),
            f"{width_ms:g} ms is less than 3 samples at {rate:g} Hz",
        )
