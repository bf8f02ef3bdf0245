import os
import subprocess
import sys

import pytest

from circus_cli.console import StepProgress, say_error, say_table
from circus_io.errors import ParameterError, StepError

PROGRESS = """
from circus_cli.console import StepProgress
with StepProgress() as progress:
    for done in range(3):
        progress("whitening", done, 2)
"""


def test_every_problem_of_a_file_is_a_line_that_names_it(capsys):
    say_error(ParameterError("a.params: 2 problems\n  line 1: x\n  - line 2: y"))
    assert capsys.readouterr().err == (
        "error: a.params: line 1: x\nerror: a.params: line 2: y\n"
    )


def test_errors_that_are_not_ours_have_their_type_and_the_rank(capsys):
    say_error(KeyError("x"), rank=3)
    say_error(ValueError())
    assert capsys.readouterr().err == (
        "error (rank 3): KeyError: 'x'\nerror: ValueError: no message\n"
    )


def test_traceback_on_request_has_the_cause(capsys):
    try:
        try:
            raise ZeroDivisionError("first")
        except ZeroDivisionError as error:
            raise StepError("second") from error
    except StepError as error:
        say_error(error, debug=True)
    err = capsys.readouterr().err
    assert err.index("ZeroDivisionError: first") < err.index("StepError: second")
    assert err.endswith("error: second\n")


def test_table_aligns_numbers_and_takes_text_literally(capsys):
    say_table(("name", "n"), [("[red]", 5), ("b", 1234567.891)])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert " [red]              5" in lines
    assert " b       1,234,567.89" in lines


def test_plain_progress_is_one_line_per_finished_step(capsys):
    with StepProgress() as progress:
        for done in (0, 1, 2, 2):
            progress("fitting", done, 2)
    assert progress.step == "fitting"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("fitting: 2 of 2, ")


def test_quiet_progress_still_knows_the_step(capsys):
    with StepProgress(quiet=True) as progress:
        progress("fitting", 1, 1)
    assert (progress.step, capsys.readouterr().err) == ("fitting", "")


def read_all(descriptor):
    text = b""
    try:
        while piece := os.read(descriptor, 4096):
            text += piece
    except OSError:  # how Linux ends a terminal without writers
        pass
    return text.decode()


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_progress_at_a_terminal_is_a_bar():
    ours, theirs = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRESS], stderr=theirs, env=environment
    )
    os.close(theirs)
    text = read_all(ours)
    os.close(ours)
    assert process.wait(timeout=30) == 0
    assert "\x1b[" in text
    assert "whitening" in text
    assert "━" in text


def test_rank_behind_a_pipe_draws_a_bar_of_the_width_it_is_told():
    done = subprocess.run(
        [sys.executable, "-c", PROGRESS],
        capture_output=True,
        env={**os.environ, "CIRCUS_TERMINAL_COLUMNS": "60", "TERM": "xterm"},
        timeout=60,
    )
    assert "━" in done.stderr.decode()


@pytest.mark.parametrize("variable", ["PMI", "OMPI_COMM_WORLD"])
def test_other_ranks_are_silent(variable):
    launched = {f"{variable}_SIZE": "2", f"{variable}_RANK": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRESS],
        capture_output=True,
        env={**os.environ, **launched},
        timeout=60,
    )
    assert (done.stdout, done.stderr) == (b"", b"")
