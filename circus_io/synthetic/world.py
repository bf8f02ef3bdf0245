"""The experiment that synthetic recordings are windows of."""

from functools import lru_cache

import numpy as np

from circus_io.synthetic.ground_truth import GroundTruth
from circus_io.synthetic.noise import Noise
from circus_io.synthetic.spec import GroundTruthSpec
from circus_io.synthetic.trains import Spikes, Trains
from circus_io.synthetic.units import Units

__all__ = ["World"]

_BLOCK_SAMPLES = 2**20  # frames × channels of a block: 4 MB


class World:
    """Traces of an endless experiment, in blocks of a fixed length.

    A block is always made whole, by the same operations on the same shapes, so its
    bytes do not depend on who asks for which frames. Memory holds two blocks and three
    times 10 s of spike times.
    """

    def __init__(self, spec: GroundTruthSpec):
        self._spec = spec
        self.noise = Noise(spec)
        self.units = Units(spec, self.noise.levels_uv)
        self.trains = Trains(spec, self.units.positions)
        self.block_frames = int(np.clip(_BLOCK_SAMPLES // spec.n_channels, 1024, 65536))
        self._channels = [self.units.channels_of(unit) for unit in range(spec.n_units)]
        self.block = lru_cache(maxsize=2)(self._make_block)

    def frames(self, t_start: int, t_stop: int) -> np.ndarray:
        """Make traces: float32 (t_stop - t_start, n_channels), µV."""
        traces = np.empty((t_stop - t_start, self._spec.n_channels), dtype=np.float32)
        done = t_start
        while done < t_stop:
            index, offset = divmod(done, self.block_frames)
            n_frames = min(self.block_frames - offset, t_stop - done)
            piece = self.block(index)[offset : offset + n_frames]
            traces[done - t_start : done - t_start + n_frames] = piece
            done += n_frames
        return traces

    def _make_block(self, index: int) -> np.ndarray:
        traces = self.noise.block(index, self.block_frames)
        t_start = index * self.block_frames
        # a waveform reaches n_before frames back and n_after ahead
        spikes = self.trains.between(
            t_start - self.units.n_after,
            t_start + self.block_frames + self.units.n_before,
        )
        for unit in np.unique(spikes.units):
            self._add_spikes(traces, t_start, unit, spikes.take(spikes.units == unit))
        return traces

    def _add_spikes(
        self, traces: np.ndarray, t_start: int, unit: int, spikes: Spikes
    ) -> None:
        channels = self._channels[unit]
        moves = (
            self.units.displacement_um(spikes.frames) if self._spec.drift_um else None
        )
        waveforms = self.units.waveforms(unit, channels, spikes.fractions, moves)
        waveforms *= spikes.amplitudes[:, None, None].astype(np.float32)
        firsts = spikes.frames - t_start - self.units.n_before
        for first, waveform in zip(firsts.tolist(), waveforms, strict=True):
            clip = max(-first, 0)
            stop = min(first + len(waveform), len(traces))
            rows = np.arange(first + clip, stop)[:, None]
            traces[rows, channels] += waveform[clip : stop - first]

    def ground_truth(self, intervals: list[tuple[int, int]]) -> GroundTruth:
        """Tell what lies in some half-open intervals of frames."""
        parts = [self.trains.between(*interval) for interval in intervals]
        times, units, fractions, amplitudes = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("frames", "units", "fractions", "amplitudes")
        )
        return GroundTruth(
            spike_times=times,
            spike_units=units,
            spike_fractions=fractions,
            spike_amplitudes=amplitudes,
            templates=self.units.templates(),
            n_before=self.units.n_before,
            snr=self.units.snr,
            peak_channels=self.units.peak_channels,
            unit_positions=self.units.positions,
            noise_levels_uv=self.noise.levels_uv,
            sampling_rate=self._spec.sampling_rate,
        )
