"""`Design`: which wave each batch of a run puts on the electrodes."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, fields, replace
from math import isfinite
from typing import Any, ClassVar, Self

import numpy as np

from circus_io.errors import ParameterError
from stim.sampling.limits import DriveLimits

__all__ = ["Design"]


@dataclass(frozen=True, kw_only=True)
class Design(ABC):
    """A wave as a function of the batch: no state, and the same for the same seed.

    Attributes
    ----------
    rate_hz : float
        Samples per second.
    batch_samples, n_batches, n_electrodes : int
    seed : int
        Of all that is drawn.
    amplitude, offset : tuple of float, optional
        Of each electrode (a single number is that of all), in the unit of the limits:
        the wave stays within offset ± amplitude. By default the middle of the range of
        the limits, and the largest amplitude that fits around it: see `within`.

    Raises
    ------
    ParameterError
        A value makes no sense; the message says what is allowed.
    """

    kind: ClassVar[str]

    rate_hz: float
    batch_samples: int
    n_batches: int
    n_electrodes: int
    seed: int = 0
    amplitude: tuple[float, ...] | None = None
    offset: tuple[float, ...] | None = None

    @abstractmethod
    def batch(self, index: int) -> np.ndarray:
        """Return a batch, float64 (batch_samples, n_electrodes), without ramps."""

    def phases(self, index: int) -> np.ndarray:
        """Return the phases of a batch, radians; as many for each, none for most."""
        return np.empty(0)

    def __post_init__(self) -> None:
        """Check what all designs have."""
        for name in ("batch_samples", "n_batches", "n_electrodes"):
            self._need_whole(name, 1)
        self._need_whole("seed", 0)
        self._need(self.rate_hz > 0, "rate_hz", "a rate above 0")
        for name in ("amplitude", "offset"):
            if getattr(self, name) is not None:
                self._set(name, self._for_each_electrode(name))
        if self.amplitude is not None:
            self._need(min(self.amplitude) >= 0, "amplitude", "at least 0")

    def within(self, limits: DriveLimits) -> Self:
        """Return the design with amplitude and offset, from the limits if need be.

        Raises
        ------
        ParameterError
            The limits are those of another number of electrodes.
        """
        self._need(
            limits.n_electrodes == self.n_electrodes,
            "n_electrodes",
            f"{limits.n_electrodes}, as the limits have",
        )
        low, high = limits.ranges.T
        offset = (high + low) / 2 if self.offset is None else np.array(self.offset)
        # the largest that fits; around the middle of the range, half of it
        largest = np.maximum(np.minimum(high - offset, offset - low), 0)
        amplitude = largest if self.amplitude is None else self.amplitude
        return replace(
            self,
            amplitude=tuple(map(float, amplitude)),
            offset=tuple(map(float, offset)),
        )

    def bounds(self) -> np.ndarray:
        """Return the lowest and the highest value, float64 (2, n_electrodes)."""
        amplitude, offset = self._scale()
        return np.array([offset - amplitude, offset + amplitude])

    def to_dict(self) -> dict[str, Any]:
        """Return all that makes the design, as JSON has it."""
        return {"kind": self.kind} | {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    # --------------------------------------------------------------- for the subclasses

    def _scale(self) -> tuple[np.ndarray, np.ndarray]:
        """Return amplitude and offset, float64 (n_electrodes,) each."""
        if self.amplitude is None or self.offset is None:
            raise ParameterError(
                f"the {self.kind} design has no amplitude or offset; give both, or "
                "take them from limits with design.within(limits)"
            )
        return np.array(self.amplitude), np.array(self.offset)

    def _samples(self, index: int) -> np.ndarray:
        """Return the indices of the samples of a batch in the whole record."""
        self._check_index(index)
        return np.arange(self.batch_samples) + index * self.batch_samples

    def _check_index(self, index: int) -> None:
        if not 0 <= index < self.n_batches:
            raise IndexError(f"batch {index}: the design has 0 to {self.n_batches - 1}")

    def _generator(self, *key: int) -> np.random.Generator:
        """Return random numbers that depend on the seed and the key only."""
        return np.random.default_rng([self.seed, *key])

    def _on_one(self, index: int, values: np.ndarray) -> np.ndarray:
        """Put a wave on the electrode whose turn it is; the others keep their offset.

        `values` may be shorter than a batch: the end is held. It is relative to the
        amplitude, -1 to 1.
        """
        self._check_index(index)
        amplitude, offset = self._scale()
        batch = np.tile(offset, (self.batch_samples, 1))
        electrode = index % self.n_electrodes
        batch[: len(values), electrode] += amplitude[electrode] * values
        return batch

    def _need(self, is_right: bool, name: str, expected: str) -> None:
        if not is_right:
            raise ParameterError(f"{name} = {getattr(self, name)}: expected {expected}")

    def _need_whole(self, name: str, least: int) -> None:
        value = getattr(self, name)
        is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        self._need(
            is_whole and value >= least, name, f"a whole number of at least {least}"
        )
        self._set(name, int(value))

    def _for_each_electrode(self, name: str) -> tuple[float, ...]:
        """Return a number for each electrode, where one or as many were given."""
        given = np.atleast_1d(np.asarray(getattr(self, name), dtype=float)).tolist()
        if len(given) == 1:
            given = given * self.n_electrodes
        self._need(
            len(given) == self.n_electrodes and all(map(isfinite, given)),
            name,
            f"one number, or {self.n_electrodes}, one for each electrode",
        )
        return tuple(given)

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @classmethod
    def parameters(cls) -> tuple[str, ...]:
        """Return the names of all parameters."""
        return tuple(field.name for field in fields(cls))
