"""`Wiring`: who reads whom, and how large the rings between them are."""

import math
from collections.abc import Sequence

from circus_io.errors import FormatError
from circus_live.links import Link, Links
from circus_live.policies import Policy
from circus_live.ring import Ring
from circus_live.service import Service
from circus_live.source import SourceInfo

__all__ = ["OUTPUT", "Wiring"]

OUTPUT = "output"
LEAST_DEPTH = 8
LEAST_SLOT_BYTES = 4096  # small messages always fit
MOST_RING_BYTES = 2**30


class Wiring:
    """The graph of a flow: it is built member by member, so it has no circles.

    Parameters
    ----------
    source : str
        Name of the first member.
    info : SourceInfo
        What it gives.
    buffer_s : float
        How long each reader may lag behind, s.

    Attributes
    ----------
    services : dict of str to Service
    infos : dict of str to SourceInfo
        What each member sends.
    links : Links
        None before the rings are made.
    """

    def __init__(self, source: str, info: SourceInfo, buffer_s: float) -> None:
        if not buffer_s > 0:
            raise FormatError(f"buffer_s = {buffer_s}: expected more than 0 s")
        self.buffer_s = buffer_s
        self.services: dict[str, Service] = {}
        self.infos = {source: info}
        self._source = self._last = source
        self._taps: dict[str, list[tuple[str, Policy]]] = {source: []}
        self.links = Links()

    def add(
        self,
        service: Service,
        name: str | None,
        after: str | Sequence[str] | None,
        policy: Policy | str | None,
    ) -> str:
        """Add a service; see `Flow.add`."""
        senders = self._senders(after)
        name = name or self._free_name(service.name or type(service).__name__.lower())
        if name in self.infos or name == OUTPUT:
            raise FormatError(
                f"the flow has a member {name} already; give another name"
            )
        policy = Policy.named(policy or service.policy)
        self.infos[name] = service.output_info(self.infos[senders[0]])
        for sender in senders:
            self._taps[sender].append((name, policy))
        self.services[name], self._taps[name] = service, []
        if not service.is_sink:
            self._last = name
        return name

    def tap(self, after: str | None, policy: Policy | str) -> tuple[str, int]:
        """Add a reader that is no member; return its sender and its number."""
        (sender,) = self._senders(after)
        self._taps[sender].append((OUTPUT, Policy.named(policy)))
        return sender, len(self._taps[sender]) - 1

    def taps_of(self, name: str) -> list[tuple[str, int]]:
        """Return sender and number of each reader of a member."""
        return [
            (sender, number)
            for sender, taps in self._taps.items()
            for number, (reader, _) in enumerate(taps)
            if reader == name
        ]

    def make_rings(self) -> dict[str, Ring]:
        """Make a ring for each member that somebody reads."""
        rings = {
            name: Ring(*self._size(name), [policy for _, policy in taps], name)
            for name, taps in self._taps.items()
            if taps
        }
        links = (
            Link(sender, reader, policy.value, ring, number)
            for sender, ring in rings.items()
            for number, (reader, policy) in enumerate(self._taps[sender])
        )
        self.links = Links(tuple(links), rings.get(self._source))
        for service in self.services.values():
            service.meet(self.links)
        return rings

    # ------------------------------------------------------------------------ its parts

    def _senders(self, after: str | Sequence[str] | None) -> list[str]:
        if after is None:
            return [self._last]
        senders = [after] if isinstance(after, str) else list(dict.fromkeys(after))
        unknown = [name for name in senders if name not in self.infos]
        if unknown or not senders:
            raise FormatError(
                f"after = {after!r}: choose from the members {', '.join(self.infos)}"
            )
        for name in senders:
            if name in self.services and self.services[name].is_sink:
                raise FormatError(f"{name} sends nothing, so nothing comes after it")
        return senders

    def _free_name(self, name: str) -> str:
        number, free = 2, name
        while free in self.infos or free == OUTPUT:
            number, free = number + 1, f"{name}{number}"
        return free

    def _size(self, name: str) -> tuple[int, int]:
        """Return depth and bytes of a slot of the ring of a member."""
        info = self.infos[name]
        own = self.services[name].output_bytes if name in self.services else 0
        slot_bytes = max(own, info.block_bytes, LEAST_SLOT_BYTES)
        n_blocks = math.ceil(self.buffer_s * info.sampling_rate / info.block_frames)
        most = max(MOST_RING_BYTES // slot_bytes, LEAST_DEPTH)
        return min(max(n_blocks, LEAST_DEPTH), most), slot_bytes
