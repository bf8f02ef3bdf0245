"""A synthetic recording → files that any sorter reads."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from circus_io.atomic import atomic_path
from circus_io.datafile import DataFile
from circus_io.errors import StreamError
from circus_io.parallel import SerialComm
from circus_io.params import template_text
from circus_io.scaling import from_float32, sample_dtype

__all__ = ["write_recording"]

_CHUNK_SAMPLES = 2**20


def write_recording(
    recording: DataFile,
    path: str | Path,
    dtype: str = "int16",
    gain: float = 0.2,
    comm: Any = None,
) -> Path:
    """Write raw samples, ``.prb``, ``.params`` and ``.ground_truth.npz``.

    The four files share the stem of ``path``; each appears whole or not at all, the
    samples last.

    Parameters
    ----------
    recording : SyntheticRecording
        Of one stream. Frame ``t_start`` becomes frame 0 of the file, and the times of
        the written truth count from there.
    path : path
        Of the samples, frames × channels, C order.
    dtype : str
        Sample type; integers are rounded and saturate.
    gain : float
        µV per count.
    comm : communicator, optional
        Its ranks share the work; all of them must call. Default: one rank.

    Returns
    -------
    pathlib.Path
        The samples.
    """
    if recording.is_stream:
        raise StreamError(
            "a raw file has no gaps; write each of recording.streams by itself"
        )
    comm = SerialComm() if comm is None else comm
    path = Path(path)
    if comm.rank == 0:
        _write_companions(recording, path, dtype, gain)
        with atomic_path(path) as temporary:
            row = recording.nb_channels * sample_dtype(dtype).itemsize
            with temporary.open("r+b") as file:
                file.truncate(recording.duration * row)
            _write_samples(recording, comm.bcast(temporary), dtype, gain, comm)
            comm.Barrier()
    else:
        _write_samples(recording, comm.bcast(None), dtype, gain, comm)
        comm.Barrier()
    comm.Barrier()  # the file has its name on every rank from here
    return path


def _write_samples(
    recording: DataFile, path: Path, dtype: str, gain: float, comm: Any
) -> None:
    chunk_size = max(_CHUNK_SAMPLES // recording.nb_channels, 1)
    grid = recording.chunk_grid(chunk_size)
    row = recording.nb_channels * sample_dtype(dtype).itemsize
    with path.open("r+b") as file:
        for index in range(comm.rank, len(grid), comm.size):
            chunk = recording.get_chunk(index, chunk_size)
            counts, _ = from_float32(chunk.traces, dtype, gain)
            file.seek((chunk.t_start - recording.t_start) * row)
            file.write(counts.tobytes())


def _write_companions(recording: DataFile, path: Path, dtype: str, gain: float) -> None:
    probe_path = recording.probe.write_prb(path.with_suffix(".prb"))
    text = template_text(
        file_format="raw_binary",
        data_dtype=dtype,
        sampling_rate=recording.sampling_rate,
        nb_channels=recording.nb_channels,
        gain=gain,
        mapping=probe_path.name,
    )
    with atomic_path(path.with_suffix(".params")) as temporary:
        temporary.write_text(text, encoding="utf-8")
    truth = recording.ground_truth
    local = replace(truth, spike_times=truth.spike_times - recording.t_start)
    local.write(path.with_suffix(".ground_truth.npz"))
