"""What goes wrong inside of neo becomes an error of ours, with names and versions."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from circus_io.errors import CircusError, FormatError, MissingDependencyError

__all__ = ["logging_what_neo_says", "named_neo_failures", "say_reader"]

logger = logging.getLogger(__name__)

# libraries of single formats, which the extra does not bring
OPTIONAL = ("MEArec", "dhn_med_py", "sonpy")


@cache
def say_reader(reader: str) -> str:
    """Return neo, its version and the reader, for messages."""
    try:
        return f"neo {version('neo')} ({reader})"
    except PackageNotFoundError:
        return f"neo, which is not installed ({reader}),"


@contextmanager
def named_neo_failures(reader: str, path: str) -> Iterator[None]:
    """Turn what a reader of neo raises into errors of ours.

    Parameters
    ----------
    reader : str
        Class of neo that runs inside of ``with``.
    path : str
        What it reads.

    Raises
    ------
    MissingDependencyError
        A library that neo needs for this format is not installed.
    FormatError
        Anything else; PermissionError passes, it is not of neo.
    """
    try:
        yield
    except (CircusError, PermissionError):
        raise
    except ImportError as error:
        where, name = say_reader(reader), Path(path).name
        library = (error.name or "a library").partition(".")[0]
        wanted = library if library in OPTIONAL else "'circus-toolkit[neo]'"
        raise MissingDependencyError(
            f"{where} cannot read {name}: {error}; install what it needs with: pip "
            f"install {wanted}"
        ) from error
    except Exception as error:
        where, name = say_reader(reader), Path(path).name
        raise FormatError(
            f"{where} cannot read {name}: {type(error).__name__}: {_shortened(error)}"
        ) from error


@contextmanager
def logging_what_neo_says(reader: str, path: str) -> Iterator[None]:
    """Log what a reader warns of and prints: libraries do not print here."""
    where = f"{say_reader(reader)}, {Path(path).name}"
    # neo would add a handler of its own, which writes to the console
    logging.getLogger("neo").addHandler(logging.NullHandler())
    printed = io.StringIO()
    with warnings.catch_warnings(record=True) as caught, redirect_stdout(printed):
        warnings.simplefilter("always")
        try:
            yield
        finally:
            said = [str(item.message) for item in caught if _is_news(item.category)]
            for message in dict.fromkeys([*said, *printed.getvalue().splitlines()]):
                if message.strip("* "):
                    logger.info("%s: %s", where, _shortened(message))


def _is_news(category: type[Warning]) -> bool:
    """Tell whether a warning is of the recording, and not of how neo is written."""
    of_code = DeprecationWarning, PendingDeprecationWarning, FutureWarning
    return not issubclass(category, (*of_code, ResourceWarning))


def _shortened(message: object, most: int = 600) -> str:
    text = " ".join(str(message).split())
    return text if len(text) <= most else f"{text[:most]} ..."
