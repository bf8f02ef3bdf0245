"""What stimuli leave in the recording, and how it is taken out."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sorting.kernels.artefacts import subtract_artefacts

__all__ = ["ArtefactTimes", "Artefacts"]


@dataclass(frozen=True)
class ArtefactTimes:
    """When artefacts begin and how long each kind of them lasts.

    Attributes
    ----------
    onsets : tuple of int
        Global frames, rising; windows do not overlap.
    kinds : tuple of int
        Row of `widths` for each onset.
    widths : tuple of int
        Frames.
    baseline_frames : int
        Before an onset, from which its artefact is measured.
    """

    onsets: tuple[int, ...]
    kinds: tuple[int, ...]
    widths: tuple[int, ...]
    baseline_frames: int


@dataclass(frozen=True, eq=False)
class Artefacts:
    """All artefacts of a recording.

    Attributes
    ----------
    onsets : int64 (n_events,)
        Global frames, rising.
    kinds : int64 (n_events,)
    amplitudes : float32 (n_events,)
        1 is the shape of the kind as it is.
    shapes : list of float32 (n_frames, n_channels)
        Of each kind, in µV as recorded.
    """

    onsets: np.ndarray
    kinds: np.ndarray
    amplitudes: np.ndarray
    shapes: list[np.ndarray]

    def subtract(self, traces: np.ndarray, first_frame: int) -> np.ndarray:
        """Return traces (n_frames, n_channels) of one stream without artefacts."""
        longest = max(map(len, self.shapes), default=0)
        near = slice(
            np.searchsorted(self.onsets, first_frame - longest),
            np.searchsorted(self.onsets, first_frame + len(traces)),
        )
        if near.start == near.stop:
            return traces
        shapes = [self.shapes[kind] for kind in self.kinds[near]]
        onsets = self.onsets[near] - first_frame
        return subtract_artefacts(traces, onsets, self.amplitudes[near], shapes)

    def to_arrays(self, n_channels: int) -> dict[str, np.ndarray]:
        """Return arrays that a step stores."""
        none = np.zeros((0, n_channels), np.float32)
        return {
            "artefact_onsets": self.onsets,
            "artefact_kinds": self.kinds,
            "artefact_amplitudes": self.amplitudes,
            "artefact_widths": np.array([len(s) for s in self.shapes], np.int64),
            "artefact_shapes": np.concatenate([none, *self.shapes]),
        }

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray]) -> "Artefacts":
        """Build artefacts from what `to_arrays` returned."""
        borders = np.cumsum(arrays["artefact_widths"])[:-1]
        return Artefacts(
            arrays["artefact_onsets"],
            arrays["artefact_kinds"],
            arrays["artefact_amplitudes"],
            np.split(arrays["artefact_shapes"], borders),
        )
