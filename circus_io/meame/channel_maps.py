"""Which electrode each channel of a MEAME stream is.

A stream has the order of the amplifier, not of the labels. A label is ``10 · column +
row`` of the 8 × 8 grid without corners. Two maps exist, and one is the transpose of the
other: ``shodan`` is the default, since there the reference electrode (label 15) is
channel 14, the one that the server's test signal leaves at 0; ``sinri`` is for
recordings that were labelled the other way. The bits of electrodes in the words of the
stimulator count by the same numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from circus_io.errors import FormatError

__all__ = ["CHANNEL_MAPS", "ChannelMap", "get_channel_map"]

# rows from the top, columns from the left: channel in the stream
GRID = (
    (None, 23, 25, 28, 31, 34, 36, None),
    (20, 21, 24, 29, 30, 35, 38, 39),
    (18, 19, 22, 27, 32, 37, 40, 41),
    (15, 16, 17, 26, 33, 42, 43, 44),
    (14, 13, 12, 3, 56, 47, 46, 45),
    (11, 10, 7, 2, 57, 52, 49, 48),
    (9, 8, 5, 0, 59, 54, 51, 50),
    (None, 6, 4, 1, 58, 55, 53, None),
)
PITCH_UM = 200.0  # of the 60MEA200


@dataclass(frozen=True)
class ChannelMap:
    """Labels of the electrodes in the order of the stream.

    Attributes
    ----------
    name : str
    labels : tuple of int
        ``10 · column + row`` of each channel.
    """

    name: str
    labels: tuple[int, ...]

    def index_of(self, label: int) -> int:
        """Return the channel of an electrode.

        Raises
        ------
        FormatError
            There is no such electrode.
        """
        try:
            return self.labels.index(int(label))
        except ValueError:
            raise FormatError(
                f"electrode {label}: labels are 10 · column + row, each from 1 to 8, "
                "without the corners 11, 18, 81 and 88"
            ) from None

    def indices_of(self, labels: Sequence[int]) -> list[int]:
        """Return the channels of electrodes, in their order."""
        return [self.index_of(label) for label in labels]

    def label_of(self, index: int) -> int:
        """Return the electrode of a channel."""
        if not 0 <= index < len(self.labels):
            raise FormatError(
                f"channel {index}: the map {self.name} has 0 to {len(self.labels) - 1}"
            )
        return self.labels[index]

    def positions(self, pitch_um: float = PITCH_UM) -> np.ndarray:
        """Return where the channels are, float64 (n_channels, 2) in µm, y downwards."""
        columns, rows = np.divmod(np.array(self.labels), 10)
        return np.column_stack([columns - 1, rows - 1]) * float(pitch_um)


def _labels(transposed: bool) -> tuple[int, ...]:
    labels = [0] * 60
    for row, channels in enumerate(GRID, 1):
        for column, channel in enumerate(channels, 1):
            if channel is not None:
                labels[channel] = 10 * row + column if transposed else 10 * column + row
    return tuple(labels)


CHANNEL_MAPS = MappingProxyType(
    {
        "shodan": ChannelMap("shodan", _labels(transposed=False)),
        "sinri": ChannelMap("sinri", _labels(transposed=True)),
    }
)


def get_channel_map(name: str) -> ChannelMap:
    """Return a map by its name.

    Raises
    ------
    FormatError
        There is none of that name.
    """
    if name not in CHANNEL_MAPS:
        raise FormatError(
            f"channel_map = {name}: choose from {', '.join(CHANNEL_MAPS)}"
        )
    return CHANNEL_MAPS[name]
