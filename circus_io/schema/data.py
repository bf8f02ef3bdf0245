"""``[data]``: which recording, read how, results where."""

from typing import Annotated, Any

from pydantic import Field

from circus_io.schema.keys import Section, key
from circus_io.schema.types import FilePath, OptionalText

__all__ = ["DataSection"]


class DataSection(Section):
    """Which recording, read how, results where."""

    file_format: OptionalText = key(
        None, "Name of the file format: circus formats lists them.", used=True
    )
    stream_mode: OptionalText = key(
        None,
        "How several files or groups make one recording, for instance multi-files.",
        used=True,
    )
    mapping: FilePath = key(
        None,
        "Probe file: .prb, or probeinterface .json.",
        used=True,
    )
    suffix: str = key(
        "",
        "Appended to the names of results.",
        used=True,
    )
    overwrite: bool = key(
        True,
        "Filter the raw data in place.",
    )
    parallel_hdf5: bool = key(
        True,
        "Write HDF5 from several ranks if the library can.",
    )
    output_dir: FilePath = key(
        None,
        "Folder of the results; empty is a folder next to the data, named as its stem.",
        used=True,
    )
    file_name: FilePath = key(
        None,
        "The recording, where a run starts from the parameter file itself.",
        used=True,
        hidden=True,
    )
    chunk_size: float = key(
        30, "Length of a chunk of data.", unit="s", hidden=True, gt=0
    )
    memory_usage: float = key(
        0.1, "Fraction of the memory that one rank may take.", hidden=True, gt=0, le=1
    )
    global_tmp: bool = key(
        True, "Temporary files in the results, not on the node.", hidden=True
    )
    auto_cluster: bool = key(True, "Find out whether ranks share a node.", hidden=True)
    shared_memory: bool = key(True, "Share templates between ranks.", hidden=True)
    hdf5_compress: bool = key(True, "Compress results with gzip.", hidden=True)
    blosc_compress: bool = key(False, "Compress messages between ranks.", hidden=True)
    status_bars: bool = key(True, "Show progress bars.", hidden=True)
    custom_spikes: FilePath = key(
        None, "Spike times to use instead of detection.", hidden=True
    )
    is_cluster: bool = key(False, "Ranks run on several nodes.", hidden=True)

    format_fields: Annotated[dict[str, Any], Field(default_factory=dict)]
    """Keys of the chosen file format, such as ``sampling_rate``; see `formats`."""
