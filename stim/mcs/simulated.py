"""`SimulatedMcsBus`: stimulators in C#, with the vendor's signatures, in real time."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stim.mcs.assembly import Assembly, load_assembly
from stim.mcs.bus import McsBus
from stim.mcs.instruments import Instruments
from stim.mcs.simulator.build import build
from stim.simulated.variants import get_variant

__all__ = ["SimulatedMcsBus", "SimulatedStg", "simulated_bus"]


@dataclass(frozen=True)
class SimulatedStg:
    """A stimulator to simulate.

    Attributes
    ----------
    variant : {'160uA', '1.6mA', '16mA', '160mA'}
        Range of its currents.
    n_channels : int
        As many triggers and sync-outs has it.
    serial_number : str
    """

    variant: str = "16mA"
    n_channels: int = 8
    serial_number: str = "40008"


class SimulatedMcsBus(McsBus):
    """The bus ``mcs-simulated``; see `stim.stg.port.Bus`.

    Attributes
    ----------
    devices : list of Instruments
        What is known of each device, and what can go wrong with it.
    """

    ends_with_process = True

    def __init__(self, assembly: Assembly, devices: Sequence[SimulatedStg]) -> None:
        super().__init__("mcs-simulated", assembly)
        self._bench = assembly.types.SimBench
        self._bench.Clear()
        self.devices = [self.add(device) for device in devices]

    def add(self, device: SimulatedStg) -> Instruments:
        """Bring another device, plugged in."""
        variant = get_variant(device.variant)
        made = self._bench.Add(
            device.serial_number,
            f"STG400{device.n_channels}-{device.variant}",
            device.n_channels,
            variant.dac_bits,
            variant.current_range_na,
            variant.current_resolution_na,
            variant.voltage_range_uv,
            variant.voltage_resolution_uv,
        )
        return Instruments(made)

    def count_bytes(self, is_in_bytes: bool) -> None:
        """Let the assembly count enqueued bytes, as the vendor writes, or samples."""
        self._bench.CountsBytes = is_in_bytes


def simulated_bus(
    devices: Sequence[SimulatedStg] = (SimulatedStg(),),
    *,
    generation: int = 5,
    runtime: str | None = None,
    lock_folder: str | Path | None = None,
) -> SimulatedMcsBus:
    """Return a bus with simulated devices; it builds the simulator if need be.

    Parameters
    ----------
    devices : sequence of SimulatedStg
        They replace those of an earlier call in this process.
    generation : {5, 3}
        Of the vendor's API: as in version 5.3.15, or as in 3.2.45.
    runtime : {'mono', 'coreclr', 'netfx'}, optional
        Of .NET; see `stim.mcs.runtime.start_runtime`.
    lock_folder : path, optional
        Processes with the same one share the devices: one of them at a time can have
        each. By default that of temporary files.

    Raises
    ------
    MissingDependencyError
        pythonnet, a .NET runtime or the compiler is absent; the message says how to
        install it.
    """
    assembly = load_assembly(build(generation), runtime)
    folder = tempfile.gettempdir() if lock_folder is None else lock_folder
    assembly.types.SimBench.LockFolder = str(Path(folder).resolve())
    return SimulatedMcsBus(assembly, devices)
