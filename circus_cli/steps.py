"""The names of ``-m``: which steps run for what a user, or an old script, writes."""

from __future__ import annotations

from difflib import get_close_matches

from circus_cli.errors import UsageError

__all__ = ["STEPS", "parse_steps"]

STEPS = (
    "filtering",
    "whitening",
    "detection",
    "motion",
    "clustering",
    "templates",
    "fitting",
    "merging",
    "converting",
)

STEPS_ARE = f"steps are {', '.join(STEPS)}"

# The clustering of SpyKING CIRCUS found the peaks and made the templates as well.
CLASSIC_CLUSTERING = ("detection", "motion", "clustering", "templates")

ABSENT_STEPS = {
    "gathering": "a stopped run is not gathered but resumed: start it again as it was",
    "extracting": "templates are not taken from spikes of another program; to judge "
    "those spikes, load them beside the result in Python",
    "deconverting": "open the phy folder with phylib, or in Python, to use the "
    "decisions made in phy; the result file keeps what was sorted",
    "benchmarking": "for a recording with known spikes use circus demo, or "
    "circus_io.synthetic in Python",
    "validating": "compare the result with spikes that you know by SpikeInterface's "
    "compare_sorter_to_ground_truth",
    "thresholding": "run -m detection, which keeps the peaks of every channel",
}


def parse_steps(method: str) -> tuple[str, ...]:
    """Return the steps that a comma list asks for, in the order in which they run.

    Parameters
    ----------
    method : str
        For example ``"filtering,whitening,clustering"``. ``clustering`` stands for
        detection, motion, clustering and templates, as in classic commands, unless
        detection or templates is named as well.

    Raises
    ------
    UsageError
        Names all names that are unknown, with the nearest step, or that are steps of
        SpyKING CIRCUS without a counterpart, with what to do instead.
    """
    names = [name.strip().lower() for name in method.split(",") if name.strip()]
    problems = [_problem(name) for name in names if name not in STEPS]
    if problems or not names:
        raise UsageError("\n".join(problems or [f"-m names no step; {STEPS_ARE}"]))
    if "clustering" in names and not {"detection", "templates"} & set(names):
        names += CLASSIC_CLUSTERING
    return tuple(step for step in STEPS if step in names)


def _problem(name: str) -> str:
    if name in ABSENT_STEPS:
        return f"-m {name} does not exist here: {ABSENT_STEPS[name]}"
    near = get_close_matches(name, [*STEPS, *ABSENT_STEPS], n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"-m {name} is no step; {hint}{STEPS_ARE}"
