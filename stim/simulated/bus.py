"""`SimulatedBus`: devices that are plugged into nothing."""

from collections.abc import Callable, Sequence
from typing import Any

from circus_io.errors import DeviceNotFoundError
from stim.simulated.device import SimulatedDevice
from stim.simulated.ports import SimulatedDownloadPort, SimulatedStreamingPort
from stim.stg.port import DeviceEntry

__all__ = ["SimulatedBus"]


class SimulatedBus:
    """A bus with simulated devices; see `stim.stg.port.Bus`.

    Parameters
    ----------
    devices : sequence of SimulatedDevice, optional
        All on one clock; one of 16 mA and 8 channels, on the wall clock, if there are
        none.
    """

    name = "simulated"
    version = "1"

    def __init__(self, devices: Sequence[Any] | None = None) -> None:
        self.devices = [SimulatedDevice()] if devices is None else list(devices)
        self.clock = self.devices[0].clock
        self._watchers: list[tuple[Callable, Callable]] = []
        for device in self.devices:
            device.on_removal(lambda device=device: self._tell(device.entry, 1))

    @property
    def ends_with_process(self) -> bool:
        """Whether the devices live in this process, and in no other one."""
        return all(isinstance(device, SimulatedDevice) for device in self.devices)

    def list_devices(self) -> list[DeviceEntry]:
        """Return the stimulators that are plugged in."""
        return [
            device.entry for device in self.devices if not device.faults.is_unplugged
        ]

    def plug_in(self, device: Any) -> None:
        """Plug a device in, a new one or one that was pulled."""
        device.plug_in()
        if device not in self.devices:
            self.devices.append(device)
            device.on_removal(lambda: self._tell(device.entry, 1))
        self._tell(device.entry, 0)

    def open_download(self, serial_number: str | None = None) -> SimulatedDownloadPort:
        """Connect to a device for downloads."""
        return SimulatedDownloadPort(self._device(serial_number))

    def open_streaming(
        self,
        ring_samples: int,
        serial_number: str | None = None,
        on_data: Callable[[int], None] | None = None,
        on_error: Callable[[], None] | None = None,
    ) -> SimulatedStreamingPort:
        """Connect to a device for streaming."""
        device = self._device(serial_number)
        return SimulatedStreamingPort(
            device, self.clock, ring_samples, on_data, on_error
        )

    def watch(
        self,
        on_arrival: Callable[[DeviceEntry], None],
        on_removal: Callable[[DeviceEntry], None],
    ) -> Callable[[], None]:
        """Tell when devices are plugged in and out; return what ends that."""
        watcher = (on_arrival, on_removal)
        self._watchers.append(watcher)
        return lambda: watcher in self._watchers and self._watchers.remove(watcher)

    def _tell(self, entry: DeviceEntry, which: int) -> None:
        for watcher in list(self._watchers):
            watcher[which](entry)

    def _device(self, serial_number: str | None) -> Any:
        plugged = [d for d in self.devices if not d.faults.is_unplugged]
        found = [
            device
            for device in plugged
            if serial_number in (None, device.entry.serial_number)
        ]
        if len(found) == 1:
            return found[0]
        there = ", ".join(d.entry.serial_number for d in plugged) or "none"
        if found:
            raise DeviceNotFoundError(f"several devices are there, {there}; choose one")
        asked = "a device" if serial_number is None else f"device {serial_number}"
        raise DeviceNotFoundError(f"{asked} is not plugged in; there: {there}")
