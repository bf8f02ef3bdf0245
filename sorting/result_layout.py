"""The layout of the result file: where each field lies, its dtype, shape and unit.

The dataclasses of ``sorting.result``, their checks, the writer, the reader and the
reference page follow these four tables.
"""

from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "CHANNELS",
    "FORMAT",
    "MAPPED",
    "MOTION",
    "OPTIONAL",
    "RESULT",
    "STREAMS",
    "UNITS",
    "VERSION",
    "Stored",
]

FORMAT = "circus-toolkit sorting"
VERSION = 1


class Stored(NamedTuple):
    """How one field is kept in the file.

    A letter of ``shape`` stands for one length in all of the tables: K units, N spikes,
    C channels, S streams, P pairs of a unit and a channel, T frames of a template, M
    moments and W depths at which motion is known.
    """

    path: str
    shape: str
    dtype: Any
    units: str
    description: str


def _group(name: str, *rows: tuple[str, str, Any, str, str]) -> dict[str, Stored]:
    """Return a table whose datasets lie in one group under the names of the fields."""
    return {row[0]: Stored(f"{name}/{row[0]}", *row[1:]) for row in rows}


CHANNELS = _group(
    "channels",
    ("column", "C", np.int64, "", "column of the data file"),
    ("electrode", "C", np.int64, "", "index of the electrode among those sorted"),
    ("group", "C", np.str_, "", "channel group (shank) of the probe"),
    ("x", "C", np.float64, "um", "position of the electrode"),
    ("y", "C", np.float64, "um", "position of the electrode"),
    ("z", "C", np.float64, "um", "position of the electrode"),
    ("good", "C", np.bool_, "", "false for a dead channel, which is not sorted"),
)

UNITS = _group(
    "units",
    ("peak_channel", "K", np.int32, "", "row of the channel table; -1: no template"),
    ("n_spikes", "K", np.int64, "", "number of spikes"),
    ("firing_rate_hz", "K", np.float64, "Hz", "spikes per recorded second"),
    ("snr", "K", np.float64, "", "peak of the template over the noise of its channel"),
    ("norm", "K", np.float64, "", "norm of the whitened template, in noise sd"),
    ("isolation", "K", np.float64, "", "noise sd to the nearest template or to none"),
    ("isi_violations", "K", np.float64, "", "fraction of intervals below refractory"),
    ("contamination", "K", np.float64, "", "estimated fraction of foreign spikes"),
    ("presence", "K", np.float64, "", "fraction of the 10 s bins that hold a spike"),
    ("amplitude_cutoff", "K", np.float64, "", "estimated fraction of missed spikes"),
    ("amplitude_drift", "K", np.float64, "", "range of the mean amplitude, by minutes"),
    ("label", "K", np.str_, "", "good, mua or noise"),
)

STREAMS = _group(
    "streams",
    ("name", "S", np.str_, "", "file of the stream"),
    ("t_start", "S", np.int64, "frames", "global frame of the first frame"),
    ("n_frames", "S", np.int64, "frames", "length"),
)

RESULT = {
    "sampling_rate": Stored("sampling_rate", "", float, "Hz", "frames per second"),
    "t_start": Stored("t_start", "", int, "frames", "first frame of the recording"),
    "t_stop": Stored("t_stop", "", int, "frames", "one past the last frame"),
    "unit_ids": Stored("units/id", "K", np.int64, "", "name of the unit"),
    "spike_times": Stored(
        "spikes/time", "N", np.int64, "frames", "global frame of the trough"
    ),
    "spike_units": Stored("spikes/unit", "N", np.int32, "", "row of the unit table"),
    "amplitudes": Stored(
        "spikes/amplitude", "N", np.float32, "", "fit coefficient; 1: as the template"
    ),
    "objectives": Stored(
        "spikes/objective", "N", np.float32, "", "what the spike adds to the fit"
    ),
    "template_ptr": Stored(
        "templates/ptr", "K + 1", np.int64, "", "unit k owns pairs ptr[k]:ptr[k + 1]"
    ),
    "template_channels": Stored(
        "templates/channel", "P", np.int32, "", "row of the channel table"
    ),
    "template_waveforms": Stored(
        "templates/waveform", "P × T", np.float32, "uV", "filtered, not whitened"
    ),
    "n_before": Stored(
        "templates/n_before", "", int, "frames", "frames before the trough"
    ),
    "noise_levels_uv": Stored(
        "channels/noise_level", "C", np.float32, "uV", "MAD / 0.6745 when filtered"
    ),
    "thresholds": Stored(
        "channels/threshold",
        "C",
        np.float32,
        "",
        "matched-filter energy of a peak, in MAD",
    ),
    "whitening_matrix": Stored(
        "whitening_matrix", "C × C", np.float32, "1/uV", "traces @ matrix is white"
    ),
    "motion_times": Stored(
        "motion/time", "M", np.int64, "frames", "global frame of the middle of a chunk"
    ),
    "motion_depths_um": Stored(
        "motion/depth", "W", np.float64, "um", "along the axis, middle of a window"
    ),
    "motion_um": Stored(
        "motion/displacement", "M × W", np.float32, "um", "of the tissue, median near 0"
    ),
    "motion_axis": Stored(
        "motion/axis", "", int, "", "it moves along 0: x, 1: y, 2: z"
    ),
    "parameters": Stored("parameters", "", dict, "", "JSON: every parameter"),
    "provenance": Stored(
        "provenance", "", dict, "", "JSON: software versions, seed, steps, input hashes"
    ),
}
MOTION = ("motion_times", "motion_depths_um", "motion_um", "motion_axis")
OPTIONAL = {"objectives", *MOTION}

# Shapes that grow with the recording: such a dataset is neither compressed nor cut into
# chunks, one run of bytes that a reader maps instead of holding it in memory.
MAPPED = ("N",)
