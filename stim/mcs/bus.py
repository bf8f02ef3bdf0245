"""`McsBus`: finds stimulators through a loaded assembly, and opens them."""

import atexit
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from circus_io.errors import DeviceNotFoundError
from stim.mcs.assembly import Assembly
from stim.mcs.calls import Callbacks, ask
from stim.mcs.ports import McsDownloadPort, McsPort, McsStreamingPort
from stim.stg.clock import WallClock
from stim.stg.port import DeviceEntry

__all__ = ["McsBus"]

# threads of .NET must call no Python that has ended
_open_ports: WeakSet[McsPort] = WeakSet()


class McsBus:
    """Stimulators behind the vendor's assembly or its simulator.

    See `stim.stg.port.Bus`.

    Parameters
    ----------
    name : {'stg4000', 'mcs-simulated'}
    assembly : Assembly
    reach : str, optional
        The name by which `stim.stg.opening.open_bus` finds the same devices in another
        process.

    Attributes
    ----------
    version : str
        Of the assembly.
    """

    def __init__(self, name: str, assembly: Assembly, reach: str | None = None) -> None:
        self.reach = reach
        self.name, self.version, self.clock = name, assembly.version, WallClock()
        self._assembly = assembly
        # registered after the end of the runtime was, it comes before it; once
        atexit.unregister(_disconnect_all)
        atexit.register(_disconnect_all)

    def list_devices(self) -> list[DeviceEntry]:
        """Return the stimulators that are plugged in."""
        devices = self._assembly.device_list()
        try:
            return [entry for entry, _ in _entries(devices)]
        finally:
            devices.Dispose()

    def open_download(self, serial_number: str | None = None) -> McsDownloadPort:
        """Connect to a device, the only one if no serial number is given."""
        return self._open(McsDownloadPort, self._new_download, serial_number)

    def _new_download(self, callbacks: Callbacks) -> Any:
        types = self._assembly.types
        return ask("make a device", types.CStg200xDownloadNet)

    def open_streaming(
        self,
        ring_samples: int,
        serial_number: str | None = None,
        on_data: Callable[[int], None] | None = None,
        on_error: Callable[[], None] | None = None,
    ) -> McsStreamingPort:
        """Connect to a device for streaming; see `stim.stg.port.Bus.open_streaming`.

        What a callback raises is raised by the next call of the port.
        """
        types = self._assembly.types

        def new_streaming(callbacks: Callbacks) -> Any:
            device = ask("make a device", types.CStg200xStreamingNet, int(ring_samples))
            # a handler costs its thread a wait for Python's lock, whatever it does
            if on_data is not None:
                handler = types.OnStg200xDataHandler(callbacks.total(on_data))
                device.OnStg200xDataHandlerEvent += handler
            if on_error is not None:
                handler = types.OnStg200xErrorHandler(callbacks.total(on_error))
                device.OnStg200xErrorHandlerEvent += handler
            return device

        return self._open(McsStreamingPort, new_streaming, serial_number)

    def watch(
        self,
        on_arrival: Callable[[DeviceEntry], None],
        on_removal: Callable[[DeviceEntry], None],
    ) -> Callable[[], None]:
        """Tell when devices are plugged in and out; return what ends that."""
        types, callbacks = self._assembly.types, Callbacks()
        devices = self._assembly.device_list()

        def handler(tell: Callable[[DeviceEntry], None]) -> Any:
            return types.OnDeviceArrivalRemoval(
                callbacks.total(lambda entry: tell(_entry(entry)))
            )

        arrival, removal = handler(on_arrival), handler(on_removal)
        devices.DeviceArrival += arrival
        devices.DeviceRemoval += removal

        def end() -> None:
            callbacks.are_closed = True
            devices.Dispose()

        return end

    def _open(
        self,
        port_type: type[Any],
        new_device: Callable[[Callbacks], Any],
        serial_number: str | None,
    ) -> Any:
        devices = self._assembly.device_list()
        try:
            entry, net_entry = _chosen(_entries(devices), serial_number)
            callbacks = Callbacks()
            device = new_device(callbacks)
            port = port_type(self._assembly, device, entry, net_entry, callbacks)
        finally:
            devices.Dispose()
        _open_ports.add(port)
        return port


def _entry(net_entry: Any) -> DeviceEntry:
    return DeviceEntry(
        net_entry.DeviceName, net_entry.SerialNumber, net_entry.Manufacturer
    )


def _entries(devices: Any) -> list[tuple[DeviceEntry, Any]]:
    found = [
        devices.GetUsbListEntry(i)
        for i in range(ask("list devices", devices.GetNumberOfDevices))
    ]
    return [(_entry(net_entry), net_entry) for net_entry in found]


def _chosen(
    entries: list[tuple[DeviceEntry, Any]], serial_number: str | None
) -> tuple[DeviceEntry, Any]:
    there = ", ".join(f"{e.name} ({e.serial_number})" for e, _ in entries) or "none"
    if serial_number is None and len(entries) > 1:
        raise DeviceNotFoundError(
            f"several stimulators are plugged in: {there}; say which, by serial number"
        )
    for entry, net_entry in entries:
        if serial_number in (None, entry.serial_number):
            return entry, net_entry
    asked = "a stimulator" if serial_number is None else f"stimulator {serial_number}"
    raise DeviceNotFoundError(f"{asked} is not plugged in; plugged in are: {there}")


def _disconnect_all() -> None:
    for port in list(_open_ports):
        with suppress(Exception):
            port.disconnect()
