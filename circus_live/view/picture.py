"""What the panels draw, as arrays made from columns: no browser is needed for it."""

from dataclasses import dataclass, fields

import numpy as np

from circus_live.view.digest import Digest
from circus_live.view.reduction import merge, polylines

__all__ = ["LEVEL_NAMES", "Levels", "Window", "levels", "raster", "round_up", "traces"]

LEVEL_S = 0.5  # over which RMS and peak are taken
RATE_S = 2.0
MOST_POINTS = 400  # columns that a panel has room for
MOST_SHADE = 3
MISSING = MOST_SHADE + 1
NICE = np.array([1, 1.5, 2, 3, 5, 7, 10])


@dataclass(frozen=True)
class Window:
    """A length of time, as columns of a panel.

    Attributes
    ----------
    n_columns : int
    factor : int
        Columns of the digest in each.
    column_s : float
        Length of each, s.
    """

    n_columns: int
    factor: int
    column_s: float

    @classmethod
    def of(cls, digest: Digest, seconds: float) -> "Window":
        """Return the window of about so many seconds, as far as the history reaches."""
        n_kept = digest.columns.capacity
        n_asked = min(round(seconds / digest.column_s), n_kept * 9 // 10)
        factor = max(1, -(-n_asked // MOST_POINTS))
        n_columns = max(1, n_asked // factor)
        return cls(n_columns, factor, factor * digest.column_s)

    @property
    def seconds(self) -> float:
        """Its length, s."""
        return self.n_columns * self.column_s

    def times(self) -> np.ndarray:
        """Return the middle of each column before the newest end, s; negative."""
        return (np.arange(self.n_columns) - self.n_columns + 0.5) * self.column_s

    def stop(self, digest: Digest) -> int:
        """Return where it ends: borders stay at the same samples from frame to frame.

        Otherwise lows and highs would change from one picture to the next.
        """
        return digest.columns.stop // self.factor * self.factor


@dataclass(frozen=True, eq=False)
class Levels:
    """How large the signal of each channel is; each (n_channels,), NaN if unknown.

    Attributes
    ----------
    rms_uv, peak_uv : ndarray
        Over the last half second.
    rate_hz : ndarray
        Crossings per second, over the last two.
    """

    rms_uv: np.ndarray
    peak_uv: np.ndarray
    rate_hz: np.ndarray

    def together(self) -> np.ndarray:
        """Return all of it one after another, float32 (3 * n_channels,)."""
        return np.concatenate([self.rms_uv, self.peak_uv, self.rate_hz], dtype="f4")


LEVEL_NAMES = tuple(field.name for field in fields(Levels))


def traces(
    digest: Digest, window: Window, channels: range, row_uv: float
) -> np.ndarray:
    """Return the heights of the lines of all traces; see `polylines`."""
    n_columns = window.n_columns * window.factor
    last = digest.columns.last(n_columns, window.stop(digest))
    low = merge(last.low[:, _slice(channels)], window.factor, np.minimum)
    high = merge(last.high[:, _slice(channels)], window.factor, np.maximum)
    return polylines(low, high, row_uv)


def raster(digest: Digest, window: Window, channels: range) -> np.ndarray:
    """Return an image of the crossings.

    Returns
    -------
    ndarray of uint8, shape (n_channels, n_columns)
        Crossings in each column, at most 3; 4 where frames are missing. The last
        channel comes first, as images begin at the bottom.
    """
    n_columns = window.n_columns * window.factor
    last = digest.columns.last(n_columns, window.stop(digest))
    counts = merge(last.n_crossings[:, _slice(channels)], window.factor, np.add)
    is_missing = np.isnan(last.power[:, 0]).reshape(-1, window.factor).any(axis=1)
    image = np.minimum(counts, MOST_SHADE).astype(np.uint8)
    image[is_missing] = MISSING
    return np.ascontiguousarray(image.T[::-1])


def levels(digest: Digest) -> Levels:
    """Return the levels of all channels at this moment."""
    recent = digest.columns.last(_columns_in(digest, LEVEL_S))
    is_known = np.isfinite(recent.power)
    n_known = is_known.sum(axis=0)
    total = np.where(is_known, recent.power, 0).sum(axis=0)
    with np.errstate(invalid="ignore"):
        rms = np.sqrt(total / n_known)
    peak = np.fmax.reduce(np.fmax(recent.high, -recent.low), axis=0)
    longer = digest.columns.last(_columns_in(digest, RATE_S))
    seconds = np.isfinite(longer.power[:, 0]).sum() * digest.column_s
    counts = longer.n_crossings.sum(axis=0, dtype=np.int64)
    rate = counts / seconds if seconds else np.full(len(counts), np.nan)
    return Levels(rms, peak, rate)


def round_up(value: float) -> float:
    """Return the next of 1, 1.5, 2, 3, 5, 7, 10, ... not smaller; 1 for none."""
    if not (np.isfinite(value) and value > 0):
        return 1.0
    decade = 10.0 ** np.floor(np.log10(value))
    return float(decade * NICE[np.searchsorted(NICE * decade, value * (1 - 1e-9))])


def _columns_in(digest: Digest, seconds: float) -> int:
    return min(max(1, round(seconds / digest.column_s)), digest.columns.capacity)


def _slice(channels: range) -> slice:
    return slice(channels.start, channels.stop)
