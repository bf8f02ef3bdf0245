"""`Writer`: puts blocks into a ring."""

import os
import pickle
import time
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from circus_io.errors import LiveError
from circus_live import liveness
from circus_live.block import Block, Message
from circus_live.fence import Fence
from circus_live.layout import (
    DTYPES,
    HEADER_BYTES,
    OBJECT,
    SLOT_HEADER,
    LaneWord,
    RingWord,
    State,
)
from circus_live.policies import Policy
from circus_live.ring import Ring

__all__ = ["Writer"]

CODES = {np.dtype(name): code for code, name in enumerate(DTYPES)}
LOOK_EVERY_S = 0.25  # how often a writer that waits looks whether readers live


@dataclass
class _Lane:
    """What the writer knows of one reader."""

    number: int
    policy: Policy
    base: int  # its first word
    index: int  # first word of its index
    head: int = 0
    is_open: bool = True
    has_overrun: bool = False
    held: deque = field(default_factory=deque)  # slots that wait for it
    n_released: int = 0


class Writer:
    """The one writer of a ring; its counters are of this process.

    Parameters
    ----------
    ring : Ring

    Raises
    ------
    LiveError
        The ring has a writer that lives, or it has ended.
    """

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        geometry, words = ring.geometry, ring.words
        if words[RingWord.STATE] or not liveness.show_sign(ring.memory.handle, 0):
            raise LiveError(f"{ring.name} has, or had, a writer; make another ring")
        self._words = words
        self._buffer = memoryview(ring.memory.buffer)
        self._lanes = [
            _Lane(number, policy, geometry.lane(number), geometry.index(number))
            for number, policy in enumerate(geometry.policies)
        ]
        self._free = deque(range(geometry.n_slots))
        self._n_holding = [0] * geometry.n_slots
        self._number = self._frames = self._position = 0
        self._fence = Fence()
        words[RingWord.WRITER_PID] = os.getpid()
        words[RingWord.STATE] = State.OPEN

    # --------------------------------------------------------------- what a caller does

    def put(self, item: Block | Message) -> None:
        """Hand one block to all readers, each by its policy.

        Parameters
        ----------
        item : Block or Message

        Raises
        ------
        LiveError
            It does not fit into a slot, or has a type that rings do not carry; or the
            writer has ended.
        """
        if self._words[RingWord.STATE] != State.OPEN:
            raise LiveError(f"{self.ring.name} has ended; nothing can be put after it")
        code, payload, n_frames = self._encode(item)
        for lane in self._lanes:
            if lane.policy is Policy.BLOCK:
                self._wait_for(lane)
        self._reclaim()
        slot = self._free.popleft()
        self._position += item.gap_frames
        self._write(slot, item, code, payload)
        self._number += 1
        self._frames += n_frames
        self._position += n_frames
        self._words[RingWord.N_FRAMES] = self._frames
        self._words[RingWord.GAP_FRAMES] = self._position - self._frames
        for lane in self._lanes:
            if self._is_open(lane):
                self._offer(lane, slot, n_frames)
        if not self._n_holding[slot]:
            self._free.append(slot)

    def wait_for_room(self, timeout_s: float) -> bool:
        """Wait until `put` would not wait; False if it still would.

        It also sees that a reader has died, so that nobody waits for that one.
        """
        blocking = [lane for lane in self._lanes if lane.policy is Policy.BLOCK]
        if self._have_room(blocking):
            return True
        if timeout_s > 0:
            self.ring.room.wait(timeout_s)
        for lane in blocking:
            if not self.ring.reader_is_alive(lane.number):
                self.ring.bury_reader(lane.number)
        return self._have_room(blocking)

    def _have_room(self, lanes: list[_Lane]) -> bool:
        return not any(self._is_open(lane) and self._is_full(lane) for lane in lanes)

    def end(self) -> None:
        """Say that all has been put; a second time is harmless."""
        self._finish(State.ENDED)

    def fail(self) -> None:
        """Say that no more will come, though the stream has not ended."""
        self._finish(State.FAILED)

    @property
    def has_readers(self) -> bool:
        """Whether anybody still takes blocks."""
        return any(self._is_open(lane) for lane in self._lanes)

    # ------------------------------------------------------------------------ its parts

    def _finish(self, state: State) -> None:
        if self._words[RingWord.STATE] == State.OPEN:
            self._fence()
            self._words[RingWord.STATE] = state
        for doorbell in self.ring.arrivals:
            doorbell.ring()

    def _encode(self, item: Block | Message) -> tuple[int, np.ndarray | bytes, int]:
        if isinstance(item, Block):
            traces = item.traces
            code = CODES.get(traces.dtype)
            if code is None or traces.ndim != 2:
                raise LiveError(
                    f"traces of {traces.dtype} with shape {traces.shape}: a block has "
                    f"(n_frames, n_channels) of {', '.join(DTYPES)}, in native order"
                )
            size, result = traces.nbytes, (code, traces, len(traces))
        else:
            payload = pickle.dumps(item.value, protocol=pickle.HIGHEST_PROTOCOL)
            size, result = len(payload), (OBJECT, payload, 0)
        if size > self.ring.geometry.slot_bytes:
            raise LiveError(
                f"a block of {size} bytes does not fit into {self.ring.name}, made for "
                f"{self.ring.geometry.slot_bytes}; let the service say output_bytes, "
                "or the source a larger block_frames"
            )
        return result

    def _is_open(self, lane: _Lane) -> bool:
        """Tell whether the reader of a lane takes more, or has not come yet."""
        if lane.is_open and self._words[lane.base + LaneWord.STATE] > State.OPEN:
            lane.is_open = False
        return lane.is_open and not lane.has_overrun

    def _is_full(self, lane: _Lane) -> bool:
        n_waiting = lane.head - self._words[lane.base + LaneWord.TAIL]
        return n_waiting >= self.ring.geometry.depth

    def _wait_for(self, lane: _Lane) -> None:
        """Wait until a lane has room, or its reader is gone."""
        looked = time.monotonic()
        while self._is_open(lane) and self._is_full(lane):
            self.ring.room.wait(LOOK_EVERY_S)
            if time.monotonic() - looked > LOOK_EVERY_S:
                if not self.ring.reader_is_alive(lane.number):
                    self.ring.bury_reader(lane.number)
                looked = time.monotonic()

    def _offer(self, lane: _Lane, slot: int, n_frames: int) -> None:
        """Give a block to one reader, or count it as dropped."""
        words, base = self._words, lane.base
        words[base + LaneWord.OFFERED_FRAMES] += n_frames
        if lane.policy is Policy.DROP_OLDEST or not self._is_full(lane):
            self._push(lane, slot)
            return
        words[base + LaneWord.REFUSED_FRAMES] += n_frames
        words[base + LaneWord.REFUSED_BLOCKS] += 1
        if lane.policy is Policy.ERROR:
            lane.has_overrun = True
            words[base + LaneWord.HAS_OVERRUN] = 1
            self.ring.arrivals[lane.number].ring()

    def _reclaim(self) -> None:
        """Take slots back that no reader needs any more, oldest first."""
        for lane in self._lanes:
            stop = self._words[lane.base + LaneWord.TAIL]
            while lane.held and (lane.n_released < stop or not lane.is_open):
                slot = lane.held.popleft()
                lane.n_released += 1
                self._n_holding[slot] -= 1
                if not self._n_holding[slot]:
                    self._free.append(slot)

    def _write(
        self, slot: int, item: Block | Message, code: int, payload: np.ndarray | bytes
    ) -> None:
        place = self.ring.geometry.slot(slot)
        stamp = self._buffer[place : place + 8].cast("q")
        stamp[0] = 0  # a reader that copies the old block sees that it goes
        self._fence()
        start = place + HEADER_BYTES
        if code == OBJECT:
            n_bytes, shape = len(payload), (0, 0)
            self._buffer[start : start + n_bytes] = payload
        else:
            n_bytes, shape = payload.nbytes, payload.shape
            np.ndarray(shape, payload.dtype, self._buffer, start)[...] = payload
        SLOT_HEADER.pack_into(
            self._buffer,
            place + 8,
            self._number,
            item.sample_index,
            item.host_time_ns,
            int(item.flags),
            *shape,
            code,
            n_bytes,
            self._frames,
            self._position,
        )
        self._fence()
        stamp[0] = self._number + 1
        self._fence()

    def _push(self, lane: _Lane, slot: int) -> None:
        geometry = self.ring.geometry
        if lane.policy.keeps_what_waits:
            lane.held.append(slot)
            self._n_holding[slot] += 1
        self._words[lane.index + lane.head % geometry.n_index] = slot
        lane.head += 1
        self._fence()
        self._words[lane.base + LaneWord.HEAD] = lane.head
        self.ring.arrivals[lane.number].ring()
