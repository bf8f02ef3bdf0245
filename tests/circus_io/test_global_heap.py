"""Texts of HDF5 files with which HDF5 would be busy for ever."""

import struct

import h5py
import numpy as np
import pytest

from circus_io import FormatError, open_recording
from circus_io.files.global_heap import check_heaps


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.zeros((9, 2), "i2")
        file["notes"] = [f"text {i}" for i in range(30)]
    with h5py.File(tmp_path / "a.h5", "a") as file:  # which makes another heap
        file.attrs["comment"] = "x" * 100
    return tmp_path / "a.h5"


def left_over(content):
    """Return where the heaps of a file say how much of them is left."""
    places, at = [], content.find(b"GCOL")
    while at >= 0:
        size = struct.unpack_from("<Q", content, at + 8)[0]
        place, stop = at + 16, at + size
        while place + 16 <= stop:
            number, _, length = struct.unpack_from("<HHxxxxQ", content, place)
            if number == 0:
                places.append(place + 8)
                break
            place += 16 + (length + 7) // 8 * 8
        at = content.find(b"GCOL", at + 1)
    return places


def test_sound_heaps_are_passed(path):
    assert len(left_over(path.read_bytes())) > 1
    check_heaps(str(path))
    assert open_recording(path, h5_key="data", sampling_rate=1).shape == (9, 2)


@pytest.mark.parametrize("heap", [0, -1])
@pytest.mark.parametrize("length", [0, 2**64 - 16])
def test_a_heap_without_end_is_named(path, heap, length):
    content = bytearray(path.read_bytes())
    place = left_over(content)[heap]
    struct.pack_into("<Q", content, place, length)
    if length:
        struct.pack_into("<H", content, place - 8, 99)  # another object
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"a\.h5: the texts at byte \d+ are damaged"):
        open_recording(path, h5_key="data", sampling_rate=1)


def test_a_heap_that_is_cut_off_is_for_hdf5_to_judge(path):
    content = path.read_bytes()
    for n_bytes in (9, 20, 40):
        path.write_bytes(content[: content.find(b"GCOL") + n_bytes])
        assert check_heaps(str(path)) is None
