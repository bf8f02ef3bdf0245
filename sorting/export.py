"""Results for other programs: the folder that phy opens.

phy is a program for looking at units and curating them; phylib's ``TemplateModel``
reads the same folder from Python.
"""

import hashlib
import json
import logging
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from circus_io.datafile import DataFile
from sorting.kernels.slices import slices
from sorting.quality import template_similarity
from sorting.results import Result

__all__ = ["RawFiles", "raw_files", "write_phy"]

logger = logging.getLogger(__name__)

MANIFEST = "export.json"
SIMILARITY_LAG_MS = 0.3

# What phylib can map into memory itself, and by which file name extensions it knows it.
FLAT_FORMATS = frozenset({"raw_binary", "mcs_raw_binary", "numpy"})
FLAT_EXTENSIONS = frozenset({".dat", ".bin", ".raw", ".npy"})


class RawFiles(NamedTuple):
    """The data files of a recording, for a reader that maps them itself."""

    paths: list[Path]
    dtype: np.dtype
    offset: int
    n_channels: int


def raw_files(recording: DataFile | None) -> RawFiles | None:
    """Return the data files of a recording, or None if phy cannot map them.

    Parameters
    ----------
    recording : DataFile or None

    Returns
    -------
    RawFiles or None
        None for a format that is not a flat table of samples, for a file name
        extension that phylib does not know, or if headers differ in length.
    """
    if recording is None or recording.description not in FLAT_FORMATS:
        return None
    paths = [Path(stream.file_name).resolve() for stream in recording.streams]
    offsets = {int(stream.data_offset) for stream in recording.streams}
    extensions = {path.suffix for path in paths}
    if len(offsets) > 1 or len(extensions) > 1 or not extensions <= FLAT_EXTENSIONS:
        return None
    dtype = np.dtype(recording.data_dtype)
    return RawFiles(paths, dtype, offsets.pop(), recording.nb_channels)


def write_phy(
    folder: str | Path,
    result: Result,
    recording: DataFile | None = None,
    *,
    sparse: bool = True,
    prelabel: bool = True,
) -> Path:
    """Write the folder that ``phy template-gui params.py`` opens.

    Dead channels are left out. Cluster numbers are rows of the unit table; the column
    ``unit_id`` names the unit. Spike times count the frames of the data files laid end
    to end, without the gaps between streams, as phy reads them.

    A folder that is exactly what an earlier export wrote is replaced. Any other one may
    hold somebody's curation: it is kept as ``<folder>.curated-1`` (or 2, 3...), and the
    log says so.

    Parameters
    ----------
    folder : path
        The folder to make.
    result : Result
    recording : DataFile, optional
        What was sorted. phy shows its traces if it can map the files (`raw_files`).
    sparse : bool
        Store each template on its own channels only.
    prelabel : bool
        Propose the labels of the unit table as phy's groups.

    Returns
    -------
    Path
        The ``params.py`` in the folder.

    Notes
    -----
    phylib cannot open a sort of fewer than two spikes.
    """
    folder = Path(folder)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _write_spikes(partial, result)
        arrays = _channel_arrays(result) | _template_arrays(result, sparse)
        for name, array in arrays.items():
            np.save(partial / f"{name}.npy", array)
        _write_cluster_tables(partial, result, prelabel)
        _write_params(partial, folder, result, raw_files(recording))
        _write_manifest(partial)
        _make_way(folder)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder / "params.py"


def _write_spikes(folder: Path, result: Result) -> None:
    """Write what there is of every spike, a piece after the other."""
    columns = {
        "spike_times": (np.int64, result.spike_times, result.streams.to_recorded),
        "spike_templates": (np.int32, result.spike_units, np.asarray),
        "spike_clusters": (np.int32, result.spike_units, np.asarray),
        "amplitudes": (np.float64, result.amplitudes, np.asarray),
    }
    for name, (dtype, values, convert) in columns.items():
        with (folder / f"{name}.npy").open("wb") as file:
            header = {"descr": np.dtype(dtype).str, "fortran_order": False}
            header["shape"] = values.shape
            np.lib.format.write_array_header_1_0(file, header)
            for piece in slices(len(values)):
                file.write(convert(values[piece]).astype(dtype).tobytes())


def _channel_arrays(result: Result) -> dict[str, np.ndarray]:
    """Return what phy wants of the good channels.

    Templates are in µV of the filtered recording, so the whitening matrix that phy
    undoes is the identity. (With the true one, phylib would unwhiten a sparse template
    by a block of the inverse, which is not the inverse of the block.)
    """
    channels, good = result.channels, result.channels.good
    identity = np.eye(int(good.sum()))
    labels = list(dict.fromkeys(channels.group[good]))
    shanks = np.array([labels.index(group) for group in channels.group[good]], np.int32)
    positions = np.column_stack([channels.x, channels.y])[good]
    return {
        "channel_map": channels.column[good].astype(np.int32),
        "channel_positions": _set_apart(positions, shanks),
        "channel_shanks": shanks,
        "whitening_mat": identity,
        "whitening_mat_inv": identity,
    }


def _set_apart(positions: np.ndarray, shanks: np.ndarray) -> np.ndarray:
    """Shift shanks along x until no two electrodes share a position.

    Probe files often give each shank its own origin; phylib discards the geometry if
    two positions are equal.
    """
    if len(np.unique(positions, axis=0)) == len(positions):
        return positions
    pitch = np.ptp(positions[:, 0]) + 200.0
    return positions + np.outer(shanks * pitch, [1.0, 0.0])


def _template_arrays(result: Result, sparse: bool) -> dict[str, np.ndarray]:
    """Return templates in µV, (K, T, n) float32, and their similarity, (K, K)."""
    max_lag = round(SIMILARITY_LAG_MS * result.sampling_rate / 1000)
    similarity = template_similarity(
        result.template_ptr,
        result.template_channels,
        result.template_waveforms,
        max_lag,
    )
    arrays = {"similar_templates": similarity}
    if sparse:
        arrays["templates"], arrays["template_ind"] = _sparse_templates(result)
    else:
        arrays["templates"] = result.dense_templates()[:, :, result.channels.good]
    if len(result) == 1:
        # phylib squeezes its arrays: a lone template would lose its first axis.
        arrays = {name: _append_empty(name, array) for name, array in arrays.items()}
    return arrays


def _sparse_templates(result: Result) -> tuple[np.ndarray, np.ndarray]:
    """Return templates (K, T, n) on n channels at most, and the channels (K, n).

    Channels count the good ones only and come largest first: phylib takes the first as
    the peak channel. Places that a template does not need hold channel -1.
    """
    good_row = np.where(result.channels.good, np.cumsum(result.channels.good) - 1, -1)
    pieces = []
    for unit_id in result.unit_ids:
        waveform, channels = result.template(unit_id)
        height = np.where(result.channels.good[channels], np.ptp(waveform, axis=0), -1)
        order = np.argsort(-height, kind="stable")[: int(np.sum(height >= 0))]
        pieces.append((waveform[:, order], good_row[channels[order]]))
    n_channels = max([1, *(len(channels) for _, channels in pieces)])
    shape = (len(pieces), result.template_waveforms.shape[1], n_channels)
    templates = np.zeros(shape, dtype=np.float32)
    indices = np.full((len(pieces), n_channels), -1, dtype=np.int32)
    for row, (waveform, channels) in enumerate(pieces):
        templates[row, :, : len(channels)] = waveform
        indices[row, : len(channels)] = channels
    return templates, indices


def _append_empty(name: str, array: np.ndarray) -> np.ndarray:
    """Append an empty template, which no spike refers to."""
    if name == "similar_templates":
        return np.pad(array, ((0, 1), (0, 1)))
    fill = -1 if name == "template_ind" else 0
    return np.concatenate([array, np.full_like(array, fill)])


def _write_cluster_tables(folder: Path, result: Result, prelabel: bool) -> None:
    """Write one table per column: phy saves its own edits that way too."""
    units = result.units
    columns = {
        "unit_id": result.unit_ids,
        "snr": units.snr.round(2),
        "isolation": units.isolation.round(2),
        "isi_violations": units.isi_violations.round(4),
        "contamination": units.contamination.round(4),
        "amplitude_cutoff": units.amplitude_cutoff.round(4),
        "presence": units.presence.round(3),
    }
    if prelabel:
        columns["group"] = units.label
    for name, values in columns.items():
        lines = [f"cluster_id\t{name}", *(f"{k}\t{v}" for k, v in enumerate(values))]
        text = "\n".join(lines) + "\n"
        (folder / f"cluster_{name}.tsv").write_text(text, encoding="utf-8")


def _write_params(
    partial: Path, folder: Path, result: Result, raw: RawFiles | None
) -> None:
    """Write params.py, literals only."""
    n_channels = int(np.max(result.channels.column, initial=-1)) + 1
    if raw is None:
        raw = RawFiles([], np.dtype(np.int16), 0, n_channels)
    params = {
        "dat_path": [_relative(path, folder) for path in raw.paths],
        "n_channels_dat": raw.n_channels,
        "dtype": raw.dtype.name if raw.dtype.isnative else raw.dtype.str,
        "offset": raw.offset,
        "sample_rate": result.sampling_rate,
        "hp_filtered": False,
    }
    lines = [f"{name} = {value!r}\n" for name, value in params.items()]
    (partial / "params.py").write_text("".join(lines), encoding="utf-8")


def _relative(path: Path, folder: Path) -> str:
    """Return a path as phy finds it from the folder: the two can move together."""
    try:
        return Path(os.path.relpath(path, folder.resolve())).as_posix()
    except ValueError:  # another drive on Windows
        return path.as_posix()


def _hashes(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file below a folder but the manifest."""
    hashes = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path != folder / MANIFEST:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            hashes[path.relative_to(folder).as_posix()] = digest
    return hashes


def _write_manifest(folder: Path) -> None:
    text = json.dumps({"files": _hashes(folder)}, indent=2, sort_keys=True)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _is_untouched(folder: Path) -> bool:
    """Return whether a folder is exactly what an export wrote."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return manifest["files"] == _hashes(folder)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _make_way(folder: Path) -> None:
    """Delete an untouched export; keep anything else under another name."""
    if not folder.exists():
        return
    if folder.is_dir() and _is_untouched(folder):
        shutil.rmtree(folder)
        return
    number = 1
    while (backup := folder.with_name(f"{folder.name}.curated-{number}")).exists():
        number += 1
    folder.rename(backup)
    logger.warning(
        "%s has been edited since it was exported; it is kept as %s", folder, backup
    )
