"""Every documented public name of bspysmg.data, with its arguments."""

import importlib
import inspect
from pathlib import Path

import numpy as np
import pytest

from stim.sampling import store_layout
from stim.sampling.devices.simulated import SimulatedDevice
from stim.sampling.sampling import Sampler
from stim.sampling.store import SampleStore, StoreWriter

# module, name, arguments after self as they are documented
SURFACE = [
    ("sampling", "Sampler", "configs"),
    ("sampling", "Sampler.config_offset_and_amplitude", ""),
    ("sampling", "Sampler.init_configs", ""),
    ("sampling", "Sampler.get_batch_indices", "sample_no batch_size"),
    ("sampling", "Sampler.get_header", "input_no output_no"),
    ("sampling", "Sampler.ramp_input", "x"),
    ("sampling", "Sampler.sample_batch", "x"),
    ("sampling", "Sampler.sample", "plot_interval"),
    ("sampling", "Sampler.save_batch", "args"),
    ("sampling", "Sampler.close_driver", ""),
    ("sampling", "convert", "num_batches total_batches time_taken"),
    (
        "postprocess",
        "post_process",
        "data_dir clipping_value charging_signal_batch_no reference_signal_batch_no "
        "filename",
    ),
    (
        "postprocess",
        "get_sampling_data",
        "filename activation_electrode_no readout_electrode_no",
    ),
    ("postprocess", "clip_data", "inputs outputs clipping_value_range"),
    ("postprocess", "get_electrode_info", "configs clipping_value"),
    ("postprocess", "get_voltage_ranges", "offset amplitude"),
    ("postprocess", "print_electrode_info", "configs"),
    ("postprocess", "save_npz", "data_dir file_name inputs outputs configs"),
    ("dataset", "ModelDataset", "filename steps"),
    ("dataset", "ModelDataset.__len__", ""),
    ("dataset", "ModelDataset.__getitem__", "index"),
    ("dataset", "ModelDataset.load_data_from_npz", "filename steps"),
    ("dataset", "get_info_dict", "training_configs sampling_configs"),
    ("dataset", "get_dataloaders", "configs"),
]


@pytest.mark.parametrize(("module", "name", "arguments"), SURFACE)
def test_documented_names_are_there(module, name, arguments):
    found = importlib.import_module(f"stim.sampling.{module}")
    for part in name.split("."):
        found = getattr(found, part)
    parameters = dict(inspect.signature(found).parameters)
    parameters.pop("self", None)
    expected = arguments.split()
    assert list(parameters)[: len(expected)] == expected
    for own in list(parameters.values())[len(expected) :]:
        assert own.default is not inspect.Parameter.empty
    assert found.__doc__


def test_batches_of_a_sampler(configs):
    sampler = Sampler(configs)
    total, batch_size, data = sampler.init_configs()
    assert (total, batch_size) == (12 * 57, 57)
    assert data["amplitude"] == pytest.approx([0.9, 0.9, 0.5])
    assert list(Sampler.get_batch_indices(7, 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert Sampler.get_header(2, 1) == "Input 0, Input 1, Output 0"
    batch = np.full((10, 3), 0.1)
    assert sampler.ramp_input(batch).shape == (10 + 2 * 29, 3)
    assert sampler.sample_batch(batch).shape == (10, 2)
    sampler.close_driver()
    sampler.close_driver()


def test_numbers_of_numpy_are_numbers(configs):
    configs["input_data"]["number_batches"] = np.int64(2)
    configs["driver"]["instruments_setup"]["activation_sampling_frequency"] = np.int64(
        100
    )
    configs["input_data"]["amplitude"] = np.array([0.1, 0.2, 0.3])
    with SampleStore(Sampler(configs).sample()) as store:
        assert store.info["design"]["amplitude"] == [0.1, 0.2, 0.3]
        assert store.n_batches == 2


def test_a_batch_is_saved_as_it_is_asked_for(configs, tmp_path):
    store_layout.create(tmp_path / "samples.h5", [4], 3, 2, {})
    sampler = Sampler(configs)
    inputs, outputs = np.arange(12.0).reshape(4, 3), np.arange(8.0).reshape(4, 2)
    with StoreWriter(tmp_path / "samples.h5") as writer:
        sampler.save_batch(writer, inputs, outputs)
    with SampleStore(tmp_path) as store:
        assert store.batch(0)[0].tolist() == inputs.tolist()
        assert store.batches["seed"].tolist() == [11]


def test_a_run_goes_on_from_the_folder_it_left(configs, limits):
    configs["input_data"]["max_slew_per_s"] = 10.0
    whole = Sampler(configs).sample()
    with pytest.raises(ConnectionError):
        Sampler(configs, SimulatedDevice(limits, 2, fails_at_sample=700)).sample()
    (cut,) = [p for p in Path(configs["save_directory"]).iterdir() if str(p) != whole]
    assert Sampler(configs).sample(resume=cut) == str(cut)
    with SampleStore(whole) as one, SampleStore(cut) as other:
        for a, b in zip(one.read(0, 684), other.read(0, 684), strict=True):
            np.testing.assert_array_equal(a, b)
