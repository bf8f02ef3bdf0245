"""`Service`: what is done with blocks; a class with `process`, or a plain function.

::

    class Threshold(Service):
        def __init__(self, threshold_uv=-50.0):
            self.threshold_uv = threshold_uv

        def open(self, info):                   # in the process that it runs in
            self.gain = info.gain

        def process(self, block):
            return (block.traces * self.gain < self.threshold_uv).astype("u1")

What `process` returns goes to the services after it: an array (n_frames, n_channels)
as a block with the time of the one that came in; a `Block` or `Message` as it is; any
other object as the value of a `Message`; None is not sent. A generator sends each item.
"""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from circus_io.errors import FormatError
from circus_live.block import Block, Message
from circus_live.policies import Policy
from circus_live.source import SourceInfo

if TYPE_CHECKING:
    from circus_live.links import Links
    from circus_live.reader import Reader
    from circus_live.writer import Writer

__all__ = [
    "FunctionService",
    "LoopService",
    "Service",
    "as_service",
    "items_of",
    "load_service",
]

Item = Block | Message


class Service:
    """A member of a flow, in a process of its own.

    It is made where the flow is made, and then handed to its process: `__init__` takes
    settings, `open` makes what does not pickle.
    """

    name: str = ""
    """By default that of the class."""

    output_bytes: int = 0
    """Bytes of the largest item that it returns, where that is more than a block."""

    borrows: ClassVar[bool] = False
    """`process` keeps no traces beyond its call, so they need not be copied for it."""

    is_sink: ClassVar[bool] = False
    """It sends nothing, so nothing comes after it."""

    policy: ClassVar[Policy] = Policy.BLOCK
    """What happens when it is too slow, if `Flow.add` is told nothing else."""

    is_dispensable: ClassVar[bool] = False
    """The flow goes on without it: its failure is logged, and ends nothing else."""

    def output_info(self, info: SourceInfo) -> SourceInfo:
        """Return what is known of the blocks it sends, from that of those it gets."""
        return info

    def meet(self, links: "Links") -> None:
        """See who reads whom; called once, before its process is made."""

    def open(self, info: SourceInfo) -> None:
        """Get ready; called once, in its process, before the first block."""

    def process(self, block: Item) -> Any:
        """Do the work; called for each block, in the order of time.

        Of several inputs, blocks come as they arrive; `block.origin` names the sender.
        """
        raise NotImplementedError(f"{type(self).__name__}.process")

    def finish(self) -> Any:
        """Return what is left to send; called once, after the last block."""

    def close(self) -> None:
        """Let go of what `open` took; called once, whatever happened."""


class LoopService(Service):
    """A service with a loop of its own, which takes and sends when it wants."""

    def drive(
        self,
        readers: "list[Reader]",
        writer: "Writer | None",
        is_stopping: Callable[[], bool],
    ) -> None:
        """Run until there is no more; takes the place of `process`.

        Parameters
        ----------
        readers : list of Reader
            Of those that it is after.
        writer : Writer or None
            None if nobody reads what it sends.
        is_stopping : callable
            Whether all is to end: what has no reader looks there.
        """
        raise NotImplementedError(f"{type(self).__name__}.drive")


class FunctionService(Service):
    """A function of a block as a service."""

    def __init__(self, function: Callable[..., Any], **keywords: Any) -> None:
        self.function, self.keywords = function, keywords
        self.name = getattr(function, "__name__", type(function).__name__)

    def process(self, block: Item) -> Any:
        """Call the function."""
        return self.function(block, **self.keywords)


def as_service(given: Any, **keywords: Any) -> Service:
    """Make a service.

    Parameters
    ----------
    given : Service, class, function or str
        A string is ``module:Name`` or ``path/to/file.py:Name``.
    **keywords
        For the class or the function.

    Raises
    ------
    FormatError
        It is nothing of that kind, or keywords are given for a service that is made.
    """
    if isinstance(given, str):
        given = load_service(given)
    if isinstance(given, Service):
        if keywords:
            raise FormatError(
                f"{type(given).__name__} is made already; give {', '.join(keywords)} "
                "to it, or give its class"
            )
        return given
    if isinstance(given, type):
        made = given(**keywords)
        return made if isinstance(made, Service) else _wrapped(made)
    if callable(given):
        return FunctionService(given, **keywords)
    raise FormatError(
        f"{given!r} is no service: give a class with process(block), or a function"
    )


def _wrapped(made: Any) -> Service:
    """Make a service of an object that has the methods of one, and no base class."""
    kind = type(made).__name__
    if not callable(getattr(made, "process", None)):
        raise FormatError(f"{kind} is no service: it has no process(block)")
    service = FunctionService(made.process)
    service.name = getattr(made, "name", "") or kind.lower()
    for hook in ("output_info", "open", "finish", "close"):
        if callable(getattr(made, hook, None)):
            setattr(service, hook, getattr(made, hook))
    return service


def load_service(text: str) -> Any:
    """Import what ``module:Name`` or ``path/to/file.py:Name`` names.

    Raises
    ------
    FormatError
        It has another form, or there is no such thing.
    """
    place, _, name = text.rpartition(":")
    if not place or not name.isidentifier():
        raise FormatError(f"service {text!r}: expected module:Name or file.py:Name")
    try:
        module = _import(place)
    except ImportError as error:
        raise FormatError(f"service {text!r}: {error}") from error
    if not hasattr(module, name):
        raise FormatError(f"service {text!r}: {place} has no {name}")
    return getattr(module, name)


def _import(place: str) -> Any:
    folder, module = str(Path.cwd()), place
    if place.endswith(".py"):
        path = Path(place).resolve()
        if not path.is_file():
            raise ImportError(f"there is no file {place}")
        folder, module = str(path.parent), path.stem
    # processes that are spawned get this path, and import it by the same name
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(module)


def items_of(result: Any, block: Item, gap_frames: int) -> Iterator[Item]:
    """Give the items that a service sends, made from what it returned.

    Parameters
    ----------
    result : object
        What `process` or `finish` returned.
    block : Block or Message
        What it was made from.
    gap_frames : int
        Frames that are missing before it, and have not been told on.
    """
    if inspect.isgenerator(result):
        for one in result:
            for item in items_of(one, block, gap_frames):
                yield item
                gap_frames = 0
    elif isinstance(result, Block | Message):
        knows = result.gap_frames >= gap_frames
        yield result if knows else replace(result, gap_frames=gap_frames)
    elif result is not None:
        is_traces = isinstance(result, np.ndarray) and result.ndim == 2
        kind = Block if is_traces and result.dtype.kind in "iuf" else Message
        yield kind(
            block.sample_index, result, block.host_time_ns, gap_frames, block.flags
        )
