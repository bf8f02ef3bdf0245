"""A fair sample of peaks whose features wait on disk.

Memory holds what is needed to choose, thirty bytes a peak; features of every
peak that was ever chosen go to a file of the rank, read when the choice is made.
"""

from pathlib import Path

import numpy as np

from sorting.kernels.sampling import bottom_k

__all__ = ["PEAK", "PeakSample", "smallest"]

PEAK = np.dtype(
    [
        ("time", np.int64),  # first frame of the window
        ("key", np.uint64),  # from `kernels.sampling.hash_keys`
        ("channel", np.int32),
        ("amplitude_class", np.int32),
        ("row", np.int64),  # in the file of features
    ]
)
PRUNE_EVERY = 16  # chunks


class PeakSample:
    """The peaks with the smallest keys of each channel and amplitude class.

    Parameters
    ----------
    path : Path
        File for the features, made anew.
    shape : tuple of int
        Channels and amplitude classes.
    per_class : int
        Peaks to keep of each channel and class.
    n_features : int
        Of a peak, stored with half precision: an error of 1e-3 of a spike is well below
        its noise.
    """

    def __init__(
        self, path: Path, shape: tuple[int, int], per_class: int, n_features: int
    ):
        self.path = path
        self.n_classes = shape[1]
        self.per_class = max(per_class, 1)
        self.n_features = n_features
        self.n_rows = 0
        self.limits = np.full(shape, np.iinfo(np.uint64).max, np.uint64)
        self.parts: list[np.ndarray] = []
        path.write_bytes(b"")

    def wanted(self, peaks: np.ndarray) -> np.ndarray:
        """Tell which peaks may still be among the smallest, bool (n_peaks,)."""
        return peaks["key"] <= self.limits[peaks["channel"], peaks["amplitude_class"]]

    def add(self, peaks: np.ndarray, features: np.ndarray) -> None:
        """Take peaks, PEAK (n_peaks,), and their features, float (n_peaks, ...)."""
        peaks = peaks.copy()
        peaks["row"] = self.n_rows + np.arange(peaks.size)
        self.n_rows += peaks.size
        with self.path.open("ab") as file:
            file.write(features.astype(np.float16).tobytes())
        self.parts.append(peaks)
        if len(self.parts) > PRUNE_EVERY:
            self._prune()

    def peaks(self) -> np.ndarray:
        """Return the sample so far, PEAK (n_kept,), by channel, class and key."""
        self._prune()
        return self.parts[0]

    def features(self, peaks: np.ndarray) -> np.ndarray:
        """Read the features of sampled peaks, float16 (n_peaks, n_features)."""
        if not self.n_rows:
            return np.zeros((0, self.n_features), np.float16)
        rows = np.memmap(
            self.path, np.float16, "r", shape=(self.n_rows, self.n_features)
        )
        return rows[peaks["row"]]

    def _prune(self) -> None:
        peaks = np.concatenate([np.empty(0, PEAK), *self.parts])
        kept = peaks[smallest(peaks, self.n_classes, self.per_class)]
        self.parts = [kept]
        strata = _strata(kept, self.n_classes)
        ends = np.flatnonzero(np.diff(strata, append=-1))
        sizes = np.diff(ends, prepend=-1)
        full = ends[sizes >= self.per_class]
        self.limits[kept["channel"][full], kept["amplitude_class"][full]] = kept["key"][
            full
        ]


def smallest(peaks: np.ndarray, n_classes: int, per_class: int) -> np.ndarray:
    """Index the sample among peaks, sorted by channel, class and key."""
    return bottom_k(_strata(peaks, n_classes), peaks["key"], per_class)


def _strata(peaks: np.ndarray, n_classes: int) -> np.ndarray:
    return peaks["channel"].astype(np.int64) * n_classes + peaks["amplitude_class"]
