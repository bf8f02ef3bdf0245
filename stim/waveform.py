"""`Waveform`: an output over time, as runs of whole numbers with units.

At the surface, in mA and ms as in the `stg` package, stand `compress` and `decompress`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from circus_io.errors import SafetyError
from stim.pulse import UNITS, Pulse
from stim.rounding import round_balanced
from stim.runs import MOST, expand, frozen, merged, starts_of, whole_numbers

__all__ = ["GRID_US", "ROUNDINGS", "Waveform", "compress", "decompress"]

GRID_US = 20  # time resolution of an STG, µs
ROUNDINGS = ("refuse", "keep-charge")

# what floats of ms and mA may be off from the decimals they stand for: far above their
# own error, far below 1 µs
TOLERANCE_US = 1e-6
BALANCED = 1e-9  # of the charge that flows; less is the error of the floats


@dataclass(frozen=True, eq=False)
class Waveform:
    """An output that is constant for a while, and then another one.

    Attributes
    ----------
    amplitudes : int64 array, shape (n_runs,)
        In `unit`; neighbours differ.
    durations_us : int64 array, shape (n_runs,)
        µs, above 0.
    unit : {'nA', 'uV'}

    Both arrays are copies that cannot be written to. Equal neighbours that are given
    become one run, so equal waveforms are equal objects.

    Raises
    ------
    SafetyError
        Nothing is given, something that is not a whole number, or a run of no duration.

    Examples
    --------
    >>> from stim import Waveform
    >>> pulse = Waveform.of([(1000, 100), (-1000, 100), (0, 800)])
    >>> pulse.net_charge, pulse.duration_us, pulse.samples(50_000).size
    (0, 1000, 50)
    """

    amplitudes: np.ndarray
    durations_us: np.ndarray
    unit: str = "nA"

    def __post_init__(self) -> None:
        """Check what is given, and make it canonical."""
        if self.unit not in UNITS:
            raise SafetyError(f"unit = {self.unit}: choose from {', '.join(UNITS)}")
        amplitudes = whole_numbers("amplitudes", self.amplitudes)
        durations_us = whole_numbers("durations_us", self.durations_us)
        _check_runs(amplitudes, durations_us)
        amplitudes, durations_us = merged(amplitudes, durations_us)
        object.__setattr__(self, "amplitudes", frozen(amplitudes))
        object.__setattr__(self, "durations_us", frozen(durations_us))

    @classmethod
    def of(cls, runs: Iterable[tuple[int, int]], unit: str = "nA") -> Self:
        """Return the waveform of ``(amplitude, duration_us)`` pairs."""
        amplitudes, durations_us = np.array(list(runs)).reshape(-1, 2).T
        return cls(amplitudes, durations_us, unit)

    @classmethod
    def from_pulse(cls, pulse: Pulse) -> Self:
        """Return a pulse as a waveform."""
        return cls(
            [phase.amplitude for phase in pulse.phases],
            [phase.duration_us for phase in pulse.phases],
            pulse.unit,
        )

    @classmethod
    def from_samples(
        cls, samples: ArrayLike, rate_hz: int = 50_000, unit: str = "nA"
    ) -> Self:
        """Return the waveform of some samples, shape (n_samples,); undoes `samples`.

        Raises
        ------
        SafetyError
            A sample does not last a whole number of µs.
        """
        values = whole_numbers("samples", samples)
        starts = starts_of(values)
        counts = np.diff(np.r_[starts, values.size])
        return cls(values[starts], _exact(counts * 1_000_000, rate_hz), unit)

    @classmethod
    def from_mA(  # noqa: N802
        cls,
        amplitudes_in_mA: ArrayLike,
        durations_in_ms: ArrayLike,
        *,
        grid_us: int = GRID_US,
        rounding: str = "refuse",
    ) -> Self:
        """Return the waveform of amplitudes in mA and durations in ms.

        Parameters
        ----------
        amplitudes_in_mA : array_like of float, shape (n_runs,)
            Rounded to the nearest nA.
        durations_in_ms : array_like of float, shape (n_runs,)
        grid_us : int
            Of what durations have to be multiples, µs.
        rounding : {'refuse', 'keep-charge'}
            What is done with durations that are none. Kept, the charge of each run is
            as given, to within its rounding to nA, and that of the whole is 0 exactly
            if it was: durations go to the nearest multiple, amplitudes change with
            them, and pauses make up for the time.

        Raises
        ------
        SafetyError
            A duration is not allowed; the message names it and its neighbours.
        """
        return cls._scaled(
            _floats("amplitudes_in_mA", amplitudes_in_mA) * 1e6,
            _floats("durations_in_ms", durations_in_ms) * 1e3,
            "nA",
            grid_us,
            rounding,
        )

    @classmethod
    def from_mV(  # noqa: N802
        cls,
        amplitudes_in_mV: ArrayLike,
        durations_in_ms: ArrayLike,
        *,
        grid_us: int = GRID_US,
        rounding: str = "refuse",
    ) -> Self:
        """Return the waveform of amplitudes in mV; for the rest, see `from_mA`."""
        return cls._scaled(
            _floats("amplitudes_in_mV", amplitudes_in_mV) * 1e3,
            _floats("durations_in_ms", durations_in_ms) * 1e3,
            "uV",
            grid_us,
            rounding,
        )

    @classmethod
    def _scaled(
        cls,
        amplitudes: np.ndarray,
        durations_us: np.ndarray,
        unit: str,
        grid_us: int,
        rounding: str,
    ) -> Self:
        """Return the waveform of floats in its own units."""
        if rounding not in ROUNDINGS:
            raise SafetyError(
                f"rounding = {rounding}: choose from {', '.join(ROUNDINGS)}"
            )
        if amplitudes.shape != durations_us.shape:
            raise SafetyError(
                f"{amplitudes.size} amplitudes for {durations_us.size} durations; give "
                "as many of both"
            )
        if rounding == "keep-charge":
            return cls(*_keep_charge(amplitudes, durations_us, grid_us), unit)
        return cls(np.rint(amplitudes), _on_grid(durations_us, grid_us), unit)

    def samples(self, rate_hz: int = 50_000) -> np.ndarray:
        """Return the waveform sample by sample.

        Parameters
        ----------
        rate_hz : int

        Returns
        -------
        int64 array, shape (n_samples,)
            In `unit`.

        Raises
        ------
        SafetyError
            A run does not last a whole number of samples.
        """
        counts = _exact(self.durations_us * rate_hz, 1_000_000)
        return expand(self.amplitudes, counts)

    @property
    def charges(self) -> np.ndarray:
        """Amplitude × duration of each run: fC for a current, µV µs for a voltage."""
        return self.amplitudes * self.durations_us

    @property
    def net_charge(self) -> int:
        """What is left at the end: fC for a current, µV µs for a voltage."""
        return int(self.charges.sum())

    @property
    def duration_us(self) -> int:
        """Length, µs."""
        return int(self.durations_us.sum())

    @property
    def largest(self) -> int:
        """Largest amplitude of either sign, in its unit."""
        return int(np.abs(self.amplitudes).max())

    def __eq__(self, other: object) -> bool:
        """Whether both are the same output at all times, in the same unit."""
        if not isinstance(other, Waveform):
            return NotImplemented
        return (
            self.unit == other.unit
            and np.array_equal(self.amplitudes, other.amplitudes)
            and np.array_equal(self.durations_us, other.durations_us)
        )

    def __hash__(self) -> int:
        return hash((self.unit, self.amplitudes.tobytes(), self.durations_us.tobytes()))


def compress(
    signal: ArrayLike, rate_in_hz: int = 50_000
) -> tuple[list[float], list[float]]:
    """Return a signal as amplitudes and their durations; undoes `decompress`.

    Parameters
    ----------
    signal : array_like, shape (n_samples,)
        In any unit, such as mA.
    rate_in_hz : int

    Returns
    -------
    amplitudes, durations_in_ms : list of float
        Neighbouring amplitudes differ.

    Examples
    --------
    >>> from stim import compress
    >>> compress([0, 1, 1, -1, -1])
    ([0.0, 1.0, -1.0], [0.02, 0.04, 0.04])
    """
    values = _floats("signal", signal)
    starts = starts_of(values)
    counts = np.diff(np.r_[starts, values.size])
    # one division, correctly rounded: the float that is written 0.58 for 29 samples
    return values[starts].tolist(), (counts * 1000 / rate_in_hz).tolist()


def decompress(
    amplitudes_in_mA: ArrayLike = (0,),
    durations_in_ms: ArrayLike = (0,),
    rate_in_hz: int = 50_000,
    *,
    amps: ArrayLike | None = None,
    durs: ArrayLike | None = None,
) -> np.ndarray:
    """Return amplitudes and their durations sample by sample; undoes `compress`.

    Parameters
    ----------
    amplitudes_in_mA : array_like, shape (n_runs,)
        In any unit, such as mA.
    durations_in_ms : array_like, shape (n_runs,)
        Whole numbers of samples. Runs of none are left out.
    rate_in_hz : int
    amps, durs : array_like, optional
        Short names of the first two.

    Returns
    -------
    float64 array, shape (n_samples,)

    Raises
    ------
    SafetyError
        A duration is not a whole number of samples, or below 0.

    Examples
    --------
    >>> from stim import decompress
    >>> decompress([1, -1], [0.04, 0.06]).tolist()
    [1.0, 1.0, -1.0, -1.0, -1.0]
    """
    values = _floats("amplitudes_in_mA", amplitudes_in_mA if amps is None else amps)
    durations = _floats("durations_in_ms", durations_in_ms if durs is None else durs)
    if values.shape != durations.shape:
        raise SafetyError(
            f"{values.size} amplitudes for {durations.size} durations; give as many of "
            "both"
        )
    exact = durations * rate_in_hz / 1000
    counts = np.rint(exact)
    # relative beyond one sample: the error of a float grows with it
    off = np.abs(exact - counts) > TOLERANCE_US * np.maximum(1, exact * 1e-6)
    bad = np.flatnonzero(off | (counts < 0))
    if bad.size:
        raise SafetyError(
            f"durations_in_ms[{bad[0]}] = {durations[bad[0]]}: a sample at "
            f"{rate_in_hz} Hz lasts {1000 / rate_in_hz:g} ms; give a multiple of that"
        )
    return expand(values, counts.astype(np.int64))


def _check_runs(amplitudes: np.ndarray, durations_us: np.ndarray) -> None:
    """Raise `SafetyError` unless these are runs that can be accounted for."""
    if amplitudes.size != durations_us.size:
        raise SafetyError(
            f"{amplitudes.size} amplitudes for {durations_us.size} durations; give as "
            "many of both"
        )
    if not amplitudes.size:
        raise SafetyError("a waveform without runs; give at least one")
    if durations_us.min() <= 0:
        index = int(np.argmin(durations_us))
        raise SafetyError(
            f"durations_us[{index}] = {durations_us[index]}: expected more than 0; "
            "leave out what does not last"
        )
    products = np.abs(amplitudes.astype(np.float64)) * durations_us
    if max(products.sum(), durations_us.sum(dtype=np.float64)) >= MOST:
        raise SafetyError("a waveform too long for its charge to be counted; repeat it")


def _exact(numerators: np.ndarray, denominator: int) -> np.ndarray:
    """Return quotients that have to be whole."""
    counts, rest = np.divmod(numerators, denominator)
    if rest.any():
        index = int(np.flatnonzero(rest)[0])
        raise SafetyError(
            f"run {index} lasts {numerators[index] / denominator:g}, in µs or samples, "
            "where a whole number is needed; choose another rate, or other durations"
        )
    return counts


def _floats(name: str, given: ArrayLike) -> np.ndarray:
    """Return a row of finite floats."""
    try:
        values = np.atleast_1d(np.asarray(given, np.float64))
    except (TypeError, ValueError):
        raise SafetyError(f"{name}: expected a row of numbers") from None
    if values.ndim != 1 or not np.all(np.isfinite(values)):
        raise SafetyError(f"{name}: expected a row of finite numbers")
    return values


def _on_grid(durations_us: np.ndarray, grid_us: int) -> np.ndarray:
    """Return durations as multiples of the grid, which they have to be."""
    whole = np.rint(durations_us / grid_us) * grid_us
    bad = np.flatnonzero(
        (np.abs(durations_us - whole) > TOLERANCE_US + 1e-12 * whole) | (whole <= 0)
    )
    if bad.size:
        index, given = int(bad[0]), durations_us[bad[0]]
        lower = max(1, int(given // grid_us)) * grid_us
        near = f"{lower / 1000:g} or {(lower + grid_us) / 1000:g}"
        raise SafetyError(
            f"durations_in_ms[{index}] = {given / 1000:g}: the device counts in "
            f'{grid_us} µs; choose {near}, or rounding="keep-charge"'
        )
    return whole


def _keep_charge(
    amplitudes: np.ndarray, durations_us: np.ndarray, grid_us: int
) -> tuple[np.ndarray, Sequence[int] | np.ndarray]:
    """Return amplitudes and durations on the grid that move the same charge."""
    if np.any(durations_us < 0):
        raise SafetyError("durations below 0; leave out what does not last")
    flows = np.rint(amplitudes) != 0
    ticks = _ticks_with_pauses(durations_us / grid_us, flows)
    amplitudes, durations_us, ticks = (
        values[ticks > 0] for values in (amplitudes, durations_us, ticks)
    )
    given = np.where(np.rint(amplitudes) != 0, amplitudes * durations_us, 0.0)
    if not np.abs(given).sum() * 1000 < MOST:
        raise SafetyError("a waveform too long for its charge to be kept; repeat it")
    charges = np.rint(given * 1000).astype(np.int64)  # in thousandths
    if abs(given.sum()) <= BALANCED * np.abs(given).sum() and charges.any():
        charges[np.flatnonzero(charges)[-1]] -= charges.sum()
    values, ticks = round_balanced(charges, 1000 * grid_us * ticks, ticks, charges)
    return values, ticks * grid_us


def _ticks_with_pauses(exact: np.ndarray, flows: np.ndarray) -> np.ndarray:
    """Return whole ticks, at least one where something flows; pauses take the rest."""
    ticks = np.where(flows, np.maximum(1, np.rint(exact)), np.rint(exact))
    behind = 0.0
    for index in np.flatnonzero(flows | (exact > 0)):
        if not flows[index]:
            ticks[index] = max(0, np.rint(exact[index] + behind))
        behind += exact[index] - ticks[index]
    return ticks.astype(np.int64)
