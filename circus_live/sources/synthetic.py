"""`SyntheticSource`: known spikes, at any rate and on any number of channels."""

import math
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import cached_property
from typing import Any, Self
from urllib.parse import parse_qsl

import numpy as np

from circus_io.errors import FormatError
from circus_io.files.array import ArrayRecording
from circus_io.synthetic import GroundTruth, SyntheticRecording
from circus_io.synthetic.spec import GroundTruthSpec
from circus_live.block import Block
from circus_live.source import Source, SourceInfo, check_url_values
from circus_live.sources.file import FileSource, pace_factor

__all__ = ["SyntheticSource"]


class SyntheticSource(Source):
    """A recording with known spikes, made once and given out over and over.

    Making noise and spikes takes longer than real time where there are many channels.
    So a loop of some seconds is made when the source is opened, and repeated.

    Parameters
    ----------
    n_channels : int
    sampling_rate : float
        Hz.
    duration_s : float, optional
        Length of the stream, s; by default it has no end.
    loop_s : float
        Length of what is repeated, s.
    block_frames : int
        Frames of a block; by default those of 1 ms.
    pace : {'real_time', 'fast'} or float
        As of `FileSource`.
    dtype : str
        Of the counts.
    gain : float
        µV per count.
    **settings
        Of `circus_io.synthetic.GroundTruthSpec`: `n_units`, `seed`, ...

    Notes
    -----
    Not modelled: a spike that the end of the loop cuts does not go on at its start.
    """

    def __init__(
        self,
        n_channels: int = 60,
        sampling_rate: float = 20_000.0,
        duration_s: float | None = None,
        loop_s: float = 10.0,
        block_frames: int | None = None,
        pace: str | float = "real_time",
        dtype: str = "int16",
        gain: float = 0.2,
        **settings: Any,
    ) -> None:
        if not np.dtype(dtype).kind == "i":
            raise FormatError(f"dtype = {dtype}: expected signed integers")
        self.duration_s, self.pace = duration_s, pace
        self.dtype, self.gain = dtype, float(gain)
        self.block_frames = int(block_frames or max(1, round(sampling_rate / 1000)))
        # a loop of whole blocks, so that every pass has the same ones
        n_blocks = max(1, round(loop_s * sampling_rate / self.block_frames))
        self.loop_frames = n_blocks * self.block_frames
        pace_factor(pace)  # refuse it now, not in another process
        self.recording = SyntheticRecording(
            n_channels=n_channels,
            sampling_rate=sampling_rate,
            duration_s=self.loop_frames / sampling_rate,
            **settings,
        )

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Make it from ``synthetic?n_channels=60&sampling_rate=20000&n_units=10``."""
        spec = {field.name: field.type for field in fields(GroundTruthSpec)}
        numbers = {name: kind for name, kind in spec.items() if kind in (int, float)}
        own = {
            "duration_s": float,
            "loop_s": float,
            "block_frames": int,
            "pace": str,
            "dtype": str,
            "gain": float,
        }
        given = dict(parse_qsl(url.partition("?")[2]))
        return cls(**check_url_values(url, given, numbers | own))

    @property
    def ground_truth(self) -> GroundTruth:
        """What was put into one pass; pass k begins at frame ``k * loop_frames``."""
        return self.recording.ground_truth

    @cached_property
    def info(self) -> SourceInfo:
        """What was asked for."""
        probe = self.recording.probe
        return SourceInfo(
            name="synthetic",
            sampling_rate=self.recording.sampling_rate,
            n_channels=self.recording.nb_channels,
            dtype=self.dtype,
            block_frames=self.block_frames,
            gain=self.gain,
            channel_positions=probe.contact_positions[:, :2],
        )

    def blocks(self) -> Iterator[Block]:
        """Make the loop, and give it out."""
        rate, left = self.info.sampling_rate, math.inf
        if self.duration_s is not None:
            left = round(self.duration_s * rate)
        made = ArrayRecording(self._make(), rate, gain=self.gain)
        for block in FileSource(made, self.block_frames, self.pace, 0).blocks():
            if self.is_stopping or left <= 0:
                return
            if left < block.n_frames:
                block = replace(block, traces=block.traces[:left])
            yield block
            left -= block.n_frames

    def _make(self) -> np.ndarray:
        """Return the counts of one pass, (loop_frames, n_channels)."""
        limits = np.iinfo(self.dtype)
        counts = np.empty((self.loop_frames, self.info.n_channels), self.dtype)
        with self.recording as recording:
            for chunk in recording.chunks(8192):
                scaled = np.rint(chunk.traces / self.gain)
                counts[chunk.t_start : chunk.t_stop] = scaled.clip(
                    limits.min, limits.max
                )
        return counts
