"""Opens a file in a child process with little time and memory: how does it end?"""

import faulthandler
import json
import logging
import os
import re
import resource
import signal
import time
import traceback
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

import circus_io
from circus_io.errors import CircusError

__all__ = ["Outcome", "go_through", "try_file"]

MOST_S = 1.0  # of computing, by the clock of the process
MOST_BYTES = 200 * 2**20  # beyond what the process has before
HANGS_S = 60  # without computing
OURS = Path(circus_io.__file__).parent

READ, REFUSED, FOUND, LIBRARY = "read", "refused", "found", "library"


@dataclass(frozen=True)
class Outcome:
    """How opening and reading a file ended.

    Attributes
    ----------
    kind : str
        ``read``: with values. ``refused``: with one of our errors. ``found``:
        otherwise, which should not be. ``library``: otherwise, but inside of a library
        that parses this format, where we cannot help it.
    why : str
        The error, or what ended the process.
    seconds, megabytes : float
        What it took.
    """

    kind: str
    why: str = ""
    seconds: float = 0.0
    megabytes: float = 0.0


def try_file(
    file_format: str, path: Path, params: Mapping[str, Any], library: str = ""
) -> Outcome:
    """Open a recording and read from it, in a child process.

    Parameters
    ----------
    file_format : str
    path : path
    params : mapping
        Of the format.
    library : str
        What parses the format, if that is not circus_io.
    """
    reading, writing = os.pipe()
    last_words = path.with_name("last_words.txt")
    process = os.fork()
    if not process:
        os.close(reading)
        _in_child(writing, last_words, file_format, path, params)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if said:
        return Outcome(**json.loads(said))
    return _ended(status, last_words.read_text(), library)


def _in_child(writing: int, last_words: Path, *arguments: Any) -> NoReturn:
    try:
        with last_words.open("w") as file:
            pages_before = _set_limits(file)
            start = time.process_time()
            kind, why = _read_some(*arguments)
            spent = time.process_time() - start
            signal.setitimer(signal.ITIMER_PROF, 0)
            grown = (_pages("VmPeak") - pages_before) / 2**20
        outcome = Outcome(kind, why, spent, grown)
        os.write(writing, json.dumps(asdict(outcome)).encode())
    finally:
        os._exit(0)


def _set_limits(last_words: Any) -> int:
    """Limit time and memory of this process; return how much it has."""
    has = _pages("VmSize")
    resource.setrlimit(resource.RLIMIT_AS, (has + MOST_BYTES, has + MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.disable()
    faulthandler.enable(last_words)
    for name in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(name, signal.SIG_DFL)
        faulthandler.register(name, last_words, chain=True)
    signal.setitimer(signal.ITIMER_PROF, MOST_S)
    signal.alarm(HANGS_S)
    return has


def _pages(name: str) -> int:
    """Return an amount of memory of this process in bytes."""
    status = Path("/proc/self/status").read_text("ascii")
    return 1024 * int(re.search(rf"{name}:\s+(\d+)", status)[1])


def _read_some(
    file_format: str, path: Path, params: Mapping[str, Any]
) -> tuple[str, str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            go_through(file_format, path, params)
    except CircusError as error:
        return REFUSED, f"{type(error).__name__}: {error}"
    except BaseException as error:  # whatever it is, it is not ours
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if OURS in Path(frame.filename).parents]
        where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"
        return FOUND, f"{type(error).__name__} at {where}: {error}"
    return READ, ""


def go_through(file_format: str, path: Path, params: Mapping[str, Any]) -> None:
    """Do what a reader does: both ends, some channels, events, all that is said."""
    with circus_io.open_recording(path, file_format, **params) as recording:
        repr(recording)
        _ = recording.channel_labels, recording.channel_positions, recording.metadata
        for stream in [*recording.streams[:3], recording.streams[-1]]:
            n_frames = len(stream)
            stream.read_chunk(0, min(max(n_frames, 1), 500))
            stream.read_chunk(0, 50, (n_frames - 50, n_frames - 50))
            stream.read_chunk(0, 100, nodes=[recording.nb_channels - 1, 0])
        recording.read_events()


def _ended(status: int, last_words: str, library: str) -> Outcome:
    """Say what ended a child that said nothing itself."""
    reasons = {
        signal.SIGPROF: f"more than {MOST_S:g} s of computing",
        signal.SIGALRM: f"no end after {HANGS_S} s",
    }
    name = signal.Signals(-status) if status < 0 else None
    reason = reasons.get(name) or (name.name if name else f"exit status {status}")
    innermost = re.search(r'File "([^"]+)", line (\d+)', last_words)
    place = Path(innermost[1]) if innermost else Path("?")
    where = f"{place.parent.name}/{place.name}:{innermost[2]}" if innermost else "?"
    # compiled code has no frames of its own: a crash is the library's
    crashed = name is not None and name not in reasons
    theirs = library and (crashed or OURS not in place.parents)
    return Outcome(LIBRARY if theirs else FOUND, f"{reason} at {where}", MOST_S)
