"""Writes MDA arrays with struct."""

import struct

__all__ = ["header", "write"]


def header(dimensions, code=-4, n_bytes=2, long=False):
    sign, form = (-1, "q") if long else (1, "i")
    numbers = (code, n_bytes, sign * len(dimensions))
    return struct.pack(f"<3i{len(dimensions)}{form}", *numbers, *dimensions)


def write(path, raw, **options):
    dimensions = options.pop("dimensions", raw.shape[::-1])
    path.write_bytes(header(dimensions, **options) + raw.tobytes())
    return path
