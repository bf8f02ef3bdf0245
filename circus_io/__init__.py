"""Recordings of extracellular electrodes: one contract for every file format.

::

    import circus_io

    with circus_io.open_recording("rec.npy", sampling_rate=20000) as recording:
        for chunk in recording.chunks(30000, padding=(-100, 100)):
            chunk.traces                # float32 (n_frames, n_channels), µV
"""

from circus_io.chunks import Chunk, ChunkGrid
from circus_io.datafile import DataFile
from circus_io.errors import (
    ChunkError,
    CircusError,
    FormatError,
    LaunchError,
    MissingDependencyError,
    MissingParameterError,
    NotWritableError,
    ParameterError,
    ProbeError,
    RecordingNotFoundError,
    ResultError,
    StepError,
    StreamError,
)
from circus_io.events import Events
from circus_io.files.array import ArrayRecording
from circus_io.files.joined import JoinedRecording
from circus_io.opening import open_from_parameters, open_recording
from circus_io.registry import FormatInfo, get_format, list_formats

__all__ = [
    "ArrayRecording",
    "Chunk",
    "ChunkError",
    "ChunkGrid",
    "CircusError",
    "DataFile",
    "Events",
    "FormatError",
    "FormatInfo",
    "JoinedRecording",
    "LaunchError",
    "MissingDependencyError",
    "MissingParameterError",
    "NotWritableError",
    "ParameterError",
    "ProbeError",
    "RecordingNotFoundError",
    "ResultError",
    "StepError",
    "StreamError",
    "get_format",
    "list_formats",
    "open_from_parameters",
    "open_recording",
]


def __getattr__(name: str) -> str:
    """Look ``__version__`` up when it is asked for: reading metadata takes time."""
    if name == "__version__":
        from importlib.metadata import version

        return version("circus-toolkit")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
