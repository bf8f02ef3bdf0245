"""Loops: waveforms for the download mode of drivers from 5.0 on, written shorter.

There, an entry of no duration is a mark: with amplitude 0 it opens a block, with an
amplitude of ``n`` it closes one, which is then played ``n`` times. Blocks nest. A run
of no duration that slips in would be such a mark: none is taken.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from circus_io.errors import SafetyError
from stim.runs import whole_numbers

__all__ = ["decode", "encode"]

MARKS = 2  # entries that a loop costs
MOST_TIMES = 2**31 - 1  # amplitudes are int32
LONGEST_BLOCK = 4096  # entries; longer ones are not looked for

Entry = tuple[int, int]


def encode(
    amplitudes: ArrayLike, durations_us: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Return runs with what is repeated written once.

    Parameters
    ----------
    amplitudes, durations_us : array_like of int, shape (n_runs,)
        nA or µV, and µs above 0.

    Returns
    -------
    amplitudes, durations_us : int64 array, shape (n_entries,)
        No more entries than runs. Decoded again, they have been found to be the same.

    Raises
    ------
    SafetyError
        A run of no duration, which would be taken for a mark.
    """
    amplitudes = whole_numbers("amplitudes", amplitudes)
    durations_us = whole_numbers("durations_us", durations_us)
    if amplitudes.size != durations_us.size:
        raise SafetyError(
            f"{amplitudes.size} amplitudes for {durations_us.size} durations; give as "
            "many of both"
        )
    if np.any(durations_us <= 0):
        index = int(np.flatnonzero(durations_us <= 0)[0])
        raise SafetyError(
            f"durations_us[{index}] = {durations_us[index]}: the device would take it "
            "for the mark of a loop; leave it out"
        )
    entries = _Folded(amplitudes, durations_us).entries()
    encoded = tuple(np.array(entries, np.int64).reshape(-1, 2).T)
    again = decode(*encoded)
    if not all(
        np.array_equal(a, b)
        for a, b in zip(again, (amplitudes, durations_us), strict=True)
    ):
        raise SafetyError("loops would change the waveform; it is not sent")
    return encoded


def decode(
    amplitudes: ArrayLike, durations_us: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Return the runs that the device plays for some entries.

    Raises
    ------
    SafetyError
        A block is closed that is not open, or open at the end, or played no times.
    """
    stack: list[list[np.ndarray]] = [[]]
    for amplitude, duration_us in zip(
        whole_numbers("amplitudes", amplitudes).tolist(),
        whole_numbers("durations_us", durations_us).tolist(),
        strict=True,
    ):
        if duration_us:
            stack[-1].append(np.array([[amplitude, duration_us]]))
        elif amplitude == 0:
            stack.append([])
        else:
            block = _closed(stack, amplitude)
            stack[-1].append(np.tile(block, (amplitude, 1)))
    if len(stack) > 1:
        raise SafetyError(f"{len(stack) - 1} blocks of a loop are not closed")
    runs = np.concatenate(stack[0]) if stack[0] else np.zeros((0, 2), np.int64)
    return runs[:, 0], runs[:, 1]


def _closed(stack: list[list[np.ndarray]], times: int) -> np.ndarray:
    """Take the innermost block off the stack."""
    if len(stack) == 1 or times < 1 or not stack[-1]:
        raise SafetyError(
            f"a loop of {times} is closed that is not open, holds nothing, or is not "
            "played"
        )
    return np.concatenate(stack.pop())


class _Folded:
    """A sequence of symbols, each for a run or a loop; short repeats are folded first.

    So a train of bursts becomes a loop of pulses in a loop of bursts.
    """

    def __init__(self, amplitudes: np.ndarray, durations_us: np.ndarray) -> None:
        runs = np.column_stack([amplitudes, durations_us])
        unique, symbols = np.unique(runs, axis=0, return_inverse=True)
        # what a symbol stands for, and how many entries that takes
        self.meaning: list[list[Entry]] = [[tuple(run)] for run in unique.tolist()]
        self.symbols: np.ndarray = symbols.reshape(-1)
        self.loops: dict[tuple[bytes, int], int] = {}
        while (length := self._shortest()) is not None:
            self._fold(length)

    def entries(self) -> list[Entry]:
        """Return all entries, marks among them."""
        return [entry for s in self.symbols.tolist() for entry in self.meaning[s]]

    def _shortest(self) -> int | None:
        """Return the length of the shortest block that is worth a loop."""
        for length in self._candidates():
            if next(self._stretches(length), None) is not None:
                return length
        return None

    def _candidates(self) -> list[int]:
        """Return the lengths that a block can have: distances between equal symbols.

        A block with a symbol that is in it once repeats after that distance. One in
        which each is there several times repeats inside, and has been folded before.
        """
        order = np.argsort(self.symbols, kind="stable")
        same = self.symbols[order][1:] == self.symbols[order][:-1]
        distances = np.unique(np.diff(order)[same])
        return distances[distances <= LONGEST_BLOCK].tolist()

    def _stretches(self, length: int) -> Iterator[tuple[int, int]]:
        """Yield where blocks of a length repeat, and how many times, left to right."""
        symbols = self.symbols
        equal = np.r_[False, symbols[length:] == symbols[:-length], False]
        begins, ends = np.flatnonzero(equal[1:] != equal[:-1]).reshape(-1, 2).T
        free = 0
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
            begin = max(begin, free)
            times = min((end - begin) // length + 1, MOST_TIMES)
            if times > 1 and self._saves(begin, length, times):
                yield begin, times
                free = begin + times * length

    def _saves(self, begin: int, length: int, times: int) -> bool:
        block = self.symbols[begin : begin + length].tolist()
        n_entries = sum(len(self.meaning[symbol]) for symbol in block)
        return (times - 1) * n_entries > MARKS

    def _fold(self, length: int) -> None:
        """Replace each stretch of repeated blocks by one symbol."""
        parts, free = [], 0
        for begin, times in list(self._stretches(length)):
            block = self.symbols[begin : begin + length]
            parts += [self.symbols[free:begin], np.array([self._loop(block, times)])]
            free = begin + times * length
        self.symbols = np.concatenate([*parts, self.symbols[free:]])

    def _loop(self, block: np.ndarray, times: int) -> int:
        """Return the symbol of a loop, the same for equal ones."""
        key = (block.tobytes(), times)
        if key not in self.loops:
            body = [entry for s in block.tolist() for entry in self.meaning[s]]
            self.meaning.append([(0, 0), *body, (times, 0)])
            self.loops[key] = len(self.meaning) - 1
        return self.loops[key]
