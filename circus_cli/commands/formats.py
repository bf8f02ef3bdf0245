"""``circus formats``: what can be read and written, and what each format needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from circus_cli.console import say_table, show

if TYPE_CHECKING:
    from circus_io.registry import FormatInfo

__all__ = ["EXAMPLES", "formats"]

EXAMPLES = """\b
Examples:
  circus formats                          all formats
  circus formats raw_binary               fields of one
  circus formats ./my_format.py:MyFile    fields of a wrapper of your own
"""


NOT_VERIFIED = "not verified here"  # no test reads what somebody else wrote


def formats(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="One format, in detail; by default all."),
    ] = None,
) -> int:
    """List the file formats, or what one of them needs."""
    if name is None:
        _say_all()
    else:
        _say_one(name)
    return 0


def _say_all() -> None:
    from circus_io.registry import list_formats

    columns = ("format", "rw", "extensions", "stream modes", "required", "extra", "")
    say_table(columns, [_row(info) for info in list_formats()])


def _row(info: FormatInfo) -> tuple[str, ...]:
    if info.error:
        return (info.name, "", "", "", info.error, info.extra or "", "")
    return (
        info.name,
        _access(info.is_writable, info.parallel_write),
        _words(info.extensions, "any"),
        _words(info.stream_modes, "none"),
        _words(info.required_fields, "nothing"),
        info.extra or "",
        "" if info.verified else NOT_VERIFIED,
    )


def _access(is_writable: bool, parallel_write: bool) -> str:
    """Return r, rw, or rw+ for a format that several ranks may write."""
    return ("rw+" if parallel_write else "rw") if is_writable else "r"


def _words(values: object, otherwise: str) -> str:
    return ", ".join(values or ()) or otherwise


def _say_one(name: str) -> None:
    from circus_io.registry import get_format

    wrapper = get_format(name)
    access = _access(wrapper.is_writable, wrapper.parallel_write)
    summary = (wrapper.__doc__ or "").strip()
    lines = [
        f"file_format = {name}",
        *(line.strip() for line in summary.splitlines()),
        "",
        f"access        {ACCESS[access]}",
        f"extensions    {_words(wrapper.extension, 'any')}",
        f"stream modes  {_words(wrapper.is_streamable, 'none')}",
        *([] if wrapper.verified else [f"tests         {NOT_VERIFIED}"]),
    ]
    show("\n".join(lines))
    required = [
        (field, getattr(kind, "__name__", str(kind)), "required")
        for field, kind in wrapper._required_fields.items()
    ]
    defaults = [
        (field, type(value).__name__, f"default {value!r}")
        for field, value in wrapper._default_values.items()
    ]
    fixed = [
        (field, type(value).__name__, f"always {value!r}")
        for field, value in wrapper._params.items()
    ]
    say_table(("key of [data]", "type", ""), [*required, *defaults, *fixed])


ACCESS = {
    "r": "read",
    "rw": "read, write",
    "rw+": "read, write, also by several ranks at once",
}
