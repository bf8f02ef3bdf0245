"""The settings of a synthetic experiment."""

from dataclasses import dataclass

import numpy as np

from circus_io.errors import ParameterError
from circus_io.probe import Probe
from circus_io.synthetic.layouts import make_probe

__all__ = ["GroundTruthSpec", "generator"]


@dataclass(frozen=True)
class GroundTruthSpec:
    """Everything that a synthetic recording is made from.

    Attributes
    ----------
    n_channels : int
        Channels; those of ``probe`` if one is given.
    duration_s : float
        Length, s.
    sampling_rate : float
        Hz.
    n_units : int
        Neurons; 0 leaves noise alone.
    seed : int
        Of all random numbers.
    snr_range : (float, float)
        Largest peak of a template over the noise sd of its channel, drawn
        log-uniformly and evenly spread over the units.
    snr : tuple of float, optional
        One value per unit instead.
    rate_range_hz : (float, float)
        Firing rates, drawn uniformly.
    refractory_ms : float
        No two spikes of a unit are closer.
    amplitude_spread : float
        Sd of the amplitudes of a unit's spikes, relative to their mean.
    synchrony : float
        Fraction of the spikes that come with another of a unit nearby, within 1 ms, on
        top of the collisions that chance brings.
    noise_range_uv : (float, float)
        Noise sd of the channels, drawn uniformly, µV.
    noise_decay_um : float
        Noise correlation of two channels is exp(-distance / decay); 0 for none.
    lfp_uv : float
        Rms of a slow field with a 1/f spectrum from 0.5 to 100 Hz, µV; not counted as
        noise in the SNR.
    drift_um, drift_period_s : float
        Amplitude and period of a sine motion of all units along y.
    layout : str
        Of `make_probe`, where no probe is given.
    probe : Probe, optional
        Electrodes.
    t_start : int
        First frame on the clock of the experiment.
    pieces : tuple of (int, int)
        Streams of a recording with gaps: ``(t_start, n_frames)`` of each; replaces
        ``t_start`` and ``duration_s``.

    Raises
    ------
    ParameterError
        Settings that no recording can have.
    """

    n_channels: int = 64
    duration_s: float = 120.0
    sampling_rate: float = 20000.0
    n_units: int = 20
    seed: int = 0
    snr_range: tuple[float, float] = (3.0, 20.0)
    snr: tuple[float, ...] | None = None
    rate_range_hz: tuple[float, float] = (1.0, 15.0)
    refractory_ms: float = 3.0
    amplitude_spread: float = 0.1
    synchrony: float = 0.0
    noise_range_uv: tuple[float, float] = (6.0, 8.0)
    noise_decay_um: float = 25.0
    lfp_uv: float = 0.0
    drift_um: float = 0.0
    drift_period_s: float = 120.0
    layout: str = "staggered"
    probe: Probe | None = None
    t_start: int = 0
    pieces: tuple[tuple[int, int], ...] = ()

    def __post_init__(self):
        if self.probe is None:
            probe = make_probe(self.layout, self.n_channels)
            object.__setattr__(self, "probe", probe)
        object.__setattr__(self, "n_channels", self.probe.n_channels)
        problems = [text for is_wrong, text in self._conditions() if is_wrong]
        if problems:
            raise ParameterError(f"synthetic recording: {'; '.join(problems)}")

    def _conditions(self) -> list[tuple[bool, str]]:
        busiest = max(self.rate_range_hz) * self.refractory_ms / 1000
        counts = (self.n_units, self.seed, self.t_start, self.duration_s)
        starts = [start for start, _ in self.pieces]
        stops = [start + n_frames for start, n_frames in self.pieces]
        return [
            (
                min(counts) < 0,
                "n_units, seed, t_start and duration_s cannot be negative",
            ),
            (not self.sampling_rate > 0, "sampling_rate must be above 0"),
            (
                self.snr is not None and len(self.snr) != self.n_units,
                f"snr needs one value for each of {self.n_units} units",
            ),
            (
                sorted(self.probe.channels) != list(range(self.n_channels)),
                f"the channels of the probe must be 0 to {self.n_channels - 1}",
            ),
            (min(self.snr_range) <= 0, "snr_range must be above 0"),
            (min(self.rate_range_hz) <= 0, "rate_range_hz must be above 0"),
            (busiest >= 0.5, "rates do not fit the refractory period"),
            (min(self.noise_range_uv) < 0, "noise_range_uv cannot be negative"),
            (not 0 <= self.amplitude_spread <= 0.3, "amplitude_spread: 0 to 0.3"),
            (not 0 <= self.synchrony <= 1, "synchrony: 0 to 1"),
            (
                any(
                    later < stop
                    for stop, later in zip(stops[:-1], starts[1:], strict=True)
                ),
                "pieces overlap or are out of order",
            ),
        ]

    @property
    def contacts_um(self) -> np.ndarray:
        """Place of each column of the recording: float64 (n_channels, 3), µm."""
        table = self.probe.channel_table()
        by_electrode = np.column_stack([table["x_um"], table["y_um"], table["z_um"]])
        return by_electrode[np.argsort(self.probe.channels)]

    @property
    def n_frames(self) -> int:
        """Length in frames, gaps not counted."""
        if self.pieces:
            return sum(n_frames for _, n_frames in self.pieces)
        return round(self.duration_s * self.sampling_rate)


def generator(seed: int, purpose: int, block: int = 0) -> np.random.Generator:
    """Make the random numbers of one block: a function of its place, not of history."""
    sequence = np.random.SeedSequence([seed, purpose, block])
    return np.random.Generator(np.random.SFC64(sequence))
