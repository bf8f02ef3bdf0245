"""Whatever is selected, of whatever streams, numpy cuts out the same."""

import tempfile
from pathlib import Path
from unittest import mock

import h5py
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from circus_io import ArrayRecording, JoinedRecording
from circus_io.conversion import convert, selection

TYPES = ("<i1", "<u2", ">i2", "<i4", "<f4", ">f8")
N_CHANNELS = 4


@st.composite
def recordings(draw):
    """Give the parts of a recording, (start, counts), and how it is selected."""
    dtype = draw(st.sampled_from(TYPES))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    parts, start = [], draw(st.integers(0, 50))
    for _ in range(draw(st.integers(1, 4))):
        n_frames = draw(st.integers(1, 60))
        counts = rng.integers(0, 100, (n_frames, N_CHANNELS)).astype(dtype)
        parts.append((start, counts))
        start += n_frames + draw(st.sampled_from([0, 0, 1, 30]))
    first, stop = parts[0][0], parts[-1][0] + len(parts[-1][1])
    t_start = draw(st.integers(first, stop - 1))
    t_stop = draw(st.integers(t_start + 1, stop))
    channels = draw(
        st.none() | st.lists(st.integers(0, N_CHANNELS - 1), min_size=1, max_size=6)
    )
    return parts, channels, t_start, t_stop, draw(st.integers(1, 90))


def spans_of(parts, channels, t_start, t_stop):
    """Return the runs of frames without a gap, by looking at every frame."""
    at = {start + i: row for start, rows in parts for i, row in enumerate(rows)}
    chosen = slice(None) if channels is None else channels
    spans, last = [], None
    for frame in range(t_start, t_stop):
        if frame in at:
            if last != frame - 1:
                spans.append((frame, []))
            spans[-1][1].append(at[frame][chosen])
            last = frame
    return spans


@settings(max_examples=60, deadline=None)
@given(recordings())
def test_any_part_of_any_recording(drawn):
    parts, channels, t_start, t_stop, block = drawn
    expected = spans_of(parts, channels, t_start, t_stop)
    joined = JoinedRecording(
        [ArrayRecording(counts, 1000, start, gain=0.5) for start, counts in parts]
    )
    options = {"channels": channels, "t_start": t_start, "t_stop": t_stop}
    if not expected:
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(selection, "BLOCK_SAMPLES", block),
    ):
        flat = convert(joined, Path(folder) / "a.npy", **options)
        apart = convert(joined, Path(folder) / "a.h5", **options)
        array = np.load(flat.path)
        with h5py.File(apart.path) as file:
            names = ["data"] if len(expected) == 1 else range(len(expected))
            arrays = [file["data"] if n == "data" else file[f"data/{n}"] for n in names]
            datasets = [(int(a.attrs["t_start"]), a[:]) for a in arrays]
    assert flat.spans == [(start, len(rows)) for start, rows in expected]
    assert np.array_equal(array, np.concatenate([rows for _, rows in expected]))
    assert array.dtype == parts[0][1].dtype.newbyteorder("<")
    assert len(datasets) == len(expected)
    for (start, rows), (wanted_start, wanted) in zip(datasets, expected, strict=True):
        assert start == wanted_start
        assert np.array_equal(rows, wanted)
