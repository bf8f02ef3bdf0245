"""The formats that neo reads, each as a wrapper of its own name.

``BlackrockFile``, ``IntanFile`` and the others are made from `catalogue`: they differ
only in what stands there.
"""

from typing import Any

from circus_io.files.neo_bridge.catalogue import CATALOGUE, NeoFormat
from circus_io.files.neo_bridge.neo_file import NeoFile

__all__ = ["NeoFile"]


def _class_of(row: NeoFormat) -> type[NeoFile]:
    defaults = {**NeoFile._default_values, **(row.extra_fields or {})}
    defaults.pop("reader")
    members: dict[str, Any] = {
        "__doc__": f"{row.title}\n\n    Read by {row.reader} of neo; see `NeoFile`.\n",
        "__module__": __name__,
        "description": row.name,
        "extension": row.suffixes,
        "verified": row.verified,
        "row": row,
        "is_streamable": _stream_modes(row),
        "_default_values": defaults,
    }
    return type(row.reader.removesuffix("RawIO") + "File", (NeoFile,), members)


def _stream_modes(row: NeoFormat) -> tuple[str, ...]:
    modes = NeoFile.is_streamable[0 if row.is_numbered else 1 :]
    folders = ("multi-folders",) if row.is_folder else ()
    listed = ("mapping-file",) if "mapping_file" in (row.extra_fields or {}) else ()
    return (*modes, *folders, *listed)


for _row in CATALOGUE.values():
    _made = _class_of(_row)
    globals()[_made.__name__] = _made
    __all__ += [_made.__name__]
__all__ = sorted(__all__)
