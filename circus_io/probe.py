"""Where the electrodes are: ``.prb`` and probeinterface files → `Probe`."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.atomic import atomic_path
from circus_io.errors import MissingDependencyError, ProbeError
from circus_io.prb import (
    PrbContents,
    channel_problems,
    format_prb,
    name_numbers,
    parse_prb,
    raise_listed,
)

__all__ = ["Probe", "read_probe"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Probe:
    """Contacts of one or several shanks, in electrode order.

    The electrode index 0, 1, … of every result is the position in these arrays.

    Attributes
    ----------
    channels : numpy.ndarray
        int64 (n,): column of each contact in the recording.
    groups : numpy.ndarray
        (n,) int64 or str: shank label. Templates, medians and neighbours stay within.
    contact_positions : numpy.ndarray
        float64 (n, 2) or (n, 3), µm.
    total_nb_channels : int or None
        Channels of the recording, analysed or not; None if the file does not say.
    radius_um : float or None
        Reach of a unit, used where ``[detection] radius = auto``.
    name : str
        File or model, for messages.
    """

    channels: np.ndarray
    groups: np.ndarray
    contact_positions: np.ndarray
    total_nb_channels: int | None = None
    radius_um: float | None = None
    name: str = field(default="probe")

    def __post_init__(self):
        self._store("channels", np.asarray(self.channels, dtype=np.int64))
        self._store("groups", np.asarray(self.groups))
        positions = np.asarray(self.contact_positions, dtype=np.float64)
        self._store("contact_positions", positions.reshape(len(self.channels), -1))
        raise_listed(self.name, _problems(self))

    def _store(self, name: str, array: np.ndarray) -> None:
        array = array.copy()
        array.setflags(write=False)
        object.__setattr__(self, name, array)

    def __repr__(self) -> str:
        labels = ", ".join(str(label) for label in self.group_labels)
        return f"Probe({self.name}: {self.n_channels} channels, groups {labels})"

    @property
    def n_channels(self) -> int:
        """Analysed channels, N_e."""
        return len(self.channels)

    @property
    def group_labels(self) -> list:
        """Shank labels in the order of their first channel."""
        return list(dict.fromkeys(self.groups.tolist()))

    def neighbours(self, radius_um: float) -> np.ndarray:
        """Which contacts lie within a radius on the same shank.

        Parameters
        ----------
        radius_um : float
            Largest Euclidean distance, included; 0 leaves each contact alone.

        Returns
        -------
        numpy.ndarray
            bool (n_channels, n_channels), symmetric, True on the diagonal.
        """
        near = np.zeros((self.n_channels, self.n_channels), dtype=bool)
        for index, position in enumerate(self.contact_positions):
            distances = np.linalg.norm(self.contact_positions - position, axis=1)
            near[index] = (distances <= radius_um) & (self.groups == self.groups[index])
        return near

    def without(self, dead_channels: Mapping[Any, Iterable[int]]) -> "Probe":
        """Leave channels out; the others keep their order.

        Parameters
        ----------
        dead_channels : mapping
            ``{group: [channels]}``, as ``[detection] dead_channels`` has it.

        Raises
        ------
        ProbeError
            A group or channel is not on the probe, or no channel is left.
        """
        problems, dead = [], []
        for label, channels in dead_channels.items():
            members = self.channels[self.groups.astype(str) == str(label)]
            strangers = sorted(set(channels) - set(members.tolist()))
            if not members.size:
                known = ", ".join(str(known) for known in self.group_labels)
                problems.append(f"dead_channels: no group {label!r}, only {known}")
            elif strangers:
                problems.append(
                    f"dead_channels: channels {name_numbers(strangers)} are not in "
                    f"group {label}, which has {name_numbers(members)}"
                )
            dead.extend(channels)
        keep = ~np.isin(self.channels, dead)
        if not problems and not keep.any():
            problems.append("dead_channels: no channel is left")
        raise_listed(self.name, problems)
        return self._subset(keep)

    def _subset(self, keep: np.ndarray) -> "Probe":
        return replace(
            self,
            channels=self.channels[keep],
            groups=self.groups[keep],
            contact_positions=self.contact_positions[keep],
        )

    def check(self, nb_channels: int) -> None:
        """Refuse a recording that this probe cannot belong to.

        Parameters
        ----------
        nb_channels : int
            Channels of the recording.

        Raises
        ------
        ProbeError
            The totals differ, or a channel is not in the recording.
        """
        problems = []
        if self.total_nb_channels not in (None, nb_channels):
            problems.append(
                f"total_nb_channels = {self.total_nb_channels}, but the recording has "
                f"{nb_channels} channels; correct the probe, or nb_channels of the "
                "recording"
            )
        beyond = self.channels[self.channels >= nb_channels]
        if beyond.size:
            problems.append(
                f"channels {name_numbers(beyond)} are not in the recording, which has "
                f"0 to {nb_channels - 1}"
            )
        raise_listed(self.name, problems)

    def channel_table(self) -> dict[str, np.ndarray]:
        """Columns that tie electrode index, file column and place together.

        Returns
        -------
        dict of str to numpy.ndarray
            Each (n_channels,): ``electrode`` and ``channel`` int64, ``group``,
            ``x_um``, ``y_um``, ``z_um`` float64 (z is 0 on a flat probe).
        """
        positions = np.zeros((self.n_channels, 3))
        positions[:, : self.contact_positions.shape[1]] = self.contact_positions
        return {
            "electrode": np.arange(self.n_channels),
            "channel": self.channels,
            "group": self.groups,
            "x_um": positions[:, 0],
            "y_um": positions[:, 1],
            "z_um": positions[:, 2],
        }

    def to_probeinterface(self):
        """Convert to a ``probeinterface.ProbeGroup``, one probe per group.

        ``total_nb_channels`` and ``radius_um`` have no place there.
        """
        probeinterface = _probeinterface()
        result = probeinterface.ProbeGroup()
        for label in self.group_labels:
            members = self.groups == label
            shank = probeinterface.Probe(ndim=self.contact_positions.shape[1])
            shank.annotate(name=f"group {label}")
            shank.set_contacts(
                self.contact_positions[members],
                contact_ids=[str(channel) for channel in self.channels[members]],
                shank_ids=[str(label)] * int(members.sum()),
            )
            shank.set_device_channel_indices(self.channels[members])
            result.add_probe(shank)
        return result

    def write_prb(self, path: str | Path) -> Path:
        """Write a ``.prb`` file, whole or not at all.

        A missing radius or total is left out of the file; classic readers need both.
        """
        contents = PrbContents(
            channels=self.channels.tolist(),
            groups=self.groups.tolist(),
            positions=self.contact_positions.tolist(),
            total_nb_channels=self.total_nb_channels,
            radius_um=self.radius_um,
        )
        path = Path(path)
        with atomic_path(path) as temporary:
            temporary.write_text(format_prb(contents), encoding="utf-8")
        return path


def read_probe(path: str | Path) -> Probe:
    """Read a probe file without executing it.

    What is odd, and no error, is said in the log: no radius, or contacts of one group
    at the same place.

    Parameters
    ----------
    path : path
        ``.prb``, or probeinterface ``.json``.

    Raises
    ------
    ProbeError
        No such file, refused content, or an inconsistent probe: every problem at once,
        with channel numbers.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ProbeError(f"no probe file at {path}; set [data] mapping to a .prb file")
    probe = _read_json(path) if path.suffix.lower() == ".json" else _read_prb(path)
    for remark in _remarks(probe):
        logger.warning("%s: %s", probe.name, remark)
    return probe


def _read_prb(path: Path) -> Probe:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ProbeError(
            f"cannot read {path}: {error.strerror}; check who may read it"
        ) from error
    contents = parse_prb(text, str(path))
    return Probe(
        channels=contents.channels,
        groups=contents.groups,
        contact_positions=contents.positions,
        total_nb_channels=contents.total_nb_channels,
        radius_um=contents.radius_um,
        name=str(path),
    )


# probeinterface ---------------------------------------------------------------


def _probeinterface():
    try:
        import probeinterface
    except ImportError as error:
        raise MissingDependencyError(
            f"probeinterface cannot be imported ({error}); install it with: "
            "pip install probeinterface"
        ) from None
    return probeinterface


def _read_json(path: Path) -> Probe:
    probeinterface = _probeinterface()
    try:
        probes = probeinterface.read_probeinterface(path).probes
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ProbeError(f"{path} is not a probeinterface file: {error}") from None
    pieces = [_shank_contacts(index, shank, path) for index, shank in enumerate(probes)]
    if not pieces:
        raise ProbeError(f"{path} holds no probe")
    labels = [label for _, names, _ in pieces for label in names]
    order = {label: number for number, label in enumerate(dict.fromkeys(labels), 1)}
    width = max(positions.shape[1] for *_, positions in pieces)
    return Probe(
        channels=np.concatenate([channels for channels, *_ in pieces]),
        groups=np.array([order[label] for label in labels], dtype=np.int64),
        contact_positions=np.concatenate(
            [np.pad(p, ((0, 0), (0, width - p.shape[1]))) for *_, p in pieces]
        ),
        name=str(path),
    )


def _shank_contacts(
    index: int, shank, path: Path
) -> tuple[np.ndarray, list, np.ndarray]:
    """Collect channels, (probe, shank) labels and positions in µm of wired contacts."""
    channels = shank.device_channel_indices
    if channels is None:
        raise ProbeError(
            f"{path}: probe {index} has no device_channel_indices, so nothing says "
            "which column of the recording each contact is; wire it with "
            "set_device_channel_indices"
        )
    wired = np.asarray(channels) >= 0  # -1 marks a contact that is not recorded
    scale = {"um": 1.0, "mm": 1e3, "m": 1e6}[shank.si_units]
    shank_ids = shank.shank_ids
    names = [""] * len(wired) if shank_ids is None else list(map(str, shank_ids))
    labels = [(index, names[contact]) for contact in np.flatnonzero(wired)]
    return np.asarray(channels)[wired], labels, shank.contact_positions[wired] * scale


# checks -----------------------------------------------------------------------


def _problems(probe: Probe) -> list[str]:
    channels, positions = probe.channels, probe.contact_positions
    if channels.ndim != 1 or len(channels) != len(probe.groups):
        return ["channels and groups must have one entry per contact"]
    if not channels.size:
        return ["the probe has no channel"]
    problems = channel_problems(channels, probe.total_nb_channels)
    if positions.shape[1] not in (2, 3):
        problems.append("contact_positions must have 2 or 3 columns, in µm")
    broken = ~np.isfinite(positions).all(axis=1)
    if broken.any():
        problems.append(f"channels {name_numbers(channels[broken])} have no position")
    return problems


def _remarks(probe: Probe) -> list[str]:
    """Find what may be meant, and is more often forgotten or mistyped."""
    remarks = []
    if probe.radius_um is None:
        remarks.append(
            "no radius is given; where [detection] radius = auto, 100 µm are taken"
        )
    for label in probe.group_labels:
        members = probe.groups == label
        _, place, count = np.unique(
            probe.contact_positions[members],
            axis=0,
            return_inverse=True,
            return_counts=True,
        )
        shared = probe.channels[members][count[place.ravel()] > 1]
        if shared.size:
            remarks.append(
                f"channels {name_numbers(shared)} of group {label} share their place "
                "with another one; check the geometry"
            )
    return remarks
