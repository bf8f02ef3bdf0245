"""`Source`: where blocks come from, and the contract of everything that gives them.

The shortest source has two members::

    class Ramp(Source):
        @property
        def info(self):                         # known before anything is opened
            return SourceInfo("ramp", sampling_rate=1000, n_channels=2, dtype="<i4",
                              block_frames=10)

        def blocks(self):                       # a generator; it may wait
            for first in range(0, 1000, 10):
                rows = np.arange(first, first + 10, dtype="i4")[:, None]
                yield Block(first, rows * [1, -1], time.monotonic_ns())
"""

import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, Self

import numpy as np

from circus_io.errors import FormatError
from circus_live.block import Block

__all__ = ["Source", "SourceInfo", "SourceState", "Verdict", "check_url_values"]

LONGEST_SLEEP_S = 0.05


@dataclass(frozen=True, eq=False)
class SourceInfo:
    """What is known of a stream before its first block.

    Attributes
    ----------
    name : str
    sampling_rate : float
        Frames per second, Hz.
    n_channels : int
    dtype : str
        numpy type of the samples, of native byte order.
    block_frames : int
        Most frames of a block: no latency can be shorter than these take.
    gain : float or ndarray, shape (n_channels,)
        µV per count.
    dtype_offset : int or ndarray, shape (n_channels,)
        Count that stands for 0 µV.
    channel_labels : tuple of str, length n_channels
        By default the numbers of the channels.
    channel_positions : ndarray, shape (n_channels, 2), optional
        µm.
    metadata : mapping
        What else the source says of itself, as text and numbers.

    Raises
    ------
    FormatError
        Values that no stream can have.
    """

    name: str
    sampling_rate: float
    n_channels: int
    dtype: str
    block_frames: int
    gain: Any = 1.0
    dtype_offset: Any = 0
    channel_labels: tuple[str, ...] = ()
    channel_positions: np.ndarray | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what can be wrong, and number channels without labels."""
        if not (math.isfinite(self.sampling_rate) and self.sampling_rate > 0):
            raise FormatError(f"sampling_rate = {self.sampling_rate}: expected > 0 Hz")
        for name in ("n_channels", "block_frames"):
            if getattr(self, name) < 1:
                raise FormatError(f"{name} = {getattr(self, name)}: expected 1 or more")
        labels = tuple(self.channel_labels) or tuple(map(str, range(self.n_channels)))
        if len(labels) != self.n_channels:
            raise FormatError(
                f"{len(labels)} channel_labels for {self.n_channels} channels"
            )
        object.__setattr__(self, "channel_labels", labels)
        object.__setattr__(self, "dtype", np.dtype(self.dtype).newbyteorder("=").str)

    @property
    def block_bytes(self) -> int:
        """Bytes of the largest block."""
        return self.block_frames * self.n_channels * np.dtype(self.dtype).itemsize

    @property
    def bytes_per_second(self) -> float:
        """Bytes of samples in a second."""
        return self.sampling_rate * self.n_channels * np.dtype(self.dtype).itemsize


class SourceState(Enum):
    """How far a source is; see `Source` for what follows what."""

    NEW = "new"
    CONFIGURED = "configured"
    STARTED = "started"
    STREAMING = "streaming"
    STALLED = "stalled"
    ENDED = "ended"
    FAILED = "failed"
    CLOSED = "closed"


@dataclass(frozen=True)
class Verdict:
    """Something that a source found out about its stream.

    Attributes
    ----------
    name : str
        What was examined, such as ``rate`` or ``last_sample``.
    is_good : bool
    text : str
        A sentence for the user, with what to do if it is not good.
    sample_index : int, optional
        Where in the stream.
    """

    name: str
    is_good: bool
    text: str
    sample_index: int | None = None


class Source(ABC):
    """A stream of blocks. Iterating opens it, gives its blocks, and closes it.

    A source is made in one process and may run in another one: until it is opened it
    holds settings alone, and pickles. It goes through ``NEW → CONFIGURED → STARTED →
    STREAMING ⇄ STALLED → ENDED → CLOSED``, may leave out what it does not have, and
    may become ``FAILED`` anywhere; `move_to` says so, `report` adds a verdict.
    """

    # --------------------------------------------------- what an author sets and writes

    is_live: ClassVar[bool] = False
    """Blocks come whether somebody takes them or not: who is slow, loses some."""

    @property
    @abstractmethod
    def info(self) -> SourceInfo:
        """What is known of the stream, without opening it."""

    @abstractmethod
    def blocks(self) -> Iterator[Block]:
        """Give blocks until the stream ends, or `is_stopping` is set.

        Waits at most `LONGEST_SLEEP_S` at a time without a look at `is_stopping`
        (`sleep_until` does so); a device that is awaited longer is awaited with a
        timeout.

        Raises
        ------
        SourceError
            The stream cannot go on; the message says what to do.
        """

    # these two may stay empty: not every source holds something open
    def open(self) -> None:  # noqa: B027
        """Connect, configure and start; raises `SourceError` if that fails."""

    def close(self) -> None:  # noqa: B027
        """Let go of what `open` took; called once, whatever happened."""

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Make a source from what a user typed: see `circus_live.open_source`."""
        raise FormatError(f"{cls.__name__} has no address such as {url}")

    # ------------------------------------------------------------------------- provided

    state: SourceState = SourceState.NEW
    verdicts: tuple[Verdict, ...] = ()
    is_stopping: bool = False
    on_change: Callable[["Source"], None] | None = None
    """Called in the process of the source when its state or verdicts have changed."""

    def stop(self) -> None:
        """Ask `blocks` to end soon; from any thread."""
        self.is_stopping = True

    def move_to(self, state: SourceState) -> None:
        """Be in another state from now on."""
        if state is not self.state:
            self.state = state
            self._tell()

    def report(
        self, name: str, is_good: bool, text: str, sample_index: int | None = None
    ) -> None:
        """Add a verdict."""
        self.verdicts = (*self.verdicts, Verdict(name, is_good, text, sample_index))
        self._tell()

    def sleep_until(self, due_ns: int) -> bool:
        """Wait until `time.monotonic_ns` is `due_ns`; False if asked to stop before."""
        while not self.is_stopping:
            left_s = (due_ns - time.monotonic_ns()) * 1e-9
            if left_s <= 0:
                return True
            time.sleep(min(left_s, LONGEST_SLEEP_S))
        return False

    def unless_stopped(
        self, work: Callable[[], Any], undo: Callable[[Any], object] | None = None
    ) -> Any:
        """Do what may take long, such as connecting; None if asked to stop meanwhile.

        Parameters
        ----------
        work : callable
            Called in a thread. After a stop it is left to itself.
        undo : callable, optional
            Called with what `work` returns too late.

        Raises
        ------
        Exception
            What `work` raises.
        """
        attempt = _Attempt(work, undo)
        while not attempt.has_ended(LONGEST_SLEEP_S):
            if self.is_stopping:
                attempt.leave()
                return None
        return attempt.result()

    def __iter__(self) -> Iterator[Block]:
        """Open, give all blocks, close."""
        try:
            self.open()
            self._after_opening()
            for block in self.blocks():
                if self.state is not SourceState.STREAMING:
                    self.move_to(SourceState.STREAMING)
                yield block
                if self.is_stopping:
                    break
            self.move_to(SourceState.ENDED)
        except GeneratorExit:
            raise
        except BaseException:
            self.move_to(SourceState.FAILED)
            raise
        finally:
            self.close()
            if self.state is not SourceState.FAILED:
                self.move_to(SourceState.CLOSED)

    def _after_opening(self) -> None:
        if self.state in (SourceState.NEW, SourceState.CONFIGURED):
            self.move_to(SourceState.STARTED)

    def _tell(self) -> None:
        if self.on_change is not None:
            self.on_change(self)


class _Attempt(threading.Thread):
    """Something that may take long, in a thread that can be left to itself."""

    def __init__(
        self, work: Callable[[], Any], undo: Callable[[Any], object] | None
    ) -> None:
        super().__init__(daemon=True)
        self._work, self._undo = work, undo
        self._lock = threading.Lock()
        self._is_left = self._is_done = False
        self._value: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Do it; undo it if nobody waits any more."""
        try:
            self._value = self._work()
        except BaseException as error:
            self._error = error
            return
        with self._lock:
            is_late, self._is_done = self._is_left, True
        if is_late and self._undo is not None:
            self._undo(self._value)

    def has_ended(self, timeout_s: float) -> bool:
        """Wait a while; tell whether it is done, or has failed."""
        self.join(timeout_s)
        return not self.is_alive()

    def leave(self) -> None:
        """Wait for it no longer."""
        with self._lock:
            self._is_left = True
            is_done = self._is_done
        if is_done and self._undo is not None:
            self._undo(self._value)

    def result(self) -> Any:
        """Return what came of it, or raise why nothing did."""
        if self._error is not None:
            raise self._error
        return self._value


def check_url_values(
    url: str, given: Mapping[str, str], allowed: Mapping[str, type]
) -> dict[str, Any]:
    """Return the settings of an address, converted to their types.

    Raises
    ------
    FormatError
        A setting that there is not, or one that is not of its type.
    """
    unknown = sorted(given.keys() - allowed.keys())
    if unknown:
        raise FormatError(
            f"{url} has no setting {', '.join(unknown)}; choose from "
            f"{', '.join(sorted(allowed))}"
        )
    values = {}
    for name, text in given.items():
        try:
            values[name] = allowed[name](text)
        except ValueError:
            kind = allowed[name].__name__
            raise FormatError(f"{url}: {name} = {text!r} is no {kind}") from None
    return values
