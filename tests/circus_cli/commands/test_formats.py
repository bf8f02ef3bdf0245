import pytest

from circus_io.registry import list_formats


def test_list_has_every_format_with_its_facts(circus):
    outcome = circus("formats")
    assert outcome.status == 0
    lines = {line.split()[0]: line for line in outcome.out.splitlines() if line.strip()}
    for info in list_formats():
        assert info.name in lines
    assert lines["raw_binary"].split()[1:3] == ["rw+", "any"]
    assert "data_dtype, sampling_rate, nb_channels" in lines["raw_binary"]
    assert ".h5, .hdf5" in lines["hdf5"]
    assert "multi-files, single-file" in lines["hdf5"]
    for info in list_formats():
        assert ("not verified here" in lines[info.name]) != info.verified


@pytest.mark.parametrize("name", [info.name for info in list_formats()])
def test_sheet_of_a_format_has_every_field(circus, name):
    from circus_io.registry import get_format

    outcome = circus("formats", name)
    assert outcome.status == 0
    assert f"file_format = {name}" in outcome.out
    wrapper = get_format(name)
    for field in [*wrapper._required_fields, *wrapper._default_values]:
        assert f" {field} " in outcome.out


def test_sheet_of_a_wrapper_in_a_file(circus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "from circus_io import DataFile\n"
        "class Mine(DataFile):\n"
        '    """Files of the [old] rig."""\n'
        "    extension = ['.rig']\n"
        "    _required_fields = {'sampling_rate': float}\n"
        "    _params = {'data_dtype': 'int16'}\n"
    )
    out = circus("formats", "./mine.py:Mine").out
    assert "Files of the [old] rig." in out
    assert "extensions    .rig" in out
    assert "access        read\n" in out
    assert "always 'int16'" in out


def test_unknown_format_names_the_nearest(circus):
    outcome = circus("formats", "nunpy")
    assert outcome.status == 3
    assert "did you mean numpy?" in outcome.error
