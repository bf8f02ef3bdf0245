"""The report of a sort: one HTML page with its pictures inside."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import numpy as np

from circus_cli import figures
from circus_cli.comparison import FOUND_ACCURACY, LARGE_SNR, fraction_found
from circus_cli.trace_figure import traces_figure
from circus_io.atomic import atomic_path
from sorting.results import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from circus_io.datafile import DataFile

__all__ = ["write_report"]

N_PROBE_UNITS = 12
N_AMPLITUDE_UNITS = 8
N_CORRELOGRAM_UNITS = 6

PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; color: #1c2733;
  background: #f4f6f8; margin: 0; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 26px; margin: 0 0 4px; }
h2 { font-size: 18px; margin: 0 0 6px; }
p { margin: 0 0 10px; max-width: 75ch; }
.lead { color: #5b6673; margin-bottom: 18px; }
section { background: #fff; border: 1px solid #e1e5ea; border-radius: 8px;
  padding: 18px 20px; margin-top: 16px; overflow-x: auto; }
.facts { display: flex; flex-wrap: wrap; gap: 12px; }
.facts div { background: #fff; border: 1px solid #e1e5ea; border-radius: 8px;
  padding: 10px 16px; min-width: 96px; }
.facts b { display: block; font-size: 22px; line-height: 1.2; }
.facts span { color: #5b6673; font-size: 13px; }
img { max-width: 100%; height: auto; display: block; }
table { border-collapse: collapse; font-size: 14px;
  font-variant-numeric: tabular-nums; }
th, td { padding: 3px 12px; text-align: right; border-bottom: 1px solid #edf0f3; }
th { color: #5b6673; font-weight: 600; border-bottom: 1px solid #c3c9d1; }
.good, .yes { color: #00704f; } .mua { color: #9a6300; } .noise, .no { color: #a33200; }
.good, .mua, .noise, .yes, .no { font-weight: 600; }
pre { background: #f4f6f8; border-radius: 6px; padding: 10px 12px; overflow-x: auto;
  font-size: 12.5px; line-height: 1.45; max-height: 420px; }
summary { cursor: pointer; color: #0060a0; }
</style>
</head>
<body><main>
<h1>$title</h1>
<p class="lead">$lead</p>
$body
</main></body>
</html>
""")


def write_report(
    result: Result,
    folder: str | Path,
    recording: DataFile | None = None,
    ground_truth_table: np.ndarray | None = None,
) -> Path:
    """Write ``report.html``, which needs no other file.

    Parameters
    ----------
    result : Result
    folder : path
        Where to write; made if it does not exist.
    recording : DataFile, optional
        What was sorted, open; without it the page has no traces.
    ground_truth_table : structured array, optional
        From ``compare_with_truth``.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    MissingDependencyError
        Without matplotlib.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with figures.figure_style():
        sections = list(_sections(result, recording, ground_truth_table))
    name = Path(str(result.streams.name[0])).name if len(result.streams) else ""
    page = PAGE.substitute(
        title=escape(f"Units of {name}" if name else "Units"),
        lead=escape(_lead(result)),
        body="\n".join([_facts(result, ground_truth_table), *sections]),
    )
    path = folder / "report.html"
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _lead(result: Result) -> str:
    dead = int(np.sum(~result.channels.good))
    parts = [
        f"{result.duration_s:.1f} s at {result.sampling_rate:g} Hz",
        f"{len(result.channels)} channels" + (f", {dead} of them dead" if dead else ""),
        f"{len(result.streams)} files" if len(result.streams) > 1 else "",
    ]
    return (
        "Sorted by circus-toolkit: " + ", ".join(part for part in parts if part) + "."
    )


def _facts(result: Result, truth: np.ndarray | None) -> str:
    labels = result.units.label
    facts = [(len(result), "units")]
    facts += [(int(np.sum(labels == name)), name) for name in ("good", "mua", "noise")]
    facts += [(f"{len(result.spike_times):,}", "spikes")]
    if truth is not None:
        n_found, n_large = fraction_found(truth)
        facts += [
            (
                f"{n_found} of {n_large}",
                f"true units with SNR above {LARGE_SNR:g} found",
            )
        ]
    cells = "".join(
        f"<div><b>{value}</b><span>{name}</span></div>" for value, name in facts
    )
    return f'<div class="facts">{cells}</div>'


def _sections(
    result: Result, recording: DataFile | None, truth: np.ndarray | None
) -> Iterator[str]:
    """Yield the sections of the page, those that have something to show."""
    rows = figures.largest_units(result, N_PROBE_UNITS)
    if truth is not None:
        yield _truth_section(truth)
    if rows:
        yield from _pictures(result, recording, rows)
    else:
        yield _section("No units", "No unit was found, so there is nothing to draw.")
    yield _section(
        "All units",
        "SNR is the largest value of the template over the noise of its channel; "
        "isolation is the distance to the nearest other template in noise sd; "
        "violations are the fraction of intervals within the refractory period, from "
        "which contamination, the fraction of foreign spikes, is estimated; missed is "
        "the estimated fraction of spikes too small to be found; presence is the "
        "fraction of the recording in which the unit fires.",
        _unit_rows(result),
    )
    yield _section("How it was made", "", _provenance(result))


def _pictures(
    result: Result, recording: DataFile | None, rows: Sequence[int]
) -> Iterator[str]:
    yield _section(
        "Templates on the probe",
        f"The {len(rows)} units with the largest SNR. Each trace is the template on "
        "the electrode where it is drawn; the unit's number stands at its largest one.",
        _image(figures.probe_figure(result, rows), "templates on the probe"),
    )
    if recording is not None:
        yield _section(
            "Traces and spikes",
            "A moment of the recording around the largest unit. Coloured: the spikes "
            "that were found, where their template is above the noise.",
            _image(
                traces_figure(
                    result, recording, figures.largest_units(result, len(result))
                ),
                "raw and filtered traces with coloured spikes",
            ),
        )
    yield _section(
        "Amplitudes over time",
        "Every spike of the largest units. A slope is drift; a band that is cut off "
        "below means missed spikes.",
        _image(
            figures.amplitudes_figure(result, rows[:N_AMPLITUDE_UNITS]),
            "amplitude of each spike over time",
        ),
    )
    yield _section(
        "Correlograms",
        "Pairs of spikes by the time between them, in bins of 1 ms. On the diagonal, "
        "the gap around zero is the refractory period; a gap off the diagonal means "
        "that two units may be one neuron.",
        _image(
            figures.correlograms_figure(result, rows[:N_CORRELOGRAM_UNITS]),
            "auto- and cross-correlograms",
        ),
    )


def _section(title: str, text: str, content: str = "") -> str:
    paragraph = f"<p>{escape(text)}</p>" if text else ""
    return f"<section><h2>{escape(title)}</h2>{paragraph}{content}</section>"


def _image(figure: Figure, alt: str) -> str:
    """Return a figure as an image that the page holds itself, in its size in inches."""
    data = base64.b64encode(figures.to_png(figure)).decode("ascii")
    width = round(figure.get_size_inches()[0] * 100)
    return (
        f'<img alt="{escape(alt)}" width="{width}" src="data:image/png;base64,{data}">'
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an HTML table; cells are markup already."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _unit_rows(result: Result) -> str:
    columns = ["unit", "label", "spikes", "rate (Hz)", "SNR", "channel"]
    columns += ["isolation", "violations", "contamination", "missed", "presence"]
    rows = [
        [
            str(unit["unit_id"]),
            f'<span class="{unit["label"]}">{unit["label"]}</span>',
            f"{unit['n_spikes']:,}",
            f"{unit['firing_rate_hz']:.2f}",
            f"{unit['snr']:.1f}",
            _column_name(result, unit["peak_channel"]),
            f"{unit['isolation']:.1f}",
            f"{unit['isi_violations']:.2%}",
            f"{unit['contamination']:.1%}",
            f"{unit['amplitude_cutoff']:.1%}",
            f"{unit['presence']:.0%}",
        ]
        for unit in result.unit_table()
    ]
    return _table(columns, rows)


def _column_name(result: Result, channel: int) -> str:
    return str(result.channels.column[channel]) if channel >= 0 else "–"


def _truth_section(table: np.ndarray) -> str:
    n_found, n_large = fraction_found(table)
    text = (
        f"{n_found} of the {n_large} true units with an SNR above {LARGE_SNR:g} were "
        f"found with an accuracy of {FOUND_ACCURACY:g} or more. Accuracy is the number "
        "of spikes that agree over the number of spikes in either train, within 0.4 ms "
        "(SpikeInterface's compare_sorter_to_ground_truth). SNR is that of the "
        "unfiltered recording."
    )
    rows = [
        [
            str(unit["unit"]),
            f"{unit['snr']:.1f}",
            f"{unit['n_spikes']:,}",
            _score(unit["accuracy"]),
            f"{unit['precision']:.2f}",
            f"{unit['recall']:.2f}",
            str(unit["matched_unit"]) if unit["matched_unit"] >= 0 else "–",
        ]
        for unit in table[np.argsort(-table["snr"], kind="stable")]
    ]
    columns = [
        "true unit",
        "SNR",
        "spikes",
        "accuracy",
        "precision",
        "recall",
        "found as unit",
    ]
    picture = _image(
        figures.accuracy_figure(table, snr=LARGE_SNR, accuracy=FOUND_ACCURACY),
        "accuracy over SNR",
    )
    return _section("Against the truth", text, picture + _table(columns, rows))


def _score(accuracy: float) -> str:
    kind = "yes" if accuracy >= FOUND_ACCURACY else "no"
    return f'<span class="{kind}">{accuracy:.2f}</span>'


def _provenance(result: Result) -> str:
    """Return software, inputs and parameters as they are in the result file."""
    parts = [
        f"<details{opened}><summary>{title}</summary>"
        f"<pre>{escape(json.dumps(content, indent=2, ensure_ascii=False))}</pre>"
        "</details>"
        for title, content, opened in (
            ("Software, seed, steps and inputs", result.provenance, " open"),
            ("Every parameter", result.parameters, ""),
        )
    ]
    return "".join(parts)
