"""`Sampler`: a run by the documented configuration of `bspysmg.data.sampling`.

::

    sampler = Sampler(configs, device)
    folder = sampler.sample()

For any other design see `stim.sampling.characterisation.Characterisation`, on which it
stands.
"""

import copy
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.errors import ParameterError
from stim.sampling.characterisation import Characterisation, Progress
from stim.sampling.configs import SamplingConfig, plain
from stim.sampling.device import SamplingDevice
from stim.sampling.opening import open_device
from stim.sampling.ramps import ramped
from stim.sampling.timing import convert

__all__ = ["Sampler", "convert"]


class Sampler:
    """Drives the device of a configuration, and records what it answers.

    Parameters
    ----------
    configs : mapping
        The documented configuration; a copy is kept, and it is not changed.
    device : SamplingDevice, optional
        Open; by default that of ``driver``, see `open_device`. Closed at the end of
        `sample`, however it ends.

    Attributes
    ----------
    configs : dict
        With ``amplitude``, ``offset`` and ``seed`` of ``input_data`` filled in.

    Raises
    ------
    ParameterError
        Names the key that is absent or wrong.
    SafetyError
        The waves go beyond the limits.
    """

    def __init__(
        self, configs: Mapping[str, Any], device: SamplingDevice | None = None
    ) -> None:
        self.configs: dict[str, Any] = plain(configs)
        config = SamplingConfig.of(self.configs)
        self.device = device or open_device(self.configs["driver"], config)
        self.is_open = True
        try:
            if self.device.n_readouts != config.n_readouts:
                raise ParameterError(
                    f"readout_electrode_no = {config.n_readouts}: the device has "
                    f"{self.device.n_readouts}"
                )
            self._config = replace(
                config,
                design=config.design.within(
                    config.limits.intersection(self.device.limits())
                ),
            )
            self.config_offset_and_amplitude()
            self._run = Characterisation(
                device=self.device,
                design=self._config.design,
                limits=self._config.limits,
                ramp_s=self._config.ramp_s,
                reference_every=self._config.reference_every,
                configs=self.configs,
            )
        except BaseException:
            self.close_driver()
            raise

    def config_offset_and_amplitude(self) -> None:
        """Fill in the amplitude, the offset and the seed that are in force."""
        design = self._config.design
        self.configs["input_data"] |= {
            "amplitude": list(design.amplitude or ()),
            "offset": list(design.offset or ()),
            "seed": design.seed,
        }

    def init_configs(self) -> tuple[int, int, dict[str, Any]]:
        """Return the samples in all, those of a batch, and the input configuration."""
        design = self._config.design
        total = design.n_batches * design.batch_samples
        return total, design.batch_samples, copy.deepcopy(self.configs["input_data"])

    @staticmethod
    def get_batch_indices(sample_no: int, batch_size: int) -> Iterator[list[int]]:
        """Yield the samples of each batch; the last may be shorter."""
        for start in range(0, sample_no, batch_size):
            yield list(range(start, min(start + batch_size, sample_no)))

    @staticmethod
    def get_header(input_no: int, output_no: int) -> str:
        """Return the names of the columns, as the text format has them."""
        names = [f"Input {index}" for index in range(input_no)]
        return ", ".join(names + [f"Output {index}" for index in range(output_no)])

    def ramp_input(self, x: np.ndarray) -> np.ndarray:
        """Return a batch with its ramps, (samples, electrodes); see `ramps.ramped`."""
        return ramped(x, self._run.n_ramp)[0]

    def sample_batch(self, x: np.ndarray) -> np.ndarray:
        """Drive the device with a batch between ramps; return the answers to it alone.

        Parameters
        ----------
        x : float array, shape (batch_size, n_electrodes)

        Returns
        -------
        float array, shape (batch_size, n_readouts)
        """
        wave, is_batch = ramped(x, self._run.n_ramp)
        try:
            return np.asarray(self._run.drive(wave).values)[is_batch]
        finally:
            self.device.safe_state()

    def sample(
        self,
        plot_interval: int = 0,
        *,
        resume: str | os.PathLike[str] | None = None,
        on_batch: Callable[[Progress], None] | None = None,
    ) -> str:
        """Record all batches.

        Parameters
        ----------
        plot_interval : int
            Draw every so many batches, each to a file of its own; 0: none.
        resume : path, optional
            A folder that an earlier run of the same configuration left.
        on_batch : callable, optional
            Called with a `Progress` after each batch.

        Returns
        -------
        str
            The folder: ``<save_directory>/<data_name>_<time>``, with ``samples.h5`` and
            ``sampler_configs.json``.
        """
        folder = Path(resume) if resume else self._new_folder()

        def after(progress: Progress) -> None:
            if on_batch is not None:
                on_batch(progress)
            if plot_interval and progress.n_done % plot_interval == 0:
                from stim.sampling.plots import draw_batch

                draw_batch(folder, progress.n_done - 1)

        if plot_interval:
            from stim.sampling.plots import check_plots

            check_plots()
        try:
            self._run.record(folder, resume=resume is not None, on_batch=after)
        finally:
            self.close_driver()
        return str(folder)

    def _new_folder(self) -> Path:
        stamp = time.strftime("%Y_%m_%d_%H%M%S")
        folder = Path(self._config.save_directory) / f"{self._config.data_name}_{stamp}"
        n_tries = 1
        while folder.exists():
            n_tries += 1
            folder = folder.with_name(f"{self._config.data_name}_{stamp}_{n_tries}")
        return folder

    def save_batch(self, *args: Any) -> None:
        """Add a batch to a record: ``(writer, inputs, outputs)``.

        Parameters
        ----------
        writer : StoreWriter
        inputs, outputs : float array, shape (batch_size, n_electrodes or n_readouts)
        """
        writer, inputs, outputs = args
        writer.append(inputs, outputs, seed=self._config.design.seed)

    def close_driver(self) -> None:
        """Bring the outputs down, let go of the device; a second call does nothing."""
        if not self.is_open:
            return
        self.is_open = False
        try:
            self.device.safe_state()
        finally:
            self.device.close()
