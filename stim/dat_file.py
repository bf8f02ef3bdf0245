"""`DatFile`: stimulus files of MC_Stimulus II, read and written with their units.

Currents are in µA there, voltages in mV, times in µs. A file written in mA would
stimulate a thousand times too little.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path

from circus_io.atomic import atomic_path
from circus_io.errors import FormatError, SafetyError
from stim.waveform import Waveform

__all__ = ["DatFile", "lines_of_channel", "lines_of_header", "read_dat", "write_dat"]

FIRST_LINE = "Multi Channel Systems MC_Stimulus II"
VERSION = "ASCII import Version"
WRITTEN_VERSION = "1.10"
WRITTEN_FORMAT = 4
UNITS = {"current": "nA", "voltage": "uV"}
PER_VALUE = 1000  # nA per µA, µV per mV
USUAL_CHANNELS = (2, 4, 8)  # that STGs have
MOST_CHANNELS = 1024  # more is a broken file; so are
MOST_RUNS = 10_000_000  # more runs than any device holds
NEW_LINE = "\r\n"


@dataclass(frozen=True)
class DatFile:
    """What a stimulus file holds.

    Attributes
    ----------
    waveforms : tuple of Waveform or None
        Of each analog channel, in their order; None where the file has nothing.
    unit : {'nA', 'uV'}
    syncouts : dict
        Of each sync-out that has something, from 0 on: its ``(level, duration_us)``.
    """

    waveforms: tuple[Waveform | None, ...]
    unit: str = "nA"
    syncouts: Mapping[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)


# -------------------------------------------------------------------------------- read


def read_dat(path: str | os.PathLike[str]) -> DatFile:
    """Read a stimulus file of MC_Stimulus II.

    Parameters
    ----------
    path : path
        ASCII, version 1.00 or 1.10. The columns are those that the line before the
        data names: ``value`` and ``time``, once or several times, and ``repeat``.

    Raises
    ------
    FormatError
        It is no such file, or has columns of another meaning; with the line.

    Notes
    -----
    A ``repeat`` of 0 or 1 is once. What has no time is left out: the program writes the
    columns that a row does not use as zeros.
    """
    reader = _Reader(Path(path))
    try:
        return reader.read()
    except FormatError:
        raise
    except (ValueError, InvalidOperation, OverflowError) as error:
        raise reader.error(str(error)) from error


class _Reader:
    """Goes through the lines of a file once."""

    def __init__(self, path: Path) -> None:
        self.path, self.number = path, 0
        text = path.read_bytes().decode("utf-8-sig", "replace")
        self.lines = self._without_comments(text.splitlines())
        self.settings: dict[str, str] = {}
        self.columns: list[str] = []
        self.channel: int | None = None
        self.runs: dict[int, list[tuple[Decimal, int]]] = {}

    def _without_comments(self, lines: Sequence[str]) -> Iterator[str]:
        for number, line in enumerate(lines, 1):
            self.number = number
            line = line.partition("#")[0].strip()
            if line:
                yield line

    def error(self, problem: str) -> FormatError:
        return FormatError(f"{self.path}, line {self.number}: {problem}")

    def read(self) -> DatFile:
        first, second = next(self.lines, ""), next(self.lines, "")
        if first.lower() != FIRST_LINE.lower():
            raise self.error(f"expected “{FIRST_LINE}” as the first line")
        if not second.lower().startswith(VERSION.lower()):
            raise self.error(f"expected “{VERSION} {WRITTEN_VERSION}” as the second")
        for line in self.lines:
            if ":" in line:
                self._set(*(part.strip() for part in line.split(":", 1)))
            elif self.channel is None:
                raise self.error(f"“{line}” before the first “channel:”")
            elif not self.columns:
                self._name_columns(line)
            else:
                self._add_row(line)
        return self._result()

    def _set(self, key: str, value: str) -> None:
        key = key.lower()
        if key == "channel":
            self.channel, self.columns = int(value) - 1, []
            if not self.channel >= 0:
                raise self.error(f"channel: {value}: expected 1 or more")
            self.runs.setdefault(self.channel, [])
        elif key in ("channels", "output mode", "format"):
            self.settings[key] = value.lower()
        else:
            raise self.error(
                f"{key}: expected channels, output mode, format or channel"
            )

    def _name_columns(self, line: str) -> None:
        columns = line.lower().split()
        values = columns[:-1] if columns[-1] == "repeat" else columns
        if not values or values != ["value", "time"] * (len(values) // 2):
            raise self.error(
                f"columns “{line}”: what can be read are value and time, once or more, "
                "and repeat; export the file in format 4"
            )
        self.columns = columns

    def _add_row(self, line: str) -> None:
        cells = [Decimal(cell.replace(",", ".")) for cell in line.split()]
        if len(cells) != len(self.columns):
            raise self.error(
                f"{len(cells)} values for {len(self.columns)} columns: {line}"
            )
        has_repeat = self.columns[-1] == "repeat"
        times = max(1, self._whole(cells.pop(), "repeat")) if has_repeat else 1
        pairs = zip(cells[::2], cells[1::2], strict=True)
        row = [(value, self._whole(time, "time")) for value, time in pairs if time]
        runs = self.runs[self.channel or 0]
        if len(runs) + len(row) * times > MOST_RUNS:
            raise self.error(f"more than {MOST_RUNS} values in a channel")
        runs += row * times

    def _whole(self, cell: Decimal, name: str) -> int:
        if cell != cell.to_integral_value() or cell < 0:
            raise self.error(f"{name} = {cell}: expected a whole number, 0 or above")
        return int(cell)

    def _result(self) -> DatFile:
        mode = self.settings.get("output mode", "")
        if mode not in UNITS:
            raise self.error(f"output mode: {mode}: choose from {', '.join(UNITS)}")
        if "channels" not in self.settings:
            raise self.error("no “channels:”, the number of analog channels")
        n_channels = int(self.settings["channels"])
        if not 0 < n_channels <= MOST_CHANNELS:
            raise self.error(f"channels: {n_channels}: expected 1 to {MOST_CHANNELS}")
        unit = UNITS[mode]
        waveforms = [self._waveform(i, unit) for i in range(n_channels)]
        syncouts = {
            channel - n_channels: tuple((self._whole(v, "level"), t) for v, t in runs)
            for channel, runs in sorted(self.runs.items())
            if channel >= n_channels and runs
        }
        return DatFile(tuple(waveforms), unit, syncouts)

    def _waveform(self, channel: int, unit: str) -> Waveform | None:
        runs = self.runs.get(channel)
        if not runs:
            return None
        try:
            return Waveform.of([(_nearest(v * PER_VALUE), t) for v, t in runs], unit)
        except SafetyError as error:
            raise FormatError(f"{self.path}, channel {channel + 1}: {error}") from error


def _nearest(value: Decimal) -> int:
    """Return a decimal as the nearest integer, halves to 0."""
    return int(value.quantize(Decimal(1), rounding="ROUND_HALF_DOWN"))


# ------------------------------------------------------------------------------- write


def write_dat(
    path: str | os.PathLike[str],
    waveforms: Sequence[Waveform | None],
    *,
    n_channels: int | None = None,
    syncouts: Mapping[int, Iterable[tuple[int, int]]] | None = None,
) -> None:
    """Write a stimulus file of MC_Stimulus II, atomically.

    Parameters
    ----------
    path : path
        Ends in ``.dat``.
    waveforms : sequence of Waveform or None
        Of each analog channel, in their order; all currents, or all voltages.
    n_channels : int, optional
        Analog channels of the stimulator, which the program wants to know: 2, 4 or 8 as
        needed, if it is left out.
    syncouts : dict, optional
        ``(level, duration_us)`` of sync-outs, from 0 on.

    Raises
    ------
    FormatError
        Not a ``.dat``; no waveform, currents and voltages, or more than `n_channels`.
    """
    path = Path(path)
    check_suffix(path)
    units = {waveform.unit for waveform in waveforms if waveform is not None}
    if len(units) != 1:
        raise FormatError(
            f"{path}: waveforms in {', '.join(sorted(units)) or 'nothing'}; a file has "
            "currents, or voltages"
        )
    n_channels = enough_channels(len(waveforms), n_channels)
    lines = lines_of_header(n_channels, units.pop())
    for channel, waveform in enumerate(waveforms):
        if waveform is not None:
            lines += ["", *lines_of_channel(channel, waveform)]
    for syncout, runs in sorted((syncouts or {}).items()):
        lines += ["", *_head(n_channels + syncout)]
        lines += [f"{level}\t{duration_us}" for level, duration_us in runs]
    with atomic_path(path) as temporary:
        temporary.write_bytes("".join(line + NEW_LINE for line in lines).encode())


def check_suffix(path: Path) -> None:
    """Raise `FormatError` unless a path ends as the program wants it."""
    if path.suffix.lower() != ".dat":
        raise FormatError(f"{path}: stimulus files of MC_Stimulus II end in .dat")


def enough_channels(n_used: int, n_channels: int | None) -> int:
    """Return the number of channels to write, at least as many as are used."""
    if n_channels is None:
        return next((n for n in USUAL_CHANNELS if n >= n_used), n_used)
    if n_channels < n_used:
        raise FormatError(f"{n_used} waveforms for {n_channels} channels")
    return n_channels


def lines_of_header(n_channels: int, unit: str = "nA") -> list[str]:
    """Return the lines that a file begins with."""
    mode = {unit: mode for mode, unit in UNITS.items()}[unit]
    return [
        FIRST_LINE,
        f"{VERSION} {WRITTEN_VERSION}",
        "",
        f"channels: {n_channels}",
        "",
        f"output mode: {mode}",
        "",
        f"format: {WRITTEN_FORMAT}",
    ]


def lines_of_channel(channel: int, waveform: Waveform) -> list[str]:
    """Return the lines of one channel, from 0 on: µA or mV, and µs."""
    runs = zip(
        waveform.amplitudes.tolist(), waveform.durations_us.tolist(), strict=True
    )
    return _head(channel) + [f"{_text(value)}\t{time_us}" for value, time_us in runs]


def _head(channel: int) -> list[str]:
    return [f"channel: {channel + 1}", "", "value\ttime"]


def _text(amplitude: int) -> str:
    """Return nA in µA, or µV in mV, with all of its digits and no more."""
    return f"{(Decimal(amplitude) / PER_VALUE).normalize():f}"
