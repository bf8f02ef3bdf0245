"""One virtual environment for each family of sorters, made once and kept.

Sorters need other versions of the same libraries, so each family has an environment of
its own, and none of them is that of this project. Versions of sorters are fixed:
a table of results says little about "the newest".
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["REQUIREMENTS", "EnvironmentBuildError", "build", "cache_folder"]

SPIKEINTERFACE = "spikeinterface[{}]==0.105.3"

# Each inner list is one call of pip: what a build needs has to be there before it.
REQUIREMENTS: dict[str, list[list[str]]] = {
    "spikeinterface": [
        [
            SPIKEINTERFACE.format(
                "spykingcircus2,tridesclous2,lupin,sortingcomponents,postprocessing,"
                "metrics,comparison"
            ),
            "torch==2.13.0",
            "h5py",
        ]
    ],
    "mountainsort5": [
        [SPIKEINTERFACE.format("preprocessing"), "mountainsort5==0.5.9", "scipy"]
    ],
    "spikesift": [["spikesift==0.1.1"]],
    "kilosort4": [["torch==2.13.0", "kilosort==4.1.7"]],
    # of 2022: its build and its imports want the numpy of that time
    "spyking-circus": [
        ["setuptools<70", "wheel", "cython", "numpy==1.23.5"],
        ["--no-build-isolation", "spyking-circus==1.1.0", "numpy==1.23.5"],
        [
            *("numpy==1.23.5", "scipy==1.10.1", "pandas==1.5.3", "h5py==3.8.0"),
            *("matplotlib==3.6.3", "statsmodels==0.13.5", "scikit-learn==1.2.2"),
            *("six", "PyQt5", "mpich"),
        ],
    ],
}

WHOLE = "requirements-installed.txt"  # stands in an environment that is complete
LAST_LINES = 3


class EnvironmentBuildError(RuntimeError):
    """An environment could not be made; the message ends with what pip said."""


def cache_folder() -> Path:
    """Return where this user's programs keep what they can make again."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
    else:
        base = os.environ.get("XDG_CACHE_HOME")
    return Path(base or Path.home() / ".cache") / "circus-toolkit"


def build(name: str, requirements: list[list[str]], folder: Path) -> Path:
    """Return the Python of an environment, which is made if it is not there.

    Parameters
    ----------
    name : str
        The environment stands in ``folder / name-HASH``, the hash being that of its
        requirements: other versions get another environment.
    requirements : list of list of str
        What each call of ``pip install`` is given, in this order.
    folder : Path

    Raises
    ------
    EnvironmentBuildError
        If it cannot be made. The next call begins anew.
    """
    text = "\n".join(" ".join(step) for step in requirements)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    home = folder / f"{name}-{digest}"
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if (home / WHOLE).exists():
        return python
    print(f"making the environment {home}", file=sys.stderr, flush=True)
    _run(name, sys.executable, "-m", "venv", "--clear", home)
    for step in requirements:
        _run(name, python, "-m", "pip", "install", "--quiet", *step)
    (home / WHOLE).write_text(text)
    return python


def _run(name: str, *command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-LAST_LINES:]
        raise EnvironmentBuildError(f"no environment for {name}: {' / '.join(said)}")
