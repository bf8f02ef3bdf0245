"""A file of 3 GB, with holes in it: it is opened at once and read in little memory."""

import json
import struct
import subprocess
import sys

import numpy as np
import pytest

from circus_io import open_recording
from tests.writers.mcd import START_NS, Channel, Recording, Stream, header, item

N_CHANNELS, RATE, N_CHUNKS = 60, 25000.0, 10_500
CHUNK_FRAMES, CHUNK_NS = 2500, 100_000_000
N_FRAMES = N_CHUNKS * CHUNK_FRAMES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs sparse files")

READ = r"""
import json, re, sys, time
from pathlib import Path
import circus_io
from circus_io.files.mcd import MCDFile

def private_mb():
    # what the process has for itself; pages of a mapped file are the system's
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+)", status)[1]) / 1024

before, start = private_mb(), time.process_time()
recording = MCDFile(sys.argv[1])
opened_s, opened_mb = time.process_time() - start, private_mb() - before
most = 0
marks = []
with recording:
    for chunk in recording.chunks(25_000, nodes=[0, 59]):
        marks.extend(chunk.traces[::2500, 1].tolist())
        most = max(most, private_mb())
print(json.dumps({"frames": len(recording), "opened_s": opened_s, "marks": marks,
                  "opened_mb": opened_mb, "read_mb": most - before}))
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Return a file whose chunks are holes but for channel 59 of their first frame."""
    electrodes = tuple(Channel(i, str(i), i) for i in range(N_CHANNELS))
    inputs = tuple(Channel(i, f"A{i}", i) for i in range(3))
    streams = (
        Stream("elec0001", "analog", "Electrodes", electrodes, RATE),
        Stream("anlg0001", "analog", "Inputs", inputs, RATE),
    )
    path = tmp_path_factory.mktemp("large") / "large.mcd"
    with path.open("wb") as file:
        file.write(header(Recording(streams)) + item("IDX1POS", bytes(8)))
        for i in range(N_CHUNKS):
            times = START_NS + i * CHUNK_NS, START_NS + (i + 1) * CHUNK_NS
            for tag, n_channels in (("elec0001", N_CHANNELS), ("anlg0001", 3)):
                n_bytes = CHUNK_FRAMES * n_channels * 2
                start = struct.pack("<8sqQQ", tag.encode(), n_bytes + 16, *times)
                end = file.tell() + len(start) + n_bytes
                file.write(start)
                file.seek((n_channels - 1) * 2, 1)
                file.write(struct.pack("<H", i))
                file.seek(end)
        file.write(item("IDX1MCS", bytes(303)))
    assert path.stat().st_size > 3 * 2**30
    return path


def test_it_is_opened_at_once_and_read_in_little_memory(large):
    done = subprocess.run(
        [sys.executable, "-c", READ, str(large)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["frames"] == N_FRAMES
    expected = (np.arange(N_CHUNKS) - 32768) * 125.0
    assert np.array_equal(found["marks"], expected)
    assert found["opened_s"] < 2  # 0.1 s on an idle machine
    assert found["opened_mb"] < 10
    assert found["read_mb"] < 10


def test_any_place_of_it_is_read_by_itself(large):
    with open_recording(large, stream="anlg") as recording:
        assert len(recording) == N_FRAMES
        assert recording.stream_mode is None
        for chunk in (N_CHUNKS - 1, 0, 7777, 5, N_CHUNKS - 2):
            frames = recording[chunk * CHUNK_FRAMES : chunk * CHUNK_FRAMES + 2]
            expected = np.full((2, 3), -32768 * 125.0, np.float32)
            expected[0, 2] = (chunk - 32768) * 125
            assert np.array_equal(frames, expected)
        assert recording[-1, 0] == -32768 * 125
