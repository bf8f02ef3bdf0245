"""Files whose parts, such as those between gaps, are streams of a recording."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from circus_io.datafile import DataFile
from circus_io.streams import follow_each_other, one_after_another

__all__ = ["PartedFile", "Span"]


@dataclass(frozen=True)
class Span:
    """Stored frames ``[first, stop)`` without a gap; the first is frame `t_start`."""

    first: int
    stop: int
    t_start: int


class PartedFile(DataFile):
    """A file whose parts are streams; base of formats.

    Such a format ends its `_read_from_header` with ``return self._divide(parts)``, and
    implements `_become`. A recording of one part is an ordinary one; of several, each
    is a stream, whether or not ``stream_mode = single-file`` was asked for: chunks must
    not cross a gap that the user does not know of.
    """

    is_streamable = ("multi-files", "single-file")

    def _become(self, part: Any) -> Mapping[str, Any]:
        """Be one part: set ``_shape`` and ``_t_start``, return parameters."""
        raise NotImplementedError(f"{type(self).__name__}._become")

    def _divide(self, parts: Sequence[Any]) -> Mapping[str, Any]:
        """Note the parts, at least one, in the order of time; be the first of them."""
        self._parts = list(parts)
        if len(self._parts) > 1 and not self.is_stream:
            self.stream_mode, self.is_stream = "single-file", True
        return self._become(self._parts[0])

    def set_streams(self, stream_mode: str) -> list[DataFile]:
        """Return the parts of this file, or of all ``multi-files``."""
        if stream_mode == "multi-files":
            return one_after_another(self._files_alone())
        parts = [self._part(part) for part in self._parts]
        follow_each_other(parts)
        return parts

    def _part(self, part: Any) -> Self:
        """Return a recording of one part; the header is not read again."""
        one = copy.copy(self)
        one.stream_mode, one.is_stream = None, False
        one._parts, one._sources = [part], []
        one.params = one._params = dict(self.params)
        one._fill_from_header(one._become(part))
        one._resolve_dtype()
        return one
