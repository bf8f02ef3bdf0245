import pytest

from circus_cli.commands.batch import read_batch
from circus_cli.errors import UsageError
from circus_io.errors import RecordingNotFoundError


def test_lines_are_quoted_as_in_a_shell(tmp_path):
    path = tmp_path / "batch.txt"
    path.write_text(
        "# all of Monday\n"
        "\n"
        "'a folder/rec 1.dat' -c 2 # a comment is an argument in a shell script only\n"
        'spyking-circus "b.dat" -m filtering,whitening\n'
        "  circus c.dat --set 'detection.dead_channels={1: [2]}'\n"
    )
    first, second, third = read_batch(path)
    assert first.number == 3
    assert first.arguments[:3] == ("a folder/rec 1.dat", "-c", "2")
    assert second.arguments == ("b.dat", "-m", "filtering,whitening")
    assert third.arguments[-1] == "detection.dead_channels={1: [2]}"


def test_open_quote_names_the_line(tmp_path):
    path = tmp_path / "batch.txt"
    path.write_text("a.dat\n'b.dat -c 2\n")
    with pytest.raises(UsageError, match=r"batch.txt, line 2: .*'b.dat"):
        read_batch(path)


def test_batch_without_commands(tmp_path):
    path = tmp_path / "batch.txt"
    path.write_text("# nothing\n\n")
    with pytest.raises(UsageError, match="no command lines"):
        read_batch(path)


def test_batch_file_that_does_not_exist(tmp_path):
    with pytest.raises(RecordingNotFoundError, match="no batch file"):
        read_batch(tmp_path / "absent.txt")


def rows(outcome):
    return [
        line.split()[:2]
        for line in outcome.out.splitlines()
        if line.split()[:1] and line.split()[0].isdigit()
    ]


@pytest.fixture
def batch(folder):
    (folder / "batch.txt").write_text(
        "rec.dat -c 1 -m filtering --quiet --output-dir 'first one'\n"
        "absent.dat\n"
        "rec.dat -c 1 -m filtering --quiet --output-dir third\n"
    )
    return folder


def test_batch_stops_at_the_first_failure(circus, batch):
    outcome = circus("batch.txt", "-b")
    assert outcome.status == 3
    assert outcome.errors == ["error: there is no recording at absent.dat"]
    assert rows(outcome) == [["1", "done"], ["2", "failed"]]
    assert "1 left" in outcome.err
    assert (batch / "first one").is_dir()
    assert not (batch / "third").exists()


def test_batch_keeps_going_if_asked_and_still_fails(circus, batch):
    outcome = circus("batch.txt", "--batch", "--keep-going")
    assert outcome.status == 3
    assert rows(outcome) == [["1", "done"], ["2", "failed"], ["3", "done"]]
    assert (batch / "third").is_dir()


def test_batch_that_succeeds(circus, batch):
    text = (batch / "batch.txt").read_text()
    (batch / "batch.txt").write_text(text.replace("absent.dat", "--version"))
    outcome = circus("batch.txt", "-b")
    assert outcome.status == 0
    assert [row[1] for row in rows(outcome)] == ["done"] * 3


def test_batch_under_mpiexec_is_refused(circus, batch, monkeypatch):
    monkeypatch.setenv("PMI_SIZE", "2")
    outcome = circus("batch.txt", "-b")
    assert outcome.status == 2
    assert "without mpiexec" in outcome.error


@pytest.mark.parametrize("flag", ["-b", "--batch"])
def test_batch_in_a_batch_is_refused_before_anything_runs(circus, folder, flag):
    (folder / "self.txt").write_text(f"rec.dat -c 1\nself.txt {flag}\n")
    outcome = circus("self.txt", "-b")
    assert outcome.status == 2
    assert "self.txt, line 2: -b within a batch" in outcome.error
    assert not (folder / "rec").exists()


@pytest.mark.parametrize("content", [b"\0" * 10, b"rec.dat # \xff\n", b"#" * 2**21])
def test_what_is_no_file_of_command_lines(circus, folder, content):
    (folder / "x.dat").write_bytes(content)
    outcome = circus("x.dat", "-b")
    assert outcome.status == 2
    assert "x.dat is not a file of command lines" in outcome.error
