"""What a file begins with, by which formats are told apart."""

from pathlib import Path

__all__ = ["first_bytes"]


def first_bytes(path: str | Path, n_bytes: int) -> bytes:
    """Return the first bytes of a file; none of what cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return file.read(n_bytes)
    except OSError:
        return b""
