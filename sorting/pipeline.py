"""The steps in their order, and how a run goes through them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from circus_io.errors import StepError
from circus_io.parallel import broadcast, wait_for_all
from circus_io.probe import Probe
from sorting import assembly
from sorting.artefacts import Artefacts
from sorting.chunk_map import silent
from sorting.config import SortingConfig, digest
from sorting.fingerprint import change_stamp, fingerprint
from sorting.front_end import FrontEnd
from sorting.memory import give_back
from sorting.results import as_json, log_path, read_origin, write_log, write_result
from sorting.steps import (
    clustering,
    converting,
    detection,
    filtering,
    fitting,
    merging,
    motion,
    templates,
    whitening,
)
from sorting.steps.context import Context
from sorting.store import Store, remove_leftovers

__all__ = ["STEPS", "Run"]

STEPS: dict[str, Callable[[Context], dict]] = {
    "filtering": filtering.run,
    "whitening": whitening.run,
    "detection": detection.run,
    "motion": motion.run,
    "clustering": clustering.run,
    "templates": templates.run,
    "fitting": fitting.run,
    "merging": merging.run,
    "converting": converting.run,
}

STEP_VERSION = 10  # raise it when a step's results change: stored ones are then redone

StepProgress = Callable[[str, int, int], None]


@dataclass
class Run:
    """One recording, its settings and the folder where steps leave their results."""

    recording: Any
    probe: Probe
    config: SortingConfig
    parameters: dict[str, Any]
    result_path: Path
    steps_path: Path
    comm: Any
    progress: StepProgress | None = None
    timings: dict[str, dict] = field(default_factory=dict)

    def __post_init__(self):
        self.store = Store(self.steps_path, self.comm)
        if self.comm.rank == 0:
            filtered = filtering.filtered_path(self.store.folder)
            for path in (self.result_path, log_path(self.result_path), filtered):
                remove_leftovers(path)
        self.front_end = FrontEnd(self.recording, self.probe, self.config.filtering)
        identity = (
            fingerprint(self.recording, self.probe.channels),
            change_stamp(self.recording),
        )
        self.identity, self.stamp = broadcast(self.comm, identity)

    def run(self, steps: Sequence[str] | None = None) -> None:
        """Run the steps that are asked for and not done yet.

        Raises
        ------
        StepError
            If a step fails, or needs one that has not run.
        """
        wanted = tuple(STEPS) if steps is None else tuple(steps)
        for name in STEPS:
            if name in wanted:
                self._run_step(name)
        if self.comm.rank == 0:
            write_log(
                self.result_path, {"ranks": self.comm.size, "steps": self.timings}
            )

    def digest(self, step: str) -> str:
        """Hash everything a step depends on: the recording, the settings up to it."""
        names = list(STEPS)
        sections = [
            getattr(self.config, name) for name in names[: names.index(step) + 1]
        ]
        sections[0] = replace(sections[0], to_file=False)  # a copy changes no step
        inputs = (self.identity, self.stamp, self._geometry())
        return digest(inputs, STEP_VERSION, *sections)

    def _geometry(self) -> list:
        return [self.probe.contact_positions.tolist(), self.probe.groups.tolist()]

    def _run_step(self, name: str) -> None:
        started, cpu_started = time.perf_counter(), time.process_time()
        done = self._is_done(name)
        if not done:
            self._require_earlier(name)
            if name == "converting":
                self._update_result()
            context = self._context(name)
            self.store.begin(name)
            self.store.save(name, context.digest, STEPS[name](context))
            give_back()
        if name == "merging":
            self._update_result()
        wait_for_all(self.comm)
        cpu_s = self.comm.allgather(time.process_time() - cpu_started)
        self.timings[name] = {
            "resumed": done,
            "wall_s": round(time.perf_counter() - started, 3),
            "cpu_s": round(sum(cpu_s), 3),
        }

    def _is_done(self, name: str) -> bool:
        """Tell whether a step need not run: exports always do, others once."""
        if name == "converting" or not self.store.is_done(name, self.digest(name)):
            return False
        if name == "detection":
            return detection.has_files(self.store, self.probe.n_channels)
        if name == "motion":
            return motion.has_files(self.store, self.probe.n_channels)
        wants_file = name == "filtering" and self.config.filtering.to_file
        return not wants_file or filtering.has_file(self.store)

    def _require_earlier(self, name: str) -> None:
        """Refuse to build on a step that has not run with these very settings."""
        earlier = list(STEPS)[: list(STEPS).index(name)]
        missing = [step for step in earlier if not self._is_done(step)]
        if missing:
            raise StepError(
                f"{name} needs {', '.join(missing)}: not run on this recording with "
                f"these parameters; run all steps (leave out -m), or -m "
                f"{','.join([*missing, name])}"
            )

    def _context(self, step: str) -> Context:
        report = self.progress
        return Context(
            recording=self.recording,
            probe=self.probe,
            config=self.config,
            front_end=self._front_end(step),
            comm=self.comm,
            store=self.store,
            progress=(
                silent
                if report is None or self.comm.rank
                else lambda done, total: report(step, done, total)
            ),
            digest=self.digest(step),
            fingerprint=self.identity,
            result_path=self.result_path,
        )

    def _front_end(self, step: str) -> FrontEnd:
        """Return the front end, without artefacts once step 1 has measured them."""
        if step == "filtering" or self.config.filtering.artefacts is None:
            return self.front_end
        return self.front_end.with_artefacts(
            Artefacts.from_arrays(self.store.load("filtering"))
        )

    def has_result(self) -> bool:
        """Tell whether the result file is that of these settings, on every rank."""
        done = self.store.is_done("merging", self.digest("merging"))
        return broadcast(self.comm, done and self._is_current())

    def _is_current(self) -> bool:
        """Tell whether the result file holds what the steps stored, on rank 0.

        It does not after a run that was killed before it wrote the result, or if
        somebody removed the file.
        """
        if self.comm.rank:
            return False
        expected = self.parameters, assembly.provenance(self._context("merging"))
        return read_origin(self.result_path) == as_json(expected)

    def _update_result(self) -> None:
        """Write the result of the merging step unless it is there already."""
        if self.comm.rank == 0 and not self._is_current():
            result = assembly.assemble(self._context("merging"), self.parameters)
            write_result(self.result_path, result)
        wait_for_all(self.comm)
