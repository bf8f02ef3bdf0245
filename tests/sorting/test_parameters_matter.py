"""A key that says it is used reaches the run; one that does not says so."""

from pathlib import Path

import numpy as np
import pytest

import circus_io
from circus_cli.job import prepare
from circus_cli.request import Request
from circus_io.errors import CircusError
from circus_io.params import build_params, read_params
from circus_io.schema import FORMAT_KEYS, KEYS
from sorting import api
from tests.writers.neo_folders import write_ncs
from tests.writers.neo_hdf5 import write_maxwell

PROBE = """
radius = {radius}
channel_groups = {{1: {{
    'channels': list(range(4)),
    'graph': [],
    'geometry': {{0: [0, 0], 1: [0, 25], 2: [25, 0], 3: [25, 25]}},
}}}}
"""
PARAMETERS = """
[data]
file_format = raw_binary
data_dtype = int16
sampling_rate = 20000
nb_channels = 4
mapping = one.prb
[triggers]
dead_file = one.txt
trig_file = one.txt
trig_windows = one.txt
"""

# key: (another value, what else has to be set for it to count)
DEAD = {"triggers.ignore_times": True}
CLEAN = {"triggers.clean_artefact": True}
CHANGES = {
    "data.file_format": ("{folder}/other.py:OtherFile", {}),
    "data.stream_mode": ("multi-files", {}),
    "data.mapping": ("{folder}/two.prb", {}),
    "data.suffix": ("-b", {}),
    "data.output_dir": ("{folder}/elsewhere", {}),
    "detection.radius": (40, {}),
    "detection.N_t": (4, {}),
    "detection.spike_thresh": (7, {}),
    "detection.peaks": ("both", {}),
    "detection.dead_channels": ("{1: [2]}", {}),
    "detection.weird_thresh": (80, {}),
    "filtering.cut_off": ("500, 5000", {}),
    "filtering.filter": (False, {}),
    "filtering.remove_median": (True, {}),
    "filtering.common_ground": ("{1: 2}", {}),
    "filtering.butter_order": (2, {}),
    "filtering.sat_value": (0.5, {}),
    "triggers.dead_file": ("{folder}/two.txt", DEAD),
    "triggers.dead_unit": ("timestep", DEAD),
    "triggers.ignore_times": (True, {}),
    "triggers.trig_file": ("{folder}/two.txt", CLEAN),
    "triggers.trig_windows": ("{folder}/two.txt", CLEAN),
    "triggers.trig_unit": ("timestep", CLEAN),
    "triggers.clean_artefact": (True, {}),
    "whitening.spatial": (False, {}),
    "clustering.max_elts": (900, {}),
    "clustering.sub_dim": (4, {}),
    "clustering.cc_merge": (0.9, {}),
    "clustering.n_abs_min": (30, {}),
    "fitting.amp_limits": ("0.2, 4", {"fitting.amp_auto": False}),
    "fitting.amp_auto": (False, {}),
    "fitting.refractory": (1, {}),
    "merging.auto_mode": (0.5, {}),
    "merging.cc_overlap": (0.5, {}),
    "merging.time_rpv": (1, {}),
    "merging.rpv_threshold": (0.1, {}),
    "merging.remove_noise": (False, {}),
    "merging.noise_limit": (1, {}),
    "converting.sparse_export": (False, {}),
    "converting.prelabelling": (True, {}),
    "circus.follow_drift": ("False", {}),
    "circus.seed": (3, {}),
    "circus.filtered_file": (True, {}),
    "circus.preset": ("fast", {}),
}
FIELDS = {
    "data_dtype": "uint16",
    "sampling_rate": 10000,
    "nb_channels": 8,
    "data_offset": 800,
    "dtype_offset": 5,
    "gain": 0.5,
}
ARRAY_FIELDS = {"h5_key": "b", "time_axis": 0}
PART_FIELDS = {"recording_number": ("kwd", 1), "channel_name": ("arf", "odd")}
NEO_FIELDS = {
    "block": ("maxwell", "1"),
    "well": ("maxwell", "0007"),
    "ncs_pattern": ("neuralynx", "CSC9"),
    "mapping_file": ("neuralynx", "absent.txt"),
    "idx_mapping": ("neuralynx", 3),
}
ELSEWHERE = {"data.file_name"}  # of `circus FILE.params`, tested below


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "one.prb").write_text(PROBE.format(radius=100))
    (tmp_path / "two.prb").write_text(PROBE.format(radius=60))
    (tmp_path / "one.txt").write_text("10 20\n")
    (tmp_path / "two.txt").write_text("10 30\n")
    (tmp_path / "rec.params").write_text(PARAMETERS)
    (tmp_path / "other.py").write_text(
        "from circus_io.files.raw_binary import RawBinaryFile\n"
        "class OtherFile(RawBinaryFile):\n    description = 'other'\n"
    )
    for name in ("rec_0.dat", "rec_1.dat"):
        np.arange(8000, dtype="<i2").tofile(tmp_path / name)
    return tmp_path


@pytest.fixture
def told(folder, monkeypatch):
    """Say what `sort` tells its run, for some values."""
    runs = []
    monkeypatch.setattr(api.Run, "run", lambda run, steps: runs.append(run))

    def tell(values):
        api.sort(
            folder / "rec_0.dat",
            parameters=read_params(folder / "rec.params", values),
        )
        run = runs.pop()
        return (
            run.config,
            run.probe.channels.tolist(),
            run.result_path,
            type(run.recording).__name__,
            run.recording.nb_streams,
        )

    return tell


def used_keys():
    return {
        f"{key.section}.{key.name}"
        for keys in KEYS.values()
        for key in keys.values()
        if key.used
    }


def test_no_used_key_is_left_out_here():
    assert CHANGES.keys() | ELSEWHERE == used_keys()
    fields = {key.name for key in FORMAT_KEYS.values() if key.used}
    tested = [FIELDS, ARRAY_FIELDS, PART_FIELDS, NEO_FIELDS]
    assert set().union(*tested) == fields


@pytest.mark.parametrize("key", CHANGES)
def test_a_used_key_changes_the_run(key, told, folder):
    value, others = CHANGES[key]
    if isinstance(value, str):
        value = value.replace("{folder}", str(folder))
    assert told({key: value} | others) != told(dict(others))


def test_the_recording_may_be_named_by_its_parameters(folder):
    jobs = [
        prepare(Request(folder / "rec.params", overrides=(f"data.file_name={path}",)))
        for path in (folder / "rec_0.dat", folder / "rec_1.dat")
    ]
    assert [job.recording_path.name for job in jobs] == ["rec_0.dat", "rec_1.dat"]


@pytest.mark.parametrize("name", FIELDS)
def test_a_used_field_changes_the_recording(name, folder):
    def read(values):
        parameters = read_params(folder / "rec.params", values)
        path = folder / "rec_0.dat"
        with circus_io.open_from_parameters(path, parameters) as recording:
            traces = recording[:]
            return recording.sampling_rate, traces.shape, traces.tolist()

    assert read({f"data.{name}": FIELDS[name]}) != read({})


@pytest.mark.parametrize("name", ARRAY_FIELDS)
def test_a_used_field_of_arrays_changes_the_recording(name, tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "rec.h5", "w") as file:
        file["a"] = np.zeros((10, 20), dtype="i2")
        file["b"] = np.zeros((10, 30), dtype="i2")

    def shape(values):
        base = {"file_format": "hdf5", "sampling_rate": 20000, "h5_key": "a"}
        parameters = build_params({"data": base | values})
        path = tmp_path / "rec.h5"
        return circus_io.open_from_parameters(path, parameters).shape

    assert shape({}) == (20, 10)
    assert shape({name: ARRAY_FIELDS[name]}) != (20, 10)


@pytest.mark.parametrize("name", PART_FIELDS)
def test_a_used_field_of_parts_changes_the_recording(name, tmp_path):
    h5py = pytest.importorskip("h5py")
    file_format, value = PART_FIELDS[name]
    path = tmp_path / f"rec.{file_format}"
    with h5py.File(path, "w") as file:
        for number in range(2):
            file[f"recordings/{number}/data"] = np.zeros((10 + number, 4), "i2")
        entry = file.create_group("entry")
        entry.attrs["timestamp"] = [0, 0]
        for channel in ("even", "odd"):
            entry[channel] = np.zeros(20, "i2")
            entry[channel].attrs["sampling_rate"] = 20000

    def shape(values):
        base = {"file_format": file_format, "sampling_rate": 20000}
        parameters = build_params({"data": base | values})
        return circus_io.open_from_parameters(path, parameters).shape

    assert shape({name: value}) != shape({})


@pytest.mark.parametrize("name", NEO_FIELDS)
def test_a_used_field_of_neos_formats_chooses_a_part(name, tmp_path, require):
    """What is asked for is not there."""
    require("neo", extra="neo")
    file_format, absent = NEO_FIELDS[name]
    given = {"file_format": file_format}
    if file_format == "maxwell":
        path = write_maxwell(tmp_path / "a.h5", np.zeros((600, 4), "u2"))
    else:
        path = tmp_path / "CSC1.ncs"
        write_ncs(path, np.zeros(600, "i2"))
    if name == "idx_mapping":
        (tmp_path / "listed.txt").write_text("CSC1.ncs\n")
        given["mapping_file"] = str(tmp_path / "listed.txt")

    def read(values):
        parameters = build_params({"data": given | values})
        return circus_io.open_from_parameters(path, parameters)[:]

    assert len(read({})) > 0
    with pytest.raises(CircusError):
        read({name: absent})


@pytest.mark.parametrize(
    ("key", "limit", "beyond"),
    [
        (key, limit, limit + step)
        for keys in KEYS.values()
        for key in keys.values()
        for limit, step in ((key.most, 3), (key.least, -3))
        if limit is not None
    ],
    ids=str,
)
def test_a_limit_that_a_notice_names_is_the_one_in_use(key, limit, beyond, told):
    name = f"{key.section}.{key.name}"
    inside = 2 * limit - beyond if limit > 3 else limit / 2
    at_limit = told({name: limit})
    assert told({name: beyond}) == at_limit
    assert told({name: inside}) != at_limit


def test_a_key_that_is_not_used_gives_a_notice():
    for text in ("converting.export_pcs=all", "converting.erase_all=False"):
        name, _, value = text.partition("=")
        assert name not in used_keys()
        assert len(build_params({name: value}).notices) == 1


def test_a_wrapper_lies_beside_the_parameters(folder, monkeypatch):
    text = PARAMETERS.replace("raw_binary", "./other.py:OtherFile")
    (folder / "rec.params").write_text(text)
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    parameters = read_params(folder / "rec.params")
    recording = circus_io.open_from_parameters(folder / "rec_0.dat", parameters)
    assert type(recording).__name__ == "OtherFile"
    assert Path(recording.file_name).name == "rec_0.dat"
