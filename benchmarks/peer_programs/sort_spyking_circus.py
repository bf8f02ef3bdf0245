"""Sort with the classic SpyKING CIRCUS, under the MPI of its environment."""

import os
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import circus
import h5py
import numpy as np
from order import Order, read_order, write_result

STEPS = "filtering,whitening,clustering,fitting,merging"


def main() -> None:
    """Sort with the defaults; the filtered copy goes beside a link to the recording."""
    order = read_order()
    folder = Path(order.folder)
    data = folder / "recording.dat"
    data.symlink_to(order.recording)
    write_params(order, data.with_suffix(".params"), folder / "sort")
    tools = Path(sys.executable).parent
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",  # ranks are its parallelism
        "MPLBACKEND": "Agg",
        "QT_QPA_PLATFORM": "offscreen",
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
    }
    command = ["spyking-circus", str(data), "-c", str(order.n_jobs), "-m", STEPS]
    subprocess.run(command, env=environment, cwd=folder, check=True)
    write_result(order, *read_spikes(folder))


def write_params(order: Order, path: Path, output: Path) -> None:
    """Write its own default parameters, with what they have to say of the file."""
    params = ConfigParser(inline_comment_prefixes="#")
    params.optionxform = str
    params.read(Path(circus.__file__).parent / "config.params")
    given = {
        "file_format": "raw_binary",
        "sampling_rate": order.sampling_rate,
        "data_dtype": "int16",
        "nb_channels": order.n_channels,
        "gain": order.gain_uv,
        "data_offset": 0,
        "mapping": order.recording.removesuffix(".dat") + ".prb",
        "overwrite": False,
        "output_dir": output,
        "parallel_hdf5": False,
    }
    for name, value in given.items():
        params.set("data", name, str(value))
    with path.open("w") as file:
        params.write(file)


def read_spikes(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read times and units of the merged result, or of the one before merging."""
    found = [*folder.rglob("*.result-merged.hdf5"), *folder.rglob("*.result.hdf5")]
    with h5py.File(found[0]) as file:
        trains = [file["spiketimes"][name][:].ravel() for name in file["spiketimes"]]
    units = np.repeat(np.arange(len(trains)), [train.size for train in trains])
    return np.concatenate([np.zeros(0, np.int64), *trains]), units


if __name__ == "__main__":
    main()
