"""`Policy`: what happens to blocks that a reader has no room for."""

from enum import StrEnum

from circus_io.errors import FormatError

__all__ = ["Policy"]


class Policy(StrEnum):
    """What a writer does for a reader whose part of the ring is full.

    What is dropped is counted, and the next block that the reader gets says how many
    frames are missing before it.
    """

    BLOCK = "block"
    """Wait for the reader: nothing is lost, and the writer is as slow as the reader."""

    DROP_OLDEST = "drop_oldest"
    """Overwrite what has waited longest: the reader is always close to the present."""

    DROP_NEWEST = "drop_newest"
    """Leave out what has just come: what waits is not touched."""

    ERROR = "error"
    """The reader fails with `OverrunError`; others go on."""

    @property
    def keeps_what_waits(self) -> bool:
        """Whether a block that waits for the reader is safe until it is read."""
        return self is not Policy.DROP_OLDEST

    @classmethod
    def named(cls, given: "str | Policy") -> "Policy":
        """Return a policy by its name; raises `FormatError` for another one."""
        try:
            return cls(given)
        except ValueError:
            raise FormatError(
                f"policy {given!r}: choose from {', '.join(one.value for one in cls)}"
            ) from None
