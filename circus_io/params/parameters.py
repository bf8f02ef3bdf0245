"""The typed values of one run."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.params.notices import Notice
from circus_io.schema import (
    KEYS,
    CircusSection,
    ClusteringSection,
    ConvertingSection,
    DataSection,
    DetectionSection,
    ExtractingSection,
    FilteringSection,
    FittingSection,
    MergingSection,
    NoeditsSection,
    TriggersSection,
    ValidatingSection,
    WhiteningSection,
)

__all__ = ["Parameters", "to_samples"]


@dataclass(frozen=True)
class Parameters:
    """All sections of a parameter file, typed and immutable.

    ``parameters.detection.N_t`` is a value; ``parameters.data.format_fields`` holds the
    fields of the file format. Made by `circus_io.params.read_params` and
    `circus_io.params.build_params`.

    Attributes
    ----------
    notices : tuple of Notice
        What was given and has no effect, or less than it says: one for each value.
    given : frozenset of str
        ``section.key`` of the values that were given and not defaults.
    path : pathlib.Path or None
        The file.
    """

    data: DataSection
    detection: DetectionSection
    filtering: FilteringSection
    triggers: TriggersSection
    whitening: WhiteningSection
    clustering: ClusteringSection
    fitting: FittingSection
    merging: MergingSection
    converting: ConvertingSection
    validating: ValidatingSection
    extracting: ExtractingSection
    noedits: NoeditsSection
    circus: CircusSection
    notices: tuple[Notice, ...] = ()
    given: frozenset[str] = frozenset()
    path: Path | None = None

    @staticmethod
    def from_values(values: Mapping[str, Any]) -> "Parameters":
        """Build parameters without a file; see `circus_io.params.build_params`."""
        from circus_io.params.reading import build_params

        return build_params(values)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Give every value in a form that JSON takes and `build_params` reads back."""
        sections = {}
        for field in fields(self):
            if field.name not in KEYS:
                continue
            values = getattr(self, field.name).model_dump(mode="json", by_alias=True)
            values.update(values.pop("format_fields", {}))
            sections[field.name] = {k: _plain(value) for k, value in values.items()}
        return sections


def to_samples(duration_ms: Any, sampling_rate: float) -> Any:
    """Convert milliseconds to a whole number of samples, rounding once.

    Parameters
    ----------
    duration_ms : float or array_like
        Durations or times, ms.
    sampling_rate : float
        Hz; need not be a whole number.

    Returns
    -------
    int or numpy.ndarray
        int64 for an array; a half goes to the even neighbour.
    """
    samples = np.rint(np.asarray(duration_ms, dtype=np.float64) * sampling_rate / 1000)
    return int(samples) if samples.ndim == 0 else samples.astype(np.int64)


def _plain(value: Any) -> Any:
    """Turn values into what JSON can hold; infinity becomes the word a file has."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
