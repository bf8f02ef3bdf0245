"""MC_Rack files that were cut off, damaged, or are none."""

import struct

import numpy as np
import pytest

from circus_io import FormatError, open_recording
from circus_io.files.mcd import MCDFile
from tests.writers.mcd import START_NS, Chunk, Recording, sampled, write
from tests.writers.mcd_electrodes import (
    electrodes,
    make_counts,
    microvolts,
    write_electrodes,
)


def test_an_interrupted_file_says_so_and_is_read(tmp_path, caplog):
    counts = make_counts(5000, 2)
    write_electrodes(tmp_path / "a.mcd", counts, closed=False)
    with open_recording(tmp_path / "a.mcd") as recording:
        assert np.array_equal(recording[:], microvolts(counts))
    assert "a.mcd ends without an index, as if recording was interrupted" in caplog.text


def test_a_whole_file_is_read_without_a_word(tmp_path, caplog):
    write_electrodes(tmp_path / "a.mcd", make_counts(5000, 2))
    with open_recording(tmp_path / "a.mcd") as recording:
        recording[:]
    assert not caplog.records


def test_cut_off_at_every_byte_of_a_small_file(tmp_path, caplog):
    """Within the header an error, behind it the whole chunks that there are."""
    counts = make_counts(40, 2)
    path = tmp_path / "a.mcd"
    write_electrodes(path, counts, closed=False, chunk_frames=(10,) * 4)
    data = path.read_bytes()
    n_header = len(data) - 4 * (32 + 40)
    expected = microvolts(counts)
    sizes = [*range(0, n_header - 24, 97), *range(n_header - 24, len(data))]
    for size in sizes:
        path.write_bytes(data[:size])
        if size < n_header - 24:  # the place of the index comes last
            with pytest.raises(FormatError):
                open_recording(path, "mcd")
            continue
        caplog.clear()
        with open_recording(path) as recording:
            n_chunks = max(size - n_header, 0) // 72
            assert np.array_equal(recording[:], expected[: 10 * n_chunks])
        assert "read up to its last whole chunk" in caplog.text


def test_damage_between_chunks_ends_what_is_read(tmp_path, caplog):
    counts = make_counts(40, 2)
    path = tmp_path / "a.mcd"
    write_electrodes(path, counts, chunk_frames=(10,) * 4)
    data = bytearray(path.read_bytes())
    third = data.find(b"elec0001", data.find(b"IDX1POS")) + 2 * 72
    assert data[third : third + 8] == b"elec0001"
    data[third : third + 8] = b"\x80\x00\x01\x02\xff\xfe\x7f\x0b"
    path.write_bytes(data)
    assert len(open_recording(path)) == 20
    assert f"damaged at byte {third}" in caplog.text


def test_items_that_nobody_knows_are_passed_over(tmp_path):
    counts = make_counts(40, 2)
    chunks = sampled("elec0001", counts.tobytes(), 2, 20000.0, chunk_frames=(10,) * 4)
    chunks.insert(2, Chunk("FUTURE 1", START_NS, START_NS, b"\0" * 33))
    write(tmp_path / "a.mcd", Recording((electrodes(2),), layout=b"?" * 99), chunks)
    with open_recording(tmp_path / "a.mcd") as recording:
        assert np.array_equal(recording[:], microvolts(counts))


def patched(tmp_path, offset, value):
    """Return the path of a small file with other bytes at a place."""
    path = tmp_path / "a.mcd"
    write_electrodes(path, make_counts(20, 2))
    data = bytearray(path.read_bytes())
    data[offset : offset + len(value)] = value
    path.write_bytes(data)
    return path


STREAM = 32 + 16 + 2208 + 16  # content of the only STRMHDR
FORMAT = STREAM + 804 + 2 * 1104 + 16


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (0, b"RIFF", "no MC_Rack file"),
        (24, struct.pack("<q", -5), "said to have -5 bytes"),
        (24, struct.pack("<q", 2**62), "said to have 4611686018427387904 bytes"),
        (40, struct.pack("<q", 2**40), "item 'MCSHDR' of 1099511627776 bytes"),
        (40, struct.pack("<q", -1), "item 'MCSHDR' of -1 bytes"),
        (32, b"XXXXXX", "no MCSHDR"),
        (STREAM + 784, struct.pack("<I", 0), "nothing that is sampled"),
        (STREAM + 788, struct.pack("<I", 0), "nothing that is sampled"),
        (STREAM + 788, struct.pack("<I", 2**32 - 1), "a channel header of stream"),
        (STREAM + 792, b"\0\0", "no name for its chunks"),
        (STREAM + 804, struct.pack("<H", 3), "version 3"),
        (STREAM + 804 + 784, struct.pack("<I", 2**31), "a channel header of stream"),
        (FORMAT + 8, struct.pack("<d", 0.0), "are no gain"),
        (FORMAT + 8, struct.pack("<d", np.nan), "are no gain"),
        (FORMAT + 8, struct.pack("<d", -np.inf), "are no gain"),
        (FORMAT + 8, struct.pack("<d", 1e300), "are no gain"),
        (FORMAT + 16, struct.pack("<H", 4), "have 4 bytes; MC_Rack is known to"),
    ],
)
def test_a_broken_header_is_an_error_that_says_what_is_wrong(
    tmp_path, offset, value, message
):
    with pytest.raises(FormatError, match=message):
        open_recording(patched(tmp_path, offset, value), "mcd")


def test_a_stream_without_its_samples_format_is_none(tmp_path):
    path = patched(tmp_path, FORMAT - 16, b"STRMFMX ")
    with pytest.raises(FormatError, match="no continuous stream"):
        open_recording(path)


def test_a_file_that_became_shorter_is_an_error(tmp_path):
    path = tmp_path / "a.mcd"
    write_electrodes(path, make_counts(5000, 2))
    recording = open_recording(path)
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(FormatError, match="fewer than when its chunks were found"):
        recording[:]


def test_files_are_recognised_by_their_first_bytes(tmp_path):
    write_electrodes(tmp_path / "a.mcd", make_counts(5, 2))
    (tmp_path / "b.mcd").write_bytes(b"a minecraft dungeon")
    assert MCDFile.recognises(tmp_path / "a.mcd") is True
    assert MCDFile.recognises(tmp_path / "b.mcd") is False
    assert MCDFile.recognises(tmp_path / "c.mcd") is False
    with pytest.raises(FormatError, match="not clear"):
        open_recording(tmp_path / "b.mcd")
