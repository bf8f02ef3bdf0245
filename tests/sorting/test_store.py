import hashlib
import json

import numpy as np
import pytest

from circus_io.atomic import atomic_path
from circus_io.errors import StepError
from circus_io.parallel import SerialComm
from sorting.store import Store, remove_leftovers

ARRAYS = {
    "times": np.array([1, 2**40]),
    "matrix": np.eye(3, dtype=np.float32),
    "none": np.empty((0, 4)),
}


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "rec" / "steps", SerialComm())


@pytest.fixture
def saved(store) -> Store:
    store.save("whitening", "abc", ARRAYS)
    return store


def test_arrays_come_back_as_they_were(saved):
    loaded = saved.load("whitening")
    assert loaded.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].dtype == array.dtype


def test_a_new_store_on_the_same_folder_finds_them(saved, tmp_path):
    again = Store(tmp_path / "rec" / "steps", SerialComm())
    assert again.is_done("whitening", "abc")
    assert again.load("whitening").keys() == ARRAYS.keys()


def test_a_step_is_done_only_on_the_same_inputs(saved):
    assert saved.is_done("whitening", "abc")
    assert not saved.is_done("whitening", "xyz")
    assert not saved.is_done("detection", "abc")


def test_manifest_vouches_for_the_file(saved, tmp_path):
    folder = tmp_path / "rec" / "steps"
    manifest = json.loads((folder / "whitening.json").read_text())
    content = (folder / "whitening.npz").read_bytes()
    assert manifest["digest"] == "abc"
    assert manifest["sha256"] == hashlib.sha256(content).hexdigest()
    assert saved.output_hash("whitening") == manifest["sha256"]


def test_equal_arrays_have_equal_hashes_and_others_do_not(store):
    changed = ARRAYS | {"matrix": 2 * ARRAYS["matrix"]}
    for step, arrays in [("a", ARRAYS), ("b", ARRAYS), ("c", changed)]:
        store.save(step, "x", arrays)
    assert store.output_hash("a") == store.output_hash("b")
    assert store.output_hash("a") != store.output_hash("c")


def test_a_step_that_never_ran_has_nothing(store):
    assert not store.is_done("fitting", "abc")
    assert store.output_hash("fitting") is None
    with pytest.raises(StepError, match="fitting"):
        store.load("fitting")


@pytest.mark.parametrize("name", ["whitening.npz", "whitening.json"])
def test_a_step_with_one_of_its_files_is_not_done(saved, tmp_path, name):
    (tmp_path / "rec" / "steps" / name).unlink()
    assert not saved.is_done("whitening", "abc")


def test_killed_between_arrays_and_manifest_is_not_done(saved, tmp_path):
    # new arrays have replaced the old ones, the manifest is still the old one
    folder = tmp_path / "rec" / "steps"
    old = (folder / "whitening.json").read_bytes()
    saved.save("whitening", "def", ARRAYS | {"times": np.array([5])})
    (folder / "whitening.json").write_bytes(old)
    assert not saved.is_done("whitening", "abc")
    assert not saved.is_done("whitening", "def")


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: b"",
        lambda content: content[:200] + bytes([content[200] ^ 1]) + content[201:],
        lambda content: content + b"\0",
    ],
)
def test_a_damaged_file_is_not_done(saved, tmp_path, damage):
    path = tmp_path / "rec" / "steps" / "whitening.npz"
    path.write_bytes(damage(path.read_bytes()))
    assert not Store(saved.folder, saved.comm).is_done("whitening", "abc")


@pytest.mark.parametrize("text", ["", "{", '{"step": "whitening"', "\0\0"])
def test_a_damaged_manifest_is_not_done(saved, tmp_path, text):
    (tmp_path / "rec" / "steps" / "whitening.json").write_text(text)
    assert not saved.is_done("whitening", "abc")
    assert saved.output_hash("whitening") is None


def test_arrays_that_cannot_be_written_leave_the_old_ones(saved, tmp_path):
    class Unwritable:
        def __array__(self, dtype=None, copy=None):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        saved.save("whitening", "def", {"times": np.arange(9), "bad": Unwritable()})
    assert saved.is_done("whitening", "abc")
    np.testing.assert_array_equal(saved.load("whitening")["times"], ARRAYS["times"])
    names = {path.name for path in (tmp_path / "rec" / "steps").iterdir()}
    assert names == {"whitening.npz", "whitening.json"}


def test_parts_of_the_same_inputs_are_kept(store):
    folder = store.open_parts("fitting", "abc")
    (folder / "part-0").write_text("0")
    assert store.open_parts("fitting", "abc") == folder == store.parts("fitting")
    assert (folder / "part-0").read_text() == "0"


def test_parts_of_other_inputs_are_thrown_away(store):
    folder = store.open_parts("fitting", "abc")
    (folder / "part-0").write_text("0")
    assert not (store.open_parts("fitting", "def") / "part-0").exists()
    # and do not come back
    assert not (store.open_parts("fitting", "abc") / "part-0").exists()


def test_parts_without_a_stamp_are_thrown_away(store):
    store.parts("fitting").mkdir()
    (store.parts("fitting") / "part-0").write_text("of nobody knows what")
    assert not (store.open_parts("fitting", "abc") / "part-0").exists()


def test_a_whole_step_needs_its_parts_no_longer(store):
    folder = store.open_parts("fitting", "abc")
    (folder / "part-0").write_text("0")
    store.save("fitting", "abc", ARRAYS)
    assert not folder.exists()
    assert store.is_done("fitting", "abc")


def test_a_step_that_begins_anew_is_not_done_until_it_is_saved(saved):
    saved.begin("whitening")
    assert not saved.is_done("whitening", "abc")
    saved.save("whitening", "abc", ARRAYS)
    assert saved.is_done("whitening", "abc")
    saved.begin("fitting")  # never ran: nothing to withdraw


def unfinished(path) -> str:
    """Name of the file that a run killed while it writes `path` leaves behind."""
    with atomic_path(path) as temporary:
        name = temporary.name
    temporary.with_name(name).write_text("half")
    return name


def test_a_new_store_sweeps_what_a_killed_run_left(saved, tmp_path):
    folder = saved.open_parts("fitting", "abc")
    names = [unfinished(folder.parent / "x.npz"), unfinished(folder / "part-0.npy")]
    left = [path.name for path in folder.parent.rglob("*") if path.name in names]
    assert sorted(left) == sorted(names)
    again = Store(tmp_path / "rec" / "steps", SerialComm())
    assert not [path for path in folder.parent.rglob("*") if path.name in names]
    assert again.is_done("whitening", "abc")
    assert (folder / "part-0.npy").exists()


def test_leftovers_of_one_file_go_and_others_stay(tmp_path):
    path = tmp_path / "rec[1].h5"
    mine, other = unfinished(path), unfinished(tmp_path / "rec.h5")
    remove_leftovers(path)
    names = {found.name for found in tmp_path.iterdir()}
    assert names == {"rec[1].h5", "rec.h5", other}
    assert mine not in names


def test_spikes_of_a_step_are_vouched_for_and_withdrawn(store):
    store.begin("fitting")
    store.spikes("fitting").write_bytes(b"spikes")
    store.save("fitting", "abc", {})
    again = Store(store.folder, store.comm)
    assert again.is_done("fitting", "abc")
    again.spikes("fitting").write_bytes(b"other")
    assert not Store(store.folder, store.comm).is_done("fitting", "abc")
    again.begin("fitting")
    assert not again.spikes("fitting").exists()


def test_files_are_hashed_once_in_a_run(saved, monkeypatch):
    again = Store(saved.folder, saved.comm)
    assert again.is_done("whitening", "abc")
    monkeypatch.setattr("sorting.store._hash_files", None)
    assert again.is_done("whitening", "abc")
