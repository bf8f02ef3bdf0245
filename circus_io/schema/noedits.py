"""``[noedits]``: what the classic program has done to the raw file."""

from circus_io.schema.keys import Section, key
from circus_io.schema.types import choice

__all__ = ["NoeditsSection"]

_State = choice("false", "started", "true", empty="false")


class NoeditsSection(Section):
    """What the classic program has done to the raw file; never written here."""

    filter_done: _State = key("false", "The raw file was filtered in place.")
    artefacts_done: _State = key("false", "Artefacts were subtracted in place.")
    median_done: _State = key("false", "The median was subtracted in place.")
    ground_done: _State = key("false", "The ground was subtracted in place.")
