"""``[circus]``: keys of this toolkit alone."""

from circus_io.schema.keys import Section, key
from circus_io.schema.types import choice

__all__ = ["CircusSection"]


class CircusSection(Section):
    """Keys of this toolkit alone; the classic program does not read them."""

    seed: int = key(0, "Seed of every random choice.", used=True, since="0.1", ge=0)
    filtered_file: bool = key(
        False,
        "Write the filtered recording to a file of its own.",
        used=True,
        since="0.1",
    )
    follow_drift: bool = key(
        True,
        "Measure how the tissue moves along the probe and correct it where it does.",
        used=True,
        since="0.1",
    )
    preset: choice("accurate", "fast") = key(
        "accurate",
        "accurate, or fast: learn units from a part, fit them at peaks only.",
        used=True,
        since="0.1",
    )
