"""The synthetic source: known spikes, for ever."""

import numpy as np
import pytest

from circus_io.errors import FormatError
from circus_io.synthetic import SyntheticRecording
from circus_live import open_source
from circus_live.sources.synthetic import SyntheticSource


def collect(source, n_blocks=None):
    blocks = []
    for block in source:
        blocks.append(block)
        if len(blocks) == n_blocks:
            break
    return blocks


def test_the_loop_is_the_recording_and_repeats():
    settings = {"n_channels": 4, "n_units": 2, "seed": 5}
    source = SyntheticSource(loop_s=0.5, pace="fast", block_frames=64, **settings)
    assert source.loop_frames % 64 == 0
    n_blocks = source.loop_frames // 64
    blocks = collect(source, 2 * n_blocks + 3)
    traces = np.concatenate([block.traces for block in blocks])
    duration_s = source.loop_frames / 20000
    expected = SyntheticRecording(duration_s=duration_s, **settings)[:]
    counts = np.rint(expected / source.info.gain).astype("i2")
    assert np.array_equal(traces[: len(counts)], counts)
    assert np.array_equal(traces[len(counts) : 2 * len(counts)], counts)
    assert [b.sample_index for b in blocks] == list(range(0, 64 * len(blocks), 64))
    troughs = counts[source.ground_truth.spike_times]
    assert (troughs.min(axis=1) * source.info.gain < -10).mean() > 0.9


def test_it_ends_at_the_frame_that_was_asked_for():
    settings = {"n_channels": 2, "n_units": 0, "loop_s": 0.1, "pace": "fast"}
    blocks = collect(SyntheticSource(duration_s=0.25003, **settings))
    assert blocks[-1].t_stop == 5001
    assert blocks[-1].n_frames == 1
    assert not collect(SyntheticSource(duration_s=0, **settings))


def test_an_address():
    source = open_source(
        "synthetic?n_channels=3&sampling_rate=1000&duration_s=0.1&n_units=1&pace=fast"
        "&loop_s=0.1"
    )
    assert (source.info.n_channels, source.info.sampling_rate) == (3, 1000)
    assert source.info.channel_positions.shape == (3, 2)
    assert sum(block.n_frames for block in source) == 100
    assert open_source("synthetic").info.n_channels == 60
    with pytest.raises(FormatError, match="no setting n_channel; choose from"):
        open_source("synthetic?n_channel=3")


def test_counts_are_signed_integers():
    with pytest.raises(FormatError, match="dtype = float32"):
        SyntheticSource(dtype="float32")
    with pytest.raises(FormatError, match="pace = slow"):
        SyntheticSource(pace="slow")
