"""What wrappers and libraries say to the user: ordinary logging underneath.

Libraries never print. They log below ``circus_io`` and ``sorting``; a program decides
where that goes (`circus` shows it on the console of rank 0).
"""

import logging
from collections.abc import Iterable

__all__ = ["print_and_log"]

LEVELS = {
    "debug": logging.DEBUG,
    "default": logging.INFO,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def print_and_log(
    list_of_lines: Iterable[str] | str,
    level: str = "default",
    logger: logging.Logger | None = None,
) -> None:
    """Log each line, under the name that wrappers of SpyKING CIRCUS know.

    Parameters
    ----------
    list_of_lines : iterable of str, or str
        One log record per line.
    level : {'default', 'debug', 'info', 'warning', 'error'}
        ``'default'`` is ``'info'``.
    logger : logging.Logger, optional
        Where to; by default the logger ``circus_io``.

    Raises
    ------
    ValueError
        `level` is none of the five.
    """
    if level not in LEVELS:
        raise ValueError(f"unknown level {level!r}; choose from {', '.join(LEVELS)}")
    lines = [list_of_lines] if isinstance(list_of_lines, str) else list_of_lines
    logger = logger or logging.getLogger("circus_io")
    for line in lines:
        logger.log(LEVELS[level], "%s", line)
