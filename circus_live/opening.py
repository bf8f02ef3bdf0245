"""`open_source`: from what a user types to a source."""

import importlib
import os
from typing import Any

from circus_io.errors import FormatError
from circus_live.source import Source

__all__ = ["SCHEMES", "open_source"]

# class by the scheme of an address, imported on use
SCHEMES = {
    "file": "circus_live.sources.file:FileSource",
    "lsl": "circus_live.sources.lsl:LSLSource",
    "meame": "circus_live.sources.meame:MeameSource",
    "synthetic": "circus_live.sources.synthetic:SyntheticSource",
}


def open_source(given: Any) -> Source:
    """Return a source by its address; nothing is connected yet.

    Parameters
    ----------
    given : str, path or Source
        ``meame://host:port?sampling_rate=10000``, ``synthetic`` or
        ``synthetic?n_channels=60&duration_s=10``, ``lsl://name``, or a recording:
        ``rec.h5``, ``file:rec.dat?nb_channels=60&pace=fast``. A `Source` is returned
        as it is.

    Raises
    ------
    FormatError
        No such scheme or setting.
    RecordingNotFoundError
        It is no address, and no file either.
    """
    if isinstance(given, Source):
        return given
    text = os.fspath(given)
    scheme = text.partition("://")[0].partition("?")[0].partition(":")[0]
    if "://" in text and scheme not in SCHEMES:
        raise FormatError(
            f"{text}: there is no source {scheme}; choose from {', '.join(SCHEMES)}, "
            "or give a recording"
        )
    module, _, name = SCHEMES.get(scheme, SCHEMES["file"]).partition(":")
    return getattr(importlib.import_module(module), name).from_url(text)
