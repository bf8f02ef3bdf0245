"""`SamplingDevice`: what is asked of a device that is sampled."""

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from circus_io.errors import DeviceError
from stim.sampling.limits import DriveLimits

__all__ = ["Response", "SamplingDevice", "Wave"]


@dataclass(frozen=True)
class Wave:
    """What electrodes are driven with.

    Attributes
    ----------
    values : float64 array, shape (n_samples, n_electrodes)
        In the unit of the limits of the device.
    rate_hz : float
    """

    values: np.ndarray
    rate_hz: float


@dataclass(frozen=True)
class Response:
    """What came back, sample by sample of the wave.

    Attributes
    ----------
    values : float array, shape (n_samples, n_readouts)
        In the unit of the device, `SamplingDevice.facts`.
    is_compliant : bool array, shape (n_samples,), optional
        Whether the electrodes really had what they were driven with, where the device
        can tell.
    sample_index : int
        Of the first sample, on the clock of the device or recorder; -1: not known.
    """

    values: np.ndarray
    is_compliant: np.ndarray | None = None
    sample_index: int = -1
    facts: dict[str, Any] = field(default_factory=dict)

    def check(self, n_samples: int, n_readouts: int) -> None:
        """Raise `DeviceError` unless it is one answer to each sample of the wave."""
        if np.shape(self.values) != (n_samples, n_readouts):
            raise DeviceError(
                f"the device answered with shape {np.shape(self.values)}, not "
                f"({n_samples}, {n_readouts}); is a channel absent, or its rate wrong?"
            )
        if not np.isfinite(self.values).all():
            raise DeviceError(
                "the answer of the device holds values that are no numbers"
            )


@runtime_checkable
class SamplingDevice(Protocol):
    """A device with outputs to electrodes and readouts, between which something is.

    Attributes
    ----------
    n_electrodes, n_readouts : int
    facts : dict
        ``driver`` and its ``version``, the units ``input_unit`` and ``output_unit``,
        ``amplification`` of each readout if any: what the record keeps of the device.
    """

    n_electrodes: int
    n_readouts: int
    facts: dict[str, Any]

    def limits(self) -> DriveLimits:
        """Return what the device itself allows."""

    def run(self, wave: Wave) -> Response:
        """Drive the electrodes with a wave, and return the answers; blocks.

        Raises
        ------
        DeviceError
            It failed, whatever the outputs are now.
        """

    def safe_state(self) -> None:
        """Bring all outputs to 0 from whatever they are, no faster than allowed.

        May be called at any time, and more than once.
        """

    def close(self) -> None:
        """Let go of the device; a second call does nothing."""
