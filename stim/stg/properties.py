"""`StgProperties`: what a device is, in the units that its users write."""

from abc import abstractmethod

from stim.stg.port import GRID_US, MAX_RATE_HZ, DeviceFacts

__all__ = ["StgProperties"]


class StgProperties:
    """Properties of an STG4000, of its first channel where channels may differ."""

    @property
    @abstractmethod
    def facts(self) -> DeviceFacts:
        """What the device says of itself, channel by channel."""

    @property
    def name(self) -> str:
        """Model, such as STG4008."""
        return self.facts.name

    @property
    def version(self) -> str:
        """Versions of hardware and software, as a text."""
        revision = self.facts.hardware_version.replace("Rev.", "Revision")
        return f"Hardware - {revision} : Software - Version: {self.software_version}"

    @property
    def software_version(self) -> str:
        """Version of the firmware."""
        return self.facts.software_version

    @property
    def serial_number(self) -> int:
        """Serial number."""
        return int(self.facts.serial_number)

    @property
    def manufacturer(self) -> str:
        """Who made it."""
        return self.facts.manufacturer

    @property
    def current_resolution_in_uA(self) -> float:  # noqa: N802
        """Step of a current, µA."""
        return self.facts.current_resolution_na[0] / 1e3

    @property
    def current_resolution_in_mA(self) -> float:  # noqa: N802
        """Step of a current, mA."""
        return self.facts.current_resolution_na[0] / 1e6

    @property
    def current_range_in_mA(self) -> float:  # noqa: N802
        """Largest current of either sign, mA."""
        return self.facts.current_range_na[0] / 1e6

    @property
    def current_range_in_uA(self) -> float:  # noqa: N802
        """Largest current of either sign, µA."""
        return self.facts.current_range_na[0] / 1e3

    @property
    def voltage_resolution_in_uV(self) -> int:  # noqa: N802
        """Step of a voltage, µV."""
        return self.facts.voltage_resolution_uv[0]

    @property
    def voltage_range_in_uV(self) -> int:  # noqa: N802
        """Largest voltage of either sign, µV."""
        return self.facts.voltage_range_uv[0]

    @property
    def voltage_range_in_mV(self) -> float:  # noqa: N802
        """Largest voltage of either sign, mV."""
        return self.facts.voltage_range_uv[0] / 1e3

    @property
    def time_resolution_in_us(self) -> int:
        """Step of time, µs."""
        return GRID_US

    @property
    def time_resolution_in_ms(self) -> float:
        """Step of time, ms."""
        return GRID_US / 1e3

    @property
    def DAC_resolution(self) -> int:  # noqa: N802
        """Bits of a converter."""
        return self.facts.dac_bits

    @property
    def channel_count(self) -> int:
        """Analog outputs."""
        return self.facts.n_channels

    @property
    def trigin_count(self) -> int:
        """Trigger inputs."""
        return self.facts.n_triggers

    @property
    def output_rate_in_hz(self) -> int:
        """Samples per second of each channel, while streaming."""
        return MAX_RATE_HZ
