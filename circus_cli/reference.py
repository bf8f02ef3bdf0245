"""The reference page of the command line, made from the commands themselves.

``python -m circus_cli.reference > docs/reference/cli.md`` renews it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer

from circus_cli.main import app
from circus_cli.steps import ABSENT_STEPS, CLASSIC_CLUSTERING, STEPS

__all__ = ["cli_markdown"]

HEAD = """# Command line

This page is made from the commands themselves; `circus COMMAND --help` says the same.
`circus RECORDING ...` is short for `circus sort RECORDING ...`.

Exit status: 0 done, 1 a bug in circus (`--debug` shows all of it), 2 wrong usage,
3 wrong input, 4 a step failed, 130 interrupted (a sort then goes on where it was).
Errors are one line each on the standard error, which also shows the progress; tables
and places of results go to the standard output.
"""


def cli_markdown() -> str:
    """Return the page: every command with its options and examples, and the steps."""
    group = typer.main.get_command(app)
    return "\n".join([HEAD, *_sections(group, ""), _steps()])


def _sections(group: Any, before: str) -> Iterator[str]:
    """Yield what there is to say of each command, those of groups after their group."""
    for name, command in group.commands.items():
        yield _command(before + name, command)
        if hasattr(command, "commands"):
            yield from _sections(command, f"{before}{name} ")


def _command(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join(["circus", name, *(f"[{_value(p)}]" for p in arguments)])
    lines = [f"## {usage}", "", _paragraphs(command.help), ""]
    rows = list(_rows(command.params))
    if rows:
        lines += ["| option | meaning |", "|---|---|", *rows, ""]
    if command.epilog:
        lines += ["```text", *_example_lines(command.epilog), "```", ""]
    return "\n".join(lines)


def _paragraphs(text: str | None) -> str:
    return "\n".join(line.strip() for line in (text or "").strip().splitlines())


def _rows(params: list[Any]) -> Iterator[str]:
    for param in params:
        if param.param_type_name == "argument":
            yield f"| `{_value(param)}` | {param.help} |"
        elif "--help" not in param.opts:
            names = ", ".join(f"`{name}`" for name in param.opts)
            value = "" if param.is_flag else f" `{_value(param)}`"
            yield f"| {names}{value} | {param.help} |"


def _value(param: Any) -> str:
    return (param.metavar or param.name.upper()).strip("[]")


def _example_lines(epilog: str) -> list[str]:
    lines = epilog.strip().removeprefix("\b").strip().splitlines()
    return [line.strip() for line in lines if line.strip() != "Examples:"]


def _steps() -> str:
    lines = [
        "## Steps of -m",
        "",
        f"In this order: {', '.join(STEPS)}.",
        "",
        f"`clustering` stands for {', '.join(CLASSIC_CLUSTERING)}, as in scripts for",
        "SpyKING CIRCUS, unless one of the other two is named as well. A step that ran",
        "with the same settings on the same recording is not repeated. These steps of",
        "SpyKING CIRCUS do not exist:",
        "",
        "| step | instead |",
        "|---|---|",
        *(f"| `{name}` | {advice} |" for name, advice in ABSENT_STEPS.items()),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(cli_markdown())
