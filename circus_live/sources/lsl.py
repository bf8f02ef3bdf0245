"""`LSLSource`: a stream of the Lab Streaming Layer, found by its name."""

import time
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import Any, Self
from urllib.parse import parse_qsl, unquote

import numpy as np

from circus_io.errors import (
    MissingDependencyError,
    SourceError,
    StreamStalledError,
)
from circus_live.block import Block, BlockFlag
from circus_live.source import (
    LONGEST_SLEEP_S,
    Source,
    SourceInfo,
    SourceState,
    check_url_values,
)

__all__ = ["LSLSource"]

LOOK_S = 0.25
# the numbers of LSL's channel formats; 3 is text
DTYPES = {1: "f4", 2: "f8", 4: "i4", 5: "i2", 6: "i1", 7: "i8"}
MICROVOLTS = {"microvolts": 1.0, "uv": 1.0, "µv": 1.0, "millivolts": 1e3, "mv": 1e3}
MICROVOLTS |= {"volts": 1e6, "v": 1e6, "nanovolts": 1e-3, "nv": 1e-3}


class LSLSource(Source):
    """Receive a stream of regular rate.

    Parameters
    ----------
    name : str
        Of the stream.
    block_frames : int, optional
        Most frames of a block; by default those of 10 ms. What has come is given at
        once, however few frames.
    find_s : float
        How long to look for the stream, s.
    stall_s : float
        Silence that is a stall, s.
    gap_s : float
        A jump of the time stamps that is a gap, s: smaller ones are jitter of the
        sender. LSL numbers no samples, so the length of a gap is an estimate.
    buffer_s : float
        What LSL keeps for us, s; more is lost, and seen as a gap.

    Raises
    ------
    MissingDependencyError
        pylsl is not installed.

    Notes
    -----
    Protocol and metadata are those of the Lab Streaming Layer (Kothe and others,
    Imaging Neuroscience 2025); units of channels are read where they are told.
    """

    is_live = True

    def __init__(
        self,
        name: str,
        block_frames: int | None = None,
        find_s: float = 5.0,
        stall_s: float = 5.0,
        gap_s: float = 0.2,
        buffer_s: float = 10.0,
    ) -> None:
        self.name, self.block_frames = name, block_frames
        self.find_s, self.stall_s = find_s, stall_s
        self.gap_s, self.buffer_s = gap_s, buffer_s
        self._inlet: Any = None

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Make it from ``lsl://name?block_frames=100``."""
        name, _, query = url.partition("://")[2].partition("?")
        names = ("find_s", "stall_s", "gap_s", "buffer_s")
        allowed = {"block_frames": int, **dict.fromkeys(names, float)}
        return cls(
            unquote(name), **check_url_values(url, dict(parse_qsl(query)), allowed)
        )

    @cached_property
    def info(self) -> SourceInfo:
        """What the stream tells of itself; it has to be there.

        Raises
        ------
        SourceError
            It is not, or is no stream of numbers at a regular rate.
        """
        inlet = self._connect()
        told = inlet.info(self.find_s)
        rate, kind = told.nominal_srate(), told.channel_format()
        if rate <= 0 or kind not in DTYPES:
            raise SourceError(
                f"the LSL stream {self.name} has no regular rate, or holds text; only "
                "numbers at a regular rate are a recording"
            )
        labels, gains = _channels(told)
        return SourceInfo(
            name=f"lsl {self.name}",
            sampling_rate=rate,
            n_channels=told.channel_count(),
            dtype=DTYPES[kind],
            block_frames=self.block_frames or max(1, round(rate / 100)),
            gain=gains,
            channel_labels=labels,
            metadata={"type": told.type(), "source_id": told.source_id()},
        )

    def open(self) -> None:
        """Connect."""
        _ = self.info
        try:
            self._inlet = self._connect()
        except SourceError:
            if not self.is_stopping:
                raise
            return
        self.unless_stopped(lambda: self._inlet.open_stream(self.find_s))

    def close(self) -> None:
        """Leave the stream."""
        if self._inlet is not None:
            self._inlet.close_stream()
            self._inlet = None

    def blocks(self) -> Iterator[Block]:
        """Give what has come, as it comes."""
        sample_index, expected_s, heard = 0, None, time.monotonic()
        while not self.is_stopping:
            traces, stamps = self._pull()
            now = time.monotonic()
            if not len(stamps):
                self._check_silence(now - heard)
                continue
            heard, now_ns = now, time.monotonic_ns()
            self.move_to(SourceState.STREAMING)
            before = stamps[0] if expected_s is None else expected_s
            for part, gap in self._parts(stamps, before):
                sample_index += gap
                flags = BlockFlag.RECONNECTED if gap else BlockFlag.NONE
                yield Block(sample_index, traces[part], now_ns, gap, flags)
                sample_index += part.stop - part.start
            expected_s = stamps[-1] + 1 / self.info.sampling_rate

    # ------------------------------------------------------------------------ its parts

    def _connect(self) -> Any:
        pylsl = _library()
        found, until = [], time.monotonic() + self.find_s
        # in short looks: no interrupt is heard within one
        while not found and not self.is_stopping and time.monotonic() < until:
            found = pylsl.resolve_byprop("name", self.name, 1, LOOK_S)
        if not found:
            raise SourceError(
                f"no LSL stream {self.name} within {self.find_s:g} s; start its "
                "sender, and see that both machines are in one network"
            )
        return pylsl.StreamInlet(found[0], max_buflen=max(1, round(self.buffer_s)))

    def _pull(self) -> tuple[np.ndarray, list[float]]:
        """Return samples and their time stamps: those that wait, or the next ones."""
        shape = (self.info.block_frames, self.info.n_channels)
        traces = np.empty(shape, self.info.dtype)
        # the first sample wakes us, and the others that are there come with it
        first, stamp = self._inlet.pull_sample(LONGEST_SLEEP_S)
        if stamp is None:
            return traces[:0], []
        traces[0], stamps = first, [stamp]
        if len(traces) > 1:
            _, others = self._inlet.pull_chunk(
                timeout=0.0, max_samples=len(traces) - 1, dest_obj=traces[1:]
            )
            stamps += others
        return traces[: len(stamps)], stamps

    def _check_silence(self, silent_s: float) -> None:
        if silent_s > self.stall_s:
            raise StreamStalledError(
                f"the LSL stream {self.name} has been silent for {silent_s:.1f} s; "
                "look at its sender"
            )
        if silent_s > self.stall_s / 2:
            self.move_to(SourceState.STALLED)

    def _parts(
        self, stamps: list[float], expected_s: float
    ) -> Iterator[tuple[slice, int]]:
        """Give the runs between jumps of the stamps, and the frames missing before."""
        frame_s = 1 / self.info.sampling_rate
        due_s = np.concatenate([[expected_s], np.array(stamps[:-1]) + frame_s])
        jumps_s = np.array(stamps) - due_s
        starts = np.flatnonzero(jumps_s > self.gap_s).tolist()
        for start, stop in pairwise(sorted({0, *starts, len(stamps)})):
            is_gap = jumps_s[start] > self.gap_s
            yield slice(start, stop), round(jumps_s[start] / frame_s) if is_gap else 0


def _library() -> Any:
    try:
        import pylsl
    except (ImportError, RuntimeError) as error:
        raise MissingDependencyError(
            f"cannot import pylsl: {error}; install it with: pip install "
            "'circus-toolkit[lsl]'"
        ) from error
    return pylsl


def _channels(told: Any) -> tuple[tuple[str, ...], np.ndarray]:
    """Return labels, and µV per unit, as the sender tells them."""
    labels, gains = [], []
    channel = told.desc().child("channels").child("channel")
    for number in range(told.channel_count()):
        labels.append(channel.child_value("label") or str(number))
        gains.append(MICROVOLTS.get(channel.child_value("unit").lower(), 1.0))
        channel = channel.next_sibling("channel")
    return tuple(labels), np.array(gains)
