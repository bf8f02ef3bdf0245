"""Binary export of Multi Channel Systems' MC_DataTool: text header, then samples.

The header is Windows-1252 text, frames × channels follow it::

    MC_DataTool binary conversion
    Version 2.6.15
    MC_REC file = "slice.mcd"
    Sample rate = 25000
    ADC zero = 32768
    El = 0.1042µV/AD
    Streams = El_47;El_48
    EOH

A scale line may hold several (``Di = ...; El = ...``). Samples are uint16, or int16
with ``ADC zero = 0`` if exported as signed. The tool can leave the header out.
"""

# ruff: noqa: RUF012 -- DataFile makes the declared mappings read-only

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.datafile import DataFile
from circus_io.errors import FormatError, MissingParameterError
from circus_io.files.first_bytes import first_bytes
from circus_io.indexing import select_channels

__all__ = ["MCSRawBinaryFile"]

logger = logging.getLogger(__name__)

SIGNATURE = b"MC_DataTool"
END = re.compile(rb"\r?\nEOH(?:\r\n|\n)")
MOST_HEADER_BYTES = 2**20  # names of 100,000 channels
# quantities are bounded: a broken header has no time to be long
SCALE = re.compile(r"([A-Z][a-z]) *= *([\d.,]{1,40}) *([^\s;/\d.,]{0,9})/AD")
TO_MICROVOLT = {"V": 1e6, "mV": 1e3, "µV": 1.0, "uV": 1.0, "nV": 1e-3}
PREFERRED = ("El", "Fi", "An", "Di")
DIGITAL = "Di"


@dataclass(frozen=True)
class Header:
    """What the text in front of the samples says.

    Attributes
    ----------
    n_bytes : int
        Its length.
    sampling_rate : float
        Hz.
    adc_zero : int
        Count that stands for 0 V.
    scales : dict of str to float
        µV per count of each kind of column (``El``, ``An``, ...).
    columns : list of (str, str)
        Kind and name of each column.
    """

    n_bytes: int
    sampling_rate: float
    adc_zero: int
    scales: dict[str, float]
    columns: list[tuple[str, str]]


class MCSRawBinaryFile(DataFile):
    """Binary export of MC_DataTool, with or without its header.

    `stream` is the kind of columns to read: ``El`` electrodes, ``Fi`` filtered, ``An``
    analog or ``Di`` digital; ``auto`` is the first of these in the file. Without header
    give `sampling_rate` and `nb_channels`, and `data_dtype` and `gain` if they are not
    uint16 and 1. Several ranks may write it.
    """

    description = "mcs_raw_binary"
    extension = (".raw", ".dat")
    parallel_write = True
    is_writable = True
    _default_values = {"stream": "auto"}

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Tell by the name of the tool, which the header begins with."""
        return first_bytes(path, len(SIGNATURE)) == SIGNATURE

    def _read_from_header(self) -> Mapping[str, Any]:
        self.data = None
        header = _read_header(self.file_name, self._short_name())
        if header is None:
            return self._describe_without_header()
        kind = self._choose(header)
        chosen = [i for i, column in enumerate(header.columns) if column[0] == kind]
        self._channel_labels = tuple(header.columns[i][1] for i in chosen)
        # exports of unsigned samples have their zero in the middle
        by_zero = "uint16" if header.adc_zero else "int16"
        data_dtype = self.params.get("data_dtype", by_zero)
        self._lay_out(header.n_bytes, len(header.columns), np.array(chosen), data_dtype)
        return {
            "nb_channels": len(chosen),
            "sampling_rate": header.sampling_rate,
            "data_dtype": data_dtype,
            "dtype_offset": 0 if kind == DIGITAL else header.adc_zero,
            "gain": header.scales[kind],
            "data_offset": header.n_bytes,
        }

    def _describe_without_header(self) -> Mapping[str, Any]:
        needed = ("sampling_rate", "nb_channels")
        missing = [name for name in needed if name not in self.params]
        if missing:
            raise MissingParameterError(
                f"{self._short_name()} has no header of MC_DataTool, so "
                f"{' and '.join(missing)} have to be given"
            )
        data_dtype = self.params.get("data_dtype", "uint16")
        self._lay_out(self.data_offset, self.nb_channels, None, data_dtype)
        gain, offset = self.params.get("gain", 1.0), self.params.get("dtype_offset")
        return {
            "data_dtype": data_dtype,
            "gain": gain,
            "dtype_offset": "auto" if offset is None else offset,
        }

    def _choose(self, header: Header) -> str:
        """Return the kind of columns that the user wants, or the best that is there."""
        there = [kind for kind, _ in header.columns]
        wanted = self.params["stream"]
        wanted = wanted if wanted == "auto" else wanted.capitalize()
        order = (*PREFERRED, *there) if wanted == "auto" else (wanted,)
        found = [kind for kind in order if kind in there]
        if not found:
            raise FormatError(
                f"stream = {wanted}: {self._short_name()} has "
                f"{', '.join(dict.fromkeys(there)) or 'no columns'}"
            )
        if found[0] not in header.scales:
            raise FormatError(
                f"the header of {self._short_name()} has no scale for its {found[0]} "
                "columns"
            )
        return found[0]

    def _lay_out(
        self, n_bytes: int, n_columns: int, chosen: np.ndarray | None, data_dtype: str
    ) -> None:
        """Note where the samples are; a frame that is not whole is left out.

        `chosen` are the columns that are channels, in their order, or None for all.
        """
        self._dtype = np.dtype(data_dtype)
        size = Path(self.file_name).stat().st_size - n_bytes
        n_frames, left_over = divmod(max(size, 0), n_columns * self._dtype.itemsize)
        if left_over:
            logger.warning(
                "%s: %d frames of %d columns of %s leave %d bytes over, which are not "
                "read: the file was cut off, or its samples are of another type",
                self._short_name(),
                n_frames,
                n_columns,
                data_dtype,
                left_over,
            )
        everything = chosen is None or len(chosen) == n_columns
        self._n_header_bytes, self._columns = n_bytes, None if everything else chosen
        self._stored_shape = (n_frames, n_columns)
        self._shape = (n_frames, n_columns if chosen is None else len(chosen))

    def _open(self, mode: str = "r") -> None:
        shape = self._stored_shape
        if shape[0] == 0:  # an empty file cannot be mapped
            self.data = np.zeros(shape, self._dtype)
        else:
            self.data = np.memmap(
                self.file_name, self._dtype, mode, self._n_header_bytes, shape
            )

    def _close(self) -> None:
        self.data = None

    def _read_frames(
        self, t_start: int, t_stop: int, nodes: np.ndarray | None
    ) -> np.ndarray:
        columns = nodes if self._columns is None else self._columns
        if self._columns is not None and nodes is not None:
            columns = self._columns[nodes]
        return select_channels(np.asarray(self.data[t_start:t_stop]), columns)

    def _write_frames(self, t_start: int, raw: np.ndarray) -> None:
        columns = slice(None) if self._columns is None else self._columns
        self.data[t_start : t_start + len(raw), columns] = raw


def _read_header(path: str, name: str) -> Header | None:
    """Return the header of a file; None if it has none.

    Raises
    ------
    FormatError
        It has no end, or lacks what is needed to read the samples.
    """
    with Path(path).open("rb") as file:
        block = file.read(MOST_HEADER_BYTES)
    if not block.startswith(SIGNATURE):
        return None
    end = END.search(block)
    if end is None:
        raise FormatError(
            f"{name} begins as an export of MC_DataTool, but its header has no end: no "
            f"line EOH in {len(block)} bytes"
        )
    text = block[: end.start()].decode("windows-1252", errors="replace")
    values = dict(_assignments(text))
    return Header(
        n_bytes=end.end(),
        sampling_rate=_number(values, "Sample rate", name),
        adc_zero=_adc_zero(values, name),
        scales=_scales(text, name),
        columns=[
            (column.strip()[:2], column.strip()[2:].lstrip("_") or column.strip())
            for column in values.get("Streams", "").split(";")
            if column.strip()
        ],
    )


def _assignments(text: str) -> list[tuple[str, str]]:
    lines = [line.partition("=") for line in text.splitlines() if "=" in line]
    return [(key.strip(), value.strip()) for key, _, value in lines]


def _number(values: Mapping[str, str], key: str, name: str) -> float:
    text = values.get(key, "")
    try:
        # the tool follows the regional settings of its computer
        return float(text.replace(",", "."))
    except ValueError:
        raise FormatError(
            f"the header of {name} says {key} = {text[:40] or '(nothing)'}; expected a "
            "number"
        ) from None


def _adc_zero(values: Mapping[str, str], name: str) -> int:
    zero = _number(values, "ADC zero", name)
    if not (0 <= zero < 2**16 and zero.is_integer()):
        raise FormatError(
            f"the header of {name} says ADC zero = {values['ADC zero']}; expected a "
            "count of 16 bits"
        )
    return int(zero)


def _scales(text: str, name: str) -> dict[str, float]:
    """Return µV per count of each kind of column; digital ones count."""
    scales = {DIGITAL: 1.0}
    lines = [line for line in text.splitlines() if SCALE.match(line)]
    for kind, step, unit in SCALE.findall("\n".join(lines)):
        # some files hold µ in UTF-8
        unit = unit.replace("Â", "").replace("μ", "µ")
        if kind == DIGITAL:
            continue
        if unit not in TO_MICROVOLT:
            raise FormatError(
                f"the header of {name} counts {kind} in {unit or '(nothing)'}; "
                f"expected one of {', '.join(TO_MICROVOLT)}"
            )
        scales[kind] = _number({kind: step}, kind, name) * TO_MICROVOLT[unit]
    return scales
