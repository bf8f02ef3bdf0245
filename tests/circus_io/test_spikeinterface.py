import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import h5py
import numpy as np
import pytest

from circus_io import FormatError, get_format, open_recording
from circus_io.testing import DataFileContract

si = pytest.importorskip(
    "spikeinterface", reason="needs circus-toolkit[spikeinterface]"
)

from spikeinterface.core import NumpyRecording, append_recordings  # noqa: E402
from spikeinterface.preprocessing import bandpass_filter, scale  # noqa: E402

from circus_io.spikeinterface import as_datafile, read_circus  # noqa: E402

# files that SpikeInterface itself leaves to the garbage collector, and its remarks
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:The extractor is not serializable"),
]

RATE_HZ = 20000
X = np.random.default_rng(7).integers(-3000, 3000, (5000, 4)).astype("<i2")
RAW = {"data_dtype": "int16", "sampling_rate": RATE_HZ, "nb_channels": 4}


def make_recording(raw, gain=0.5, offset=0.0):
    recording = NumpyRecording([raw], RATE_HZ)
    recording.set_channel_gains(gain)
    recording.set_channel_offsets(offset)
    return recording


class TestSavedFolder(DataFileContract):
    """A folder that SpikeInterface itself has written."""

    wrapper = get_format("spikeinterface")
    gain = 0.25
    dtype = "uint16"
    dtype_offset = 100
    holds_no_frames = False

    def path(self, folder, stem="rec_0"):
        return folder / stem

    def write_file(self, path, raw):
        recording = make_recording(raw, self.gain, -self.gain * self.dtype_offset)
        recording.save(folder=path, verbose=False, progress_bar=False)
        return {}

    def test_another_extension_is_refused_in_any_case(self, tmp_path, raw):
        (tmp_path / "a.txt").touch()
        with pytest.raises(FormatError, match=r"\.json"):
            self.wrapper(tmp_path / "a.txt", {})


# -------------------------------------------------------------- theirs, as ours


def test_a_chain_of_preprocessing_is_read_chunk_by_chunk():
    chain = bandpass_filter(make_recording(X.astype("<f4")), 300, 6000)
    chain.set_dummy_probe_from_locations(np.arange(8.0).reshape(4, 2))
    recording = as_datafile(chain)
    assert recording.channel_labels == ("0", "1", "2", "3")
    assert recording.channel_positions.tolist() == np.arange(8.0).reshape(4, 2).tolist()
    expected = chain.get_traces(start_frame=1000, end_frame=1300, return_in_uV=True)
    np.testing.assert_allclose(recording[1000:1300], expected, 1e-5)
    np.testing.assert_allclose(recording[1000:1300, [3, 0]], expected[:, [3, 0]], 1e-5)
    copy = pickle.loads(pickle.dumps(recording))
    assert np.array_equal(copy[1000:1300], recording[1000:1300])


def test_segments_without_a_time_follow_each_other(caplog):
    both = append_recordings([make_recording(X[:2000]), make_recording(X[2000:])])
    assert [part.t_start for part in as_datafile(both).streams] == [0, 2000]
    assert caplog.text == ""


def test_segments_are_streams_or_chosen():
    both = append_recordings([make_recording(X[:2000]), make_recording(X[2000:])])
    with pytest.raises(FormatError, match="segment = 2"):
        as_datafile(both, segment=2)
    assert np.array_equal(as_datafile(both, segment=1)[:], X[2000:] / 2)
    recording = as_datafile(both)
    assert recording.nb_streams == 2
    assert np.array_equal(recording[:], X / 2)
    assert np.array_equal(
        pickle.loads(pickle.dumps(recording))[1990:2010], X[1990:2010] / 2
    )


def test_counts_without_gains_are_told(caplog):
    recording = as_datafile(NumpyRecording([X], RATE_HZ))
    assert "states no gains" in caplog.text
    assert np.array_equal(recording[:], X)


# -------------------------------------------------------------- ours, as theirs


@pytest.fixture
def flat(tmp_path):
    X.tofile(tmp_path / "a.dat")
    return read_circus(tmp_path / "a.dat", "raw_binary", **RAW, gain=0.5)


def test_samples_are_those_of_the_file_and_scale_to_microvolts(flat):
    assert flat.get_dtype() == np.int16
    assert flat.get_sampling_frequency() == RATE_HZ
    assert np.array_equal(flat.get_traces(), X)
    some = flat.get_traces(start_frame=10, end_frame=20, channel_ids=["2", "0"])
    assert np.array_equal(some, X[10:20][:, [2, 0]])
    assert np.array_equal(flat.get_traces(return_in_uV=True), X / np.float32(2))
    assert np.array_equal(scale(flat, gain=2.0).get_traces(), X * 2)


def test_a_zero_that_is_not_0_is_an_offset(tmp_path):
    (X.astype(np.int32) + 32768).astype("<u2").tofile(tmp_path / "a.dat")
    recording = read_circus(
        tmp_path / "a.dat", "raw_binary", **RAW | {"data_dtype": "uint16"}, gain=0.195
    )
    traces = recording.get_traces(return_in_uV=True)
    np.testing.assert_allclose(traces, X * 0.195, rtol=1e-5, atol=1e-3)


def test_it_survives_dict_json_and_pickle(flat, tmp_path):
    assert flat.check_serializability("json")
    flat.dump_to_json(tmp_path / "rec.json")
    copies = [
        si.load(flat.to_dict()),
        si.load(tmp_path / "rec.json"),
        pickle.loads(pickle.dumps(flat)),
        flat.clone(),
    ]
    for copy in copies:
        assert np.array_equal(copy.get_traces(), X)
        assert np.array_equal(copy.get_channel_gains(), flat.get_channel_gains())
    ours = open_recording(tmp_path / "rec.json")
    assert ours.description == "spikeinterface"
    assert np.array_equal(ours[100:200], X[100:200] / np.float32(2))


@pytest.mark.parametrize("form", ["binary", "zarr", "memory"])
def test_it_saves_in_parallel_jobs(flat, tmp_path, form):
    where = {} if form == "memory" else {"folder": tmp_path / "saved"}
    jobs = {"n_jobs": 2, "chunk_size": 700, "progress_bar": False}
    saved = flat.save(format=form, **where, **jobs)
    assert np.array_equal(saved.get_traces(), X)
    if form == "zarr":
        assert np.array_equal(open_recording(tmp_path / "saved.zarr")[:], X / 2)


def _first_samples(recording, start):
    return recording.get_traces(start_frame=start, end_frame=start + 3)


def test_forked_processes_have_files_of_their_own(tmp_path):
    """Two processes that share an open HDF5 file would move each other's place."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=X, chunks=(100, 4), compression="gzip")
    recording = read_circus(tmp_path / "a.h5", h5_key="x", sampling_rate=RATE_HZ)
    assert np.array_equal(recording.get_traces(end_frame=3), X[:3])  # it is open here
    starts = list(range(0, 4000, 40))
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        found = list(pool.map(_first_samples, [recording] * len(starts), starts))
    assert all(
        np.array_equal(part, X[start : start + 3])
        for part, start in zip(found, starts, strict=True)
    )


def test_streams_are_segments_at_their_times(tmp_path):
    for index in range(2):
        X[2500 * index :][:2500].tofile(tmp_path / f"a_{index}.dat")
    recording = read_circus(tmp_path / "a_0.dat", "raw_binary", "multi-files", **RAW)
    assert recording.get_num_segments() == 2
    assert recording.get_start_time(1) == 2500 / RATE_HZ
    assert np.array_equal(recording.get_traces(segment_index=1), X[2500:])
    assert recording.is_binary_compatible()
    assert len(recording.get_binary_description()["file_paths"]) == 2


@pytest.mark.parametrize("form", ["binary", "zarr"])
def test_segments_save_with_their_times(tmp_path, form):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for index, t_start in enumerate((0, 4000)):
            file[f"data/{index}"] = X[2500 * index :][:2500]
            told = {"t_start": t_start, "sampling_rate": float(RATE_HZ)}
            file[f"data/{index}"].attrs.update(told)
    told = {"h5_key": "data", "sampling_rate": RATE_HZ, "stream_mode": "single-file"}
    recording = read_circus(tmp_path / "a.h5", "hdf5", **told)
    jobs = {"n_jobs": 2, "chunk_size": 700, "progress_bar": False}
    saved = recording.save(folder=tmp_path / "saved", format=form, **jobs)
    for segment, start_s in enumerate((0, 4000 / RATE_HZ)):
        assert saved.get_start_time(segment) == start_s
        traces = saved.get_traces(segment_index=segment)
        assert np.array_equal(traces, X[2500 * segment :][:2500])


def test_the_binary_description_is_where_the_samples_are(tmp_path):
    (tmp_path / "a.dat").write_bytes(b"header" + X.tobytes())
    recording = read_circus(tmp_path / "a.dat", "raw_binary", **RAW, data_offset=6)
    told = recording.get_binary_description()
    (path,) = told.pop("file_paths")
    assert told == {"num_chan": 4, "dtype": "<i2", "time_axis": 0, "file_offset": 6}
    assert np.array_equal(np.fromfile(path, "<i2", offset=6).reshape(-1, 4), X)
    np.save(tmp_path / "b.npy", X)
    other = read_circus(tmp_path / "b.npy", sampling_rate=RATE_HZ)
    assert not other.is_binary_compatible()
    assert np.array_equal(other.get_traces(), X)


def test_a_format_that_gives_microvolts_is_float32(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n"
        "from circus_io import DataFile\n"
        "class Mine(DataFile):\n"
        "    description = 'mine'\n"
        "    _params = {'nb_channels': 2, 'sampling_rate': 1., 'data_dtype': 'i2',\n"
        "               'dtype_offset': 0, 'gain': 3.}\n"
        "    def _read_from_header(self):\n"
        "        self._shape = (100, 2)\n"
        "    def read_chunk(self, idx, chunk_size, padding=(0, 0), nodes=None):\n"
        "        a, b = self._get_t_start_t_stop(idx, chunk_size, padding)\n"
        "        x = np.arange(200, dtype='i2').reshape(100, 2)[a:b]\n"
        "        x = x if nodes is None else x[:, list(nodes)]\n"
        "        return self._scale_data_to_float32(x)\n"
    )
    (tmp_path / "a.x").touch()
    recording = read_circus(tmp_path / "a.x", f"{tmp_path / 'mine.py'}:Mine")
    assert recording.get_dtype() == np.float32
    expected = 3 * np.arange(200).reshape(100, 2)
    assert np.array_equal(recording.get_traces(), expected)
    part = recording.get_traces(start_frame=7, end_frame=9, channel_ids=["1"])
    assert np.array_equal(part, expected[7:9, [1]])
