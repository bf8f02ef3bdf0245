"""What the server sends: signals by formulas, or any recording."""

from typing import Protocol

import numpy as np

from circus_io import DataFile
from circus_io.errors import FormatError
from circus_io.meame import sawtooth

__all__ = ["Ramp", "Replay", "Sawtooth", "Signal"]

MOST_HELD_BYTES = 2**28  # recordings up to this size are kept as counts


class Signal(Protocol):
    """Samples without end."""

    def frames(self, t_start: int, t_stop: int) -> np.ndarray:
        """Return int32 counts (t_stop - t_start, n_channels)."""


class Ramp:
    """Sample n of channel c is ``1,000,000 c + n % 1,000,000``, negative for odd c.

    No two channels and no two times within 1,000,000 frames are alike, so each lost,
    doubled or misplaced sample shows.
    """

    def __init__(self, n_channels: int = 60) -> None:
        channels = np.arange(n_channels, dtype=np.int32)
        self._signs = np.where(channels % 2, -1, 1).astype(np.int32)
        self._offsets = channels * np.int32(1_000_000)

    def frames(self, t_start: int, t_stop: int) -> np.ndarray:
        """Return int32 counts (t_stop - t_start, n_channels)."""
        steps = (np.arange(t_start, t_stop) % 1_000_000).astype(np.int32)
        return (steps[:, None] + self._offsets) * self._signs


class Sawtooth:
    """The test signal of MEAME2."""

    def __init__(self, n_channels: int = 60) -> None:
        self.n_channels = n_channels

    def frames(self, t_start: int, t_stop: int) -> np.ndarray:
        """Return int32 counts (t_stop - t_start, n_channels)."""
        return sawtooth(t_start, t_stop, self.n_channels)


class Replay:
    """A recording over and over, its streams one after another.

    Parameters
    ----------
    recording : DataFile
        Its µV are turned into counts of the server. Channels that it does not have are
        0.
    n_channels : int
    microvolts_per_count : float

    Raises
    ------
    FormatError
        The recording has more channels, or no frames.
    """

    def __init__(
        self,
        recording: DataFile,
        n_channels: int = 60,
        microvolts_per_count: float = 0.059605,
    ) -> None:
        if recording.nb_channels > n_channels:
            raise FormatError(
                f"the recording has {recording.nb_channels} channels and the server "
                f"{n_channels}; give n_channels = {recording.nb_channels}"
            )
        if not len(recording):
            raise FormatError("the recording has no frames to replay")
        self.recording, self.n_channels = recording, n_channels
        self._per_microvolt = 1 / microvolts_per_count
        self._counts: np.ndarray | None = None
        if 4 * n_channels * len(recording) <= MOST_HELD_BYTES:
            self._counts = self._read(0, len(recording))

    def frames(self, t_start: int, t_stop: int) -> np.ndarray:
        """Return int32 counts (t_stop - t_start, n_channels)."""
        length, parts = len(self.recording), []
        while t_start < t_stop:
            first = t_start % length
            past = min(length, first + t_stop - t_start)
            parts.append(self._part(first, past))
            t_start += past - first
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _part(self, first: int, past: int) -> np.ndarray:
        if self._counts is not None:
            return self._counts[first:past]
        return self._read(first, past)

    def _read(self, first: int, past: int) -> np.ndarray:
        """Read frames that are counted without gaps."""
        counts = np.zeros((past - first, self.n_channels), np.int32)
        offset = 0
        for stream in self.recording.streams:
            start = max(first - offset, 0)
            stop = min(past - offset, stream.duration)
            if start < stop:
                traces = stream[stream.t_start + start : stream.t_start + stop]
                rows = slice(offset + start - first, offset + stop - first)
                counts[rows, : traces.shape[1]] = np.rint(traces * self._per_microvolt)
            offset += stream.duration
        return counts
