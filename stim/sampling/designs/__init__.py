"""Designs: one kind of wave per module, all of them by `make_design`."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from circus_io.errors import ParameterError
from stim.sampling.designs.base import Design
from stim.sampling.designs.chirp import Chirp
from stim.sampling.designs.multisine import Multisine
from stim.sampling.designs.periodic import Sawtooth, Sine
from stim.sampling.designs.recruitment import Recruitment
from stim.sampling.designs.sobol import Sobol
from stim.sampling.designs.staircase import Staircase
from stim.sampling.timing import count_samples

__all__ = [
    "DESIGNS",
    "Chirp",
    "Design",
    "Multisine",
    "Recruitment",
    "Sawtooth",
    "Sine",
    "Sobol",
    "Staircase",
    "make_design",
]

DESIGNS: dict[str, type[Design]] = {
    design.kind: design
    for design in (Sine, Sawtooth, Sobol, Multisine, Chirp, Staircase, Recruitment)
}


def make_design(settings: Mapping[str, Any]) -> Design:
    """Return the design of a table, such as a file of `circus sample` has.

    Parameters
    ----------
    settings : mapping
        ``kind`` and the parameters of that design; ``batch_s`` in place of
        ``batch_samples``, if you like.

    Raises
    ------
    ParameterError
        Names the key that is unknown, absent or wrong, and what is allowed.
    """
    given = dict(settings)
    kind = given.pop("kind", None)
    if kind not in DESIGNS:
        raise ParameterError(f"kind = {kind}: choose from {', '.join(DESIGNS)}")
    design = DESIGNS[kind]
    if "batch_s" in given:
        if "batch_samples" in given:
            raise ParameterError("batch_s and batch_samples: give one of them")
        given["batch_samples"] = count_samples(
            given.pop("batch_s"), given.get("rate_hz", 0)
        )
    known = design.parameters()
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ParameterError(f"the {kind} design has no {name}{hint}")
    try:
        return design(**given)
    except TypeError as error:  # absent, or of another type than it is compared with
        raise ParameterError(f"the {kind} design: {error}") from error
