"""`QueueService`: the base class of CREPE's services, with a loop of their own."""

from queue import Empty
from typing import Any

import numpy as np

from circus_live.crepe.poison_pill import PoisonPill, is_poison_pill
from circus_live.crepe.ring_queue import RingQueue

__all__ = ["NameFound", "QueueService"]


class NameFound(BaseException):
    """Carries the name of a service out of its constructor, before it does anything."""


class QueueService:
    """Takes items from one queue and puts others into another one.

    A subclass has ``run()``, its loop in a process of its own, and calls
    ``QueueService.__init__(self, name="X", **kwargs)``.

    Parameters
    ----------
    name : str
    queue_in, queue_out : RingQueue or multiprocessing.Queue, optional

    Attributes
    ----------
    has_ended : bool
        The end has come. `get` returns False for it; a service to which False is data
        looks here.
    """

    def __init__(
        self, name: str = "", queue_in: Any = None, queue_out: Any = None
    ) -> None:
        if self.__dict__.get("_is_probe"):
            raise NameFound(name)
        self.name = name or type(self).__name__.upper()
        self.queue_in, self.queue_out = queue_in, queue_out
        self.has_ended = False
        self._has_put_end = False
        self._left: np.ndarray | None = None

    @classmethod
    def name_of(cls, keywords: dict[str, Any]) -> str:
        """Return the name that a service will have, without making it."""
        probe = cls.__new__(cls)
        probe.__dict__["_is_probe"] = True
        try:
            probe.__init__(**keywords)
        except NameFound as found:
            return found.args[0] or cls.__name__.upper()
        except Exception:  # it will be raised, and told of, where it is really made
            return cls.__name__.upper()
        return cls.__name__.upper()

    @property
    def lost_frames(self) -> int:
        """Frames that were missing in what has been taken so far."""
        return getattr(self.queue_in, "lost_frames", 0)

    def run(self) -> None:
        """Loop until `get` returns False; a subclass has its own."""
        raise NotImplementedError(f"{type(self).__name__}.run")

    def put(self, data: Any) -> None:
        """Hand on any object that pickles; waits while the queue is full."""
        if self.queue_out is None:
            return
        if isinstance(self.queue_out, RingQueue) and isinstance(
            self.queue_in, RingQueue
        ):
            self.queue_out.put(data, position=self.queue_in.take_position())
        else:
            self.queue_out.put(data)

    def get(self) -> Any:
        """Return the next item; False after the last one, and that this one ended."""
        item = self._next()
        if self.has_ended:
            self.end()
            return False
        return item

    def _next(self) -> Any:
        """Return the next item, or notice the end without handing it on yet."""
        if self.has_ended:
            return None
        item = self.queue_in.get()
        self.has_ended = is_poison_pill(item)
        return item

    def end(self) -> None:
        """Say that no more will be put; a second time is harmless.

        If the one before has failed, so has this one: who reads at the end is to know.
        """
        if not self._has_put_end and self.queue_out is not None:
            failed = getattr(self.queue_in, "has_failed", False)
            if failed and isinstance(self.queue_out, RingQueue):
                self.queue_out.fail()
            else:
                self.queue_out.put(PoisonPill())
        self._has_put_end = True

    # ------------------------------------------------------------------ several at once

    def empty_queue_and_get_last(self) -> Any:
        """Return the newest item and forget those before it; False if there is none.

        After the end it is False too, and `has_ended` is True.
        """
        newest: Any = False
        while not self.has_ended:
            try:
                item = self.queue_in.get(block=False)
            except Empty:
                break
            if is_poison_pill(item):
                self.has_ended = True
                break
            newest = item
        if newest is False and self.has_ended:
            self.end()
        return newest

    def get_x_seg(self, x: int) -> np.ndarray | bool:
        """Return the columns of the next `x` items; at the end less, and then False."""
        items = []
        while len(items) < x and (item := self._next_columns()) is not None:
            items.append(item)
        return self._joined(items)

    def get_x_elems(self, x: int) -> np.ndarray | bool:
        """Return at least `x` columns, as whole items; at the end less, then False."""
        items, n_columns = [], 0
        while n_columns < x and (item := self._next_columns()) is not None:
            items.append(item)
            n_columns += item.shape[1]
        return self._joined(items)

    def get_n_col(
        self, N: int, seg_height: int | None = None, seg_width: int | None = None
    ) -> np.ndarray | bool:
        """Return exactly `N` columns; what is over comes first in the next call.

        Parameters
        ----------
        N : int
        seg_height, seg_width : int, optional
            CREPE's. Any width will do; the height is checked.

        Returns
        -------
        ndarray, shape (seg_height, N), or False
            In the type of the items. At the end what is left, with less columns; then
            False.

        Raises
        ------
        ValueError
            Items of another height.
        """
        items = [] if self._left is None else [self._left]
        self._left = None
        n_columns = sum(item.shape[1] for item in items)
        while n_columns < N and (item := self._next_columns()) is not None:
            if seg_height is not None and len(item) != seg_height:
                raise ValueError(
                    f"a segment of {len(item)} channels where {seg_height} are expected"
                )
            items.append(item)
            n_columns += item.shape[1]
        columns = self._joined(items)
        if n_columns > N:
            self._left = columns[:, N:]
        return columns if columns is False else columns[:, :N]

    def _joined(self, items: list[np.ndarray]) -> np.ndarray | bool:
        """Return items side by side; without any, hand the end on."""
        if items:
            return np.concatenate(items, axis=1)
        self.end()
        return False

    def _next_columns(self) -> np.ndarray | None:
        """Return the next item as columns, or None at the end."""
        item = self._next()
        return None if self.has_ended else np.atleast_2d(item)
