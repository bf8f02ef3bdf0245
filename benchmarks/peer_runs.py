"""One sorter on one recording: started, metered, scored, and kept."""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import process_tree
from environments import REQUIREMENTS, EnvironmentBuildError, build
from known_sets import KnownRecording, KnownSet
from peer_tables import Outcome
from scoring import score
from sorters import SORTERS, Sorter
from sorting_cost import launcher, warm_up

import circus_io
import sorting
from circus_io.threads import THREAD_VARIABLES

__all__ = ["Runs"]

PROGRAMS = Path(__file__).resolve().parent / "peer_programs"


@dataclass(frozen=True)
class Runs:
    """How sorters are run.

    Attributes
    ----------
    environments : Path
        Folder of the environments of other sorters.
    n_ranks : int
        Processes of each sorter.
    timeout_s : float
        After which a sort is ended.
    """

    environments: Path
    n_ranks: int
    timeout_s: float

    def outcome(self, name: str, known: KnownSet, recording: KnownRecording) -> Outcome:
        """Return what a sorter did, from an earlier run if nothing has changed since.

        It is kept beside the recording. Failures are not kept.
        """
        home = recording.path.parent
        kept, digest = home / f"{name}.json", self._inputs(SORTERS[name], known)
        if kept.exists():
            stored = json.loads(kept.read_text())
            if stored.pop("inputs") == digest:
                return Outcome.from_json(stored)
        print(f"{home.name}: {name}", file=sys.stderr, flush=True)
        try:
            found = self._sort(name, known, recording, home / name)
        except EnvironmentBuildError as error:
            return Outcome(name, failure=str(error))
        if not found.failure:
            kept.write_text(json.dumps({**asdict(found), "inputs": digest}))
        return found

    def _inputs(self, sorter: Sorter, known: KnownSet) -> str:
        """Hash all that a run depends on."""
        code = REQUIREMENTS.get(sorter.environment) or _own_code()
        program = (PROGRAMS / sorter.program).read_text()
        what = [known.settings, sorter.options_for(known), self.n_ranks, code, program]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()

    def _sort(
        self, name: str, known: KnownSet, recording: KnownRecording, folder: Path
    ) -> Outcome:
        """Sort in a folder of its own, where the order, the spikes and the log stay."""
        sorter = SORTERS[name]
        command = self._command(sorter)
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "sort").mkdir(parents=True)
        order = self._order(name, known, recording, folder)
        (folder / "order.json").write_text(json.dumps(order))
        log, found = folder / "log.txt", folder / "found.npz"
        usage = process_tree.run(
            [*command, str(PROGRAMS / sorter.program), str(folder / "order.json")],
            folder,
            log,
            self.timeout_s,
            self._variables(sorter),
        )
        shutil.rmtree(folder / "sort", ignore_errors=True)
        if usage.status is None:
            return Outcome(name, failure=f"not done after {self.timeout_s:g} s")
        if usage.status or not found.exists():
            failure = f"status {usage.status}, {_last_line(log)} ({log})"
            return Outcome(name, failure=failure)
        with np.load(found) as spikes:
            scored = score(recording.truth, spikes["times"], spikes["units"])
        cost = (usage.wall_s, usage.cpu_s, usage.peak_mb)
        return Outcome(name, scored, *cost, recording.n_samples)

    def _order(
        self, name: str, known: KnownSet, recording: KnownRecording, folder: Path
    ) -> dict[str, Any]:
        """Return what a program of `PROGRAMS` is told; see ``order.py`` there."""
        return {
            "sorter": name,
            "recording": str(recording.path),
            "sampling_rate": recording.truth.sampling_rate,
            "gain_uv": recording.gain_uv,
            "positions_um": recording.positions_um,
            "n_jobs": self.n_ranks,
            "options": SORTERS[name].options_for(known),
            "folder": str(folder / "sort"),
            "result": str(folder / "found.npz"),
        }

    def _command(self, sorter: Sorter) -> list[str]:
        """Return what runs a program of the sorter; builds its environment first."""
        if sorter.environment is None:
            _warm_up()
            return [*launcher(self.n_ranks), sys.executable]
        name = sorter.environment
        return [str(build(name, REQUIREMENTS[name], self.environments))]

    def _variables(self, sorter: Sorter) -> dict[str, str]:
        """Return the variables of a process: as many threads as this one has ranks."""
        if sorter.environment is None:
            return dict(os.environ)
        threads = dict.fromkeys(THREAD_VARIABLES, str(self.n_ranks))
        own = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
        return {k: v for k, v in os.environ.items() if k not in own} | threads


@cache
def _warm_up() -> None:
    """Sort a little first: kernels are compiled once for all later sorts."""
    with tempfile.TemporaryDirectory() as folder:
        warm_up(Path(folder), 1)


@cache
def _own_code() -> str:
    """Hash the modules that take part in a sort of this project."""
    homes = [Path(package.__file__).parent for package in (circus_io, sorting)]
    modules = sorted(path for home in homes for path in home.rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in modules)).hexdigest()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "which said nothing"
