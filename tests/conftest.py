"""Fixtures for all tests.

A test that needs something which ``pip install`` of the test extra does not bring says
so with `require`; it is skipped where that is absent, and fails instead with
``CIRCUS_REQUIRE_ALL=1``. Recordings from laboratories (`samples`) may always be absent.
"""

import importlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent


# a job in the background of a script has interrupts ignored, and so have its children
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def require() -> Callable[..., Any]:
    """``require("srun", package="slurm-wlm")`` or ``require("mpi4py", extra="mpi")``.

    With `package`, a program: returns its path. With `extra`, a module: returns it.
    """

    def require(name: str, *, package: str = "", extra: str = "") -> Any:
        if package:
            # daemons lie in sbin, which is not on everyone's PATH
            path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
            found = shutil.which(name, path=path)
            return Path(found) if found else _absent(f"{name} (package {package})")
        try:
            return importlib.import_module(name)
        except (ImportError, RuntimeError) as error:
            return _absent(f"{name} (circus-toolkit[{extra}]): {error}")

    return require


def _absent(what: str) -> None:
    reason = f"needs {what}"
    if os.environ.get("CIRCUS_REQUIRE_ALL") == "1":
        pytest.fail(f"{reason}, and CIRCUS_REQUIRE_ALL=1 allows no skip", pytrace=False)
    pytest.skip(reason)


@pytest.fixture
def nobody():
    """Be a user who may not write everywhere, for as long as a block lasts."""

    @contextmanager
    def nobody():
        if os.geteuid():
            yield
            return
        os.setresuid(65534, 65534, 0)
        try:
            yield
        finally:
            os.setresuid(0, 0, 0)

    return nobody


@pytest.fixture
def mpi_run(require: Callable[..., Any]) -> Callable[..., subprocess.CompletedProcess]:
    """``mpi_run(2, "script.py", "argument")``: run Python on MPI ranks.

    ``mpi_run(n, *arguments, timeout=120, **keywords_of_subprocess_run)`` passes the
    arguments to this Python (so ``"-m", "circus_cli", ...`` and ``"-c", code`` work)
    under the mpiexec of its environment and returns the completed process, with text
    of stdout and stderr.
    """
    require("mpi4py", extra="mpi")
    from circus_cli.launch import rank_command, rank_environment

    def mpi_run(n_ranks: int, *arguments: Any, timeout: float = 120, **keywords: Any):
        command = [*rank_command(n_ranks), sys.executable, *map(str, arguments)]
        keywords.setdefault("env", rank_environment())
        return subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, **keywords
        )

    return mpi_run


@pytest.fixture(scope="session")
def samples() -> Path:
    """Give the folder of sample recordings: ``$CIRCUS_SAMPLES`` or ``shared/samples``.

    The latter stands beside the checkout.
    """
    given = os.environ.get("CIRCUS_SAMPLES")
    folder = Path(given) if given else CHECKOUT.parent / "shared" / "samples"
    if not folder.is_dir():
        pytest.skip(f"no sample recordings in {folder}; CIRCUS_SAMPLES says where")
    return folder


@pytest.fixture
def mcs_vendor(require: Callable[..., Any]) -> Callable[[Path], dict[int, Any]]:
    """``mcs_vendor(path)``: the recordings that the reader of the vendor finds."""
    module = require("McsPy.McsData", extra="test")
    module.VERBOSE = False
    files = []  # it closes what nobody holds

    def recordings(path: Path) -> dict[int, Any]:
        files.append(module.RawData(str(path)))
        return files[-1].recordings

    return recordings
