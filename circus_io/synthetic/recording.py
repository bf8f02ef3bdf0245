"""`SyntheticRecording`: a `DataFile` without a file."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.datafile import DataFile
from circus_io.indexing import select_channels
from circus_io.probe import Probe
from circus_io.synthetic.ground_truth import GroundTruth
from circus_io.synthetic.spec import GroundTruthSpec
from circus_io.synthetic.world import World

__all__ = ["SyntheticRecording"]


class SyntheticRecording(DataFile):
    """A recording with known spikes, generated where it is read.

    Parameters
    ----------
    spec : GroundTruthSpec, optional
        All settings; or give them by name.
    **settings
        Attributes of `GroundTruthSpec`.

    Notes
    -----
    It pickles as its settings, and every rank generates the frames that it reads.
    """

    description = "synthetic"
    needs_file = False
    is_streamable = ("pieces",)

    def __init__(self, spec: GroundTruthSpec | None = None, **settings: Any):
        self.spec = GroundTruthSpec(**settings) if spec is None else spec
        self._world: World | None = None
        super().__init__(None, stream_mode="pieces" if self.spec.pieces else None)

    def _read_from_header(self) -> Mapping[str, Any]:
        self._shape = (self.spec.n_frames, self.spec.n_channels)
        self._t_start = self.spec.t_start
        return {
            "nb_channels": self.spec.n_channels,
            "sampling_rate": self.spec.sampling_rate,
            "data_dtype": "float32",
            "dtype_offset": 0,
            "gain": 1.0,
        }

    def _open(self, mode: str = "r") -> None:
        self._world = World(self.spec)

    def _close(self) -> None:
        self._world = None

    def _read_frames(
        self, t_start: int, t_stop: int, nodes: np.ndarray | None
    ) -> np.ndarray:
        offset = self.spec.t_start
        return select_channels(
            self._world.frames(offset + t_start, offset + t_stop), nodes
        )

    def set_streams(self, stream_mode: str) -> list[DataFile]:
        """Make each piece a stream with its own start."""
        rate = self.spec.sampling_rate
        return [
            type(self)(
                replace(self.spec, t_start=start, duration_s=n_frames / rate, pieces=())
            )
            for start, n_frames in self.spec.pieces
        ]

    @property
    def probe(self) -> Probe:
        """The electrodes; their channels are columns of the recording."""
        return self.spec.probe

    @cached_property
    def ground_truth(self) -> GroundTruth:
        """What was put in; its spike times are global frames."""
        intervals = [(stream.t_start, stream.t_stop) for stream in self.streams]
        return World(self.spec).ground_truth(intervals)

    def write(
        self,
        path: str | Path,
        dtype: str = "int16",
        gain: float = 0.2,
        comm: Any = None,
    ) -> Path:
        """Write the recording as raw binary, with what is needed to sort and judge it.

        See `circus_io.synthetic.writing.write_recording`.
        """
        from circus_io.synthetic.writing import write_recording

        return write_recording(self, path, dtype, gain, comm)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state.pop("ground_truth", None)
        return state
