"""What is known about a synthetic recording."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from circus_io.atomic import atomic_path

__all__ = ["GroundTruth", "read_ground_truth"]


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Spikes and units, as they were put into the traces.

    Attributes
    ----------
    spike_times : numpy.ndarray
        int64 (n_spikes,): frame nearest to the trough on the nearest contact, in the
        order of time. A spike counts where its trough lies in the recording.
    spike_units : numpy.ndarray
        int64 (n_spikes,).
    spike_fractions : numpy.ndarray
        float64 (n_spikes,): the trough lies this part of a sample later.
    spike_amplitudes : numpy.ndarray
        float64 (n_spikes,): factor of the template.
    templates : numpy.ndarray
        float32 (n_units, n_frames, n_channels), µV, without drift.
    n_before : int
        Frames of a template before its trough.
    snr : numpy.ndarray
        float64 (n_units,): largest peak over the noise sd of its channel.
    peak_channels : numpy.ndarray
        int64 (n_units,): channel of that peak.
    unit_positions : numpy.ndarray
        float64 (n_units, 3), µm.
    noise_levels_uv : numpy.ndarray
        float64 (n_channels,): sd of the noise, µV.
    sampling_rate : float
        Hz.
    """

    spike_times: np.ndarray
    spike_units: np.ndarray
    spike_fractions: np.ndarray
    spike_amplitudes: np.ndarray
    templates: np.ndarray
    n_before: int
    snr: np.ndarray
    peak_channels: np.ndarray
    unit_positions: np.ndarray
    noise_levels_uv: np.ndarray
    sampling_rate: float

    @property
    def n_units(self) -> int:
        """Number of units, silent ones included."""
        return len(self.snr)

    def spike_train(self, unit: int) -> np.ndarray:
        """Select the frames of one unit, int64."""
        return self.spike_times[self.spike_units == unit]

    def write(self, path: str | Path) -> Path:
        """Write an ``.npz`` file, whole or not at all."""
        path = Path(path)
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **values)
        return path


def read_ground_truth(path: str | Path) -> GroundTruth:
    """Read what `GroundTruth.write` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        values = {name: stored[name] for name in stored.files}
    values["n_before"] = int(values["n_before"])
    values["sampling_rate"] = float(values["sampling_rate"])
    return GroundTruth(**values)
