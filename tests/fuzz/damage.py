"""Damages a file, as disks, networks and interrupted programs do, and as none does."""

import math
import random
import re
import struct
from itertools import pairwise

__all__ = ["damage"]

MOST_DAMAGES = 4
MOST_BYTES = 64  # that are lost, repeated or zeroed at once
INTEGERS = (0, 1, -1, 2, 127, 128, 255, 256, 2**15 - 1, 2**15, 2**16 - 1, 2**24)
INTEGERS += (2**31 - 1, 2**31, -(2**31), 2**32 - 1, 2**40, 2**62, 2**63 - 1, -(2**63))
FLOATS = (0.0, -1.0, 1e-300, 1e300, math.inf, -math.inf, math.nan)
WORDS = (b"0", b"-1", b"1e999", b"nan", b"99999999999999999999", b"x", b"")


def damage(content: bytes, rng: random.Random, n_header_bytes: int | None) -> bytes:
    """Return `content` with one to four damages.

    Half of them lie where a byte is unlike the one before it: where fields are, and not
    what fills the space between.

    Parameters
    ----------
    content : bytes
    rng : random.Random
        The same state makes the same damages.
    n_header_bytes : int, optional
        Damages lie in so many bytes at the start; by default anywhere.
    """
    damaged = bytearray(content)
    edges = _edges(content[:n_header_bytes])
    for _ in range(rng.randint(1, MOST_DAMAGES)):
        limit = min(len(damaged), n_header_bytes or len(damaged))
        if not limit:
            break
        near = rng.choice(edges) + rng.randint(-4, 4)
        place = near if rng.random() < 0.5 else rng.randrange(limit)
        rng.choice(KINDS)(damaged, min(max(place, 0), limit - 1), rng)
    return bytes(damaged)


def _edges(content: bytes) -> list[int]:
    pairs = pairwise(content)
    return [0, *(at for at, (left, right) in enumerate(pairs, 1) if left != right)]


def _flip_a_bit(content: bytearray, at: int, rng: random.Random) -> None:
    content[at] ^= 1 << rng.randrange(8)


def _set_a_byte(content: bytearray, at: int, rng: random.Random) -> None:
    content[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def _set_an_integer(content: bytearray, at: int, rng: random.Random) -> None:
    """Put an extreme number, or one near the length of the file, in its place."""
    number = rng.choice((*INTEGERS, len(content))) + rng.choice((0, 0, -1, 1))
    size, order = rng.choice((2, 4, 4, 8, 8)), rng.choice(("little", "little", "big"))
    _overwrite(content, at, (number % 2 ** (8 * size)).to_bytes(size, order))


def _set_a_float(content: bytearray, at: int, rng: random.Random) -> None:
    number, order = rng.choice(FLOATS), rng.choice("<<>")
    if rng.random() < 0.5 or 1e38 < abs(number) < math.inf:
        _overwrite(content, at, struct.pack(order + "d", number))
    else:
        _overwrite(content, at, struct.pack(order + "f", number))


def _overwrite(content: bytearray, at: int, value: bytes) -> None:
    content[at : at + len(value)] = value[: len(content) - at]


def _set_a_word(content: bytearray, at: int, rng: random.Random) -> None:
    """Replace the next number that is written in digits, if there is one."""
    number = re.compile(rb"-?\d+(\.\d+)?").search(content, at)
    if number:
        content[number.start() : number.end()] = rng.choice(WORDS)


def _cut_off(content: bytearray, at: int, rng: random.Random) -> None:
    del content[at:]


def _lose(content: bytearray, at: int, rng: random.Random) -> None:
    del content[at : at + rng.randint(1, MOST_BYTES)]


def _repeat(content: bytearray, at: int, rng: random.Random) -> None:
    content[at:at] = content[at : at + rng.randint(1, MOST_BYTES)]


def _zero(content: bytearray, at: int, rng: random.Random) -> None:
    stop = min(at + rng.randint(1, MOST_BYTES), len(content))
    content[at:stop] = bytes(stop - at)


def _exchange(content: bytearray, at: int, rng: random.Random) -> None:
    """Put another part of the file in this place."""
    source, size = rng.randrange(len(content)), rng.choice((4, 8, 16, MOST_BYTES))
    _overwrite(content, at, bytes(content[source : source + size]))


KINDS = (
    *(_flip_a_bit, _set_a_byte, _set_an_integer, _set_an_integer, _set_a_float),
    *(_set_a_word, _cut_off, _lose, _repeat, _zero, _exchange),
)
