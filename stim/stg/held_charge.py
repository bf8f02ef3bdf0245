"""`HeldCharge`: what an electrode may hold by all that was put out through a channel.

Nothing takes back what is left when a pulse is cut, and what programs leave by
themselves adds up: so this is held against the limit of the running charge before the
next one starts. What leaks off meanwhile is not known, and not counted.
"""

from circus_io.errors import SafetyError
from stim.safety import SafetyLimits
from stim.stg.outflow import Interval, Outflow

__all__ = ["HeldCharge", "check_charge"]

FC_PER_NC = 1e6


class HeldCharge:
    """The least and the most charge of one channel.

    Attributes
    ----------
    low_fc, high_fc : float
        By all that has ended.
    last : Outflow or None
        What may still play.
    """

    def __init__(self) -> None:
        self.low_fc = self.high_fc = 0.0
        self.last: Outflow | None = None

    def begin(self, outflow: Outflow, now_s: float) -> None:
        """Note that something has started, and what was before has ended."""
        self.settle(now_s)
        self.last = outflow

    def settle(self, now_s: float) -> Interval:
        """Add up what has ended; return what is held, fC."""
        self.low_fc, self.high_fc = self.at(now_s)
        self.last = None
        return self.low_fc, self.high_fc

    def widen(self, by_fc: Interval) -> None:
        """Add what may be left besides."""
        self.low_fc += by_fc[0]
        self.high_fc += by_fc[1]

    def at(self, now_s: float) -> Interval:
        """Return what is held, fC, if nothing flows any more."""
        if self.last is None:
            return self.low_fc, self.high_fc
        low_fc, high_fc = self.last.charge_fc(now_s)
        return self.low_fc + low_fc, self.high_fc + high_fc

    def is_open(self, now_s: float) -> bool:
        """Whether something may still flow."""
        return self.last is not None and self.last.is_open(now_s)

    def forget(self) -> None:
        """Begin anew: the electrode holds nothing."""
        self.low_fc = self.high_fc = 0.0
        self.last = None


def check_charge(
    channel: int, held_fc: Interval, more_fc: Interval, limits: SafetyLimits
) -> None:
    """Raise `SafetyError` if charge would be beyond its limit at any moment.

    Parameters
    ----------
    channel : int
    held_fc : pair of float
        What the electrode holds, at least and at most.
    more_fc : pair of float
        Extremes of the charge that comes to it.
    limits : SafetyLimits
    """
    most_fc = limits.max_running_charge_fc
    if most_fc is None:
        return
    charge_fc = max(-(held_fc[0] + more_fc[0]), held_fc[1] + more_fc[1])
    if charge_fc <= most_fc:
        return
    told = (
        f"channel {channel}: charge adds up to {charge_fc / FC_PER_NC:g} nC, beyond "
        f"the limit of {most_fc / FC_PER_NC:g} nC"
    )
    if any(held_fc):
        told += _held(held_fc, channel)
    raise SafetyError(told)


def _held(held_fc: Interval, channel: int) -> str:
    """Return what is said of a charge that was there before."""
    low, high = (f"{charge_fc / FC_PER_NC:g}" for charge_fc in held_fc)
    if held_fc[0] == held_fc[1]:
        what = f"holds {low} nC, which stimuli have left"
    else:
        what = f"may hold {low} to {high} nC, by what stimuli and stops have left"
    return (
        f": the electrode {what}. Let pulses end before a stop, and short electrodes; "
        f"discharged([{channel}]) says that it was done"
    )
