"""A device whose answers are known: nonlinear, with memory and saturation.

::

    x(t)  = v(t) seen through a first-order low pass of time constant τ
    y_j   = clip(gain_j · tanh(Σ_i w_ji x_i(t) / scale) + noise, ± saturation)

Between runs it rests for long and forgets. It does not model electrodes that wear,
drift, crosstalk of wires, or a converter's steps.
"""

import time
from collections.abc import Sequence

import numpy as np

from circus_io.errors import DeviceError
from stim.sampling import ramps
from stim.sampling.device import Response, Wave
from stim.sampling.limits import DriveLimits

__all__ = ["SimulatedDevice"]

BLOCK_S = 0.01  # of a real pace: so often may an interrupt come in between


class SimulatedDevice:
    """A `SamplingDevice` with a known transfer function.

    Parameters
    ----------
    limits : DriveLimits
        Its own; they say how many electrodes there are.
    n_readouts : int
    seed : int
        Of the weights, uniform in ±1, and of the noise, which also depends on how many
        samples the device has put out.
    tau_s : float
        Time constant of the memory; 0: none.
    gain_na, saturation_na, noise_na : float
        nA. Above `saturation_na` the amplifier clips.
    amplification : sequence of float
        nA per V of each readout, or one for all; told, not used.
    has_real_pace : bool
        Take as long as the wave does.
    fails_at_sample : int, optional
        Fail once in the middle of a run, after so many samples in all.

    Attributes
    ----------
    output : float64 array, shape (n_electrodes,)
        What the electrodes are at now.
    trace : list of float64 array
        All that was put out, in pieces of (n_samples, n_electrodes), ramps included;
        kept if `keeps_trace`.
    weights : float64 array, shape (n_readouts, n_electrodes)
    """

    def __init__(
        self,
        limits: DriveLimits,
        n_readouts: int = 1,
        *,
        seed: int = 0,
        tau_s: float = 0.02,
        gain_na: float = 100.0,
        saturation_na: float = 80.0,
        noise_na: float = 0.0,
        amplification: float | Sequence[float] = 28.5,
        has_real_pace: bool = False,
        fails_at_sample: int | None = None,
        keeps_trace: bool = False,
    ) -> None:
        self.n_electrodes, self.n_readouts = limits.n_electrodes, n_readouts
        self.seed, self.tau_s, self.gain_na = seed, tau_s, gain_na
        self.saturation_na, self.noise_na = saturation_na, noise_na
        self.has_real_pace, self.fails_at_sample = has_real_pace, fails_at_sample
        self.keeps_trace = keeps_trace
        shape = (n_readouts, limits.n_electrodes)
        self.weights = np.random.default_rng([seed, 0]).uniform(-1, 1, shape)
        self.output = np.zeros(limits.n_electrodes)
        self.trace: list[np.ndarray] = []
        self.n_samples_done = 0
        self._limits, self._rate_hz = limits, 1000.0
        amplifications = np.broadcast_to(np.atleast_1d(amplification), (n_readouts,))
        self.facts = {
            "driver": "simulated",
            "version": "1",
            "input_unit": limits.unit,
            "output_unit": "nA",
            "amplification": [float(value) for value in amplifications],
        }

    def limits(self) -> DriveLimits:
        """Return its own limits."""
        return self._limits

    def run(self, wave: Wave) -> Response:
        """Drive the electrodes, and return the answers in nA."""
        self._limits.check(wave.values, wave.rate_hz)
        self._rate_hz, first = wave.rate_hz, self.n_samples_done
        n_block = max(1, round(BLOCK_S * wave.rate_hz)) if self.has_real_pace else None
        n_block = n_block or len(wave.values)
        started_s = time.monotonic()
        for start in range(0, len(wave.values), n_block):
            self._put_out(wave.values[start : start + n_block])
            if self.has_real_pace:
                due_s = started_s + (self.n_samples_done - first) / wave.rate_hz
                time.sleep(max(0.0, due_s - time.monotonic()))
        answer = self.answer(wave)
        if self.noise_na:
            noise = np.random.default_rng([self.seed, 1, first])
            answer += self.noise_na * noise.standard_normal(answer.shape)
        clipped = np.clip(answer, -self.saturation_na, self.saturation_na)
        return Response(clipped, sample_index=first)

    def answer(self, wave: Wave) -> np.ndarray:
        """Return the answer before noise and clipping, nA (n_samples, n_readouts)."""
        driven = wave.values
        if self.tau_s:
            from scipy.signal import lfilter

            decay = np.exp(-1 / (wave.rate_hz * self.tau_s))
            driven = lfilter([1 - decay], [1, -decay], driven, axis=0)
        scale = self._limits.ranges[:, 1].max()
        return self.gain_na * np.tanh(driven @ self.weights.T / scale)

    def safe_state(self) -> None:
        """Go to 0 from where the outputs are, as slowly as the limits say."""
        if not self.output.any():
            return
        down = ramps.down_from(self.output, self._rate_hz, self._limits.max_slew_per_s)
        self.fails_at_sample = None
        self._put_out(down)

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""

    def _put_out(self, values: np.ndarray) -> None:
        end = self.n_samples_done + len(values)
        fails = self.fails_at_sample is not None and end > self.fails_at_sample
        if fails:
            values = values[: max(1, self.fails_at_sample - self.n_samples_done)]
        self.output = values[-1].copy()
        self.n_samples_done += len(values)
        if self.keeps_trace:
            self.trace.append(values.copy())
        if fails:
            self.fails_at_sample = None
            raise DeviceError("the simulated device fails, as it was told to")
