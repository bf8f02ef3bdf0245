"""The tables of a result: which channels, units and streams it speaks of."""

import dataclasses
from typing import Any, ClassVar

import numpy as np

from circus_io.errors import ResultError
from sorting.result_layout import CHANNELS, STREAMS, UNITS, Stored

__all__ = ["ChannelTable", "StreamTable", "UnitTable", "check_shapes", "coerce"]


def coerce(table: Any) -> None:
    """Give each field of a frozen dataclass the dtype of the layout, read-only."""
    for name, stored in table.layout.items():
        value = getattr(table, name)
        if value is None or stored.dtype is dict:
            continue
        if stored.shape:
            value = np.asarray(value, dtype=stored.dtype).view(np.ndarray)
            value.flags.writeable = False
        else:
            value = stored.dtype(value)
        object.__setattr__(table, name, value)


def check_shapes(*tables: Any) -> None:
    """Refuse tables in which one letter of the layout's shapes has two lengths."""
    lengths: dict[str, tuple[int, str]] = {}
    for table in tables:
        for name, stored in table.layout.items():
            value = getattr(table, name)
            if value is None or not stored.shape:
                continue
            letters = stored.shape.split(" × ")
            if np.ndim(value) != len(letters):
                raise ResultError(
                    f"{name} must have the shape ({stored.shape}); it has {value.shape}"
                )
            for letter, length in zip(letters, value.shape, strict=True):
                known, first = lengths.setdefault(letter, (length, name))
                if known != length:
                    raise ResultError(
                        f"{first} and {name} must agree in {letter}; they have "
                        f"{known} and {length}"
                    )


@dataclasses.dataclass(frozen=True, eq=False)
class ChannelTable:
    """The C channels of a sort; every other channel index is a row of this table.

    Attributes
    ----------
    column : (C,) int64
        Column of the data file.
    electrode : (C,) int64
        Number of the electrode in the probe.
    group : (C,) str
        Label of the channel group (shank).
    x, y, z : (C,) float64
        Position in µm.
    good : (C,) bool
        False for a dead channel, which is not sorted.
    """

    layout: ClassVar[dict[str, Stored]] = CHANNELS

    column: np.ndarray
    electrode: np.ndarray
    group: np.ndarray
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    good: np.ndarray

    def __post_init__(self) -> None:
        coerce(self)

    def __len__(self) -> int:
        return len(self.column)


@dataclasses.dataclass(frozen=True, eq=False)
class UnitTable:
    """What is known of each of the K units; ``sorting.quality`` defines the metrics.

    Attributes
    ----------
    peak_channel : (K,) int32
        Row of the channel table where the template is largest, -1 without template.
    n_spikes : (K,) int64
    firing_rate_hz : (K,) float64
        Spikes per recorded second.
    snr : (K,) float64
        Largest |template| over the noise sd of its channel, filtered.
    norm : (K,) float64
        Of the whitened template, in noise sd.
    isolation : (K,) float64
        Distance to the nearest other template, or to nothing, in noise sd.
    isi_violations, contamination, presence : (K,) float64
        Fractions in [0, 1].
    amplitude_cutoff : (K,) float64
        Estimated fraction of spikes too small to be found, at most 0.5.
    amplitude_drift : (K,) float64
        Largest minus smallest mean amplitude of a minute.
    label : (K,) str
        ``good``, ``mua`` or ``noise``.
    """

    layout: ClassVar[dict[str, Stored]] = UNITS

    peak_channel: np.ndarray
    n_spikes: np.ndarray
    firing_rate_hz: np.ndarray
    snr: np.ndarray
    norm: np.ndarray
    isolation: np.ndarray
    isi_violations: np.ndarray
    contamination: np.ndarray
    presence: np.ndarray
    amplitude_cutoff: np.ndarray
    amplitude_drift: np.ndarray
    label: np.ndarray

    def __post_init__(self) -> None:
        coerce(self)

    def __len__(self) -> int:
        return len(self.label)


@dataclasses.dataclass(frozen=True, eq=False)
class StreamTable:
    """The S pieces of a recording, in time order; there may be gaps between them.

    Attributes
    ----------
    name : (S,) str
        File of the stream.
    t_start : (S,) int64
        Global frame of its first frame.
    n_frames : (S,) int64
        Its length.
    """

    layout: ClassVar[dict[str, Stored]] = STREAMS

    name: np.ndarray
    t_start: np.ndarray
    n_frames: np.ndarray

    def __post_init__(self) -> None:
        coerce(self)

    def __len__(self) -> int:
        return len(self.name)

    def stream_of(self, frames: np.ndarray) -> np.ndarray:
        """Return the row of the stream that holds each global frame.

        Parameters
        ----------
        frames : (n,) int64
            Global frames.

        Returns
        -------
        (n,) int64

        Raises
        ------
        ResultError
            If a frame lies in a gap or outside of the recording.
        """
        frames = np.asarray(frames, dtype=np.int64)
        # Where an empty stream shares its start with the next, the last one is meant.
        rows = np.searchsorted(self.t_start, frames, side="right") - 1
        t_stop = np.append(self.t_start + self.n_frames, np.iinfo(np.int64).min)
        outside = (rows < 0) | (frames >= t_stop[rows])
        if np.any(outside):
            raise ResultError(
                f"frame {frames[outside][0]} lies in none of the {len(self)} streams"
            )
        return rows

    def to_recorded(self, frames: np.ndarray) -> np.ndarray:
        """Return the index of each global frame in the streams laid end to end.

        Parameters
        ----------
        frames : (n,) int64
            Global frames, each inside of a stream.

        Returns
        -------
        (n,) int64
        """
        frames = np.asarray(frames, dtype=np.int64)
        before = np.cumsum(self.n_frames) - self.n_frames
        rows = self.stream_of(frames)
        return frames - self.t_start[rows] + before[rows]
