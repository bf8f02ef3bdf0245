"""To Zarr, in the layout that `spikeinterface.read_zarr` opens.

A group in the Zarr format 2, which zarr 2 and 3 read: ``traces_seg0``, ``traces_seg1``,
... (frames × channels), ``channel_ids``, ``t_starts`` (s) and ``properties``; the rate
and the number of arrays are attributes. It is that of SpikeInterface 0.100 and later.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.conversion.target import Content, Target
from circus_io.errors import MissingDependencyError

__all__ = ["ZarrTarget"]


class ZarrTarget(Target):
    """An array for each span, compressed with the default of zarr, without loss."""

    description = "zarr"
    extension = (".zarr",)
    parallel_write = True
    is_folder = True
    is_compressed = True

    def check(self, content: Content) -> None:
        """Refuse to go on without the library."""
        _import_zarr()

    def create(self, path: Path, content: Content) -> None:
        """Make the arrays, and write all but the samples."""
        root = _open_group(path, "w")
        root.attrs["sampling_frequency"] = float(content.sampling_rate)
        root.attrs["num_segments"] = len(content.table.starts)
        root.attrs["annotations"] = {"source": content.source}
        # ids have to be unique, labels need not be
        _store(root, "channel_ids", np.arange(content.n_channels))
        _store(root, "t_starts", np.array(content.t_starts_s))
        properties = root.create_group("properties")
        offsets_uv = -content.encoding.offset * content.gains
        _store(properties, "gain_to_uV", content.gains)
        _store(properties, "offset_to_uV", offsets_uv)
        _store(properties, "channel_name", np.array(content.channel_labels, np.str_))
        if content.channel_positions is not None:
            _store(properties, "location", content.channel_positions)
        for span, length in enumerate(content.table.lengths):
            shape = (length, content.n_channels)
            # one block, one chunk: ranks never write the same one
            chunks = (content.block_frames, content.n_channels)
            _make(root, f"traces_seg{span}", shape, chunks, content.encoding.dtype)

    @contextmanager
    def open_rooms(
        self, path: Path, content: Content, mode: str
    ) -> Iterator[Sequence[Any]]:
        """Give the array of each span."""
        root = _open_group(path, mode)
        yield [root[f"traces_seg{span}"] for span in range(len(content.table.starts))]


def _import_zarr() -> Any:
    try:
        import zarr
    except ImportError as error:
        raise MissingDependencyError(
            f"writing Zarr needs zarr: {error}; install it with: pip install "
            "'circus-toolkit[zarr]'"
        ) from error
    return zarr


def _open_group(path: Path, mode: str) -> Any:
    zarr = _import_zarr()
    version = {"zarr_format": 2} if int(zarr.__version__.split(".")[0]) > 2 else {}
    return zarr.open_group(str(path), mode=mode, **version)


def _make(
    group: Any, name: str, shape: tuple[int, ...], chunks: Any, dtype: np.dtype
) -> Any:
    # create_array is the name of zarr 3, create_dataset that of zarr 2
    make = getattr(group, "create_array", None) or group.create_dataset
    return make(name, shape=shape, chunks=chunks, dtype=dtype)


def _store(group: Any, name: str, values: np.ndarray) -> None:
    _make(group, name, values.shape, values.shape, values.dtype)[:] = values
