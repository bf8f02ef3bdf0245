"""A program that damages recordings and reads them: values, or one of our errors?

A file is changed at random (bytes flipped, numbers made huge or negative, pieces lost,
cut off anywhere), opened and read in a child process with little time and memory. Tests
do it a few times, with the fixture `fuzz`; on any file, for as long as you like::

    python tests/fuzz.py recording.h5 --trials 10000
"""

import argparse
import faulthandler
import logging
import os
import pickle
import re
import resource
import signal
import struct
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

import circus_io
from circus_io.datafile import DataFile
from circus_io.errors import CircusError
from circus_io.registry import get_format, guess_format

MOST_S = 1.0
MOST_BYTES = 200 * 2**20
UNFINISHED = "unfinished"
EXTREMES = (0, 1, -1, 2**7, 2**15 - 1, 2**15, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63))


@dataclass(frozen=True)
class Finding:
    """A damaged file that ended in something else than values or our errors.

    Attributes
    ----------
    seed : int
        ``mutate(content, seed, ...)`` makes the file again.
    reason : str
        The error, or the signal that ended the process (SIGPROF: one second of
        computing), with its place.
    in_library : bool
        The process ended inside of a compiled library, where nothing can be caught.
    """

    seed: int
    reason: str
    in_library: bool = False


def mutate(content: bytes, seed: int, n_header_bytes: int | None = None) -> bytes:
    """Return `content` with one to four damages.

    Parameters
    ----------
    content : bytes
    seed : int
        The same seed gives the same damages.
    n_header_bytes : int, optional
        Damages lie in so many bytes at the start; by default anywhere.

    Returns
    -------
    bytes
    """
    rng = np.random.default_rng(seed)
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        limit = min(len(damaged), n_header_bytes or len(damaged))
        if limit > 8:
            damage = DAMAGES[rng.integers(len(DAMAGES))]
            damage(damaged, int(rng.integers(limit)), rng)
    return bytes(damaged)


def _flip(content: bytearray, place: int, rng: np.random.Generator) -> None:
    content[place] ^= 1 << int(rng.integers(8))


def _replace(content: bytearray, place: int, rng: np.random.Generator) -> None:
    content[place] = int(rng.integers(256))


def _exaggerate(content: bytearray, place: int, rng: np.random.Generator) -> None:
    """Put an extreme number of 2, 4 or 8 bytes, mostly where numbers lie."""
    size = int(rng.choice([2, 4, 8]))
    place -= place % 2
    number = EXTREMES[rng.integers(len(EXTREMES))] + int(rng.integers(-1, 2))
    stored = struct.pack("<q", max(min(number, 2**63 - 1), -(2**63)))[:size]
    content[place : place + size] = stored[: len(content) - place]


def _cut_off(content: bytearray, place: int, rng: np.random.Generator) -> None:
    del content[place:]


def _lose(content: bytearray, place: int, rng: np.random.Generator) -> None:
    del content[place : place + int(rng.integers(1, 40))]


def _repeat(content: bytearray, place: int, rng: np.random.Generator) -> None:
    content[place:place] = content[place : place + int(rng.integers(1, 40))]


DAMAGES = (_flip, _flip, _replace, _exaggerate, _exaggerate, _cut_off, _lose, _repeat)


def read_some(wrapper: type[DataFile], path: Path, params: Mapping[str, Any]) -> None:
    """Open a recording and read from both ends, some channels, and its events."""
    with wrapper(path, params) as recording:
        for stream in recording.streams[:3]:
            n_frames = min(len(stream), 500)
            stream.read_chunk(0, max(n_frames, 1))
            stream.read_chunk(0, 50, (len(stream) - 50, len(stream) - 50), [0])
        _ = recording.channel_labels, recording.channel_positions, recording.metadata
        recording.read_events()


def fuzz(
    wrapper: type[DataFile],
    path: str | os.PathLike[str],
    params: Mapping[str, Any] | None = None,
    n_trials: int = 100,
    n_header_bytes: int | None = None,
    first_seed: int = 0,
) -> list[Finding]:
    """Read damaged copies of a file, each within 1 s and 200 MiB.

    Parameters
    ----------
    wrapper : class
    path : path
        A sound file.
    params : mapping, optional
        What the wrapper is given with it.
    n_trials : int
    n_header_bytes : int, optional
        As in `mutate`.
    first_seed : int

    Returns
    -------
    list of Finding
    """
    path = Path(path)
    content = path.read_bytes()
    read_some(wrapper, path, params or {})  # imports are not counted
    findings: list[Finding] = []
    seeds = range(first_seed, first_seed + n_trials)
    with tempfile.TemporaryDirectory() as folder:
        damaged = Path(folder) / path.name
        while seeds:
            trials = _child(
                wrapper, damaged, params or {}, content, seeds, n_header_bytes
            )
            for finding in trials:
                findings += [finding] if finding.reason else []
                seeds = range(finding.seed + 1, seeds.stop)
    return findings


def _child(
    wrapper: type[DataFile],
    damaged: Path,
    params: Mapping[str, Any],
    content: bytes,
    seeds: range,
    n_header_bytes: int | None,
) -> Iterator[Finding]:
    """Yield the outcome of each trial, until a child process dies of one."""
    reading, writing = os.pipe()
    last_words = damaged.with_name("last_words.txt")
    process = os.fork()
    if process == 0:
        status = 1
        try:
            os.close(reading)
            with (
                os.fdopen(writing, "wb", buffering=0) as pipe,
                last_words.open("w") as file,
            ):
                _prepare(file)
                for seed in seeds:
                    damaged.write_bytes(mutate(content, seed, n_header_bytes))
                    pickle.dump(Finding(seed, UNFINISHED), pipe)
                    pickle.dump(Finding(seed, _try(wrapper, damaged, params)), pipe)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    finding = Finding(seeds[0], "")
    with os.fdopen(reading, "rb") as pipe, suppress(EOFError):
        while True:
            finding = pickle.load(pipe)
            if finding.reason != UNFINISHED:
                yield finding
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if status:
        ended = signal.Signals(-status).name if status < 0 else f"status {status}"
        place, in_library = _innermost(last_words.read_text())
        yield Finding(finding.seed, f"{ended} at {place}", in_library)


def _prepare(file: TextIO) -> None:
    """Limit the memory of this process, and let it say where it ends."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    most = pages * resource.getpagesize() + MOST_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    logging.disable()
    faulthandler.enable(file)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    faulthandler.register(signal.SIGPROF, file, chain=True)


def _innermost(words: str) -> tuple[str, bool]:
    """Return the innermost place of a traceback, and whether it is not ours."""
    found = re.search(r'File "([^"]+)", line (\d+)', words)
    if not found:
        return "an unknown place", True
    path = Path(found[1])
    ours = Path(circus_io.__file__).parent in path.parents
    return f"{path.parent.name}/{path.name}:{found[2]}", not ours


def _try(wrapper: type[DataFile], damaged: Path, params: Mapping[str, Any]) -> str:
    """Read a damaged file; return why that is a finding, or nothing."""
    signal.setitimer(signal.ITIMER_PROF, MOST_S)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read_some(wrapper, damaged, params)
    except CircusError:
        pass
    except BaseException as error:  # whatever it is, it is not ours
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        return f"{type(error).__name__} at {where}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return ""


def main(argv: list[str] | None = None) -> int:
    """Fuzz a file; print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--format", help="by default that of the file")
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--header-bytes", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE")
    given = parser.parse_args(argv)
    wrapper = get_format(given.format or guess_format(given.path))
    params = dict(item.split("=", 1) for item in given.param)
    findings = fuzz(
        wrapper, given.path, params, given.trials, given.header_bytes, given.seed
    )
    for finding in findings:
        where = " (in a library)" if finding.in_library else ""
        print(f"seed {finding.seed}: {finding.reason}{where}")
    ours = [finding for finding in findings if not finding.in_library]
    n_theirs = len(findings) - len(ours)
    print(f"{given.trials} trials: {len(ours)} findings, {n_theirs} in libraries")
    return 1 if ours else 0


if __name__ == "__main__":
    sys.exit(main())
