"""Which stream of an MC_Rack file is read."""

import logging
from collections.abc import Sequence

from circus_io.errors import FormatError
from circus_io.files.mcd.header import Stream

__all__ = ["CONTINUOUS", "select_stream"]

logger = logging.getLogger(__name__)

CONTINUOUS = ("analog", "filter", "chat", "digital")
TAG_LENGTH = 8
# what is read by default: electrodes, or what was recorded in their place
ELECTRODES = ("elec", "filt", "chtl")


def select_stream(streams: Sequence[Stream], wanted: str, name: str) -> Stream:
    """Return the stream that a user means.

    Parameters
    ----------
    streams : sequence of Stream
        Those of the file.
    wanted : str
        Tag, start of a tag, kind or name, in any case; empty for the electrodes.
    name : str
        Of the file, for messages.

    Raises
    ------
    FormatError
        No continuous stream fits, or several do, or its header makes no sense.
    """
    continuous = [stream for stream in streams if stream.kind in CONTINUOUS]
    if not continuous:
        raise FormatError(
            f"{name} holds no continuous stream, only {_describe(streams)}"
        )
    stream = _named(continuous, wanted, name) if wanted else _default(continuous, name)
    if len(stream.tag) != TAG_LENGTH:
        raise FormatError(
            f"{name}: {stream.describe()} has no name for its chunks; files of MC_Rack "
            "before 2.0 are not read"
        )
    if not stream.channels or not stream.rate_mhz:
        raise FormatError(f"{name}: {stream.describe()} holds nothing that is sampled")
    if stream.kind != "digital" and stream.bytes_per_sample != 2:
        raise FormatError(
            f"{name}: the samples of {stream.tag} have {stream.bytes_per_sample} "
            "bytes; MC_Rack is known to write 2"
        )
    return stream


def _named(continuous: Sequence[Stream], wanted: str, name: str) -> Stream:
    word = wanted.lower()
    for fits in (
        [stream for stream in continuous if stream.tag.lower() == word],
        [stream for stream in continuous if stream.name.lower() == word],
        [stream for stream in continuous if stream.kind == word],
        [stream for stream in continuous if stream.tag.lower().startswith(word)],
    ):
        if len(fits) == 1:
            return fits[0]
        if fits:
            raise FormatError(
                f"stream = {wanted} means several of {name}; choose from "
                f"{_describe(fits)}"
            )
    raise FormatError(
        f"{name} has no continuous stream {wanted}; choose from {_describe(continuous)}"
    )


def _default(continuous: Sequence[Stream], name: str) -> Stream:
    for start in ELECTRODES:
        fits = [stream for stream in continuous if stream.tag.startswith(start)]
        if len(fits) > 1:
            logger.warning(
                "%s has several streams of electrodes; %s is read, stream = %s would "
                "read the next one",
                name,
                fits[0].tag,
                fits[1].tag,
            )
        if fits:
            return fits[0]
    return continuous[0]


def _describe(streams: Sequence[Stream], most: int = 8) -> str:
    texts = [stream.describe() for stream in streams[:most]]
    return ", ".join(texts) + (", ..." if len(streams) > most else "")
