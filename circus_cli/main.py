"""The command ``circus``: reads its arguments, calls a command, gives an exit status.

Exit status: 0 done, 1 a bug in circus, 2 wrong usage, 3 wrong input, 4 a step failed,
130 interrupted. `run` is the only place that exits.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from glob import has_magic
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from circus_cli.commands.convert import EXAMPLES as CONVERT_EXAMPLES
from circus_cli.commands.convert import convert
from circus_cli.commands.demo import demo
from circus_cli.commands.formats import EXAMPLES as FORMATS_EXAMPLES
from circus_cli.commands.formats import formats
from circus_cli.commands.info import EXAMPLES as INFO_EXAMPLES
from circus_cli.commands.info import info
from circus_cli.commands.live import EXAMPLES as LIVE_EXAMPLES
from circus_cli.commands.live import live
from circus_cli.commands.meame_server import EXAMPLES as MEAME_SERVER_EXAMPLES
from circus_cli.commands.meame_server import meame_server
from circus_cli.commands.params import EXAMPLES as PARAMS_EXAMPLES
from circus_cli.commands.params import params
from circus_cli.commands.recover import EXAMPLES as RECOVER_EXAMPLES
from circus_cli.commands.recover import recover
from circus_cli.commands.sample import EXAMPLES as SAMPLE_EXAMPLES
from circus_cli.commands.sample import sample
from circus_cli.commands.sort import EXAMPLES as SORT_EXAMPLES
from circus_cli.commands.sort import sort
from circus_cli.commands.stim import EXAMPLES as STIM_EXAMPLES
from circus_cli.commands.stim import group as stim
from circus_cli.console import logs_shown, say_error, show
from circus_cli.errors import UsageError, as_input_error
from circus_cli.interrupt import listen, was_interrupted
from circus_io.errors import CircusError
from circus_io.parallel import launched_rank, set_thread_variables

__all__ = ["app", "main", "run"]

DEMO_EXAMPLES = """\b
Examples:
  circus demo             two minutes of 64 channels, in ./circus-demo
  circus demo try --quick a smaller one, in ./try
"""

app = typer.Typer(
    name="circus",
    help="Sort the spikes of extracellular recordings.",
    epilog="Exit status: 0 done, 1 a bug in circus, 2 wrong usage, 3 wrong input, "
    "4 a step failed, 130 interrupted.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS = {
    "sort": (sort, SORT_EXAMPLES),
    "info": (info, INFO_EXAMPLES),
    "convert": (convert, CONVERT_EXAMPLES),
    "formats": (formats, FORMATS_EXAMPLES),
    "params": (params, PARAMS_EXAMPLES),
    "demo": (demo, DEMO_EXAMPLES),
    "live": (live, LIVE_EXAMPLES),
    "recover": (recover, RECOVER_EXAMPLES),
    "sample": (sample, SAMPLE_EXAMPLES),
    "meame-server": (meame_server, MEAME_SERVER_EXAMPLES),
    "stim": (stim, STIM_EXAMPLES),
}
for _name, (_command, _examples) in COMMANDS.items():
    if isinstance(_command, typer.Typer):
        app.add_typer(_command, name=_name, epilog=_examples)
        continue
    # what is left over is named in an error, with what to do instead
    app.command(
        _name,
        epilog=_examples,
        context_settings={"allow_extra_args": _command is sort},
    )(_command)

# typer carries its own copy of click, or not, depending on its version
_TyperUsageError = typer.BadParameter.__base__


def _print_version(asked: bool) -> None:
    if asked:
        show(f"circus-toolkit {version('circus-toolkit')}")
        raise typer.Exit


@app.callback(
    help="Sort the spikes of extracellular recordings.\n\n"
    "circus RECORDING is short for circus sort RECORDING.\n\n"
    "A first sort: circus demo"
)
def _circus(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version and exit.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Hold the options before the command."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; nothing is raised but bugs of tests.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after ``circus``; those of this process by default.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug, quiet = "--debug" in arguments, "--quiet" in arguments
    try:
        with logs_shown(debug=debug, quiet=quiet):
            return _call(_with_command(arguments)) or 0
    except typer.Exit as finished:
        return finished.exit_code
    except _TyperUsageError as error:
        return _fail(UsageError(_usage_message(error, arguments)), debug=False)
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        return _fail(error, debug=debug)


def _call(arguments: list[str]) -> int | None:
    """Call a command; its ``main`` would make an interrupt a status without a word."""
    group = typer.main.get_command(app)
    with group.make_context("circus", arguments) as context:
        return group.invoke(context)


def _with_command(arguments: list[str]) -> list[str]:
    """Put ``sort`` in front where a recording or an option of sort comes first."""
    if not arguments:
        return ["--help"]
    if arguments[0] in COMMANDS:
        return arguments
    first = arguments[0]
    if first in ("--version", "--help", "-h"):
        return arguments
    if first.startswith("-") or _is_for_sort(first, arguments):
        return ["sort", *arguments]
    near = get_close_matches(first, COMMANDS, n=1)
    hint = f"; did you mean circus {near[0]}?" if near else ""
    raise UsageError(
        f"{first} is neither a file nor a command{hint}; commands are: "
        f"{', '.join(COMMANDS)}"
    )


def _is_for_sort(first: str, arguments: list[str]) -> bool:
    """Tell a path, or the format name of ``circus raw_binary -i``, from a command."""
    path = Path(first)
    looks_like_path = path.exists() or path.suffix or has_magic(first) or "/" in first
    return bool(looks_like_path) or bool({"-i", "--info"} & set(arguments))


def _usage_message(error: Exception, arguments: list[str]) -> str:
    context = getattr(error, "ctx", None)
    name = next((word for word in arguments[:1] if word in COMMANDS), "sort")
    command = context.command_path if context else f"circus {name}"
    return f"{error.format_message().rstrip('.')}; see: {command} --help"


def _fail(error: BaseException, *, debug: bool) -> int:
    """Report on rank 0 and return the exit status of the error."""
    if was_interrupted():  # whatever a library made of it
        error = KeyboardInterrupt()
    if launched_rank() == 0:
        say_error(error, debug=debug)
    if isinstance(error, KeyboardInterrupt):
        return 130
    error = as_input_error(error)
    if isinstance(error, CircusError):
        return error.exit_status
    return 3 if isinstance(error, OSError) else 1


def run() -> None:
    """Run the command line of this process and exit with its status."""
    listen()
    set_thread_variables()  # before numpy is loaded
    sys.exit(main())
