"""Kwik data (.kwd) of klusta and Open Ephys: the samples of each recording.

As the kwik format and the KWIK format of Open Ephys describe it, in HDF5::

    /                       attribute kwik_version
      recordings/0          attributes sample_rate, start_time
        data                frames × channels, int16
        application_data    attribute channel_bit_volts (µV per count of each channel)
"""

# ruff: noqa: RUF012 -- DataFile makes the declared mappings read-only

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from circus_io.errors import FormatError, MissingParameterError
from circus_io.fields import convert
from circus_io.files.hdf5_access import (
    SharedHDF5,
    hdf5_failures,
    number,
    open_hdf5,
    read_whole,
    root_attribute,
    text,
)
from circus_io.files.hdf5_parts import HDF5PartsFile, check_samples

__all__ = ["KWDFile"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """One recording of a file.

    Attributes
    ----------
    number : int
    shape : (int, int)
    data_dtype : str
    sampling_rate : float
        Hz.
    gain : float64 array, shape (n_channels,), or None
        µV per count, if the file says.
    t_start : int or None
    name : str
    """

    number: int
    shape: tuple[int, int]
    data_dtype: str
    sampling_rate: float
    gain: np.ndarray | None
    t_start: int | None
    name: str


class KWDFile(HDF5PartsFile):
    """Kwik data of klusta and Open Ephys; one recording, or all as streams.

    `recording_number` is the recording to read. With ``stream_mode = single-file`` all
    of them are streams. `sampling_rate` and `gain` are those of the file where it has
    them. One process writes.
    """

    description = "kwd"
    extension = (".kwd",)
    _default_values = {"recording_number": 0, "dtype_offset": "auto", "gain": 1.0}

    @classmethod
    def recognises(cls, path: Path) -> bool | None:
        """Tell by the version of the format, which not all programs write."""
        return True if root_attribute(path, "kwik_version") else None

    def _read_from_header(self) -> Mapping[str, Any]:
        with open_hdf5(self.file_name) as file, hdf5_failures(self._short_name()):
            numbers = self._choose(file)
            datasets = [file[f"recordings/{number}/data"] for number in numbers]
            cache = max(check_samples(data, self._short_name()) for data in datasets)
            parts = [self._describe(file["recordings"], n) for n in numbers]
        self._shared = SharedHDF5(self.file_name, rdcc_nbytes=cache)
        return self._divide(parts)

    def _choose(self, file: h5py.File) -> list[int]:
        """Return the recordings to read."""
        there = sorted(int(n) for n in file["recordings"] if n.isdecimal())
        number = self.params["recording_number"]
        if self.stream_mode == "single-file" and there:
            return there
        if number not in there:
            raise FormatError(
                f"recording_number = {number}: {self._short_name()} has "
                f"{', '.join(map(str, there)) or 'none'}"
            )
        if len(there) > 1 and "recording_number" not in self._given:
            logger.warning(
                "%s has %d recordings, of which number %d is read; give "
                "recording_number, or read them all with stream_mode = single-file",
                self._short_name(),
                len(there),
                number,
            )
        return [number]

    def _describe(self, recordings: h5py.Group, number: int) -> Part:
        recording = recordings[str(number)]
        data, more = recording["data"], recording.get("application_data")
        n_channels = data.shape[1] if data.ndim > 1 else 1
        rate = self._rate(recording)
        return Part(
            number=number,
            shape=(data.shape[0], n_channels),
            data_dtype=data.dtype.str,
            sampling_rate=rate,
            gain=None if more is None else _gains(more, n_channels),
            t_start=_start(recording.attrs.get("start_time"), rate),
            name=text(recording.attrs.get("name", "")),
        )

    def _rate(self, recording: h5py.Group) -> float:
        given = self.params.get("sampling_rate")
        rate = recording.attrs.get("sample_rate", given)
        if rate is None:
            raise MissingParameterError(
                f"{self._short_name()} does not say sample_rate; give sampling_rate"
            )
        return convert("sampling_rate", number(rate))

    def _become(self, part: Part) -> Mapping[str, Any]:
        self._key = f"recordings/{part.number}/data"
        self._shape, self._t_start = part.shape, part.t_start
        self._metadata = {"recording_number": part.number}
        self._metadata |= {"recording_name": part.name} if part.name else {}
        found = {
            "nb_channels": part.shape[1],
            "sampling_rate": part.sampling_rate,
            "data_dtype": part.data_dtype,
        }
        return found if part.gain is None else {**found, "gain": part.gain}


def _gains(more: h5py.Group, n_channels: int) -> np.ndarray | None:
    """Return µV per count of each channel; newer files have a dataset of them."""
    name = "channel_bit_volts"
    if name not in more.attrs and name not in more:
        return None
    stored = more.attrs[name] if name in more.attrs else read_whole(more[name])
    gains = np.asarray(stored, np.float64).reshape(-1)
    if len(gains) != n_channels:
        raise FormatError(
            f"{more.name} has {len(gains)} {name} for {n_channels} channels"
        )
    return gains


def _start(start_time: Any, sampling_rate: float) -> int | None:
    """Return a start in frames: Open Ephys counts those, klusta seconds."""
    if start_time is None:
        return None
    start = number(start_time)
    frames = start * sampling_rate if isinstance(start, float) else start
    if not 0 <= frames < 2**62:
        raise FormatError(f"a recording starts at {start_time}; expected 0 or later")
    # a clock that starts at 0 says nothing: the file may follow another one
    return round(frames) or None
