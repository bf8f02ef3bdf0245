"""The recording that a command reads, and what is known about its format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from circus_cli.errors import UsageError
from circus_cli.first_try import open_with_care
from circus_cli.job import (
    named_files,
    named_recording,
    open_job_recording,
    refuse_probes,
)
from circus_io.errors import CircusError, RecordingNotFoundError
from circus_io.messages import print_and_log

if TYPE_CHECKING:
    from circus_io.datafile import DataFile
    from circus_io.params import Parameters

__all__ = ["Source", "told_format"]


@dataclass(frozen=True)
class Source:
    """A recording, as it is named on a command line.

    Attributes
    ----------
    path : Path
        The recording, a pattern, or a parameter file that names it.
    parameter_file : Path, optional
        By default the ``.params`` file beside the recording, unless the file itself
        tells that it is of another format.
    settings : tuple of str
        ``key=value`` of ``[data]``; they come before what the parameter file says.
    """

    path: Path
    parameter_file: Path | None = None
    settings: tuple[str, ...] = ()

    def open(self) -> DataFile:
        """Open the recording for reading.

        Raises
        ------
        CircusError
            It is not there, or what is known does not suffice to read it.
        """
        parameters = self._parameters()
        files = self.files(parameters)
        if parameters is not None:
            return open_job_recording(files, parameters)
        file_format = self.values().get("file_format")
        opening = partial(self._open_by_content, files)
        return open_with_care(files[0], file_format, opening)

    def files(self, parameters: Parameters | None = None) -> tuple[Path, ...]:
        """Return the files that are named.

        Raises
        ------
        RecordingNotFoundError
            There are none.
        """
        if self._is_parameter_file() and parameters is not None:
            return named_recording(self.path, parameters)
        files = named_files(self.path)
        if not files:
            raise RecordingNotFoundError(f"there is no recording at {self.path}")
        refuse_probes(files)
        return files

    def values(self) -> dict[str, str]:
        """Return the settings by their key.

        Raises
        ------
        UsageError
            One has another form.
        """
        values = {}
        for text in self.settings:
            key, equals, value = text.partition("=")
            key = key.strip().removeprefix("data.")
            if not (equals and key) or "." in key:
                raise UsageError(
                    f"--set {text}: expected key=value of [data], as in --set "
                    "nb_channels=4"
                )
            values[key] = value.strip()
        return values

    def arguments(self) -> list[str]:
        """Return the options of a command line that names the same recording."""
        given = [f"--set={text}" for text in self.settings]
        if self.parameter_file is not None:
            given.append(f"--params={self.parameter_file}")
        return given

    def _is_parameter_file(self) -> bool:
        return self.path.suffix.lower() == ".params" and self.path.exists()

    def _parameters(self) -> Parameters | None:
        """Read the parameter file, if there is one for this recording."""
        from circus_io.params import read_params

        values = {f"data.{key}": value for key, value in self.values().items()}
        if self._is_parameter_file():
            return read_params(self.path, values)
        if self.parameter_file is not None:
            return read_params(self.parameter_file, values)
        files = named_files(self.path)
        beside = files[0].with_suffix(".params") if files else None
        if beside is None or not beside.is_file():
            return None
        parameters = read_params(beside, values)
        return parameters if self._belongs(parameters, files[0], beside) else None

    def _belongs(self, parameters: Parameters, path: Path, beside: Path) -> bool:
        """Tell whether a parameter file of the same stem is about this recording."""
        told = told_format(path)
        named = parameters.data.file_format
        if told in (None, named) or "file_format" in self.values():
            return True
        print_and_log([f"{beside} is not used: it is about {named}, {path} is {told}"])
        return False

    def _open_by_content(self, files: Sequence[Path]) -> DataFile:
        import circus_io
        from circus_io.conversion.report import reading_of

        values: dict[str, Any] = self.values()
        if len(files) == 1 and "file_format" not in values:
            values = {**reading_of(files[0]), **values}
        file_format = values.pop("file_format", None)
        stream_mode = values.pop("stream_mode", None)
        path = list(files) if len(files) > 1 else files[0]
        return circus_io.open_recording(path, file_format, stream_mode, **values)


def told_format(path: Path) -> str | None:
    """Return the format that the name and content of a file tell, if they do."""
    from circus_io.registry import guess_format

    try:
        return guess_format(path)
    except CircusError:
        return None
