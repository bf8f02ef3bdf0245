"""`SafetyLimits`: what may reach an electrode. `CheckedProgram`: what was found so.

Limits are held against a `Program`, which is what leaves the device, and not against
what somebody asked for: rounding comes before.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import InitVar, dataclass
from typing import Any

from circus_io.errors import SafetyError
from stim.charge_density import density_uc_per_cm2, shannon_k
from stim.dose import Account
from stim.program import Program
from stim.pulse import UNITS
from stim.scale import Scale

__all__ = ["CheckedProgram", "SafetyLimits"]

FC_PER_NC = 1_000_000
_CHECKED = object()  # only `SafetyLimits.check_program` has it

REQUIRED = ("max_amplitude", "max_phase_us", "min_period_us")
OPTIONAL = (
    "max_phase_charge_fc",
    "max_running_charge_fc",
    "max_on_time_s",
    "electrode_area_um2",
    "max_charge_density_uc_per_cm2",
    "min_impedance_ohm",
)


@dataclass(frozen=True)
class SafetyLimits:
    """Bounds of a stimulus. Every stimulator needs them; there are no defaults.

    Attributes
    ----------
    max_amplitude : int
        Of either sign, in `unit`.
    max_phase_us : int
        Longest phase, µs; phases of one sign, with or without pauses, count together.
    min_period_us : int
        Shortest time from one pulse to the next, µs.
    electrodes : frozenset of int, optional
        Those that may be stimulated, by their labels; None allows all that there are.
    unit : {'uV', 'nA'}
    max_phase_charge_fc : int, optional
        Most charge of a phase, fC. One nC is 1 000 000 fC.
    max_net_charge_fc : int
        Most charge that a pulse may leave, fC; 0 is none at all, exactly.
    max_running_charge_fc : int, optional
        Most charge at any moment since the start, fC; no less than that of a phase.
        Needed where pulses may leave a charge and are repeated.
    max_on_time_s : float, optional
        Longest time for which something may flow, all in all, s.
    electrode_area_um2 : float, optional
        Geometric area of an electrode, µm², for the next two.
    max_charge_density_uc_per_cm2 : float, optional
        Most charge of a phase over that area, µC/cm².
    shannon_k : float, optional
        Most of ``log10(D) + log10(Q)``, see `stim.charge_density.shannon_k`. Not valid
        for microelectrodes, and no guarantee for others.
    min_impedance_ohm : float, optional
        Least that an electrode has, Ω. What turns µV into an upper bound of a charge;
        for voltages, limits of charge need it.
    allow_endless : bool
        Whether something may be repeated for ever by a device that nobody watches.

    Raises
    ------
    SafetyError
        Here, limits that allow nothing or cannot be checked; by the methods, what is
        beyond them.
    """

    max_amplitude: int
    max_phase_us: int
    min_period_us: int
    electrodes: frozenset[int] | None = None
    unit: str = "uV"
    max_phase_charge_fc: int | None = None
    max_net_charge_fc: int = 0
    max_running_charge_fc: int | None = None
    max_on_time_s: float | None = None
    electrode_area_um2: float | None = None
    max_charge_density_uc_per_cm2: float | None = None
    shannon_k: float | None = None
    min_impedance_ohm: float | None = None
    allow_endless: bool = False

    def __post_init__(self) -> None:
        """Check that limits are limits."""
        if self.unit not in UNITS:
            raise SafetyError(f"unit = {self.unit}: choose from {', '.join(UNITS)}")
        for name in (*REQUIRED, *OPTIONAL):
            given = getattr(self, name)
            if given is None and name in OPTIONAL:
                continue
            if not given > 0:  # or NaN
                raise SafetyError(f"{name} = {given}: expected above 0")
        if self.shannon_k is not None and not math.isfinite(self.shannon_k):
            raise SafetyError(f"shannon_k = {self.shannon_k}: expected a number")
        if not self.max_net_charge_fc >= 0:
            raise SafetyError(
                f"max_net_charge_fc = {self.max_net_charge_fc}: expected 0 or above"
            )
        if self.electrodes is not None:
            object.__setattr__(self, "electrodes", frozenset(self.electrodes))
        self._check_checkable()

    def _check_checkable(self) -> None:
        """Raise `SafetyError` if a limit needs another value to be checked at all."""
        by_area = (
            self.max_charge_density_uc_per_cm2 is not None or self.shannon_k is not None
        )
        if by_area and self.electrode_area_um2 is None:
            raise SafetyError(
                "max_charge_density_uc_per_cm2 and shannon_k need electrode_area_um2"
            )
        by_charge = (
            by_area
            or self.max_phase_charge_fc
            or self.max_net_charge_fc
            or self.max_running_charge_fc
        )
        if self.unit == "uV" and by_charge and self.min_impedance_ohm is None:
            raise SafetyError(
                "the charge of a voltage is not known: give min_impedance_ohm, the "
                "least that an electrode has, or no limits of charge"
            )

    # ----------------------------------------------------------------------- programs

    def check_program(
        self,
        program: Program,
        period_us: int | None = None,
        repeats: int | None = 1,
    ) -> "CheckedProgram":
        """Return a program that may leave.

        Parameters
        ----------
        program : Program
        period_us : int, optional
            From the start of one repetition to that of the next, µs; back to back if it
            is left out.
        repeats : int or None
            How many times it is played. 0 is for ever, by a device that goes on without
            the host, and needs `allow_endless`. None is until somebody stops it, by a
            device that falls silent without the host: what grows with time is counted
            there, by a `Dose`.

        Raises
        ------
        SafetyError
            Anything of it is beyond the limits; the message lists all that is.
        """
        problems = list(self.problems(program, period_us, repeats))
        if problems:
            raise SafetyError("; ".join(problems))
        if period_us is None:
            period_us = program.duration_us
        return CheckedProgram(program, self, period_us, repeats, _CHECKED)

    def problems(
        self,
        program: Program,
        period_us: int | None = None,
        repeats: int | None = 1,
    ) -> Iterator[str]:
        """Yield what is beyond the limits; nothing if `check_program` would pass."""
        scale = program.scale
        if scale.unit != self.unit:
            yield (
                f"a pulse in {scale.unit} for a device that is limited in {self.unit}"
            )
            return
        if repeats is not None and not (_is_whole(repeats) and repeats >= 0):
            yield f"repeats = {repeats}: expected 1 or more, or 0 for ever"
            return
        if period_us is not None and not (_is_whole(period_us) and period_us >= 0):
            yield f"period_us = {period_us}: expected whole microseconds"
            return
        period_us = program.duration_us if period_us is None else period_us
        if repeats != 1 and period_us < program.duration_us:
            yield (
                f"a pulse of {program.duration_us} µs does not fit into a period of "
                f"{period_us} µs"
            )
        if program.is_silent:
            return
        if repeats == 0 and not self.allow_endless:
            yield (
                "repeats = 0 is for ever, also when the program that asked for it is "
                "gone; give a number, or allow_endless in the limits"
            )
        ticks = max(period_us // program.grid_us, program.n_ticks)
        account = Account.of(program, repeats or None, ticks)
        yield from self._time_problems(account, program)
        yield from self._charge_problems(account, program, repeats)
        yield from self._total_problems(account, program, repeats)

    def _time_problems(self, account: Account, program: Program) -> Iterator[str]:
        scale, grid_us = program.scale, program.grid_us
        largest = account.largest_counts * scale.resolution
        if largest > self.max_amplitude:
            yield (
                f"an amplitude of {largest} {self.unit}, in steps of "
                f"{scale.resolution} {self.unit}, is beyond the limit of "
                f"{self.max_amplitude} {self.unit}; choose a smaller one"
            )
        if account.phase_ticks is None:
            yield (
                "a phase without an end: the pulse goes one way, and is repeated until "
                "it is stopped; give a number of repeats, or a phase that goes back"
            )
        elif account.phase_ticks * grid_us > self.max_phase_us:
            yield (
                f"a phase of {account.phase_ticks * grid_us} µs is beyond the limit of "
                f"{self.max_phase_us} µs; parts of one sign count together until the "
                "charge is back"
            )
        if account.period_ticks is not None:
            period_us = account.period_ticks * grid_us
            if period_us < self.min_period_us:
                yield (
                    f"a period of {period_us} µs is below the limit of "
                    f"{self.min_period_us} µs from one pulse to the next; make pauses "
                    "longer"
                )

    def _charge_problems(
        self, account: Account, program: Program, repeats: int | None
    ) -> Iterator[str]:
        """Yield what is wrong with the charge of phases and of a pulse."""
        if account.phase_charge is not None:
            yield from self.phase_problems(
                self._charge_fc(account.phase_charge, program)
            )
        if not account.pulse_charge:
            return
        left_fc = self._charge_fc(account.pulse_charge, program)
        if not self.max_net_charge_fc or left_fc > self.max_net_charge_fc:
            left = f"{account.pulse_charge} steps × ticks of the device"
            if self.unit == "nA":
                left += f", {_charge(left_fc)}"
            yield (
                f"the pulse leaves a charge: {left}; the limit is "
                f"{_charge(self.max_net_charge_fc)}. Make what flows in and out equal"
            )
        elif repeats != 1 and self.max_running_charge_fc is None:
            yield (
                "the pulse leaves a charge, which repetitions add up: that needs a "
                "max_running_charge_fc in the limits"
            )
        elif repeats == 0:
            yield "the pulse leaves a charge, and is repeated for ever"

    def phase_problems(self, charge_fc: float) -> Iterator[str]:
        """Yield what is wrong with a phase of some charge, fC."""
        limit_fc = self.max_phase_charge_fc
        if limit_fc is not None and charge_fc > limit_fc:
            yield (
                f"a phase of {_charge(charge_fc)} is beyond the limit of "
                f"{_charge(limit_fc)}; choose a smaller amplitude or duration"
            )
        area_um2 = self.electrode_area_um2
        if area_um2 is None:
            return
        most_density, most_k = self.max_charge_density_uc_per_cm2, self.shannon_k
        density = density_uc_per_cm2(charge_fc, area_um2)
        if most_density is not None and density > most_density:
            yield (
                f"a phase of {density:.4g} µC/cm² on {area_um2:g} µm² is "
                f"beyond the limit of {most_density:g} µC/cm²"
            )
        k = shannon_k(charge_fc, area_um2)
        if most_k is not None and k > most_k:
            yield (
                f"a phase of {_charge(charge_fc)} on {area_um2:g} µm² "
                f"has Shannon's k = {k:.3f}, beyond the limit of {most_k:g}"
            )

    def _total_problems(
        self, account: Account, program: Program, repeats: int | None
    ) -> Iterator[str]:
        """Yield what adds up to too much over all repetitions."""
        limit_fc = self.max_running_charge_fc
        if limit_fc is not None and account.running_charge is not None:
            charge_fc = self._charge_fc(account.running_charge, program)
            if charge_fc > limit_fc:
                yield (
                    f"charge adds up to {_charge(charge_fc)}, beyond the limit of "
                    f"{_charge(limit_fc)}"
                )
        if self.max_on_time_s is None or repeats is None:
            return
        if account.on_ticks is None:
            yield (
                "repeats = 0 has no end, and the limit is "
                f"{self.max_on_time_s:g} s of output; give a number of repeats"
            )
        elif account.on_ticks * program.grid_us > self.max_on_time_s * 1e6:
            yield (
                f"output for {account.on_ticks * program.grid_us / 1e6:g} s is beyond "
                f"the limit of {self.max_on_time_s:g} s; repeat it less often"
            )

    def _charge_fc(self, counts_ticks: int, program: Program) -> float:
        return self.charge_fc(counts_ticks, program.scale.resolution, program.grid_us)

    def charge_fc(self, counts_ticks: float, resolution: int, tick_us: float) -> float:
        """Return counts × ticks as a charge, fC.

        Of a voltage, it is an upper bound; 0 where the impedance is not known, and with
        it no limit of charge.
        """
        product = counts_ticks * resolution * tick_us
        if self.unit == "nA":
            return product
        if self.min_impedance_ohm is None:
            return 0.0
        return product * 1000 / self.min_impedance_ohm  # µV / Ω is 1000 nA

    def charges_fc(
        self, low: float, high: float, resolution: int, tick_us: float
    ) -> tuple[float, float]:
        """Return the least and the most charge, fC, between two counts × ticks.

        Of a voltage, a charge is only known to lie between 0 and its upper bound.
        """
        if self.unit != "nA":
            low, high = min(0, low), max(0, high)
        return (
            self.charge_fc(low, resolution, tick_us),
            self.charge_fc(high, resolution, tick_us),
        )

    # -------------------------------------------------------------- electrodes, words

    def check_electrodes(self, labels: Iterable[int]) -> None:
        """Raise `SafetyError` if one of some electrodes may not be stimulated."""
        if self.electrodes is None:
            return
        refused = sorted(set(labels) - self.electrodes)
        if refused:
            raise SafetyError(
                f"electrode {', '.join(map(str, refused))} may not be stimulated; the "
                f"limits allow {', '.join(map(str, sorted(self.electrodes)))}"
            )

    def largest_counts(self, scale: Scale) -> int:
        """Return the most counts, of either sign, that these limits allow a channel."""
        if scale.unit != self.unit:
            raise SafetyError(
                f"a channel in {scale.unit} for a device that is limited in {self.unit}"
            )
        return min(int(self.max_amplitude // scale.resolution), scale.most_counts)


@dataclass(frozen=True)
class CheckedProgram:
    """A program that limits allow; `SafetyLimits.check_program` makes it, nothing else.

    Attributes
    ----------
    program : Program
    limits : SafetyLimits
        Those that allow it.
    period_us : int
        From the start of one repetition to that of the next, µs.
    repeats : int or None
        How often it may be played; see `SafetyLimits.check_program`.

    Raises
    ------
    SafetyError
        It is made elsewhere.
    """

    program: Program
    limits: SafetyLimits
    period_us: int
    repeats: int | None
    _token: InitVar[Any] = None

    def __post_init__(self, _token: Any) -> None:
        """Refuse to be made from what nobody has checked."""
        if _token is not _CHECKED:
            raise SafetyError(
                "a CheckedProgram comes from SafetyLimits.check_program; call that"
            )

    def __reduce__(self) -> Any:
        """Refuse to be made from bytes, which nobody has checked either."""
        raise SafetyError("a CheckedProgram stays in its process; check it again there")


def _is_whole(value: float) -> bool:
    """Whether this is a number without a fraction; not NaN, nor infinite."""
    try:
        return int(value) == value
    except (TypeError, ValueError, OverflowError):
        return False


def _charge(charge_fc: float) -> str:
    """Return a charge as text."""
    return f"{charge_fc / FC_PER_NC:.6g} nC"
