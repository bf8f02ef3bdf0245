"""Memory that a step no longer needs."""

import ctypes

__all__ = ["give_back"]


def give_back() -> None:
    """Return freed memory to the system, where the C library can.

    The GNU C library keeps what is freed between blocks still in use, and takes it
    again only for blocks that fit: a rank would hold the leavings of every step.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library; Windows
        return
    trim(0)
