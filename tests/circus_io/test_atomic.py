import json
import stat
import sys

import pytest

from circus_io.atomic import atomic_path, put_in_place, write_json


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_the_file_appears_when_the_block_ends(tmp_path):
    target = tmp_path / "result.h5"
    with atomic_path(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".h5"
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert names(tmp_path) == ["result.h5"]


def test_a_failure_leaves_the_old_file_and_no_rest(tmp_path):
    target = tmp_path / "result.txt"
    target.write_text("old")

    def fail():
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["result.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_it_is_as_readable_as_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    with atomic_path(tmp_path / "atomic"):
        pass
    modes = [stat.S_IMODE((tmp_path / n).stat().st_mode) for n in ("plain", "atomic")]
    assert modes[0] == modes[1]


def test_json_is_readable_text(tmp_path):
    content = {"gain": "µV", "units": [3, 1]}
    write_json(tmp_path / "a.json", content)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == content
    assert "µV" in text
    assert text.endswith("}\n")


def test_json_that_cannot_be_leaves_the_old_one(tmp_path):
    write_json(tmp_path / "a.json", [1])
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"set": {1}})
    assert json.loads((tmp_path / "a.json").read_text()) == [1]
    assert names(tmp_path) == ["a.json"]


def test_a_folder_is_put_in_place_whole(tmp_path):
    (tmp_path / "made" / "deep").mkdir(parents=True)
    (tmp_path / "made" / "deep" / "a").write_text("1")
    put_in_place(tmp_path / "made", tmp_path / "name")
    assert (tmp_path / "name" / "deep" / "a").read_text() == "1"
    assert names(tmp_path) == ["name"]


def test_a_folder_that_holds_something_is_not_replaced(tmp_path):
    for name in ("made", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text(name)
    with pytest.raises(OSError, match="not empty"):
        put_in_place(tmp_path / "made", tmp_path / "old")
    assert (tmp_path / "old" / "a").read_text() == "old"
