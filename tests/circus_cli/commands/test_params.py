import pytest

from circus_io.params import read_params


def test_explain_names_default_and_unit(circus):
    outcome = circus("params", "--explain", "N_t")
    assert outcome.status == 0
    assert "detection.N_t" in outcome.out
    assert "(ms)" in outcome.out


def test_explain_of_an_unknown_key_names_the_nearest(circus):
    outcome = circus("params", "--explain", "spike_tresh")
    assert outcome.status == 3
    assert "did you mean spike_thresh" in outcome.error


def test_init_writes_a_file_that_is_read_with_its_defaults(circus, tmp_path):
    path = tmp_path / "rec.params"
    outcome = circus("params", "--init", path)
    assert outcome.status == 0
    assert str(path) in outcome.err
    given = {"data_dtype": "int16", "sampling_rate": 20_000, "nb_channels": 4}
    assert read_params(path, {"data": given}).detection.spike_thresh == 6


def test_init_leaves_an_existing_file_alone(circus, tmp_path):
    path = tmp_path / "rec.params"
    path.write_text("mine")
    outcome = circus("params", "--init", path)
    assert outcome.status == 2
    assert "exists and is not written to" in outcome.error
    assert path.read_text() == "mine"


def test_check_of_a_good_file(circus, folder):
    outcome = circus("params", "--check", "rec.params")
    assert (outcome.status, outcome.out) == (0, "rec.params is good\n")


def test_check_shows_notices(circus, folder):
    with (folder / "rec.params").open("a") as file:
        file.write("[fitting]\nmse_error = True\n")
    outcome = circus("params", "--check", "rec.params")
    assert outcome.status == 0
    assert "mse_error" in outcome.err


def test_check_names_every_problem(circus, tmp_path):
    path = tmp_path / "rec.params"
    path.write_text(
        "[data]\nfile_format = raw_binary\nmaping = x.prb\n[detecton]\na=1\n"
    )
    outcome = circus("params", "--check", path)
    assert outcome.status == 3
    assert [
        f"{path}: line 3" in outcome.errors[0],
        "[detecton]" in outcome.errors[1],
    ] == ([True, True])


def test_check_of_a_fresh_template_says_what_to_fill_in(circus, tmp_path):
    path = tmp_path / "rec.params"
    circus("params", "--init", path)
    outcome = circus("params", "--check", path)
    assert outcome.status == 3
    named = [line.split("[data] ")[1].split()[0] for line in outcome.errors]
    assert named == ["mapping", "data_dtype", "sampling_rate", "nb_channels"]


@pytest.mark.parametrize(
    "arguments", [[], ["--init", "a.params", "--check", "b.params"]]
)
def test_one_thing_at_a_time(circus, arguments):
    outcome = circus("params", *arguments)
    assert outcome.status == 2
    assert "give one of" in outcome.error


def test_init_in_a_folder_that_does_not_exist(circus, folder):
    outcome = circus("params", "--init", "nowhere/rec.params")
    assert outcome.status == 2
    assert "there is no folder nowhere; make it first" in outcome.error
