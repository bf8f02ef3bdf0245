"""Files of bspysmg, as its libraries write them: PyYAML, numpy.savetxt, numpy.savez."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from circus_io.errors import (
    FormatError,
    MissingDependencyError,
    NotWritableError,
    RecordingNotFoundError,
)
from stim.sampling.legacy import (
    import_io_dat,
    import_npz,
    read_io_dat,
    read_sampler_configs,
)
from stim.sampling.npz_file import read_arrays, read_info
from stim.sampling.store import SampleStore


@pytest.fixture
def yaml(require):
    return require("yaml", extra="yaml")


def legacy_configs(configs):
    """As `Sampler` of bspysmg leaves them: arrays and tuples among the rest."""
    data = configs["input_data"]
    data["amplitude"] = np.array([0.9, 0.9, 0.5])
    data["offset"] = np.array([-0.3, -0.3, -0.2])
    data["ramp_time"] = np.float64(0.5)
    configs["driver"]["gain_info"] = (1, 2)
    return configs


def legacy_run(folder, configs, yaml, n_rows=12 * 57):
    folder.mkdir(exist_ok=True)
    text = yaml.dump(legacy_configs(configs))
    assert "!!python/object/apply:numpy" in text
    (folder / "sampler_configs.json").write_text(text)
    values = np.random.default_rng(0).normal(size=(n_rows, 5))
    names = ", ".join(
        [f"Input {i}" for i in range(3)] + [f"Output {i}" for i in range(2)]
    )
    np.savetxt(folder / "IO.dat", values, header=names)
    return values


def test_configurations_with_numpy_nodes_are_read(tmp_path, configs, yaml):
    legacy_run(tmp_path, configs, yaml, 1)
    got = read_sampler_configs(tmp_path / "sampler_configs.json")
    expected = legacy_configs(configs)
    data, there = got["input_data"], expected["input_data"]
    for name in ("amplitude", "offset"):
        np.testing.assert_array_equal(data.pop(name), there.pop(name))
    assert got["driver"]["gain_info"] == (1, 2)
    assert got == expected


OLD_NUMPY = """
amplitude: !!python/object/apply:numpy.core.multiarray._reconstruct
  args:
  - !!python/name:numpy.ndarray ''
  - !!python/tuple
    - 0
  - !!binary |
    Yg==
  state: !!python/tuple
  - 1
  - !!python/tuple
    - 2
  - &id001 !!python/object/apply:numpy.dtype
    args:
    - f8
    - false
    - true
    state: !!python/tuple
    - 3
    - <
    - null
    - null
    - null
    - -1
    - -1
    - 0
  - false
  - !!binary |
    AAAAAAAA8D8AAAAAAAAAQA==
ramp_time: !!python/object/apply:numpy.core.multiarray.scalar
- *id001
- !!binary |
  AAAAAAAA4D8=
"""


def test_nodes_of_older_numpy_are_read(tmp_path, yaml):
    (tmp_path / "c.json").write_text(OLD_NUMPY)
    got = read_sampler_configs(tmp_path / "c.json")
    assert got["amplitude"].tolist() == [1.0, 2.0]
    assert got["ramp_time"] == 0.5


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system ['touch {proof}']",
        "a: !!python/object/new:os.system ['touch {proof}']",
        "a: !!python/object/apply:subprocess.check_output [[touch, '{proof}']]",
        "a: !!python/name:os.system ''",
        "a: !!python/module:os ''",
        "a: !!python/object/apply:numpy.core.multiarray.fromfile ['{proof}']",
        "a: !!python/object/apply:numpy.dtype [f8]",
        "a: !unknown 3",
        "a: !!python/complex 1j",
        # parts of an array that are something else
        OLD_NUMPY.replace("- <\n", "- '>'\n"),
        OLD_NUMPY.replace("- f8", "- O8"),
        OLD_NUMPY.replace("    - 2\n", "    - 3\n"),
        OLD_NUMPY.replace("    - 2\n", "    - -2\n"),
        OLD_NUMPY.replace(
            "  - false\n  - !!binary |\n    AAAAAAAA8D8AAAAAAAAAQA==",
            "  - false\n  - !!python/object/apply:os.system ['touch {proof}']",
        ),
        "a: [1, 2",
        "- 1",
        "just text",
    ],
)
def test_other_nodes_are_refused_and_run_nothing(tmp_path, yaml, text):
    proof = tmp_path / "proof"
    path = tmp_path / "c.json"
    path.write_text(text.replace("{proof}", str(proof)))
    with pytest.raises(FormatError):
        read_sampler_configs(path)
    assert not proof.exists()


def test_json_needs_no_yaml(tmp_path):
    (tmp_path / "c.json").write_text('{"input_data": {"seed": 3}}')
    (tmp_path / "d.json").write_text("input_data: {seed: 3}")
    code = (
        "import sys; sys.modules['yaml'] = None\n"
        "from stim.sampling.legacy import read_sampler_configs\n"
        f"print(read_sampler_configs({str(tmp_path / 'c.json')!r})['input_data'])\n"
        f"read_sampler_configs({str(tmp_path / 'd.json')!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "{'seed': 3}\n"
    assert "circus-toolkit[yaml]" in done.stderr
    assert MissingDependencyError.__name__ in done.stderr
    with pytest.raises(RecordingNotFoundError):
        read_sampler_configs(tmp_path / "none.json")


def test_io_dat_is_what_loadtxt_reads(tmp_path, configs, yaml):
    values = legacy_run(tmp_path, configs, yaml)
    expected = np.loadtxt(tmp_path / "IO.dat")
    np.testing.assert_array_equal(expected, values)  # %.18e keeps all of a float64
    path = import_io_dat(tmp_path, tmp_path / "new")
    with SampleStore(path) as store:
        assert store.n_batches == 12
        inputs, outputs = store.read(0, store.n_samples)
        assert np.hstack([inputs, outputs]).tobytes() == expected.tobytes()
        assert store.info["sampling_configs"]["input_data"]["offset"] == [
            -0.3,
            -0.3,
            -0.2,
        ]
    with pytest.raises(NotWritableError, match="exists"):
        import_io_dat(tmp_path, tmp_path / "new")


def test_a_run_that_was_cut_short_is_imported(tmp_path, configs, yaml, caplog):
    values = legacy_run(tmp_path, configs, yaml, n_rows=150)
    content = (tmp_path / "IO.dat").read_bytes()
    (tmp_path / "IO.dat").write_bytes(content[:-30])  # in the middle of the last row
    with SampleStore(import_io_dat(tmp_path, tmp_path / "new")) as store:
        assert store.batches["n_samples"].tolist() == [57, 57, 35]
        np.testing.assert_array_equal(store.read(0, 149)[0], values[:149, :3])
    assert "has 149 samples" in caplog.text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("1 2 3\n", "does not begin with"),
        ("# Input 0, Input 1\n1 2\n", "does not begin with"),
        ("# Output 0, Input 0\n1 2\n", "does not begin with"),
        ("# Input 0, Output 0\n1 2\n1 x\n", "lines 2 to 3"),
        ("# Input 0, Output 0\n1 2\n1 2 3\n", "lines 2 to 3"),
        ("# Input 0, Output 0\n1 2 3\n1 2 3\n", "3 columns; expected rows of 2"),
    ],
)
def test_what_is_no_io_dat(tmp_path, content, words):
    (tmp_path / "IO.dat").write_text(content)
    with pytest.raises(FormatError, match=words):
        list(read_io_dat(tmp_path / "IO.dat"))


def test_columns_and_configuration_have_to_agree(tmp_path, configs, yaml):
    configs["input_data"]["readout_electrode_no"] = 1
    legacy_run(tmp_path, configs, yaml, 20)
    with pytest.raises(FormatError, match="readout_electrode_no = 1"):
        import_io_dat(tmp_path, tmp_path / "new")


MEASURE = """
import resource, sys, numpy as np
from stim.sampling.legacy import import_io_dat
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
import_io_dat(sys.argv[1], sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is kB on Linux")
def test_the_import_takes_bounded_memory(tmp_path, configs, yaml):
    """40 MB of text, 13 MB of samples, in batches of 2000."""
    configs["input_data"]["batch_time"] = 20.0
    legacy_run(tmp_path, configs, yaml, 1)
    row = (
        b" ".join([b"%.18e" % value for value in (0.1, -0.2, 0.3, 1e5, -1e-9)]) + b"\n"
    )
    with (tmp_path / "IO.dat").open("ab") as file:
        for _ in range(160):
            file.write(row * 2000)
    assert (tmp_path / "IO.dat").stat().st_size > 38e6
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path), str(tmp_path / "new")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 8000  # kB


def legacy_npz(path, configs, **changes):
    inputs = np.arange(12.0).reshape(4, 3)
    outputs = np.arange(8.0).reshape(4, 2)
    arrays = {
        "inputs": inputs,
        "outputs": outputs,
        "sampling_configs": configs,
    } | changes
    np.savez(path, **arrays)
    return inputs, outputs


def test_a_legacy_npz_is_turned_into_one_without_a_pickle(tmp_path, configs):
    expected = legacy_npz(tmp_path / "old.npz", legacy_configs(configs))
    with pytest.raises(FormatError, match="import_npz"):
        read_info(tmp_path / "old.npz")
    new = import_npz(
        tmp_path / "old.npz", tmp_path / "new.npz", allow_pickled_configs=True
    )
    with np.load(new, allow_pickle=False) as file:
        assert set(file.files) == {"inputs", "outputs", "info"}
        np.testing.assert_array_equal(file["inputs"], expected[0])
        np.testing.assert_array_equal(file["outputs"], expected[1])
    info = read_info(new)
    assert info["input_data"]["amplitude"] == [0.9, 0.9, 0.5]
    assert info["driver"]["amplification"] == [28.5, 39.5]


def test_without_the_flag_the_pickle_is_not_even_looked_at(tmp_path):
    legacy_npz(tmp_path / "old.npz", Bomb(tmp_path / "proof"))
    new = import_npz(tmp_path / "old.npz", tmp_path / "new.npz")
    assert read_info(new) == {}
    assert len(read_arrays(new, "inputs")[0]) == 4
    assert not (tmp_path / "proof").exists()


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("target", ["bomb", print, np.load, pickle.loads, np.array])
def test_pickles_that_would_run_something_are_refused(tmp_path, target):
    held = Bomb(tmp_path / "proof") if target == "bomb" else target
    legacy_npz(tmp_path / "old.npz", {"a": [held]})
    with pytest.raises(FormatError, match="is not allowed"):
        import_npz(tmp_path / "old.npz", tmp_path / "n.npz", allow_pickled_configs=True)
    assert not (tmp_path / "proof").exists()


def test_arrays_that_are_pickles_are_not_loaded(tmp_path):
    legacy_npz(tmp_path / "old.npz", {}, inputs=np.array([{"a": 1}], dtype=object))
    with pytest.raises(FormatError, match="is a pickle"):
        import_npz(
            tmp_path / "old.npz", tmp_path / "new.npz", allow_pickled_configs=True
        )
    np.savez(tmp_path / "none.npz", inputs=np.zeros(3))
    with pytest.raises(FormatError, match="no array outputs"):
        import_npz(tmp_path / "none.npz", tmp_path / "new.npz")
