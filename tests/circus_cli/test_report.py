import base64
import re
import sys
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image
from scipy import signal

import circus_io
from circus_cli import figures
from circus_cli.comparison import compare_with_truth, fraction_found
from circus_cli.report import write_report
from circus_cli.trace_figure import traces_figure
from circus_io.errors import MissingDependencyError
from sorting.results import ChannelTable, Result, StreamTable
from sorting.unit_metrics import unit_table

FS = 20_000
N_FRAMES = 4 * FS
N_BEFORE = 20


def template(height):
    time = np.arange(60) - N_BEFORE
    return height * (
        -np.exp(-((time / 4) ** 2)) + 0.4 * np.exp(-(((time - 12) / 8) ** 2))
    )


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Six channels in two columns, three units; the last channel is dead."""
    rng = np.random.default_rng(5)
    traces = rng.normal(0, 10, (N_FRAMES, 6))
    heights = np.array([[300, 90, 0, 0, 0], [0, 60, 200, 40, 0], [0, 0, 0, 50, 120]])
    times, units = [], []
    for unit, row in enumerate(heights):
        train = np.arange(400 + 731 * unit, N_FRAMES - 100, 2_311 + 200 * unit)
        for frame in train:
            here = slice(frame - N_BEFORE, frame - N_BEFORE + 60)
            traces[here, :5] += np.outer(template(1), row)
        times.append(train)
        units.append(np.full(len(train), unit))
    times, units = np.concatenate(times), np.concatenate(units)
    order = np.lexsort([units, times])
    path = tmp_path_factory.mktemp("recorded") / "rec.dat"
    np.rint(traces / 0.5).astype("int16").tofile(path)
    return path, times[order], units[order], heights


@pytest.fixture
def recording(recorded):
    with circus_io.open_recording(
        recorded[0],
        file_format="raw_binary",
        data_dtype="int16",
        sampling_rate=float(FS),
        nb_channels=6,
        gain=0.5,
    ) as recording:
        yield recording


def as_result(recorded, keep=slice(None)):
    path, times, units, heights = recorded
    rows, channels = np.nonzero(heights)
    streams = StreamTable([str(path)], [0], [N_FRAMES])
    templates = {
        "template_ptr": np.searchsorted(rows, np.arange(4)),
        "template_channels": channels,
        "template_waveforms": np.float32(
            [template(h) for h in heights[rows, channels]]
        ),
    }
    noise = np.full(6, 10.0, dtype=np.float32)
    times, units = times[keep], units[keep]
    return Result(
        sampling_rate=FS,
        t_start=0,
        t_stop=N_FRAMES,
        unit_ids=[11, 12, 13],
        spike_times=times,
        spike_units=units,
        amplitudes=1 + 0.1 * np.sin(np.arange(len(times))),
        n_before=N_BEFORE,
        channels=ChannelTable(
            column=np.arange(6),
            electrode=np.arange(6),
            group=["1"] * 6,
            x=[0, 0, 0, 30, 30, 30],
            y=[0, 20, 40, 0, 20, 40],
            z=[0] * 6,
            good=[True] * 5 + [False],
        ),
        noise_levels_uv=noise,
        thresholds=noise,
        whitening_matrix=np.eye(6),
        units=unit_table(
            times,
            units,
            np.ones(len(times), dtype=np.float32),
            noise_levels=noise,
            streams=streams,
            sampling_rate=FS,
            **templates,
        ),
        streams=streams,
        parameters={"filtering": {"cut_off": [300.0, "auto"]}},
        provenance={"software": {"circus-toolkit": "<0.1>"}},
        **templates,
    )


@pytest.fixture
def result(recorded):
    return as_result(recorded)


@pytest.fixture
def no_units(result):
    nothing = np.zeros(0)
    return Result(
        **{
            name: getattr(result, name)
            for name in ("sampling_rate", "t_start", "t_stop", "n_before", "channels")
        },
        **dict.fromkeys(
            ("unit_ids", "spike_times", "spike_units", "amplitudes"), nothing
        ),
        template_ptr=[0],
        template_channels=nothing,
        template_waveforms=np.zeros((0, 60)),
        noise_levels_uv=result.noise_levels_uv,
        thresholds=result.thresholds,
        whitening_matrix=result.whitening_matrix,
        units=type(result.units)(**dict.fromkeys(result.units.layout, nothing)),
        streams=result.streams,
    )


class Page(HTMLParser):
    """What a reader of the page sees: images, tables, headings."""

    def __init__(self, path):
        super().__init__()
        self.images, self.rows, self.links, self.open = {}, [], [], []
        self.feed(path.read_text(encoding="utf-8"))
        assert not self.open

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "img":
            self.images[attrs["alt"]] = attrs["src"]
        if tag == "tr":
            self.rows.append([])
        self.links += [attrs[name] for name in ("href", "src") if name in attrs]
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.rows and {"td", "th"} & set(self.open):
            self.rows[-1].append(data)

    def pixels(self, alt):
        data = base64.b64decode(self.images[alt].removeprefix("data:image/png;base64,"))
        return np.asarray(Image.open(BytesIO(data)).convert("RGB"))


def test_page_needs_no_other_file_and_shows_every_picture(result, recording, tmp_path):
    path = write_report(result, tmp_path / "report", recording)
    assert path == tmp_path / "report" / "report.html"
    page = Page(path)
    assert set(page.images) == {
        "templates on the probe",
        "raw and filtered traces with coloured spikes",
        "amplitude of each spike over time",
        "auto- and cross-correlograms",
    }
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    for alt in page.images:
        colours = {
            to_hex(pixel / 255) for pixel in page.pixels(alt).reshape(-1, 3)[::7]
        }
        assert figures.COLOURS[0] in colours, f"{alt} does not show the first unit"
    assert [path.name for path in path.parent.iterdir()] == ["report.html"]


def test_page_tells_every_unit_and_how_it_was_made(result, tmp_path):
    path = write_report(result, tmp_path)
    rows = Page(path).rows
    assert [row[0] for row in rows] == ["unit", "11", "12", "13"]
    first = dict(zip(rows[0], rows[1], strict=True))
    assert first["spikes"] == str(result.units.n_spikes[0])
    assert first["SNR"] == f"{300 * np.abs(template(1)).max() / 10:.1f}"
    assert first["channel"] == "0"
    text = path.read_text(encoding="utf-8")
    assert "&lt;0.1&gt;" in text
    assert "<0.1>" not in text
    assert "4.0 s at 20000 Hz, 6 channels, 1 of them dead" in text


def test_equal_results_give_equal_pages(result, recording, tmp_path):
    first, second = (
        write_report(result, tmp_path / name, recording).read_bytes() for name in "ab"
    )
    assert first == second


def test_page_of_no_units(no_units, recording, tmp_path):
    page = Page(write_report(no_units, tmp_path, recording))
    assert page.images == {}
    assert len(page.rows) == 1


def test_page_with_truth(recorded, result, recording, tmp_path):
    _, times, units, _ = recorded
    table = compare_with_truth(times, units, result, np.array([30.0, 20, 7]))
    path = write_report(result, tmp_path, recording, table)
    page = Page(path)
    assert "accuracy over SNR" in page.images
    truth = [row for row in page.rows if len(row) == 7]
    assert truth[0][3:] == ["accuracy", "precision", "recall", "found as unit"]
    assert truth[1][3:] == ["1.00", "1.00", "1.00", "11"]
    assert "2 of 2" in path.read_text(encoding="utf-8")


def test_without_matplotlib_the_error_says_what_to_install(
    result, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=re.escape("toolkit[plots]")):
        write_report(result, tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_largest_units_come_first_and_noise_last(result):
    assert figures.largest_units(result, 2) == [0, 1]
    object.__setattr__(result.units, "label", np.array(["noise", "mua", "good"]))
    assert figures.largest_units(result, 9) == [1, 2, 0]


def test_probe_figure_draws_templates_at_their_electrodes(result):
    axes = figures.probe_figure(result, [0, 1, 2]).axes[0]
    drawn = [line for line in axes.lines if len(line.get_xdata()) == 60]
    # unit 0 on 300 and 90, unit 1 on 200 and 60 (40 is below a quarter), unit 2 on both
    assert [to_hex(line.get_color()) for line in drawn] == [
        figures.COLOURS[index] for index in (0, 0, 1, 1, 2, 2)
    ]
    largest = drawn[0]
    assert largest.get_ydata().argmin() == N_BEFORE
    assert largest.get_xdata()[N_BEFORE] == result.channels.x[0]
    assert {text.get_text() for text in axes.texts} == {"11", "12", "13"}


def test_trace_figure_colours_the_spikes(recorded, result, recording):
    figure = traces_figure(result, recording, [0, 1, 2])
    raw_axes, filtered_axes = figure.axes
    start_s = float(re.search(r"after ([\d.]+) s", figure.get_supxlabel())[1])
    t_start = round(start_s * FS)
    raw = np.fromfile(recorded[0], "int16").reshape(-1, 6) * 0.5
    sos = signal.butter(3, [300, 9_500], "band", fs=FS, output="sos")
    whole = signal.sosfiltfilt(sos, raw, axis=0)
    grey = [line for line in filtered_axes.lines if len(line.get_xdata()) == FS // 20]
    names = [int(label.get_text()) for label in filtered_axes.get_yticklabels()]
    assert sorted(names) == [0, 1, 2, 3, 4]
    for line, name, offset in zip(grey, names, filtered_axes.get_yticks(), strict=True):
        expected = whole[t_start : t_start + FS // 20, name]
        np.testing.assert_allclose(line.get_ydata() - offset, expected, atol=0.5)
    for axes in (raw_axes, filtered_axes):
        coloured = {
            (to_hex(line.get_color()), t_start + round(x * FS / 1000))
            for line in axes.lines
            if to_hex(line.get_color()) in figures.COLOURS
            for x in [line.get_xdata()[0]]
        }
        inside = (recorded[1] >= t_start) & (recorded[1] < t_start + FS // 20)
        expected = {
            (figures.COLOURS[unit], max(t_start, frame - N_BEFORE // 2))
            for frame, unit in zip(
                recorded[1][inside], recorded[2][inside], strict=True
            )
        }
        assert coloured == expected
        assert len({colour for colour, _ in coloured}) == 3


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("filters", [True, False])
def test_trace_figure_filters_as_the_result_says(
    recorded, result, recording, order, filters
):
    settings = {"cut_off": [500.0, "auto"], "butter_order": order, "filter": filters}
    result.parameters["filtering"] = {**settings, "remove_median": True}
    _, axes = traces_figure(result, recording, [0, 1, 2]).axes
    start_s = float(re.search(r"after ([\d.]+) s", axes.figure.get_supxlabel())[1])
    here = slice(round(start_s * FS), round(start_s * FS) + FS // 20)
    whole = np.fromfile(recorded[0], "int16").reshape(-1, 6) * 0.5
    if filters:
        sos = signal.butter(order, [500, 9_500], "band", fs=FS, output="sos")
        whole = signal.sosfiltfilt(sos, whole, axis=0)
    whole -= np.median(whole, axis=1, keepdims=True)
    lines = [line for line in axes.lines if len(line.get_xdata()) == FS // 20]
    names = [int(label.get_text()) for label in axes.get_yticklabels()]
    assert names
    for line, name, offset in zip(lines, names, axes.get_yticks(), strict=True):
        np.testing.assert_allclose(line.get_ydata() - offset, whole[here, name], atol=1)


def test_amplitude_figure_shows_every_spike_in_microvolts(result):
    axes = figures.amplitudes_figure(result, [1, 0]).axes
    for panel, row in zip(axes, (1, 0), strict=True):
        mine = result.spike_units == row
        (line,) = panel.lines
        np.testing.assert_allclose(line.get_xdata(), result.spike_times[mine] / FS)
        height = np.abs(result.template(result.unit_ids[row])[0]).max()
        np.testing.assert_allclose(line.get_ydata(), result.amplitudes[mine] * height)


def test_correlogram_figure_counts_pairs(result):
    figure = figures.correlograms_figure(result, [0, 1])
    trains = [result.spike_train(unit) for unit in (11, 12)]
    edges = np.arange(-25, 26) * FS // 1000
    for axes, (i, j) in zip(figure.axes, np.ndindex(2, 2), strict=True):
        lags = trains[j][None, :] - trains[i][:, None]
        lags = lags[~np.eye(len(lags), dtype=bool)] if i == j else lags.ravel()
        expected, _ = np.histogram(lags[lags < edges[-1]], edges)
        heights = [bar.get_height() for bar in axes.patches]
        np.testing.assert_array_equal(heights, expected)


def test_accuracy_of_a_sort_that_misses_spikes(recorded):
    _, times, units, _ = recorded
    # a third of unit 0 is lost, unit 1 is whole, two thirds of unit 2 are lost
    nth = np.array([np.sum(units[:k] == unit) for k, unit in enumerate(units)]) % 3
    keep = (units == 1) | ((units == 0) & (nth > 0)) | ((units == 2) & (nth == 0))
    result = as_result(recorded, keep)
    table = compare_with_truth(times, units, result, np.array([30.0, 20, 12, 9]))
    counts = np.bincount(units)
    recall = np.sum(keep & (units == 0)) / counts[0]
    assert table["n_spikes"].tolist() == [*counts, 0]
    # below a half no match is made, so the third unit counts as not found
    np.testing.assert_allclose(table["accuracy"], [recall, 1, 0, 0])
    np.testing.assert_allclose(table["recall"], [recall, 1, 0, 0])
    np.testing.assert_allclose(table["precision"], [1, 1, 0, 0])
    assert table["matched_unit"].tolist() == [11, 12, -1, -1]
    assert fraction_found(table) == (1, 4)


def test_accuracy_of_a_sort_without_spikes(recorded, no_units):
    _, times, units, _ = recorded
    table = compare_with_truth(times, units, no_units, np.array([30.0, 20, 12]))
    assert table["accuracy"].tolist() == [0, 0, 0]
    assert table["matched_unit"].tolist() == [-1, -1, -1]


def test_without_spikeinterface_the_error_says_what_to_install(
    recorded, result, monkeypatch
):
    monkeypatch.setitem(sys.modules, "spikeinterface.comparison", None)
    with pytest.raises(MissingDependencyError, match=re.escape("toolkit[demo]")):
        compare_with_truth(recorded[1], recorded[2], result, np.ones(3))
