"""`CrepeModus`: where the segments of a `CREPE` come from."""

from enum import Enum

__all__ = ["CrepeModus"]


class CrepeModus(Enum):
    """CREPE's modes, all of them real."""

    LIVE = 0
    """A MEAME server; by default that of this machine."""

    FILE = 1
    """A recording, as fast as it is read."""

    OFFLINE = 2
    """The MEAME server double, in a process of its own."""

    TEST = 3
    """Random segments, without a server."""

    LIVE_RECORD = 4
    """LIVE, and recorded."""
