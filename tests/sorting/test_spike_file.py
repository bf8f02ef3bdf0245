import numpy as np
import pytest

from sorting.kernels.slices import slices
from sorting.kernels.spikes import SPIKE
from sorting.spike_file import blocks, map_spikes, write_spikes


def make_spikes(n: int) -> np.ndarray:
    spikes = np.zeros(n, SPIKE)
    spikes["time"] = np.arange(n) * 7
    spikes["unit"] = np.arange(n) % 3
    spikes["amplitude"] = np.linspace(0.5, 1.5, n)
    return spikes


@pytest.mark.parametrize("cuts", [[], [4], [0, 3, 3, 10]])
def test_what_is_written_in_parts_is_mapped_as_a_whole(tmp_path, cuts):
    spikes = make_spikes(10)
    path = tmp_path / "found.spikes"
    write_spikes(path, np.split(spikes, cuts))
    assert path.read_bytes() == spikes.tobytes()
    mapped = map_spikes(path)
    np.testing.assert_array_equal(mapped, spikes)
    assert not mapped.flags.writeable


def test_no_spikes_are_a_file_too(tmp_path):
    write_spikes(tmp_path / "none.spikes", [])
    assert map_spikes(tmp_path / "none.spikes").shape == (0,)


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    def broken():
        yield make_spikes(3)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_spikes(tmp_path / "found.spikes", broken())
    assert not list(tmp_path.iterdir())


def test_slices_cover_everything_once():
    assert list(slices(10, 4)) == [slice(0, 4), slice(4, 8), slice(8, 10)]
    assert list(slices(0)) == []


def test_blocks_are_copies():
    spikes = make_spikes(10)
    spikes.flags.writeable = False
    pieces = list(blocks(spikes, 4))
    pieces[0]["unit"] = 9
    assert [piece.size for piece in pieces] == [4, 4, 2]
    assert spikes["unit"][0] == 0
