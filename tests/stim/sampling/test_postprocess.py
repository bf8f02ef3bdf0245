"""Data sets of runs, against numpy on the whole record."""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from circus_io.errors import FormatError, ParameterError, RecordingNotFoundError
from stim.sampling import postprocess
from stim.sampling.clipping import clipping_limits
from stim.sampling.devices.simulated import SimulatedDevice
from stim.sampling.npz_file import (
    Pieces,
    array_names,
    read_arrays,
    read_info,
    write_npz,
)
from stim.sampling.postprocess import (
    clip_data,
    get_electrode_info,
    get_sampling_data,
    get_voltage_ranges,
    post_process,
    print_electrode_info,
    save_npz,
)
from stim.sampling.sampling import Sampler
from stim.sampling.store import SampleStore

N, BATCH = 12, 57


@pytest.fixture
def run(configs):
    return Sampler(configs).sample()


def whole(run):
    with SampleStore(run) as store:
        return store.read(0, store.n_samples)


def process(run, **changes):
    return post_process(
        run, **{"charging_signal_batch_no": 5, "reference_signal_batch_no": 3} | changes
    )


def test_the_data_sets_of_a_run(run, tmp_path):
    inputs, outputs, configs = process(run, clipping_value=[-50, 60])
    expected = whole(run)
    np.testing.assert_array_equal(inputs, expected[0])
    np.testing.assert_array_equal(outputs, expected[1])
    with np.load(f"{run}/postprocessed_data.npz", allow_pickle=False) as file:
        assert set(file.files) == {"inputs", "outputs", "clipped", "info"}
        np.testing.assert_array_equal(file["inputs"], expected[0])
        mask = (expected[1] <= -50) | (expected[1] >= 60)
        np.testing.assert_array_equal(file["clipped"], mask)
        assert mask.any(axis=0).all()
        assert json.loads(str(file["info"])) == configs
    info = configs["electrode_info"]
    assert info["electrode_no"] == 5
    np.testing.assert_allclose(
        info["activation_electrodes"]["voltage_ranges"],
        [[-1.2, 0.6], [-1.2, 0.6], [-0.7, 0.3]],
        rtol=1e-6,
    )
    assert info["output_electrodes"] == {
        "electrode_no": 2,
        "amplification": [28.5, 39.5],
        "clipping_value": [-50.0, 60.0],
    }
    for name in ("charging_signal", "reference_batch"):
        assert array_names(f"{run}/{name}.npz") == ["inputs", "outputs", "info"]
        assert "electrode_info" not in read_info(f"{run}/{name}.npz")


def test_repeated_reference_batches_are_the_reference(configs):
    configs["input_data"]["reference_every"] = 6
    run = Sampler(configs).sample()
    inputs, _, _ = process(run, reference_signal_batch_no=1)
    assert len(inputs) == N * BATCH  # without the three repeats
    (reference,) = read_arrays(f"{run}/reference_batch.npz", "inputs")
    assert len(reference) == 3 * BATCH
    np.testing.assert_array_equal(reference[:BATCH], reference[BATCH : 2 * BATCH])
    (charging,) = read_arrays(f"{run}/charging_signal.npz", "inputs")
    np.testing.assert_array_equal(charging, inputs[: 5 * BATCH])


def test_nothing_is_clipped_if_asked_for(run):
    _, _, configs = process(run, clipping_value=None)
    assert "clipped" not in array_names(f"{run}/postprocessed_data.npz")
    assert configs["electrode_info"]["output_electrodes"]["clipping_value"] is None


def test_runs_are_merged_in_their_order(configs):
    first = Sampler(configs).sample()
    configs["input_data"] |= {"number_batches": 4, "seed": 5, "amplitude": 0.2}
    second = Sampler(configs).sample()
    inputs, outputs, merged = process(first, list_data=[second])
    one, other = whole(first), whole(second)
    np.testing.assert_array_equal(inputs, np.concatenate([one[0], other[0]]))
    np.testing.assert_array_equal(outputs, np.concatenate([one[1], other[1]]))
    assert [part["n_samples"] for part in merged["runs"]] == [N * BATCH, 4 * BATCH]
    ranges = merged["electrode_info"]["activation_electrodes"]["voltage_ranges"]
    np.testing.assert_allclose(ranges[0], [-1.2, 0.6], rtol=1e-6)


def test_runs_of_other_devices_are_not_merged(configs, limits):
    first = Sampler(configs).sample()
    configs["driver"]["amplification"] = [28.5, 40.0]
    second = Sampler(configs).sample()
    with pytest.raises(ParameterError, match=r"driver\.amplification"):
        process(first, list_data=[second])


def test_a_run_that_is_not_complete_is_used_as_far_as_it_is(configs, limits, caplog):
    device = SimulatedDevice(limits, 2, fails_at_sample=115 * 9 + 20)
    with pytest.raises(ConnectionError):
        Sampler(configs, device).sample()
    (run,) = Path(configs["save_directory"]).iterdir()
    inputs, _, _ = process(run)
    assert len(inputs) == 9 * BATCH
    assert "9 of 12 batches" in caplog.text


def test_pictures_are_drawn_on_request_only(run, require):
    require("matplotlib", extra="plots")
    process(run)
    assert not list(Path(run).glob("*.png"))
    process(run, plots=True)
    picture = Path(run) / "output_distribution.png"
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ("default", [[-114, 114], [-158, 158]]),
        ([-5, 6], [[-5, 6]] * 2),
        ((-5, 6), [[-5, 6]] * 2),
        (7, [[-7, 7]] * 2),
        (np.array([[-1, 2], [-3, 4]]), [[-1, 2], [-3, 4]]),
    ],
)
def test_clipping_values(given, expected):
    got = clipping_limits(given, [28.5, 39.5])
    assert got is expected or got.tolist() == expected


@pytest.mark.parametrize(
    "given", ["auto", [1, 2, 3], [6, -5], ["a", "b"], [[1, 2]] * 3]
)
def test_what_is_no_clipping_value(given):
    with pytest.raises(ParameterError, match="expected 'default', None"):
        clipping_limits(given, [28.5, 39.5])


def test_voltage_ranges():
    got = get_voltage_ranges(np.array([0.1, -0.2]), np.array([1.0, 0.5]))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, [[-0.9, 1.1], [-0.7, 0.3]], rtol=1e-6)


def test_electrode_info_is_printed(configs, capsys):
    configs["electrode_info"] = get_electrode_info(configs)
    print_electrode_info(configs)
    printed = capsys.readouterr().out
    assert "5 electrodes: 3 driven, 2 read" in printed
    assert "electrode 2: -0.7 to 0.3 V" in printed
    with pytest.raises(ParameterError, match="needs electrode_info"):
        print_electrode_info({})


def test_the_documented_pieces(run, tmp_path):
    inputs, outputs = get_sampling_data(f"{run}/samples.h5", 3, 2)
    np.testing.assert_array_equal(inputs, whole(run)[0])
    with pytest.raises(ParameterError, match="3 inputs and 2 outputs, not 7 and 1"):
        get_sampling_data(f"{run}/samples.h5", 7, 1)
    header = "Input 0, Input 1, Input 2, Output 0, Output 1"
    np.savetxt(tmp_path / "IO.dat", np.hstack([inputs, outputs]), header=header)
    again = get_sampling_data(tmp_path / "IO.dat", 3, 2)
    np.testing.assert_array_equal(np.hstack(again), np.loadtxt(tmp_path / "IO.dat"))
    save_npz(tmp_path, "mine", inputs, outputs, {"amplitude": np.ones(3)})
    assert read_info(tmp_path / "mine.npz") == {"amplitude": [1, 1, 1]}
    same = clip_data(inputs, outputs, [-50, 50])
    assert same[0] is inputs
    assert same[1] is outputs


# ------------------------------------------------------------------------- the npz file


def test_npz_files_are_those_of_numpy(tmp_path):
    values = np.random.default_rng(0).normal(size=(1000, 3))
    pieces = Pieces(
        values.shape, values.dtype, (values[i : i + 7] for i in range(0, 1000, 7))
    )
    write_npz(tmp_path / "a.npz", {"inputs": pieces}, {"µ": [1, None]})
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["inputs"], values)
        assert json.loads(str(file["info"])) == {"µ": [1, None]}
    (mapped,) = read_arrays(tmp_path / "a.npz", "inputs")
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, values)
    for save in (np.savez, np.savez_compressed):
        save(
            tmp_path / "b.npz", inputs=np.asfortranarray(values), none=np.empty((0, 3))
        )
        got, none = read_arrays(tmp_path / "b.npz", "inputs", "none")
        np.testing.assert_array_equal(got, values)
        assert none.shape == (0, 3)


def test_what_is_no_npz(tmp_path):
    with pytest.raises(RecordingNotFoundError):
        read_info(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(FormatError, match="no npz"):
        read_info(tmp_path / "text.npz")
    np.savez(tmp_path / "a.npz", info=np.array("{"))
    with pytest.raises(FormatError, match="no JSON"):
        read_info(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", info=np.array("[1]"))
    with pytest.raises(FormatError, match="no table"):
        read_info(tmp_path / "a.npz")
    wrong = Pieces((5, 2), np.dtype(float), [np.zeros((4, 2))])
    with pytest.raises(ValueError, match="4 rows"):
        write_npz(tmp_path / "c.npz", {"a": wrong}, {})
    assert not (tmp_path / "c.npz").exists()


def test_nothing_heavy_is_imported_before_it_is_used():
    code = (
        "import sys, importlib, pkgutil, stim.sampling\n"
        "path, name = stim.sampling.__path__, 'stim.sampling.'\n"
        "for module in pkgutil.walk_packages(path, name):\n"
        "    importlib.import_module(module.name)\n"
        "heavy = {'torch', 'nidaqmx', 'yaml', 'matplotlib', 'scipy'}\n"
        "print(*heavy & set(sys.modules), len(sys.modules) > 100)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr


def test_arguments_have_the_documented_defaults():
    signature = inspect.signature(postprocess.post_process)
    defaults = {name: p.default for name, p in signature.parameters.items()}
    assert defaults["clipping_value"] == "default"
    assert defaults["charging_signal_batch_no"] == 40
    assert defaults["reference_signal_batch_no"] == 15
    assert defaults["filename"] == "postprocessed_data"
