"""Which axis of a stored array is time."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from circus_io.errors import FormatError

__all__ = ["Axes"]


@dataclass(frozen=True)
class Axes:
    """How the axes of a stored array become frames × channels.

    Attributes
    ----------
    time_axis : int
    stored_shape : tuple of int
        With one axis (a single channel), two, or three (a grid of electrodes, whose
        channels are counted row by row).
    """

    time_axis: int
    stored_shape: tuple[int, ...]

    @classmethod
    def of(cls, stored_shape: tuple[int, ...], time_axis: Any, name: str) -> "Axes":
        """Return the axes of an array in the file `name`.

        Parameters
        ----------
        time_axis : {'auto'} or int
            ``'auto'`` is the longest axis, the first of equal ones.

        Raises
        ------
        FormatError
            There is no such axis, or no axis or more than three.
        """
        n_axes = len(stored_shape)
        if not 1 <= n_axes <= 3:
            raise FormatError(
                f"{name} holds an array with {n_axes} axes; expected time and channels "
                "(2), a single channel (1) or a grid of electrodes (3)"
            )
        text = str(time_axis).strip().lower()
        if text == "auto":
            return cls(stored_shape.index(max(stored_shape)), stored_shape)
        if text not in [str(axis) for axis in range(n_axes)]:
            raise FormatError(
                f"time_axis = {time_axis}: choose auto or an axis from 0 to "
                f"{n_axes - 1} of {name}, which has shape {stored_shape}"
            )
        return cls(int(text), stored_shape)

    @property
    def grid(self) -> tuple[int, ...]:
        """The shape of one frame."""
        rest = list(self.stored_shape)
        del rest[self.time_axis]
        return tuple(rest)

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return math.prod(self.grid)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape with time first and at least one axis of channels."""
        return (self.stored_shape[self.time_axis], *(self.grid or (1,)))

    def with_frames(self, n_frames: int) -> "Axes":
        """Return the axes of the same array with `n_frames` frames."""
        stored = list(self.stored_shape)
        stored[self.time_axis] = n_frames
        return Axes(self.time_axis, tuple(stored))

    def frames_first(self, array: np.ndarray) -> np.ndarray:
        """Return a view of an array with time as its first axis."""
        return np.moveaxis(array, self.time_axis, 0)

    def flatten(self, frames: np.ndarray) -> np.ndarray:
        """Return frames (n_frames, ...) as (n_frames, n_channels)."""
        return frames.reshape(len(frames), self.n_channels)

    def unflatten(self, frames: np.ndarray) -> np.ndarray:
        """Return frames (n_frames, n_channels) as (n_frames, ...)."""
        return frames.reshape(len(frames), *self.grid)
