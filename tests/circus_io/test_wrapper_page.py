"""A wrapper as SpyKING CIRCUS' page on custom wrappers describes one.

Only its imports name this toolkit. It overrides read_chunk and write_chunk whole, keeps
its map in self.data and makes a stream mode of its own.
"""

# ruff: noqa: RUF012, PTH118, PTH120, PTH202, PTH208 -- as its author would have written it

import logging
import os
import pickle

import numpy
import pytest

from circus_io import DataFile
from circus_io.messages import print_and_log
from circus_io.parallel import comm
from circus_io.testing import DataFileContract

logger = logging.getLogger(__name__)


class PageFile(DataFile):
    description = "page_format"
    extension = [".page"]
    parallel_write = True
    is_writable = True
    is_streamable = ["multi-files", "backwards"]

    _required_fields = {"sampling_rate": float, "nb_channels": int}
    _default_values = {"dtype_offset": "auto", "gain": 1.0, "verbose": False}
    _params = {"data_dtype": "uint16"}

    def _read_from_header(self):
        self._open()
        self._shape = self.data.shape
        self._close()
        if self.params["verbose"]:
            print_and_log([f"rank {comm.rank} read {self.file_name}"], "info", logger)
        return {"data_offset": 0}

    def _open(self, mode="r"):
        if os.path.getsize(self.file_name) > 0:
            flat = numpy.memmap(self.file_name, dtype=self.data_dtype, mode=mode)
        else:
            flat = numpy.zeros(0, dtype=self.data_dtype)
        self.data = flat[: flat.size // self.nb_channels * self.nb_channels]
        self.data = self.data.reshape(-1, self.nb_channels)

    def _close(self):
        self.data = None

    def read_chunk(self, idx, chunk_size, padding=(0, 0), nodes=None):
        t_start, t_stop = self._get_t_start_t_stop(idx, chunk_size, padding)
        local_chunk = self.data[t_start:t_stop]
        if nodes is not None and not numpy.all(nodes == numpy.arange(self.nb_channels)):
            local_chunk = numpy.take(local_chunk, nodes, axis=1)
        return self._scale_data_to_float32(local_chunk)

    def write_chunk(self, time, data):
        data = self._unscale_data_from_float32(data)
        self.data[time : time + data.shape[0]] = data

    def set_streams(self, stream_mode):
        if stream_mode != "backwards":
            return DataFile.set_streams(self, stream_mode)
        folder = os.path.dirname(self.file_name)
        sources = []
        t_start = 1000
        for name in sorted(os.listdir(folder), reverse=True):
            source = type(self)(os.path.join(folder, name), self.get_description())
            source._t_start = t_start
            t_start += source.duration + 50
            sources.append(source)
        return sources


class TestPageFile(DataFileContract):
    wrapper = PageFile
    dtype = "uint16"
    dtype_offset = 32768
    gain = 0.5

    def write_file(self, path, raw):
        raw.tofile(path)
        return {"sampling_rate": 20000, "nb_channels": raw.shape[1], "gain": 0.5}


X = numpy.random.default_rng(2).integers(32000, 33000, (500, 3)).astype(numpy.uint16)
PARAMS = {"sampling_rate": "20000", "nb_channels": "3"}


def write_pages(folder):
    for name, part in (("a.page", X[:200]), ("b.page", X[200:])):
        part.tofile(folder / name)
    return folder / "a.page"


def test_it_makes_streams_of_its_own_with_gaps(tmp_path):
    recording = PageFile(write_pages(tmp_path), PARAMS, stream_mode="backwards")
    assert [source.t_start for source in recording.streams] == [1000, 1350]
    assert (recording.t_start, recording.t_stop, len(recording)) == (1000, 1550, 500)
    wanted = X.astype(numpy.float32) - 32768
    assert numpy.array_equal(recording[1000:1300], wanted[200:])
    assert numpy.array_equal(recording.get_snippet(1350, 7), wanted[:7])
    assert recording.get_data(3, 100)[1] == 1350
    source = recording.streams[1]
    assert numpy.array_equal(source[1360:1365], wanted[10:15])
    assert source.get_data(1, 100)[1] == 1450
    with pytest.raises(IndexError, match="frame 1300 is not recorded"):
        recording[1290:1360]


def test_its_own_mode_is_named_in_the_error(tmp_path):
    with pytest.raises(ValueError, match="choose from multi-files, backwards"):
        PageFile(write_pages(tmp_path), PARAMS, stream_mode="sideways")


def test_text_becomes_a_bool_by_its_word(tmp_path, caplog):
    path = write_pages(tmp_path)
    with caplog.at_level(logging.INFO):
        assert PageFile(path, {**PARAMS, "verbose": "False"}).params["verbose"] is False
        assert not caplog.records
        assert PageFile(path, {**PARAMS, "verbose": "True"}).params["verbose"] is True
    assert "rank 0 read" in caplog.text


def test_a_gain_per_channel_follows_permuted_nodes(tmp_path):
    path = write_pages(tmp_path)
    recording = PageFile(path, {**PARAMS, "gain": [1.0, 2.0, 4.0]})
    wanted = (X[:200].astype(float) - 32768) * [1, 2, 4]
    recording.open()
    assert numpy.array_equal(
        recording.read_chunk(0, 200, nodes=[2, 0, 1]), wanted[:, [2, 0, 1]]
    )


def test_the_documented_calls_give_what_is_documented(tmp_path):
    X[:, :].tofile(tmp_path / "a.page")
    recording = PageFile(tmp_path / "a.page", PARAMS)
    recording.open()
    assert recording.analyze(300) == (2, 200)
    assert recording.analyze(300, strict=True) == (1, 200)
    assert recording._count_chunks(300, 900) == (3, 0)
    assert recording._get_t_start_t_stop(1, 300, (-10, 10)) == (290, 500)
    assert recording.get_idx(299, 300) == 0
    assert (recording.is_first_chunk(0, 2), recording.is_last_chunk(1, 2)) == (
        True,
    ) * 2
    assert (recording.is_first_chunk(1, 2), recording.is_last_chunk(0, 2)) == (
        False,
    ) * 2
    assert recording.get_description() == {
        "nb_channels": 3,
        "sampling_rate": 20000.0,
        "data_dtype": "uint16",
        "dtype_offset": 32768,
        "gain": 1.0,
        "verbose": False,
    }
    assert recording.comm.Get_size() == recording.comm.size == 1
    assert recording.is_master
    counts = X[:5].astype(numpy.float32) - 32768
    assert numpy.array_equal(recording._scale_data_to_float32(X[:5]), counts)
    assert numpy.array_equal(recording._unscale_data_from_float32(counts), X[:5])
    recording.close()


class LiteralFile(DataFile):
    """As the manual spells two names: _required_files, and _params at run time."""

    description = "literal"
    extension = []
    _required_files = {"sampling_rate": float}
    _params = {"dtype_offset": 0, "gain": 1.0, "data_dtype": "int16", "nb_channels": 2}

    def _read_from_header(self):
        self._shape = (
            os.path.getsize(self.file_name) // 4,
            self._params["nb_channels"],
        )
        return {}

    def _open(self, mode="r"):
        self.data = numpy.memmap(self.file_name, self._params["data_dtype"], mode)

    def _close(self):
        self.data = None

    def read_chunk(self, idx, chunk_size, padding=(0, 0), nodes=None):
        t_start, t_stop = self._get_t_start_t_stop(idx, chunk_size, padding)
        frames = self.data.reshape(-1, 2)[t_start:t_stop]
        return self._scale_data_to_float32(
            frames if nodes is None else frames[:, nodes]
        )


def test_the_misprints_of_the_manual_work_too(tmp_path):
    samples = numpy.arange(40, dtype=numpy.int16).reshape(20, 2)
    samples.tofile(tmp_path / "any.thing")
    with pytest.raises(ValueError, match="literal files need sampling_rate"):
        LiteralFile(tmp_path / "any.thing", {})
    recording = LiteralFile(tmp_path / "any.thing", {"sampling_rate": 100})
    assert numpy.array_equal(recording[3:9, [1, 0]], samples[3:9, ::-1])
    assert recording._params["sampling_rate"] == recording.sampling_rate == 100
    assert "sampling_rate" not in LiteralFile._params
    copy = pickle.loads(pickle.dumps(recording))
    assert copy._params is copy.params
