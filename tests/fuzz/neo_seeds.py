"""Sound files of formats that neo reads, small, by the writers of the tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.writers import neo_folders, neo_hdf5, neo_recorders, neo_signals

__all__ = ["NEO_SEEDS"]

RAW = np.random.default_rng(0).integers(-500, 500, (300, 3)).astype("<i2")

# what is opened, its parameters, other files that belong to it
Sound = tuple[Path, dict[str, Any], tuple[str, ...]]


def _bytes(name: str, content: Callable[[], bytes]) -> Callable[[Path], list[Sound]]:
    """Write one file with what `content` makes."""

    def write(folder: Path) -> list[Sound]:
        (folder / name).write_bytes(content())
        return [(folder / name, {}, ())]

    return write


def _file(
    name: str, write_to: Callable[..., Any], *beside: str, raw: np.ndarray = RAW
) -> Callable[[Path], list[Sound]]:
    """Write a file, and those beside it, by a function of path and samples."""

    def write(folder: Path) -> list[Sound]:
        write_to(folder / name, raw)
        return [(folder / name, {}, beside)]

    return write


def _folder(write_to: Callable[..., Any]) -> Callable[[Path], list[Sound]]:
    """Write a folder by a function of path and samples."""

    def write(folder: Path) -> list[Sound]:
        home = folder / "recording"
        home.mkdir()
        write_to(home, RAW)
        return [(home, {}, ())]

    return write


def _open_ephys(folder: Path, raw: np.ndarray) -> None:
    for channel, samples in enumerate(np.tile(raw.T, 4)[:, :1024]):
        neo_folders.write_continuous(
            folder / f"100_CH{channel + 1}.continuous", samples
        )


def _open_ephys_binary(folder: Path, raw: np.ndarray) -> None:
    events = [(100, 1), (120, -1), (200, 1), (210, -1)]
    neo_folders.write_open_ephys_binary(folder, raw, 50, events)


def _neuralynx(folder: Path, raw: np.ndarray) -> None:
    for channel, samples in enumerate(np.tile(raw.T, 4)):
        path = folder / f"CSC{channel + 1}.ncs"
        neo_folders.write_ncs(path, samples, channel=channel)


def _tdt(folder: Path, raw: np.ndarray) -> None:
    neo_folders.write_tdt(folder, raw[:256], events_s=[0.001, 0.002])


def _intan() -> bytes:
    raw = (RAW[:256] + 32768.0).astype("<u2")
    return neo_recorders.rhd_header(3, 1) + neo_recorders.rhd_blocks(raw, raw[:64, :1])


def _blackrock() -> bytes:
    return neo_recorders.nsx_header(3) + neo_recorders.nsx_block(RAW)


def _plexon() -> bytes:
    return neo_recorders.plx_bytes(RAW, spikes=[(40, 1), (80, 2)], events=[60])


NEO_SEEDS: dict[str, Callable[[Path], list[Sound]]] = {
    "axon": _bytes("a.abf", lambda: neo_recorders.abf_bytes(RAW)),
    "biocam": _file("a.brw", neo_hdf5.write_brw3, raw=(RAW + 2048).astype("<u2")),
    "blackrock": _bytes("a.ns5", _blackrock),
    "brainvision": _file("a.vhdr", neo_signals.write_brainvision, "a.eeg", "a.vmrk"),
    "edf": _file("a.edf", neo_signals.write_edf),
    "elan": _file("a.eeg", neo_signals.write_elan, "a.eeg.ent", "a.eeg.pos"),
    "intan": _bytes("a.rhd", _intan),
    "maxwell": _file("a.h5", neo_hdf5.write_maxwell, raw=(RAW + 512).astype("<u2")),
    "mearec": _file("a.h5", lambda path, raw: neo_hdf5.write_mearec(path, raw, 0.5)),
    "neuralynx": _folder(_neuralynx),
    "neuronexus": _file(
        "a.xdat.json",
        neo_signals.write_neuronexus,
        *("a_data.xdat", "a_timestamp.xdat"),
        raw=RAW.astype("<f4"),
    ),
    "neuroscope": _file("a.xml", neo_signals.write_neuroscope, "a.dat"),
    "nix": _file("a.nix", neo_hdf5.write_nix, raw=RAW.astype("<f4")),
    "openephys": _folder(_open_ephys),
    "openephys_binary": _folder(_open_ephys_binary),
    "plexon": _bytes("a.plx", _plexon),
    "spikegadgets": _bytes("a.rec", lambda: neo_recorders.rec_bytes(RAW)),
    "spikeglx": _folder(neo_folders.write_spikeglx),
    "tdt": _folder(_tdt),
    "winedr": _file("a.edr", neo_signals.write_edr),
    "winwcp": _bytes("a.wcp", lambda: neo_signals.wcp_bytes(RAW[:256])),
}
