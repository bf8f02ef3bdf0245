"""Neurons: where they are and what their spikes look like on each contact."""

import numpy as np

from circus_io.synthetic.spec import GroundTruthSpec, generator

__all__ = ["MS_AFTER", "MS_BEFORE", "Units"]

MS_BEFORE, MS_AFTER = 1.0, 2.5
"""Extent of a waveform around its trough on the nearest contact."""

_PLACES, _SHAPES, _SIZES = 11, 12, 13  # purposes of random numbers
_MAX_DELAY_MS = 0.5
_TAPER_MS = (1.5, 2.0)  # a waveform fades out between, after its trough
_WEAKEST = 0.005  # of the peak: channels below are left out
_TRIES = 200


class Units:
    """The neurons of a spec.

    A spike is a trough of unequal flanks at time 0 followed by a slower positive wave.
    Its size falls exponentially with the distance from the neuron, and it reaches far
    contacts later. Both are functions of continuous time and place, so a spike may fall
    between two samples and a neuron may move.

    Attributes
    ----------
    positions : numpy.ndarray
        float64 (n_units, 3), µm; the probe is in the plane z = 0.
    peaks_uv : numpy.ndarray
        float64 (n_units,): depth of the trough on the nearest contact.
    peak_channels : numpy.ndarray
        int64 (n_units,): the nearest contact.
    snr : numpy.ndarray
        float64 (n_units,).
    n_before, n_after : int
        Frames of a waveform before its trough, and from it on.
    """

    def __init__(self, spec: GroundTruthSpec, noise_levels_uv: np.ndarray):
        self._spec = spec
        self._contacts = spec.contacts_um
        self.positions = _place_units(spec, self._contacts)
        random = generator(spec.seed, _SHAPES)
        n = spec.n_units
        self._rise_ms = random.uniform(0.06, 0.13, n)
        self._fall_ms = random.uniform(0.08, 0.16, n)
        self._wave_ms = random.uniform(0.25, 0.45, n)
        self._wave = random.uniform(0.05, 0.35, n)
        self._decay_um = random.uniform(18.0, 45.0, n)
        self._speed_um_per_ms = random.uniform(200.0, 400.0, n)
        self.n_before = round(MS_BEFORE * spec.sampling_rate / 1000)
        self.n_after = round(MS_AFTER * spec.sampling_rate / 1000)
        distances = self._distances(self.positions)
        self.peak_channels = distances.argmin(axis=1)
        self._nearest_um = distances.min(axis=1)
        self.snr = _draw_snr(spec)
        self.peaks_uv = self.snr * noise_levels_uv[self.peak_channels]

    def _distances(self, positions: np.ndarray) -> np.ndarray:
        """Measure (n, n_channels) µm from places to contacts."""
        return np.linalg.norm(positions[:, None] - self._contacts[None], axis=2)

    def channels_of(self, unit: int) -> np.ndarray:
        """Find the contacts that a unit reaches, wherever it drifts."""
        reach = self._nearest_um[unit] - self._decay_um[unit] * np.log(_WEAKEST)
        distances = self._distances(self.positions[unit, None])[0]
        return np.flatnonzero(distances <= reach + 2 * self._spec.drift_um)

    def displacement_um(self, frames: np.ndarray) -> np.ndarray:
        """Give the common displacement along y at some frames, µm."""
        period = self._spec.drift_period_s * self._spec.sampling_rate
        return self._spec.drift_um * np.sin(2 * np.pi * (frames % period) / period)

    def waveforms(
        self,
        unit: int,
        channels: np.ndarray,
        fractions: np.ndarray,
        displacements_um: np.ndarray | None = None,
    ) -> np.ndarray:
        """Make spikes of a unit.

        Parameters
        ----------
        unit : int
            Which.
        channels : numpy.ndarray
            int64 (n_wanted,).
        fractions : numpy.ndarray
            (n_spikes,): the trough lies this part of a sample after its frame.
        displacements_um : numpy.ndarray, optional
            (n_spikes,) along y.

        Returns
        -------
        numpy.ndarray
            float32 (n_spikes, n_before + n_after, n_wanted), µV.
        """
        place = np.repeat(self.positions[unit, None], 1, axis=0)
        if displacements_um is not None:
            place = np.repeat(place, len(fractions), axis=0)
            place[:, 1] += displacements_um
        distances = self._distances(place)
        nearest = distances.min(axis=1, keepdims=True)
        distances = distances[:, channels]
        sizes = self.peaks_uv[unit] * np.exp(
            (self._nearest_um[unit] - distances) / self._decay_um[unit]
        )
        delays = (distances - nearest) / self._speed_um_per_ms[unit]
        delays = np.minimum(delays, _MAX_DELAY_MS)
        frames = (
            np.arange(-self.n_before, self.n_after) - np.asarray(fractions)[:, None]
        )
        times_ms = frames / self._spec.sampling_rate * 1000
        times_ms = (times_ms[:, :, None] - delays[:, None, :]).astype(np.float32)
        return self._shape(unit, times_ms) * sizes[:, None, :].astype(np.float32)

    def _shape(self, unit: int, times_ms: np.ndarray) -> np.ndarray:
        """Evaluate the unit's time course, -1 at 0 and never lower, float32."""
        widths = np.where(
            times_ms < 0,
            np.float32(self._rise_ms[unit]),
            np.float32(self._fall_ms[unit]),
        )
        shape = -np.exp(-0.5 * (times_ms / widths) ** 2)
        # (s e^(1 - s))² starts flat at s = 0 and peaks with 1 at s = 1
        scaled = np.maximum(times_ms, 0) / np.float32(self._wave_ms[unit])
        shape += np.float32(self._wave[unit]) * (scaled * np.exp(1 - scaled)) ** 2
        start, stop = _TAPER_MS
        fading = np.clip((times_ms - start) / np.float32(stop - start), 0, 1)
        return shape * (1 - fading) ** 2 * (1 + 2 * fading)

    def templates(self) -> np.ndarray:
        """Make the waveform of each unit at rest, on the sample.

        Returns
        -------
        numpy.ndarray
            float32 (n_units, n_before + n_after, n_channels), µV.
        """
        shape = (len(self.positions), self.n_before + self.n_after, len(self._contacts))
        templates = np.zeros(shape, dtype=np.float32)
        for unit in range(len(templates)):
            channels = self.channels_of(unit)
            waveform = self.waveforms(unit, channels, np.zeros(1))[0]
            templates[unit][:, channels] = waveform
        return templates


def _place_units(spec: GroundTruthSpec, contacts: np.ndarray) -> np.ndarray:
    """Draw places around the probe, 15 µm apart where there is room."""
    random = generator(spec.seed, _PLACES)
    low = contacts.min(axis=0) + np.array([-12.0, -12.0, 5.0])
    high = contacts.max(axis=0) + np.array([12.0, 12.0, 30.0])
    positions = np.empty((spec.n_units, 3))
    for unit in range(spec.n_units):
        candidates = random.uniform(low, high, (_TRIES, 3))
        gaps = candidates[:, None] - positions[None, :unit]
        nearest = np.linalg.norm(gaps, axis=2).min(axis=1, initial=np.inf)
        fitting = nearest >= 15.0
        positions[unit] = candidates[
            fitting.argmax() if fitting.any() else nearest.argmax()
        ]
    return positions


def _draw_snr(spec: GroundTruthSpec) -> np.ndarray:
    if spec.snr is not None:
        return np.array(spec.snr, dtype=np.float64)
    random = generator(spec.seed, _SIZES)
    n = spec.n_units
    # one value in each of n equal parts, so that few units still cover the range
    places = (random.permutation(n) + random.random(n)) / max(n, 1)
    low, high = np.log(spec.snr_range)
    return np.exp(low + (high - low) * places)
