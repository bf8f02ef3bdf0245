"""The spikes do not depend on how many ranks looked for them: files are equal bytes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import sorting
from circus_io.synthetic import SyntheticRecording

N_RANKS = (1, 2, 3, 4)
FORMAT = Path(__file__).parents[2] / "examples" / "custom_wrapper.py"
PIECES = ((0, 500_000), (520_000, 400_001), (1_000_000, 20_000), (3_000_000, 660_000))


def one_file(folder):
    """16 channels, 20 s, six units."""
    recording = SyntheticRecording(
        n_channels=16,
        layout="linear",
        duration_s=20,
        n_units=6,
        snr_range=(6.0, 16.0),
        rate_range_hz=(3.0, 10.0),
        lfp_uv=30.0,
        seed=2,
    )
    return recording.write(folder / "rec.dat"), recording


def files_with_gaps(folder):
    """A tetrode in four files of a lab's own format, 79 s: five parts of the fit.

    There are more spikes than are sampled for clustering.
    """
    recording = SyntheticRecording(
        layout="tetrode",
        n_channels=4,
        n_units=2,
        snr=(12.0, 16.0),
        rate_range_hz=(3.0, 8.0),
        pieces=PIECES,
        seed=4,
    )
    for number, source in enumerate(recording.streams):
        raw = np.rint(source[source.t_start : source.t_stop] / 0.25).astype("<i2")
        header = (
            "LAB 1\nchannels: 4\nrate: 20000.0\nmicrovolt_per_count: 0.25\n"
            f"first_frame: {source.t_start}\nEND\n"
        )
        (folder / f"rec_{number}.lab").write_bytes(header.encode() + raw.tobytes())
    recording.probe.write_prb(folder / "rec.prb")
    (folder / "rec_0.params").write_text(
        f"[data]\nfile_format = {FORMAT}:LabFile\nstream_mode = multi-files\n"
        "mapping = rec.prb\n[clustering]\nmax_elts = 400\n"
    )
    return folder / "rec_0.lab", recording


def drifting_tissue(folder):
    """32 channels, 40 s: all that follows from drift is done."""
    recording = SyntheticRecording(
        n_channels=32,
        duration_s=40,
        n_units=8,
        snr_range=(8.0, 20.0),
        rate_range_hz=(5.0, 12.0),
        drift_um=15,
        drift_period_s=40,
        seed=3,
    )
    return recording.write(folder / "rec.dat"), recording


def files_below(folder):
    """Every file but the log of run times, by its path."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    kept = (path for path in paths if not path.name.endswith(".log.json"))
    return {path.relative_to(folder): path.read_bytes() for path in kept}


@pytest.mark.parametrize(
    ("write", "preset"),
    [
        (one_file, "accurate"),
        (files_with_gaps, "accurate"),
        (drifting_tissue, "accurate"),
        (files_with_gaps, "fast"),  # of 52 chunks it learns from 36
        (drifting_tissue, "fast"),
    ],
)
def test_all_files_of_a_sort_are_the_same_on_any_number_of_ranks(
    tmp_path, mpi_run, accuracy, write, preset
):
    path, recording = write(tmp_path)

    def sort_on(n_ranks):
        folder = tmp_path / f"on-{n_ranks}" / "out"
        options = ["--preset", preset, "--output-dir", folder]
        done = mpi_run(n_ranks, "-m", "circus_cli", "sort", path, *options)
        assert done.returncode == 0, done.stderr
        return folder

    with ThreadPoolExecutor(2) as pool:  # one rank leaves a processor to the others
        folders = list(pool.map(sort_on, N_RANKS))
    sorts = [files_below(folder) for folder in folders]
    for other in sorts[1:]:
        assert other.keys() == sorts[0].keys()
        unequal = [name for name, data in other.items() if data != sorts[0][name]]
        assert unequal == []
    # equal, and not for want of spikes
    result = sorting.load_result(folders[-1])
    assert np.mean(accuracy(recording.ground_truth, result)) > 0.8
    starts = [source.t_start for source in recording.streams]
    assert result.streams.t_start.tolist() == starts
    assert set(result.streams.stream_of(result.spike_times)) == set(range(len(starts)))
