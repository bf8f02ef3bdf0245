"""Background: noise that neighbouring channels share, and a slow field."""

import numpy as np
from threadpoolctl import ThreadpoolController

from circus_io.synthetic.spec import GroundTruthSpec, generator

__all__ = ["Noise"]

_LEVELS, _SAMPLES, _FIELD = 1, 2, 3  # purposes of random numbers
_BLAS = ThreadpoolController()
_N_WAVES = 24
_FIELD_BAND_HZ = (0.5, 100.0)


class Noise:
    """Gaussian noise, white in time, correlated in space, and a local field.

    Attributes
    ----------
    levels_uv : numpy.ndarray
        float64 (n_channels,): sd of the noise, the field not counted.
    """

    def __init__(self, spec: GroundTruthSpec):
        self._spec = spec
        low, high = spec.noise_range_uv
        self.levels_uv = generator(spec.seed, _LEVELS).uniform(
            low, high, spec.n_channels
        )
        self._mixing = self._make_mixing()
        self._field = _Field(spec) if spec.lfp_uv else None

    def _make_mixing(self) -> np.ndarray:
        """Factor the covariance: float32 (n_channels, n_channels), white → noise."""
        positions = self._spec.contacts_um
        distances = np.linalg.norm(positions[:, None] - positions[None], axis=2)
        decay = self._spec.noise_decay_um
        correlation = np.exp(-distances / decay) if decay else 1.0 * (distances == 0)
        # two contacts at one place would make it singular
        correlation += 1e-9 * np.eye(len(correlation))
        factor = np.linalg.cholesky(correlation) * self.levels_uv[:, None]
        return np.ascontiguousarray(factor.T, dtype=np.float32)

    def block(self, index: int, n_frames: int) -> np.ndarray:
        """Make block ``index``: float32 (n_frames, n_channels), µV."""
        random = generator(self._spec.seed, _SAMPLES, index)
        shape = (n_frames, self._spec.n_channels)
        white = random.standard_normal(shape, dtype=np.float32)
        # with several threads, the last bits of a product depend on their number
        with _BLAS.limit(limits=1, user_api="blas"):
            traces = white @ self._mixing
        if self._field is not None:
            traces += self._field.block(index * n_frames, n_frames)
        return traces


class _Field:
    """Three standing patterns along the probe, each a sum of sines.

    Sines of equal amplitude at logarithmic spacing have equal power per octave: 1/f.
    """

    def __init__(self, spec: GroundTruthSpec):
        random = generator(spec.seed, _FIELD)
        shape = (3, _N_WAVES)
        low, high = np.log(_FIELD_BAND_HZ)
        places = (np.arange(_N_WAVES) + random.random(shape)) / _N_WAVES
        self._cycles = np.exp(low + (high - low) * places) / spec.sampling_rate
        self._phases = random.random(shape)
        heights = spec.contacts_um[:, 1]
        heights = (heights - heights.min()) / max(np.ptp(heights), 1.0)
        patterns = np.cos(np.pi * np.arange(3)[:, None] * heights)
        patterns /= np.sqrt((patterns**2).sum(axis=0).mean())
        self._patterns = patterns * spec.lfp_uv * np.sqrt(2 / _N_WAVES)

    def block(self, t_start: int, n_frames: int) -> np.ndarray:
        frames = np.arange(t_start, t_start + n_frames, dtype=np.float64)
        field = np.zeros((n_frames, self._patterns.shape[1]))
        for cycles, phases, pattern in zip(
            self._cycles, self._phases, self._patterns, strict=True
        ):
            turns = frames[:, None] * cycles + phases
            waves = np.sin(2 * np.pi * (turns % 1.0)).sum(axis=1)
            field += waves[:, None] * pattern
        return field.astype(np.float32)
