import numpy as np
import pytest
from scipy import signal

from circus_cli.job import open_job_recording, prepare
from circus_cli.preview import filtered_moment
from circus_cli.request import Request


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


@pytest.mark.parametrize("t_start", [0, 40_000, 72_000])
def test_filtered_moment_is_that_of_the_whole_file(folder, t_start):
    job = prepare(Request(folder / "rec.dat"))
    traces = np.fromfile(folder / "rec.dat", "<i2").reshape(-1, 4) * 0.1
    sos = signal.butter(3, [300, 0.95 * 7500], "bandpass", fs=15_000, output="sos")
    whole = signal.sosfiltfilt(sos, traces, axis=0, padlen=450)
    with open_job_recording(job.recording_path, job.parameters) as recording:
        moment = filtered_moment(
            recording, job.probe, job.parameters, t_start, t_start + 18_000
        )
    assert moment.dtype == np.float32
    np.testing.assert_allclose(moment, whole[t_start : t_start + 18_000], atol=0.01)
