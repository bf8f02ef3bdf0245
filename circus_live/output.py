"""`Output`: what a member of a flow sends, read in the process of the flow."""

from collections.abc import Iterator

from circus_io.errors import EndOfStreamError, LiveError, MemberDiedError
from circus_live.block import Block, Message
from circus_live.reader import Reader
from circus_live.ring import Ring

__all__ = ["Output"]


class Output:
    """A reader that is made before its flow is started; iterate over it.

    Parameters
    ----------
    sender : str
        The member that it reads.
    number : int
        Of the reader.
    copy : bool
    """

    def __init__(self, sender: str, number: int, copy: bool) -> None:
        self.sender = sender
        self._number, self._copy = number, copy
        self._reader: Reader | None = None

    def attach(self, ring: Ring) -> None:
        """Become the reader; what `Flow.start` does."""
        self._reader = ring.reader(self._number, self._copy)

    @property
    def reader(self) -> Reader:
        """The reader of the ring.

        Raises
        ------
        LiveError
            The flow has not been started.
        """
        if self._reader is None:
            raise LiveError("start the flow before its output is read")
        return self._reader

    def get(self, timeout_s: float | None = None) -> Block | Message | None:
        """Return the next block, or None after a time without one; as `Reader.get`."""
        return self.reader.get(timeout_s)

    def close(self) -> None:
        """Take no more, so that the flow waits no longer for this reader."""
        if self._reader is not None:
            self._reader.close()

    def __iter__(self) -> Iterator[Block | Message]:
        """Give all there is until the stream ends; why it ended, the flow tells."""
        try:
            while True:
                try:
                    item = self.reader.get()
                except (EndOfStreamError, MemberDiedError):
                    return
                yield item
        finally:
            self.close()
