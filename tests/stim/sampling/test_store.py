"""The record: written in bytes, read by h5py, whole after any kill."""

import hashlib
import random
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from circus_io.errors import FormatError, NotWritableError, RecordingNotFoundError
from stim.sampling import store_layout
from stim.sampling.store import SampleStore, StoreWriter

LENGTHS = [100, 100, 50]


def filled(path, n_batches=3, dtype="<f4", n_phases=2):
    info = {"units": {"inputs": "V", "outputs": "nA"}}
    store_layout.create(path, LENGTHS, 3, 2, info, n_phases=n_phases, dtype=dtype)
    rng = np.random.default_rng(1)
    batches = [(rng.normal(size=(n, 3)), rng.normal(size=(n, 2))) for n in LENGTHS]
    with StoreWriter(path) as writer:
        for index in range(n_batches):
            writer.append(*batches[index], seed=7, host="bench", phases=[0.5, index])
    return batches


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_another_library_reads_what_was_written(tmp_path, dtype):
    batches = filled(tmp_path / "samples.h5", dtype=dtype)
    with h5py.File(tmp_path / "samples.h5") as file:
        for column, name in enumerate(("inputs", "outputs")):
            whole = np.concatenate([batch[column] for batch in batches])
            np.testing.assert_array_equal(file[name][:], whole.astype(dtype))
            assert file[name].chunks == (100, whole.shape[1])
        rows = file["batches"][:]
        assert file["inputs"].attrs["units"] == "V"
    assert rows["t_start"].tolist() == [0, 100, 200]
    assert rows["phases"].tolist() == [[0.5, 0], [0.5, 1], [0.5, 2]]
    assert set(rows["host"]) == {b"bench"}


def test_the_checksum_is_sha256_of_the_row_and_the_samples(tmp_path):
    batches = filled(tmp_path / "samples.h5")
    with h5py.File(tmp_path / "samples.h5") as file:
        row = file["batches"][1]
    expected = row["sha256"]
    row["sha256"] = b""
    inputs, outputs = (values.astype("<f4").tobytes() for values in batches[1])
    assert (
        hashlib.sha256(row.tobytes() + inputs + outputs).hexdigest()
        == expected.decode()
    )


def test_room_that_is_not_written_takes_none(tmp_path):
    path = tmp_path / "samples.h5"
    store_layout.create(path, [100_000] * 100, 7, 1, {})
    status = path.stat()
    assert status.st_size > 100 * 100_000 * 8 * 4
    assert status.st_blocks * 512 < 1e6


def test_only_whole_batches_are_there(tmp_path):
    batches = filled(tmp_path / "samples.h5", n_batches=2)
    with SampleStore(tmp_path) as store:
        assert (store.n_batches, store.n_planned, store.is_complete) == (2, 3, False)
        assert store.n_samples == 200
        inputs, _ = store.read(150, 200)
        np.testing.assert_array_equal(inputs, batches[1][0][50:].astype("f4"))
        with pytest.raises(IndexError, match="of 200"):
            store.read(150, 201)
        pieces = list(store.blocks(size=64))
        assert [len(piece) for piece, _ in pieces] == [64, 64, 64, 8]
        whole = np.concatenate([batches[0][1], batches[1][1]]).astype("f4")
        np.testing.assert_array_equal(np.concatenate([out for _, out in pieces]), whole)


def test_damage_is_seen(tmp_path):
    path = tmp_path / "samples.h5"
    filled(path)
    with h5py.File(path, "r+") as file:
        file["outputs"][130, 1] += 1
    with SampleStore(path) as store:
        store.batch(0)
        with pytest.raises(FormatError, match=r"batch 1 .* checksum"):
            store.batch(1)


def test_what_is_no_record(tmp_path):
    with pytest.raises(RecordingNotFoundError):
        SampleStore(tmp_path)
    (tmp_path / "text.h5").write_text("text")
    with pytest.raises(FormatError, match="no HDF5"):
        SampleStore(tmp_path / "text.h5")
    h5py.File(tmp_path / "other.h5", "w").close()
    with pytest.raises(FormatError, match="no record of samples"):
        SampleStore(tmp_path / "other.h5")
    filled(tmp_path / "samples.h5")
    with h5py.File(tmp_path / "samples.h5", "r+") as file:
        file.attrs["version"] = 2
    with pytest.raises(FormatError, match="newer version"):
        SampleStore(tmp_path / "samples.h5")
    with pytest.raises(NotWritableError, match="exists"):
        store_layout.create(tmp_path / "samples.h5", [1], 1, 1, {})


def test_a_torn_batch_is_written_over(tmp_path):
    """As a kill leaves it between the samples and their row."""
    path = tmp_path / "samples.h5"
    batches = filled(path, n_batches=1)
    with h5py.File(path) as file:
        place = store_layout.offsets(file)["inputs"][1]
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"torn" * 150)
    with StoreWriter(path) as writer:
        assert writer.n_batches == 1
        writer.append(*batches[1], seed=1)
    with SampleStore(path) as store:
        np.testing.assert_array_equal(store.batch(1)[0], batches[1][0].astype("f4"))


def test_batches_of_another_length_are_refused(tmp_path):
    path = tmp_path / "samples.h5"
    batches = filled(path, n_batches=1)
    with StoreWriter(path) as writer, pytest.raises(ValueError, match="expected 100"):
        writer.append(batches[2][0], batches[2][1])


RUN = """
import sys
from stim.sampling.characterisation import Characterisation
from stim.sampling.designs import make_design
from stim.sampling.devices.simulated import SimulatedDevice
from stim.sampling.limits import DriveLimits

limits = DriveLimits((-1.0,) * 3, (1.0,) * 3, 1000.0)
design = make_design(dict(kind="sine", rate_hz=10_000, batch_samples=5_000,
    n_batches=20, n_electrodes=3, seed=3, random_phase_shift_each=1))
run = Characterisation(device=SimulatedDevice(limits, 2), design=design, limits=limits,
    ramp_s=0.01)
run.record(sys.argv[1], resume=True,
    on_batch=lambda progress: print(progress.n_done, flush=True))
"""


def start(folder):
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(folder)], stdout=subprocess.PIPE, text=True
    )


def test_a_kill_loses_at_most_one_batch_and_a_resume_is_bit_identical(tmp_path):
    whole = start(tmp_path / "whole")
    assert len(whole.communicate()[0].split()) == 20
    rng, done, n_kills = random.Random(4), 0, 0
    while done < 20 and n_kills < 3:
        process = start(tmp_path / "killed")
        wanted, told = done + rng.randrange(1, 6), done
        for line in process.stdout:
            told = int(line)
            if told >= wanted:
                break
        time.sleep(rng.random() * 0.01)  # anywhere in the work on the next one
        process.send_signal(signal.SIGKILL)
        rest, n_kills = process.communicate()[0].split(), n_kills + 1
        told = int(rest[-1]) if rest else told
        with SampleStore(tmp_path / "killed") as store:
            # what was told is there, and nothing is there that is not whole
            assert told <= store.n_batches <= told + 1
            for index in range(store.n_batches):
                store.batch(index)
            done = store.n_batches
    assert n_kills == 3
    assert start(tmp_path / "killed").communicate()[0].split()[-1] == "20"
    with (
        SampleStore(tmp_path / "whole") as one,
        SampleStore(tmp_path / "killed") as other,
    ):
        assert other.is_complete
        for index in range(20):
            for values, again in zip(one.batch(index), other.batch(index), strict=True):
                assert values.tobytes() == again.tobytes()
        np.testing.assert_array_equal(one.batches["phases"], other.batches["phases"])
    names = {path.name for path in (tmp_path / "killed").iterdir()}
    assert names == {"samples.h5", "sampler_configs.json", "lock"}
