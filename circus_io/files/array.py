"""A recording that is a numpy array in memory."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from circus_io.datafile import DataFile
from circus_io.errors import FormatError
from circus_io.indexing import select_channels

__all__ = ["ArrayRecording"]


class ArrayRecording(DataFile):
    """Samples of a numpy array; for scripts, notebooks and tests.

    Parameters
    ----------
    samples : array_like, shape (n_frames, n_channels)
        Any integer or float type. Not copied, and written to only if opened ``'r+'``.
    sampling_rate : float
        Hz.
    t_start : int, optional
        Global frame of the first sample; by default 0, or the end of the stream before.
    gain : float or array_like, shape (n_channels,)
        µV per count.
    dtype_offset : {'auto', 'classic'} or number
        Count that stands for 0 µV.
    """

    description = "memory"
    is_writable = True
    is_streamable = ()
    needs_file = False

    def __init__(
        self,
        samples: Any,
        sampling_rate: float,
        t_start: int | None = None,
        *,
        gain: Any = 1.0,
        dtype_offset: Any = "auto",
    ) -> None:
        self.samples = np.asarray(samples)
        if self.samples.ndim != 2:
            raise FormatError(
                f"the array has shape {self.samples.shape}; expected (n_frames, "
                "n_channels)"
            )
        self._t_start = None if t_start is None else int(t_start)
        scaling = {"gain": gain, "dtype_offset": dtype_offset}
        super().__init__(None, {"sampling_rate": sampling_rate, **scaling})

    def _read_from_header(self) -> Mapping[str, Any]:
        self._shape = self.samples.shape
        return {"nb_channels": self._shape[1], "data_dtype": self.samples.dtype}

    def _read_frames(
        self, t_start: int, t_stop: int, nodes: np.ndarray | None
    ) -> np.ndarray:
        return select_channels(self.samples[t_start:t_stop], nodes)

    def _write_frames(self, t_start: int, raw: np.ndarray) -> None:
        self.samples[t_start : t_start + len(raw)] = raw
