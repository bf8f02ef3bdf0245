"""A small tetrode recording, and a way to call the command line."""

import hashlib
import shutil
from dataclasses import dataclass

import numpy as np
import pytest

from circus_cli.main import main
from sorting.compilation import FIRST_RUN

RATE_HZ = 15_000
N_FRAMES = 6 * RATE_HZ
GAIN_UV = 0.1
PROBE = """
total_nb_channels = 4
radius = 100
channel_groups = {1: {
    'channels': list(range(4)),
    'graph': [],
    'geometry': {0: [0, 0], 1: [0, 25], 2: [25, 0], 3: [25, 25]},
}}
"""
PARAMETERS = """
[data]
file_format = raw_binary
data_dtype = int16
sampling_rate = 15000
nb_channels = 4
gain = 0.1
mapping = tetrode.prb
"""


def make_traces():
    """Give noise of 10 µV sd and two neurons of 100 µV, µV (n_frames, 4)."""
    rng = np.random.default_rng(7)
    traces = rng.normal(0, 10, (N_FRAMES, 4))
    ms = (np.arange(-15, 30) / RATE_HZ * 1000)[:, np.newaxis]
    shape = -np.exp(-((ms / 0.15) ** 2)) + 0.4 * np.exp(-(((ms - 0.5) / 0.3) ** 2))
    for peaks_uv in ([100, 40, 30, 10], [10, 20, 90, 60]):
        gaps = 40 + rng.exponential(0.08 * RATE_HZ, 200).astype(int)
        for start in np.cumsum(gaps):
            if start + len(shape) < N_FRAMES:
                traces[start : start + len(shape)] += shape * peaks_uv
    return traces


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("original")
    (folder / "tetrode.prb").write_text(PROBE)
    (folder / "rec.params").write_text(PARAMETERS)
    raw = np.rint(make_traces() / GAIN_UV).astype("<i2")
    raw.tofile(folder / "rec.dat")
    return folder


@pytest.fixture
def folder(original, tmp_path, monkeypatch):
    """Work in a folder with rec.dat, rec.params and tetrode.prb; keep rec.dat as is."""
    folder = tmp_path / "a folder"  # with a blank, as many have
    shutil.copytree(original, folder)
    monkeypatch.chdir(folder)
    yield folder
    digests = {
        hashlib.sha256((place / "rec.dat").read_bytes()).digest()
        for place in (original, folder)
    }
    assert len(digests) == 1, "the recording was changed"


@dataclass
class Outcome:
    """What a command line came to."""

    status: int
    out: str
    err: str

    @property
    def errors(self):
        return [line for line in self.err.splitlines() if line.startswith("error")]

    @property
    def error(self):
        (line,) = self.errors
        # whichever test sorts first on a machine is told so
        assert self.err.replace(f"{FIRST_RUN}\n", "") == f"{line}\n"
        return line


@pytest.fixture
def circus(capfd):
    """``circus("rec.dat", "-c", "1")`` in this process; gives an `Outcome`."""

    def circus(*arguments):
        capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        return Outcome(status, *capfd.readouterr())

    return circus
