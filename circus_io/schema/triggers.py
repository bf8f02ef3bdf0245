"""``[triggers]``: times of stimuli and times to leave out."""

from circus_io.schema.keys import Section, key
from circus_io.schema.types import FilePath, ImageFormat, choice

__all__ = ["TriggersSection"]

_TimeUnit = choice("ms", "timestep")


class TriggersSection(Section):
    """Times of stimuli and times to leave out."""

    trig_file: FilePath = key(
        None, "Stimulus times: a line is «label time».", used=True
    )
    trig_windows: FilePath = key(
        None, "Artefact windows: a line is «label duration».", used=True
    )
    trig_unit: _TimeUnit = key("ms", "Unit of both.", used=True)
    clean_artefact: bool = key(
        False, "Subtract the median artefact of each label.", used=True
    )
    dead_file: FilePath = key(None, "Times to leave out: «start stop».", used=True)
    dead_unit: _TimeUnit = key("ms", "Unit of the dead times.", used=True)
    ignore_times: bool = key(False, "Leave the dead times out.", used=True)
    make_plots: ImageFormat = key("none", "Pictures of the artefacts.")
