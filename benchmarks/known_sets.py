"""The kinds of recordings that sorters are compared on, from `circus_io.synthetic`."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from circus_io.probe import read_probe
from circus_io.synthetic import GroundTruth, SyntheticRecording, read_ground_truth

__all__ = ["QUICK", "SETS", "KnownRecording", "KnownSet", "make"]


@dataclass(frozen=True)
class KnownSet:
    """A kind of recording.

    Attributes
    ----------
    about : str
        In words, for the heading of its table.
    settings : dict
        Of `circus_io.synthetic.GroundTruthSpec`.
    is_long : bool
        The electrodes are those of a probe along which tissue may move.
    """

    about: str
    settings: dict[str, Any]
    is_long: bool = False

    @property
    def drifts(self) -> bool:
        """Whether neurons move."""
        return bool(self.settings.get("drift_um"))

    def with_seed(self, seed: int) -> "KnownSet":
        """Return another recording of the kind."""
        return replace(self, settings={**self.settings, "seed": seed})


GAIN_UV = 0.2  # per count
QUICK = "quick"
MEA = {"layout": "grid", "n_channels": 60, "n_units": 50, "sampling_rate": 20_000.0}
PROBE = {
    "layout": "staggered",
    "n_channels": 64,
    "n_units": 28,
    "sampling_rate": 30_000.0,
    "duration_s": 240.0,
}
SETS = {
    "tetrode": KnownSet(
        "Tetrode: 4 channels at 30 kHz, 7 units",
        {
            "layout": "tetrode",
            "n_channels": 4,
            "n_units": 7,
            "sampling_rate": 30_000.0,
            "snr_range": (5.0, 20.0),
            "duration_s": 240.0,
        },
    ),
    "mea": KnownSet(
        "Multi-electrode array: 60 channels at 20 kHz, 50 units",
        {**MEA, "duration_s": 240.0},
    ),
    "probe": KnownSet("Probe: 64 channels at 30 kHz, 28 units", PROBE, is_long=True),
    "drift": KnownSet(
        "The probe, while the tissue moves by ±15 µm",
        {**PROBE, "drift_um": 15.0, "drift_period_s": 120.0},
        is_long=True,
    ),
    "collisions": KnownSet(
        "The array, with 10 to 40 Hz and a tenth of the spikes synchronous",
        {
            **MEA,
            "rate_range_hz": (10.0, 40.0),
            "snr_range": (5.0, 20.0),
            "synchrony": 0.1,
            "duration_s": 150.0,
        },
    ),
    QUICK: KnownSet(
        "Quick: 8 channels at 20 kHz, 4 units, for 20 s; too short to judge by",
        {
            "n_channels": 8,
            "n_units": 4,
            "sampling_rate": 20_000.0,
            "snr_range": (8.0, 20.0),
            "duration_s": 20.0,
        },
    ),
}


@dataclass(frozen=True)
class KnownRecording:
    """A recording on disk, with what a sorter has to be told of it.

    `n_samples` are frames × channels, `positions_um` x and y of each channel.
    """

    path: Path
    truth: GroundTruth
    n_samples: int
    gain_uv: float
    positions_um: list[list[float]]


def make(known: KnownSet, folder: Path) -> KnownRecording:
    """Return the recording of a set; write it into the folder if it is not there."""
    path, spec_path = folder / "recording.dat", folder / "settings.json"
    settings = json.dumps(known.settings)
    if not spec_path.exists() or spec_path.read_text() != settings:
        folder.mkdir(parents=True, exist_ok=True)
        SyntheticRecording(**known.settings).write(path, gain=GAIN_UV)
        spec_path.write_text(settings)
    return KnownRecording(
        path,
        read_ground_truth(path.with_suffix(".ground_truth.npz")),
        path.stat().st_size // 2,  # int16
        GAIN_UV,
        read_probe(path.with_suffix(".prb")).contact_positions[:, :2].tolist(),
    )
