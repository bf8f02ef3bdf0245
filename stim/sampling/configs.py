"""The documented configuration of `bspysmg`, checked once and never changed."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Self

import numpy as np

from circus_io.errors import ParameterError
from stim.sampling.designs import Design, Sawtooth, Sine
from stim.sampling.device import SamplingDevice
from stim.sampling.limits import DriveLimits
from stim.sampling.timing import count_samples

__all__ = [
    "SamplingConfig",
    "amplification_of",
    "configs_of_design",
    "plain",
    "setting",
]

WAVES = {"sine": Sine, "sawtooth": Sawtooth}


def setting(configs: Mapping[str, Any], path: str, *default: Any) -> Any:
    """Return a value of nested tables by its path, such as ``'input_data.factor'``.

    Raises
    ------
    ParameterError
        It is absent or None, and there is no default.
    """
    value: Any = configs
    for key in path.split("."):
        if not isinstance(value, Mapping) or value.get(key) is None:
            if default:
                return default[0]
            raise ParameterError(f"the configuration needs {path}")
        value = value[key]
    return value


def plain(value: Any) -> Any:
    """Return a copy of which JSON knows all: lists for arrays and tuples."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value


def amplification_of(configs: Mapping[str, Any]) -> np.ndarray:
    """Return ``driver.amplification`` of each readout, float64 (n_readouts,)."""
    given = setting(configs, "driver.amplification", 1.0)
    values = np.atleast_1d(np.asarray(given, dtype=float))
    n_readouts = int(setting(configs, "input_data.readout_electrode_no", len(values)))
    if len(values) == 1:
        values = np.repeat(values, n_readouts)
    if len(values) != n_readouts:
        raise ParameterError(
            f"driver.amplification has {len(values)} values; expected one, or one for "
            f"each of the {n_readouts} readouts"
        )
    return values


@dataclass(frozen=True)
class SamplingConfig:
    """What a configuration says, in samples.

    Attributes
    ----------
    design : Design
    limits : DriveLimits
    ramp_s : float
    n_readouts : int
    save_directory, data_name : str
    reference_every : int
    """

    design: Design
    limits: DriveLimits
    ramp_s: float
    n_readouts: int
    save_directory: str
    data_name: str
    reference_every: int

    @classmethod
    def of(cls, configs: Mapping[str, Any]) -> Self:
        """Read a configuration; it is left as it was.

        Beside the documented keys, ``input_data`` may have ``seed`` (else one is
        drawn), ``max_slew_per_s`` (V/s) and ``reference_every``.

        Raises
        ------
        ParameterError
            Names the key, and what is allowed.
        """
        design = cls._design(configs)
        ranges = setting(configs, "driver.instruments_setup.activation_voltage_ranges")
        slew = setting(configs, "input_data.max_slew_per_s", inf)
        return cls(
            design=design,
            limits=DriveLimits.of(ranges, float(slew)),
            ramp_s=float(setting(configs, "input_data.ramp_time", 0.0)),
            n_readouts=int(setting(configs, "input_data.readout_electrode_no")),
            save_directory=str(setting(configs, "save_directory")),
            data_name=str(setting(configs, "data_name")),
            reference_every=int(setting(configs, "input_data.reference_every", 0)),
        )

    @staticmethod
    def _design(configs: Mapping[str, Any]) -> Design:
        data = setting(configs, "input_data")
        kind = setting(configs, "input_data.input_distribution", "sine")
        if kind not in WAVES:
            raise ParameterError(
                f"input_data.input_distribution = {kind}: choose from "
                f"{', '.join(WAVES)}"
            )
        rate_hz = setting(
            configs, "driver.instruments_setup.activation_sampling_frequency"
        )
        optional = {
            name: data[name]
            for name in ("amplitude", "offset", "phase", "factor")
            if data.get(name) is not None
        }
        n_electrodes = setting(configs, "input_data.activation_electrode_no")
        frequencies = list(
            np.atleast_1d(setting(configs, "input_data.input_frequency"))
        )
        return WAVES[kind](
            rate_hz=rate_hz,
            batch_samples=count_samples(
                setting(configs, "input_data.batch_time"), rate_hz
            ),
            n_batches=setting(configs, "input_data.number_batches"),
            n_electrodes=n_electrodes,
            seed=setting(configs, "input_data.seed", secrets.randbits(32)),
            input_frequency=frequencies[:n_electrodes],
            random_phase_shift_each=data.get("random_phase_shift_each") or 0,
            **optional,
        )


def configs_of_design(
    design: Design, device: SamplingDevice, ramp_s: float
) -> dict[str, Any]:
    """Return what the documented configuration would say of a run.

    What it has no names for stands under ``design``.
    """
    amplification = device.facts.get("amplification") or [1.0] * device.n_readouts
    limits = device.limits()
    return {
        "driver": {
            "instrument_type": device.facts["driver"],
            "amplification": list(map(float, amplification)),
            "instruments_setup": {
                "activation_voltage_ranges": limits.ranges.tolist(),
                "activation_sampling_frequency": design.rate_hz,
            },
        },
        "input_data": {
            "input_distribution": design.kind,
            "activation_electrode_no": design.n_electrodes,
            "readout_electrode_no": device.n_readouts,
            "amplitude": list(design.amplitude or ()),
            "offset": list(design.offset or ()),
            "batch_time": design.batch_samples / design.rate_hz,
            "ramp_time": ramp_s,
            "number_batches": design.n_batches,
            "seed": design.seed,
        },
        "design": design.to_dict(),
    }
