"""`Closing`: what ``with`` closes at its end, however that comes."""

from types import TracebackType
from typing import Self

__all__ = ["Closing"]


class Closing:
    """Base of what has a `close`."""

    def close(self) -> None:
        """Let go of what is open."""
        raise NotImplementedError(f"{type(self).__name__}.close")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
