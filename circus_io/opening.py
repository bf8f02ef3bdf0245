"""`open_recording`: the short way to a recording."""

import difflib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from circus_io.datafile import DataFile
from circus_io.errors import FormatError
from circus_io.fields import CONTRACT
from circus_io.registry import get_format, guess_format
from circus_io.streams import resolve_paths

if TYPE_CHECKING:
    from circus_io.params import Parameters

__all__ = ["open_from_parameters", "open_recording"]

PathLike = str | os.PathLike[str]


def open_recording(
    path: PathLike | Sequence[PathLike],
    file_format: str | type[DataFile] | None = None,
    stream_mode: str | None = None,
    **params: Any,
) -> DataFile:
    """Open a recording for reading.

    Parameters
    ----------
    path : path, pattern, or sequence of paths
        A list, or a pattern with ``*``, ``?`` or ``[`` (sorted naturally), makes each
        file a stream.
    file_format : str or class, optional
        As in `get_format`; by default the one that has the extension of `path`.
    stream_mode : str, optional
        ``'multi-files'`` continues ``rec_0.dat`` with ``rec_1.dat``, ...; formats may
        know other modes.
    **params
        Parameters of the format, such as ``sampling_rate=20000``.

    Returns
    -------
    DataFile
        The header is read; the data are opened when they are first read, and closed by
        ``with`` or `close`. Nothing is ever written.

    Raises
    ------
    FormatError
        Unknown format, or a parameter that it does not have.
    RecordingNotFoundError, MissingParameterError, StreamError
        As `DataFile`.

    Examples
    --------
    ::

        with open_recording("rec.dat", "raw_binary", data_dtype="int16",
                            sampling_rate=20000, nb_channels=4) as recording:
            traces = recording[0:1000, [2, 0]]
    """
    paths = resolve_paths(path)
    if file_format is None:
        file_format = guess_format(paths[0] if paths else path)
    wrapper = file_format if isinstance(file_format, type) else get_format(file_format)
    _refuse_unknown(wrapper, params)
    return wrapper(paths or path, params, stream_mode=stream_mode)


def open_from_parameters(
    path: PathLike | Sequence[PathLike], parameters: "Parameters"
) -> DataFile:
    """Open a recording by what ``[data]`` of its parameters says about the format.

    Parameters
    ----------
    path : path, pattern, or sequence of paths
        As in `open_recording`.
    parameters : circus_io.params.Parameters

    Returns
    -------
    DataFile

    Raises
    ------
    CircusError
        As `open_recording`.
    """
    return open_recording(
        path,
        file_format=parameters.data.file_format,
        stream_mode=parameters.data.stream_mode,
        **parameters.data.format_fields,
    )


def _refuse_unknown(wrapper: type[DataFile], params: dict[str, Any]) -> None:
    known = {*CONTRACT, *wrapper._required_fields, *wrapper._default_values}
    unknown = sorted(params.keys() - known)
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise FormatError(
            f"{wrapper.description} has no parameter {', '.join(unknown)}; {hint}"
            f"choose from {', '.join(sorted(known))}"
        )
