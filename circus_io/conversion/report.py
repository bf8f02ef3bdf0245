"""`Conversion`: what was written, and how to read it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Conversion", "reading_of", "report_path"]


@dataclass(frozen=True)
class Conversion:
    """A file that was written from a recording.

    Attributes
    ----------
    path : Path
    file_format : str
    source : str
        File name of the recording.
    n_frames, n_channels : int
    sampling_rate : float
        Hz.
    data_dtype : str
    dtype_offset : int or float
        Count that stands for 0 µV.
    gain : float or list of float
        µV per count, of all channels or of each.
    channels : list of int
        Column in the recording of each channel that was written.
    spans : list of (int, int)
        First frame in the recording, and number of frames, of each span without a gap.
    n_clipped : int
        Samples that did not fit the type: they saturated, or were NaN and are 0 µV.
    sha256 : str
        Of the samples, little-endian, frame after frame, span after span.
    reading : dict
        What `open_recording` is told to read the file; empty where no format does.
    """

    path: Path
    file_format: str
    source: str
    n_frames: int
    n_channels: int
    sampling_rate: float
    data_dtype: str
    dtype_offset: float
    gain: float | list[float]
    channels: list[int]
    spans: list[tuple[int, int]]
    n_clipped: int
    sha256: str
    reading: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return it in what JSON knows."""
        return {**vars(self), "path": self.path.name, "reading": _plain(self.reading)}

    @property
    def duration_s(self) -> float:
        """Recorded time, gaps not counted, s."""
        return self.n_frames / self.sampling_rate


def report_path(path: Path) -> Path:
    """Return where the report on the file `path` stands."""
    return path.with_name(f"{path.name}.conversion.json")


def reading_of(path: Path) -> dict[str, Any]:
    """Return what `open_recording` is told to read a converted file.

    Nothing if the file has no report beside it, or one that is no longer whole.
    """
    try:
        report = json.loads(report_path(path).read_text(encoding="utf-8"))
        return dict(report["reading"])
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in values.items()
    }
