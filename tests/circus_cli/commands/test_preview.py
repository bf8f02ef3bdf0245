from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from circus_cli import preview
from circus_cli.job import open_job_recording, prepare
from circus_cli.request import Request
from sorting.api import open_front_end


@pytest.mark.parametrize("second", [0, 2.5, 5.5])
def test_preview_is_a_picture_and_says_where(circus, folder, require, second):
    require("matplotlib", extra="plots")
    outcome = circus("rec.dat", "-p", "-s", second)
    assert outcome.status == 0, outcome.err
    path = folder / "rec" / "rec.preview.png"
    assert outcome.out == f"preview {path.relative_to(folder)}\n"
    from matplotlib.image import imread

    picture = imread(path)
    assert picture.shape[1] > 1000
    assert (picture[..., :3].min(axis=2) < 0.5).mean() > 0.01  # traces are drawn


def test_preview_beyond_the_end(circus, folder, require):
    require("matplotlib", extra="plots")
    outcome = circus("rec.dat", "-p", "-s", "60")
    assert outcome.status == 3
    assert "6 s long" in outcome.error


def filtered_whole(traces, order=3):
    """Filter (n_frames, n) µV from 300 Hz up to 0.95 of Nyquist with scipy."""
    band = [300, 0.95 * 7500]
    sos = signal.butter(order, band, "bandpass", fs=15_000, output="sos")
    return signal.sosfiltfilt(sos, traces, axis=0, padlen=450)


def traces_of(path):
    return np.fromfile(path, "<i2").reshape(-1, 4) * 0.1


def moment(folder, t_start, t_stop, path="rec.dat", *overrides):
    """Give what the picture shows: raw and filtered traces."""
    job = prepare(Request(Path(path), overrides=overrides))
    with open_job_recording(job.files, job.parameters) as recording:
        front_end = open_front_end(recording, job.probe, job.parameters)
        return preview._moment(front_end, t_start, t_stop)


@pytest.mark.parametrize("t_start", [0, 40_000, 72_000])
def test_moment_is_that_of_the_whole_file(folder, t_start):
    traces = traces_of("rec.dat")
    raw, filtered = moment(folder, t_start, t_start + 18_000)
    here = slice(t_start, t_start + 18_000)
    assert filtered.dtype == np.float32
    np.testing.assert_allclose(raw, traces[here], atol=1e-4)
    np.testing.assert_allclose(filtered, filtered_whole(traces)[here], atol=0.01)


def minus_channel_2(traces):
    return traces - traces[:, [2]]


def minus_median(traces):
    return traces - np.median(traces, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("filtering.filter=False", lambda traces: traces),
        ("filtering.butter_order=1", lambda traces: filtered_whole(traces, 1)),
        ("filtering.remove_median=True", lambda t: minus_median(filtered_whole(t))),
        (
            "filtering.common_ground={1: 2}",
            lambda t: minus_channel_2(filtered_whole(t)),
        ),
    ],
)
def test_moment_is_filtered_as_the_parameters_say(folder, override, expected):
    _, filtered = moment(folder, 40_000, 58_000, "rec.dat", override)
    whole = expected(traces_of("rec.dat"))
    np.testing.assert_allclose(filtered, whole[40_000:58_000], atol=0.01)


def test_moment_across_files_is_filtered_in_each(folder):
    traces = traces_of("rec.dat")
    for number, part in enumerate(np.split(np.fromfile("rec.dat", "<i2"), 2)):
        part.tofile(folder / f"part_{number}.dat")
    (folder / "part_0.params").write_text((folder / "rec.params").read_text())
    raw, filtered = moment(folder, 36_000, 54_000, "part_*.dat")
    whole = np.concatenate([filtered_whole(half) for half in np.split(traces, 2)])
    np.testing.assert_allclose(raw, traces[36_000:54_000], atol=1e-4)
    np.testing.assert_allclose(filtered, whole[36_000:54_000], atol=0.01)


def test_missing_samples_are_holes_in_the_picture(circus, folder, require):
    require("matplotlib", extra="plots")
    traces = traces_of("rec.dat").astype("<f4")
    traces[100:200, 1] = np.nan
    traces.tofile(folder / "holes.dat")
    text = (folder / "rec.params").read_text().replace("= int16", "= float32")
    (folder / "holes.params").write_text(text)
    outcome = circus("holes.dat", "-p")
    assert outcome.status == 0, outcome.err
    from matplotlib.image import imread

    picture = imread(folder / "holes" / "holes.preview.png")[..., :3]
    assert (picture.min(axis=2) < 0.5).mean() > 0.01  # traces are drawn
