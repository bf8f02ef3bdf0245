"""`Characterisation`: a device is driven with a design, batch by batch, and recorded.

Every batch begins and ends at rest. However a run ends, the outputs come down first:
after an error, an interrupt, or a signal that ends the program.
"""

import logging
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from circus_io.atomic import write_json
from circus_io.errors import NotWritableError, ParameterError
from stim.sampling import store_layout
from stim.sampling.designs import Design
from stim.sampling.device import Response, SamplingDevice, Wave
from stim.sampling.interrupts import Interrupts
from stim.sampling.limits import DriveLimits
from stim.sampling.ramps import ramped
from stim.sampling.store import SampleStore, StoreWriter
from stim.sampling.timing import convert, count_samples

__all__ = ["CONFIGS_NAME", "STORE_NAME", "Characterisation", "Progress", "Step"]

logger = logging.getLogger(__name__)

STORE_NAME = "samples.h5"
CONFIGS_NAME = "sampler_configs.json"
MAX_CHECKED = 32  # batches that are computed and checked before anything is driven


@dataclass(frozen=True)
class Step:
    """A batch of the record: which of the design it is, and what for."""

    design_batch: int
    is_reference: bool = False


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes
    ----------
    n_done, n_batches : int
    batch_s : float
        Time that the last batch took, s.
    """

    n_done: int
    n_batches: int
    batch_s: float

    @property
    def remaining(self) -> str:
        """What the rest takes, ``H:MM:SS``."""
        return convert(self.n_done, self.n_batches, self.batch_s)


@dataclass(kw_only=True)
class Characterisation:
    """A run of a design on a device.

    Parameters
    ----------
    device : SamplingDevice
        Open; whoever opened it closes it.
    design : Design
        What it leaves open of amplitude and offset follows from the limits.
    limits : DriveLimits
        Those of the experiment; those of the device hold as well.
    ramp_s : float
        From rest to the first sample of each batch, and from its last one to rest.
    reference_every : int
        Repeat the first batch of the design before the others, after every so many of
        them and at the end, to see what drifts; 0: never.
    configs : mapping, optional
        Written beside the samples; by default what the design says, by the names of
        the documented configuration.

    Raises
    ------
    SafetyError
        The design goes beyond the limits; nothing was driven.
    ParameterError
        Design, limits and device do not fit together.
    """

    device: SamplingDevice
    design: Design
    limits: DriveLimits
    ramp_s: float = 0.0
    reference_every: int = 0
    configs: Mapping[str, Any] | None = None
    steps: list[Step] = field(init=False)

    def __post_init__(self) -> None:
        """Find what is wrong before anything is driven."""
        self.limits = self.limits.intersection(self.device.limits())
        self.design = self.design.within(self.limits)
        self.n_ramp = count_samples(self.ramp_s, self.design.rate_hz)
        if self.reference_every < 0:
            raise ParameterError(
                f"reference_every = {self.reference_every}: expected at least 0"
            )
        self.steps = list(self._schedule())
        self._check_all()

    def _schedule(self) -> Iterator[Step]:
        reference = Step(0, is_reference=True)
        every, n_batches = self.reference_every, self.design.n_batches
        for index in range(n_batches):
            if every and index % every == 0:
                yield reference
            yield Step(index)
        if every:
            yield reference

    def _check_all(self) -> None:
        """Check the bounds of the design, and some batches spread over all of it."""
        rate_hz, bounds = self.design.rate_hz, self.design.bounds()
        unhurried = DriveLimits(
            self.limits.low, self.limits.high, float("inf"), self.limits.unit
        )
        unhurried.check(bounds, rate_hz)
        n_checked = min(MAX_CHECKED, self.design.n_batches)
        for index in np.linspace(0, self.design.n_batches - 1, n_checked).astype(int):
            self.limits.check(self.wave(int(index))[0], rate_hz)

    def wave(self, design_batch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a batch with its ramps, and where it is without; see `ramped`."""
        return ramped(self.design.batch(design_batch), self.n_ramp)

    def drive(self, wave: np.ndarray) -> Response:
        """Check a wave, drive the device with it, and check the answer."""
        self.limits.check(wave, self.design.rate_hz)
        response = self.device.run(Wave(wave, self.design.rate_hz))
        response.check(len(wave), self.device.n_readouts)
        return response

    # ------------------------------------------------------------------------ recording

    def record(
        self,
        folder: str | os.PathLike[str],
        *,
        resume: bool = False,
        on_batch: Callable[[Progress], None] | None = None,
    ) -> Path:
        """Drive all batches, and write each as soon as it is there.

        Parameters
        ----------
        folder : path
            Made if it is not there; gets ``samples.h5`` and ``sampler_configs.json``.
        resume : bool
            Go on with what is there of the same run.
        on_batch : callable, optional
            Called after each batch.

        Returns
        -------
        Path
            Of the folder.

        Raises
        ------
        NotWritableError
            There is a record, and `resume` is False; or another run writes it; or
            there is no room.
        ParameterError
            The record is that of another run.
        DeviceError
            The device failed; its outputs are at rest, and what came before is kept.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with sole_writer(folder):
            path = self._prepared(folder, resume)
            down = self.device.safe_state
            with (
                Interrupts() as interrupts,
                StoreWriter(path) as writer,
                # twice: a signal may come just before the inner one has begun
                interrupts.then_unhurried(down),
                interrupts.then_unhurried(down),
            ):
                self._record_rest(writer, interrupts, on_batch)
        return folder

    def _prepared(self, folder: Path, resume: bool) -> Path:
        """Return the path of a record that waits for the next batch of this run."""
        path = folder / STORE_NAME
        if path.exists():
            if not resume:
                raise NotWritableError(
                    f"there is a record in {folder}; go on with it (resume), or name "
                    "another place"
                )
            self._check_same(path)
            return path
        n_columns = self.device.n_electrodes + self.device.n_readouts
        n_bytes = len(self.steps) * self.design.batch_samples * n_columns * 4
        free = shutil.disk_usage(folder).free
        if n_bytes > free:
            raise NotWritableError(
                f"the record takes {n_bytes / 1e9:.1f} GB, and {folder} has room for "
                f"{free / 1e9:.1f} GB; make room, or name a place on another disk"
            )
        write_json(folder / CONFIGS_NAME, self._configs())
        store_layout.create(
            path,
            [self.design.batch_samples] * len(self.steps),
            self.device.n_electrodes,
            self.device.n_readouts,
            self.info(),
            n_phases=len(self.design.phases(0)),
        )
        return path

    def info(self) -> dict[str, Any]:
        """Return what the record says of the whole run."""
        facts = self.device.facts
        return {
            "design": self.design.to_dict(),
            "limits": self.limits.to_dict(),
            "ramp_samples": self.n_ramp,
            "reference_every": self.reference_every,
            "device": facts,
            "units": {"inputs": self.limits.unit, "outputs": facts["output_unit"]},
            "sampling_configs": self._configs(),
        }

    def _configs(self) -> dict[str, Any]:
        if self.configs is not None:
            return dict(self.configs)
        from stim.sampling.configs import configs_of_design

        return configs_of_design(self.design, self.device, self.ramp_s)

    def _check_same(self, path: Path) -> None:
        with SampleStore(path) as store:
            there, n_outputs = store.info, store.n_outputs
        here = self.info()
        problems = [
            f"{name}.{key} is {there[name].get(key)} there, and "
            f"{here[name].get(key)} here"
            for name in ("design", "limits")
            for key in sorted({*there[name], *here[name]})
            if there[name].get(key) != here[name].get(key)
        ]
        problems += [
            f"{name} is {there[name]} there, and {here[name]} here"
            for name in ("ramp_samples", "reference_every")
            if there[name] != here[name]
        ]
        if n_outputs != self.device.n_readouts:
            problems.append(
                f"{n_outputs} readouts there, {self.device.n_readouts} here"
            )
        if problems:
            raise ParameterError(
                f"the record in {path.parent} is that of another run: "
                f"{'; '.join(problems)}; name another place"
            )

    def _record_rest(
        self,
        writer: StoreWriter,
        interrupts: Interrupts,
        on_batch: Callable[[Progress], None] | None,
    ) -> None:
        software = _software()
        for step in self.steps[writer.n_batches :]:
            started_s = time.monotonic()
            self._record_one(step, writer, software)
            batch_s = time.monotonic() - started_s
            if on_batch is not None:
                on_batch(Progress(writer.n_batches, len(self.steps), batch_s))
            interrupts.raise_if_any()

    def _record_one(self, step: Step, writer: StoreWriter, software: str) -> None:
        wave, is_batch = self.wave(step.design_batch)
        t0_unix_ns, t0_monotonic_ns = time.time_ns(), time.monotonic_ns()
        response = self.drive(wave)
        facts = {
            "design_batch": step.design_batch,
            "is_reference": step.is_reference,
            "seed": self.design.seed,
            "t0_unix_ns": t0_unix_ns,
            "t0_monotonic_ns": t0_monotonic_ns,
            "sample_index": response.sample_index,
            "n_not_compliant": self._count_not_compliant(step, response, is_batch),
            "host": platform.node(),
            "driver": f"{self.device.facts['driver']} {self.device.facts['version']}",
            "software": software,
        }
        phases = self.design.phases(step.design_batch)
        if len(phases):
            facts["phases"] = phases
        writer.append(wave[is_batch], np.asarray(response.values)[is_batch], **facts)

    @staticmethod
    def _count_not_compliant(
        step: Step, response: Response, is_batch: np.ndarray
    ) -> int:
        if response.is_compliant is None:
            return 0
        count = int(np.count_nonzero(~np.asarray(response.is_compliant)[is_batch]))
        if count:
            logger.warning(
                "batch %d: in %d of %d samples the electrodes did not get what they "
                "were driven with; lower the amplitude, or check their impedance",
                step.design_batch,
                count,
                np.count_nonzero(is_batch),
            )
        return count


def _software() -> str:
    return (
        f"circus-toolkit {version('circus-toolkit')}, numpy {np.__version__}, "
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder; the system lets go when this one dies."""
    lock = FileLock(folder / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise NotWritableError(
            f"another run records in {folder}; wait until it ends, or name another "
            "place"
        ) from None
    try:
        yield
    finally:
        lock.release()
