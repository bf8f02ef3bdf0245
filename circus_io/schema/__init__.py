"""The typed schema of parameter files: one model per section, one table of keys."""

from circus_io.schema.circus import CircusSection
from circus_io.schema.clustering import ClusteringSection
from circus_io.schema.converting import ConvertingSection
from circus_io.schema.data import DataSection
from circus_io.schema.detection import DetectionSection
from circus_io.schema.extracting import ExtractingSection
from circus_io.schema.filtering import FilteringSection
from circus_io.schema.fitting import FittingSection
from circus_io.schema.formats import FormatFields
from circus_io.schema.keys import Key, Section, format_value, keys_of
from circus_io.schema.merging import MergingSection
from circus_io.schema.noedits import NoeditsSection
from circus_io.schema.triggers import TriggersSection
from circus_io.schema.validating import ValidatingSection
from circus_io.schema.whitening import WhiteningSection

__all__ = [
    "FORMAT_KEYS",
    "KEYS",
    "SECTIONS",
    "CircusSection",
    "ClusteringSection",
    "ConvertingSection",
    "DataSection",
    "DetectionSection",
    "ExtractingSection",
    "FilteringSection",
    "FittingSection",
    "FormatFields",
    "Key",
    "MergingSection",
    "NoeditsSection",
    "Section",
    "TriggersSection",
    "ValidatingSection",
    "WhiteningSection",
    "format_value",
    "spelling",
]

SECTIONS: dict[str, type[Section]] = {
    "data": DataSection,
    "detection": DetectionSection,
    "filtering": FilteringSection,
    "triggers": TriggersSection,
    "whitening": WhiteningSection,
    "clustering": ClusteringSection,
    "fitting": FittingSection,
    "merging": MergingSection,
    "converting": ConvertingSection,
    "validating": ValidatingSection,
    "extracting": ExtractingSection,
    "noedits": NoeditsSection,
    "circus": CircusSection,
}


def spelling(name: str) -> str:
    """Fold the spellings of a key that mean the same: case, hyphen, underscore."""
    return name.strip().lower().replace("-", "_")


KEYS: dict[str, dict[str, Key]] = {
    section: {spelling(key.name): key for key in keys_of(section, model)}
    for section, model in SECTIONS.items()
}
"""Section → folded name → key."""

FORMAT_KEYS: dict[str, Key] = {
    spelling(key.name): key for key in keys_of("data", FormatFields)
}
"""Keys of ``[data]`` that file formats declare."""
