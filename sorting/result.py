"""`Result`: what a sort found, in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from circus_io.errors import ResultError
from sorting.kernels.slices import slices
from sorting.result_layout import RESULT, Stored
from sorting.result_tables import (
    ChannelTable,
    StreamTable,
    UnitTable,
    check_shapes,
    coerce,
)

__all__ = ["Result"]


@dataclass(frozen=True, eq=False)
class Result:
    """Sorted units, and how they came about.

    N spikes of K units on C channels. A template covers T frames and is kept only on
    the channels that it reaches: P pairs of a unit and a channel. Arrays are read-only.

    Attributes
    ----------
    sampling_rate : float
        In Hz.
    t_start, t_stop : int
        First frame of the recording, and one past its last.
    unit_ids : (K,) int64
        Names of the units; every other unit index is a row of this array.
    spike_times : (N,) int64
        Global frames of the troughs, sorted by (time, unit).
    spike_units : (N,) int32
        Row of the unit.
    amplitudes : (N,) float32
        Fit coefficient; 1 is the template as it stands.
    template_ptr : (K + 1,) int64
        Unit k owns the pairs ``template_ptr[k]:template_ptr[k + 1]``.
    template_channels : (P,) int32
        Row of the channel table.
    template_waveforms : (P, T) float32
        In µV of the filtered recording, not whitened.
    n_before : int
        Frames of a template before its trough.
    channels, units, streams : ChannelTable, UnitTable, StreamTable
    noise_levels_uv : (C,) float32
        Noise sd (MAD / 0.6745) of the filtered recording.
    thresholds : (C,) float32
        Matched-filter energy that a peak exceeds, in MAD of the noise.
    whitening_matrix : (C, C) float32
        ``traces @ whitening_matrix`` is white.
    objectives : (N,) float32, optional
        What the spike adds to the fit.
    motion_times : (M,) int64, optional
        Global frames at which the motion of the tissue is known; None, like the three
        below, where none was followed.
    motion_depths_um : (W,) float64, optional
        Where it is known, along the axis, in µm; in between it is interpolated.
    motion_um : (M, W) float32, optional
        Displacement: where it is positive, spikes appear at larger coordinates.
    motion_axis : int, optional
        0, 1 or 2: along x, y or z of the channel table.
    parameters, provenance : mapping
        What JSON can hold. Run times belong to ``write_log``: equal sorts shall give
        equal files.

    Raises
    ------
    ResultError
        If shapes disagree, spikes are out of order or an index is out of range.
    """

    layout: ClassVar[dict[str, Stored]] = RESULT

    sampling_rate: float
    t_start: int
    t_stop: int
    unit_ids: np.ndarray
    spike_times: np.ndarray
    spike_units: np.ndarray
    amplitudes: np.ndarray
    template_ptr: np.ndarray
    template_channels: np.ndarray
    template_waveforms: np.ndarray
    n_before: int
    channels: ChannelTable
    noise_levels_uv: np.ndarray
    thresholds: np.ndarray
    whitening_matrix: np.ndarray
    units: UnitTable
    streams: StreamTable
    objectives: np.ndarray | None = None
    motion_times: np.ndarray | None = None
    motion_depths_um: np.ndarray | None = None
    motion_um: np.ndarray | None = None
    motion_axis: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        coerce(self)
        check_shapes(self, self.channels, self.units, self.streams)
        _check_indices(self)
        _check_spikes(self)

    def __len__(self) -> int:
        return len(self.unit_ids)

    def __repr__(self) -> str:
        return (
            f"<Result: {len(self)} units, {len(self.spike_times)} spikes, "
            f"{len(self.channels)} channels, {self.duration_s:.1f} s "
            f"at {self.sampling_rate:g} Hz>"
        )

    @property
    def duration_s(self) -> float:
        """Recorded time in seconds, without the gaps between streams."""
        return int(self.streams.n_frames.sum()) / self.sampling_rate

    @cached_property
    def _spikes_by_unit(self) -> list[np.ndarray]:
        order = np.argsort(self.spike_units, kind="stable")
        counts = np.bincount(self.spike_units, minlength=len(self))
        return np.split(order, np.cumsum(counts)[:-1]) if len(self) else []

    def row(self, unit_id: int) -> int:
        """Return the row of a unit in every per-unit array.

        Raises
        ------
        ResultError
            If there is no such unit.
        """
        (rows,) = np.nonzero(self.unit_ids == unit_id)
        if not len(rows):
            known = ", ".join(map(str, self.unit_ids[:20]))
            more = ", ..." if len(self) > 20 else ""
            raise ResultError(f"no unit {unit_id}; the units are: {known}{more}")
        return int(rows[0])

    def spike_indices(self, unit_id: int) -> np.ndarray:
        """Return which spikes are the unit's, (n,) int64, in time order."""
        return self._spikes_by_unit[self.row(unit_id)]

    def spike_train(self, unit_id: int) -> np.ndarray:
        """Return the unit's spike times, (n,) int64 global frames, ascending."""
        return self.spike_times[self.spike_indices(unit_id)]

    def template(self, unit_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a unit's template and the channels that it covers.

        Parameters
        ----------
        unit_id : int

        Returns
        -------
        waveform : (T, n) float32
            In µV of the filtered recording; the trough is at frame ``n_before``.
        channels : (n,) int32
            Rows of the channel table.
        """
        row = self.row(unit_id)
        pairs = slice(self.template_ptr[row], self.template_ptr[row + 1])
        return self.template_waveforms[pairs].T, self.template_channels[pairs]

    def dense_templates(self) -> np.ndarray:
        """Return the templates on all channels, (K, T, C) float32 µV."""
        n_frames = self.template_waveforms.shape[1]
        dense = np.zeros((len(self), len(self.channels), n_frames), dtype=np.float32)
        rows = np.repeat(np.arange(len(self)), np.diff(self.template_ptr))
        dense[rows, self.template_channels] = self.template_waveforms
        return np.ascontiguousarray(dense.transpose(0, 2, 1))

    def unit_table(self) -> np.ndarray:
        """Return one row per unit as a (K,) structured array, id first."""
        columns = {"unit_id": self.unit_ids}
        columns |= {name: getattr(self.units, name) for name in UnitTable.layout}
        table = np.empty(len(self), dtype=[(n, c.dtype) for n, c in columns.items()])
        for name, values in columns.items():
            table[name] = values
        return table


def _check_indices(result: Result) -> None:
    """Refuse a result whose parts point past each other or are out of order."""
    pointer, n_pairs = result.template_ptr, len(result.template_channels)
    if len(pointer) != len(result) + 1:
        raise ResultError(
            f"template_ptr must hold {len(result) + 1} numbers, one more than units"
        )
    if pointer[0] != 0 or pointer[-1] != n_pairs or np.any(np.diff(pointer) < 0):
        raise ResultError(f"template_ptr must rise from 0 to {n_pairs}")
    if len(np.unique(result.unit_ids)) != len(result):
        raise ResultError("unit_ids must be distinct")
    _check_range("template_channels", result.template_channels, len(result.channels))


def _check_spikes(result: Result) -> None:
    """Refuse spikes of no unit or out of order, a piece after the other."""
    last = np.iinfo(np.int64).min, 0
    for piece in slices(len(result.spike_times)):
        times, units = result.spike_times[piece], result.spike_units[piece]
        _check_range("spike_units", units, len(result))
        step = np.diff(times, prepend=times[0])
        tied = (step == 0) & (np.diff(units, prepend=units[0]) < 0)
        if (times[0], units[0]) < last or np.any((step < 0) | tied):
            raise ResultError("spikes must be sorted by (time, unit)")
        last = times[-1], units[-1]


def _check_range(name: str, values: np.ndarray, stop: int) -> None:
    if len(values) and (values.min() < 0 or values.max() >= stop):
        raise ResultError(f"{name} must lie in [0, {stop})")
