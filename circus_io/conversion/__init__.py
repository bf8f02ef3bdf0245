"""Recordings → files of other formats.

::

    from circus_io.conversion import convert

    convert(recording, "rec.npy", dtype="int16", gain="auto")
"""

from circus_io.conversion.recipe import convert
from circus_io.conversion.report import Conversion
from circus_io.conversion.selection import parse_channels
from circus_io.conversion.target import TARGETS, Content, Room, Target

__all__ = [
    "TARGETS",
    "Content",
    "Conversion",
    "Room",
    "Target",
    "convert",
    "parse_channels",
]
