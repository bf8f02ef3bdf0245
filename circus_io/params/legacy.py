"""Keys that classic files carry and that mean something else here, or nothing."""

from dataclasses import dataclass
from typing import Any

from circus_io.params.lines import Entry

__all__ = ["DEAD_KEYS", "DeadKey", "special_notice"]


@dataclass(frozen=True)
class DeadKey:
    """A key without a place in the schema.

    Attributes
    ----------
    reason : str
        Completes "… has no effect: ".
    harmless : tuple of str or None
        Values that may be passed over; any other is a problem. None: every value may.
    """

    reason: str
    harmless: tuple[str, ...] | None = None


_INTERNAL = DeadKey("the classic program wrote it for itself")
_OFF = ("", "false", "none", "no", "0")

DEAD_KEYS: dict[str, dict[str, DeadKey]] = {
    "data": {
        "data_file": _INTERNAL,
        "data_file_no_overwrite": _INTERNAL,
        "data_file_noext": _INTERNAL,
        "file_out": _INTERNAL,
        "file_out_suff": _INTERNAL,
        "multi_files": DeadKey("use stream_mode = multi-files", _OFF),
        "n_e": _INTERNAL,
        "n_total": _INTERNAL,
        "preview_path": _INTERNAL,
    },
    "detection": {
        "stationary": DeadKey("thresholds are estimated over the whole recording"),
    },
    "triggers": {
        "before_filter": DeadKey("artefacts are subtracted before the filter"),
    },
    "clustering": {
        "dip_threshold": DeadKey("templates merge by cc_merge"),
        "max_clusters": DeadKey("the number of clusters follows from the data"),
        "nclus_min": DeadKey("n_abs_min sets the smallest unit"),
        "sim_same_elec": DeadKey("templates merge by cc_merge"),
        "smart_select": DeadKey("the number of clusters follows from the data"),
    },
    "fitting": {
        "chunk": DeadKey("the length of a chunk follows from the recording"),
    },
}
"""Section → folded key → why it is accepted all the same."""


def special_notice(entry: Entry, attribute: str, section: Any) -> str | None:
    """Say what a classic value means here, where that needs more than "no effect".

    Parameters
    ----------
    entry : Entry
        As given.
    attribute : str
        Its name in the schema.
    section : Section
        Its section, as validated.
    """
    where = (entry.section, attribute)
    if where == ("data", "overwrite"):
        return (
            "raw data are never modified, whatever overwrite says; "
            "[circus] filtered_file = True writes the filtered recording to a new file"
        )
    if where == ("converting", "export_pcs") and str(entry.value).lower() == "prompt":
        return "nothing is asked during a run: prompt means none"
    if where == ("merging", "auto_mode") and not section.auto_mode:
        return "no window opens: units are left unmerged"
    if where == ("fitting", "amp_limits") and section.ignores_amp_limits:
        return "amp_auto = True takes amplitudes from 0.5 to 2 for every unit"
    if where == ("noedits", "filter_done") and section.filter_done != "false":
        return (
            "the classic program has changed the raw file in place; set "
            "[filtering] filter = False where it is not to be filtered twice"
        )
    return None
