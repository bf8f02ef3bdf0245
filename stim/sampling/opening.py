"""`open_device`: the device that a configuration names."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from circus_io.errors import ParameterError
from stim.sampling.device import SamplingDevice
from stim.sampling.limits import DriveLimits

if TYPE_CHECKING:
    from stim.sampling.configs import SamplingConfig

__all__ = ["DEVICES", "open_device"]


def _simulated(
    driver: Mapping[str, Any], limits: DriveLimits, n_readouts: int, rate_hz: float
) -> SamplingDevice:
    from stim.sampling.devices.simulated import SimulatedDevice

    settings = dict(driver.get("simulation", {}))
    if "amplification" in driver:
        settings["amplification"] = driver["amplification"]
    return SimulatedDevice(limits, n_readouts, **settings)


def _nidaqmx(
    driver: Mapping[str, Any], limits: DriveLimits, n_readouts: int, rate_hz: float
) -> SamplingDevice:
    from stim.sampling.devices.daqmx import DaqmxDevice

    return DaqmxDevice.of_driver(driver, limits, rate_hz)


DEVICES: dict[str, Callable[..., SamplingDevice]] = {
    "cdaq_to_cdaq": _nidaqmx,
    "cdaq_to_nidaq": _nidaqmx,
    "nidaqmx": _nidaqmx,
    "simulated": _simulated,
}


def open_device(driver: Mapping[str, Any], config: "SamplingConfig") -> SamplingDevice:
    """Open the device of a ``driver`` table by its ``instrument_type``.

    Parameters
    ----------
    driver : mapping
    config : SamplingConfig
        Whose limits, rate and readouts it shall have.

    Raises
    ------
    ParameterError
        The type is not known.
    DeviceError
        It is not there.
    """
    kind = driver.get("instrument_type")
    if kind not in DEVICES:
        raise ParameterError(
            f"driver.instrument_type = {kind}: choose from {', '.join(DEVICES)}, or "
            "give an open device"
        )
    return DEVICES[kind](
        driver, config.limits, config.n_readouts, config.design.rate_hz
    )
