import mmap
import zipfile

import numpy as np
import pytest

from sorting.array_file import map_arrays, write_arrays

ARRAYS = {
    "one": np.float64(3.5),
    "flags": np.array([True, False, True]),
    "times": np.array([1, 2**40]),
    "a long name of an array": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "fortran": np.asfortranarray(np.arange(12).reshape(3, 4)),
    "none": np.empty((0, 4)),
    "text": np.array(["µV", "Hz"]),
}


@pytest.fixture
def path(tmp_path):
    with (tmp_path / "step.npz").open("wb") as file:
        write_arrays(file, ARRAYS)
    return tmp_path / "step.npz"


def test_numpy_reads_the_file(path):
    with np.load(path) as file:
        assert list(file) == list(ARRAYS)
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(file[name], array)


def test_arrays_are_mapped_as_they_were(path):
    mapped = map_arrays(path)
    assert list(mapped) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(mapped[name], array)
        assert mapped[name].dtype == array.dtype
        assert mapped[name].flags.aligned
        if array.size:
            assert mapped[name].ctypes.data % 64 == 0
            assert isinstance(owner(mapped[name]), mmap.mmap)


def owner(array):
    while isinstance(array, np.ndarray):
        array = array.base
    return array


def test_the_file_stays_as_it_is(path):
    before = path.read_bytes()
    mapped = map_arrays(path)
    mapped["times"][:] = 7
    assert mapped["times"].tolist() == [7, 7]
    assert path.read_bytes() == before


def test_equal_arrays_give_equal_bytes(path, tmp_path):
    with (tmp_path / "again.npz").open("wb") as file:
        write_arrays(file, ARRAYS)
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_files_of_numpy_itself_are_read(tmp_path, save):
    save(tmp_path / "step.npz", **ARRAYS)
    found = map_arrays(tmp_path / "step.npz")
    assert found.keys() == ARRAYS.keys()
    for name, array in found.items():
        np.testing.assert_array_equal(array, ARRAYS[name])


def test_a_broken_file_is_an_error(path):
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(zipfile.BadZipFile):
        map_arrays(path)
