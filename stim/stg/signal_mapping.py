"""`SignalMapping`: the signals of a stimulator, as a dictionary by channel."""

from collections.abc import (
    ItemsView,
    Iterator,
    KeysView,
    Mapping,
    MutableMapping,
    ValuesView,
)
from typing import TYPE_CHECKING, Any

from stim.waveform import Waveform

if TYPE_CHECKING:
    from stim.stg.stg4000 import STG4000

__all__ = ["SignalMapping"]

Signal = tuple[list[float], list[float]]


class SignalMapping(MutableMapping):
    """Channels → amplitudes and durations, in mA (or mV) and ms.

    It belongs to one stimulator. What is assigned goes through its limits, and is heard
    from the end of what is repeated now on; `update` changes channels at one moment.

    Parameters
    ----------
    stimulator : STG4000
    """

    def __init__(self, stimulator: "STG4000") -> None:
        self._stimulator = stimulator

    def __getitem__(self, channel: int) -> Signal:
        return self._signal(self._stimulator.waveforms()[channel])

    @staticmethod
    def _signal(waveform: Waveform) -> Signal:
        scale = 1e6 if waveform.unit == "nA" else 1e3
        durations_in_ms = (waveform.durations_us / 1e3).tolist()
        return (waveform.amplitudes / scale).tolist(), durations_in_ms

    def __setitem__(self, channel: int, signal: Signal) -> None:
        self._stimulator.set_waveforms({channel: self._waveform(channel, signal)})

    def __delitem__(self, channel: int) -> None:
        if channel not in self._stimulator.waveforms():
            raise KeyError(channel)
        self._stimulator.set_signal(channel)

    def __iter__(self) -> Iterator[int]:
        return iter(self._stimulator.waveforms())

    def __len__(self) -> int:
        return len(self._stimulator.waveforms())

    def copy(self) -> dict[int, Signal]:
        """Return all of one moment."""
        waveforms = self._stimulator.waveforms()
        return {channel: self._signal(one) for channel, one in waveforms.items()}

    def items(self) -> ItemsView[int, Signal]:
        """Return channels and signals of one moment: others may change them."""
        return self.copy().items()

    def values(self) -> ValuesView[Signal]:
        """Return signals of one moment."""
        return self.copy().values()

    def keys(self) -> KeysView[int]:
        """Return channels of one moment."""
        return self.copy().keys()

    def update(self, signals: Mapping[int, Signal] = {}, **_: Any) -> None:
        """Change several channels at one moment."""
        self._stimulator.set_waveforms(
            {channel: self._waveform(channel, one) for channel, one in signals.items()}
        )

    def _waveform(self, channel: int, signal: Signal) -> Waveform:
        amplitudes, durations_in_ms = signal
        if self._stimulator.mode_of(channel) == "voltage":
            return Waveform.from_mV(amplitudes, durations_in_ms)
        return Waveform.from_mA(amplitudes, durations_in_ms)
