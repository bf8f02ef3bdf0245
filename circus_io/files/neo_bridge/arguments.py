"""What neo has to be given to read a path: files, folders and options."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from circus_io.errors import FormatError
from circus_io.files.neo_bridge.catalogue import NeoFormat
from circus_io.files.neo_bridge.companions import files_of_line, lines_of
from circus_io.files.neo_bridge.layout import count

__all__ = ["WITH_GAPS", "arguments_of", "stream_in_name"]

NCS_HEADER_BYTES = 16384
RATE = re.compile(rb"-SamplingFrequency\s+([\d.]+)")


def arguments_of(
    row: NeoFormat, path: Path, params: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments of the class of neo.

    Parameters
    ----------
    row : NeoFormat
    path : Path
        File or folder that was given.
    params : mapping
        Fields of the format.

    Raises
    ------
    FormatError
        A field has no valid value.
    """
    special = SPECIAL.get(row.reader)
    if special is not None:
        arguments = special(path, params)
    elif row.is_folder:
        arguments = {"dirname": str(path if path.is_dir() else path.parent)}
    else:
        arguments = {"filename": str(path)}
    if row.reader in WITH_GAPS:
        given = _tolerance(str(params.get("gap_tolerance_ms", "")))
        smallest = WITH_GAPS[row.reader](arguments)
        arguments["gap_tolerance_ms"] = smallest if given is None else given
    return arguments


def stream_in_name(row: NeoFormat, path: Path, params: Mapping[str, Any]) -> str:
    """Return the stream that the name of the file or a field of old files means."""
    if row.reader == "BlackrockRawIO":
        return path.suffix[-1]
    well = str(params.get("well", "")).removeprefix("well")
    return f"well{int(well):03}" if well.isdecimal() else well


def _tolerance(text: str) -> float | None:
    if not text:
        return None
    try:
        tolerance = float(text)
    except ValueError:
        tolerance = -1
    if not tolerance >= 0:
        raise FormatError(
            f"gap_tolerance_ms = {text}: expected milliseconds, 0 or more"
        )
    return tolerance


def _neuralynx(path: Path, params: Mapping[str, Any]) -> dict[str, Any]:
    """Read a folder, or the files that are the channels of one recording.

    With a file, these are the files of the folder whose names differ from it only in a
    number at the end (CSC1, CSC2; not CSC1_0001, which is a later part of CSC1), or
    hold ``ncs_pattern``, or stand in line ``idx_mapping`` of ``mapping_file``; and the
    events.
    """
    pattern = str(params.get("ncs_pattern", ""))
    listed = str(params.get("mapping_file", ""))
    if listed:
        chosen = _line(Path(listed), str(params.get("idx_mapping") or 0))
        return _channels_and_events(chosen)
    if path.is_dir() and not pattern:
        return {"dirname": str(path)}
    folder = path if path.is_dir() else path.parent
    files = [file for file in folder.iterdir() if file.suffix.lower() == ".ncs"]
    if pattern:
        chosen = [file for file in files if pattern in file.name]
    else:
        head = _without_number(path)
        chosen = [file for file in files if _without_number(file) == head]
    if not chosen:
        raise FormatError(f"no .ncs file in {folder.name} has {pattern} in its name")
    return _channels_and_events(chosen)


def _line(mapping_file: Path, number: str) -> list[Path]:
    """Return the files of a line of the list."""
    lines = lines_of(mapping_file)
    index = count(number, len(lines), "idx_mapping", mapping_file.name)
    return files_of_line(lines[index], mapping_file.parent)


def _channels_and_events(chosen: Sequence[Path]) -> dict[str, Any]:
    folder = chosen[0].parent
    events = [file for file in folder.iterdir() if file.suffix.lower() == ".nev"]
    names = sorted((file.name for file in chosen), key=_by_number)
    return {
        "dirname": str(folder),
        "include_filenames": [*names, *sorted(file.name for file in events)],
    }


def _without_number(path: Path) -> str:
    """Return the stem without a number at its end that no ``_`` stands before."""
    return re.sub(r"(?<=[^\W_\d])\d+$", "", path.stem)


def _by_number(name: str) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _maxwell(path: Path, params: Mapping[str, Any]) -> dict[str, Any]:
    return {"filename": str(path), "rec_name": str(params.get("rec_name", "")) or None}


def _plexon(path: Path, params: Mapping[str, Any]) -> dict[str, Any]:
    return {"filename": str(path), "progress_bar": False}


def _tdt(path: Path, params: Mapping[str, Any]) -> dict[str, Any]:
    """Read one block by its list of stores, or the tank of several."""
    folder = path if path.is_dir() else path.parent
    stores = [file for file in folder.iterdir() if file.suffix.lower() == ".tbk"]
    return {"dirname": str(stores[0] if stores else folder)}


def _alpha_omega(path: Path, params: Mapping[str, Any]) -> dict[str, Any]:
    if path.suffix.lower() == ".lsx":
        return {"dirname": str(path.parent), "lsx_files": [path.name]}
    return {"dirname": str(path if path.is_dir() else path.parent)}


def _med(path: Path, params: Mapping[str, Any]) -> dict[str, Any]:
    return {"dirname": str(path)}


SPECIAL: Mapping[str, Callable[[Path, Mapping[str, Any]], dict[str, Any]]] = {
    "AlphaOmegaRawIO": _alpha_omega,
    "MaxwellRawIO": _maxwell,
    "MedRawIO": _med,
    "NeuralynxRawIO": _neuralynx,
    "PlexonRawIO": _plexon,
    "TdtRawIO": _tdt,
}


def _half_a_sample(arguments: Mapping[str, Any]) -> float:
    """Return what the stamps of .ncs files may jitter by without a missing sample, ms.

    neo 0.14.6 takes 1 µs for a gap in files of some recorders.
    """
    folder = Path(arguments["dirname"])
    names = arguments.get("include_filenames") or sorted(
        file.name for file in folder.iterdir() if file.suffix.lower() == ".ncs"
    )
    for name in names:
        with (folder / name).open("rb") as file:
            found = RATE.search(file.read(NCS_HEADER_BYTES))
        if found and float(found[1]) > 0:
            return 500 / float(found[1])
    return 0.0


# readers with gap_tolerance_ms, and its default
WITH_GAPS: Mapping[str, Callable[[Mapping[str, Any]], float]] = {
    "BlackrockRawIO": lambda arguments: 0.0,
    "NeuralynxRawIO": _half_a_sample,
}
