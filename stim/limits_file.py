"""Safety limits from a TOML file: what a laboratory has agreed on, in one place."""

import difflib
import os
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from circus_io.errors import SafetyError
from stim.safety import REQUIRED, SafetyLimits

__all__ = ["VARIABLE", "find_limits", "load_limits", "read_limits"]

VARIABLE = "CIRCUS_STIM_LIMITS"
NAMES = tuple(field.name for field in fields(SafetyLimits))
WHOLE = (
    *REQUIRED,
    "max_phase_charge_fc",
    "max_net_charge_fc",
    "max_running_charge_fc",
)


def find_limits() -> Path | None:
    """Return the limits file of this user, or None if there is none.

    It is the one that the environment variable ``CIRCUS_STIM_LIMITS`` names, whether or
    not it is there; else ``circus-toolkit/stim-limits.toml`` in the user's folder of
    configurations, ``~/.config`` if ``XDG_CONFIG_HOME`` does not say otherwise.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    path = folder / "circus-toolkit" / "stim-limits.toml"
    return path if path.exists() else None


def load_limits() -> SafetyLimits | None:
    """Return the limits of this user's file, or None if there is none.

    Raises
    ------
    SafetyError
        The file is named but not there, or wrong.
    """
    path = find_limits()
    return None if path is None else read_limits(path)


def read_limits(path: str | os.PathLike[str]) -> SafetyLimits:
    """Read limits from a TOML file, whose keys are the names of `SafetyLimits`.

    Parameters
    ----------
    path : path

    Raises
    ------
    SafetyError
        It cannot be read, or is wrong; the message names the file, every key that is
        wrong, what was given and what is allowed.
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SafetyError(f"limits of stimulation, {path}: {error.strerror}") from error
    except ValueError as error:  # TOML or UTF-8
        raise SafetyError(f"limits of stimulation, {path}: {error}") from error
    problems = [_problem(key, value) for key, value in table.items()]
    problems += [
        f"{name}: is needed, in whole numbers" for name in REQUIRED if name not in table
    ]
    problems += [] if "unit" in table else ['unit: is needed, "nA" or "uV"']
    problems = [problem for problem in problems if problem]
    if problems:
        raise SafetyError(f"limits of stimulation, {path}: " + "; ".join(problems))
    try:
        return SafetyLimits(**table)
    except SafetyError as error:
        raise SafetyError(f"limits of stimulation, {path}: {error}") from error


def _problem(key: str, value: Any) -> str:
    """Return what is wrong with the type of a value, or nothing."""
    if key not in NAMES:
        close = difflib.get_close_matches(key, NAMES, 1)
        hint = f"did you mean {close[0]}?" if close else ", ".join(NAMES) + " are"
        return f"{key}: is no limit; {hint}"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if key == "unit":
        good, allowed = value in ("nA", "uV"), '"nA" or "uV"'
    elif key == "allow_endless":
        good, allowed = isinstance(value, bool), "true or false"
    elif key == "electrodes":
        good = isinstance(value, list) and all(type(label) is int for label in value)
        allowed = "a list of labels, such as [12, 13]"
    elif key in WHOLE:
        good, allowed = is_number and value % 1 == 0, "a whole number"
    else:
        good, allowed = is_number, "a number"
    return "" if good else f"{key} = {value!r}: expected {allowed}"
