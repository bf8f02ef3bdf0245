"""`PoisonPill`: what comes out of a queue after the last item."""

from typing import Any

__all__ = ["PoisonPill", "is_poison_pill"]


class PoisonPill:
    """The end of a stream."""

    value = "POISON4269"


def is_poison_pill(item: Any) -> bool:
    """Tell whether an item is the end of a stream.

    By its type or by its value: a program that imports a module by two names has two
    types.
    """
    if isinstance(item, PoisonPill):
        return True
    value = getattr(item, "value", None)
    return isinstance(value, str) and value == PoisonPill.value
