"""Of planted units and what their collisions look like, the units are needed."""

from types import SimpleNamespace

import numpy as np
import pytest

from circus_io import ArrayRecording
from circus_io.parallel import SerialComm
from circus_io.params import build_params
from circus_io.synthetic import make_probe
from sorting.chunk_map import silent
from sorting.config import SortingConfig
from sorting.front_end import FrontEnd
from sorting.steps.context import Context
from sorting.steps.pruning import choose_windows, needed_templates

RATE, N_FRAMES, N_CHANNELS, T = 20_000, 200_000, 8, 61
LAG = 6  # frames from the first to the second spike of a collision


def unit(channel, width):
    time = np.arange(T) - 20.0
    wave = -np.exp(-0.5 * (time / width) ** 2)
    wave += 0.4 * np.exp(-0.5 * ((time - 4 * width) / (2 * width)) ** 2)
    distance = np.abs(np.arange(N_CHANNELS) - channel)
    return 12 * wave[:, None] * np.exp(-distance / 1.2)


def later(template, frames):
    return np.roll(template, frames, axis=0)


A, B = unit(3, 2.0), unit(5, 3.0)


@pytest.fixture(scope="module")
def planted():
    """White noise of sd 1 and two units, which meet 40 times with lags that vary."""
    rng = np.random.default_rng(0)
    traces = rng.normal(size=(N_FRAMES, N_CHANNELS))
    slots = rng.permutation(np.arange(200, N_FRAMES - 200, 200))
    alone = {"a": np.sort(slots[:300]), "b": np.sort(slots[300:600])}
    meet = np.sort(slots[600:640])
    for waveform, starts in ((A, alone["a"]), (B, alone["b"]), (A, meet)):
        for start in starts:
            traces[start : start + T] += rng.normal(1, 0.07) * waveform
    for start in meet + LAG + rng.integers(-2, 3, meet.size):
        traces[start : start + T] += rng.normal(1, 0.07) * B
    return traces.astype(np.float32), {**alone, "meet": meet}


def context_of(traces):
    recording = ArrayRecording(traces, sampling_rate=RATE)
    probe = make_probe("linear", N_CHANNELS)
    config = SortingConfig.from_parameters(
        build_params({"filtering.filter": False}),
        sampling_rate=RATE,
        n_channels=N_CHANNELS,
        probe_radius_um=100.0,
    )
    stored = {
        "whitening": {"matrix": np.eye(N_CHANNELS, dtype=np.float32)},
        "motion": {"axis": 0, "depths": np.zeros(1), "displacement": np.zeros((1, 1))},
    }
    return Context(
        recording=recording,
        probe=probe,
        config=config,
        front_end=FrontEnd(recording, probe, config.filtering),
        comm=SerialComm(),
        store=SimpleNamespace(load=stored.get),
        progress=silent,
        digest="",
        fingerprint="",
        result_path=None,
    )


def judge(planted, templates, times):
    traces, _ = planted
    context = context_of(traces)
    rows = np.array(templates).transpose(0, 2, 1).reshape(-1, T)
    basis = np.linalg.svd(rows, full_matrices=False)[2][:8].astype(np.float32)
    coefficients = np.einsum("ktc,pt->kcp", templates, basis).astype(np.float32)
    windows = [choose_windows(context, t) for t in times]
    sizes = np.array([len(t) for t in times])
    return needed_templates(context, coefficients, basis, sizes, windows).tolist()


def test_the_template_of_collisions_is_not_needed(planted):
    _, at = planted
    templates = [A, B, A + later(B, LAG)]
    assert judge(planted, templates, [at["a"], at["b"], at["meet"]]) == [1, 1, 0]


def test_a_template_that_nothing_else_explains_is_needed(planted):
    _, at = planted
    assert judge(planted, [A, A + later(B, LAG)], [at["a"], at["meet"]]) == [1, 1]


def test_of_two_doubles_one_stays(planted):
    _, at = planted
    halves = [at["a"][::2], at["a"][1::2]]
    assert sum(judge(planted, [A, 0.97 * A, B], [*halves, at["b"]])) == 2


def test_a_template_without_spikes_to_look_at_stays(planted):
    assert judge(planted, [A, B], [np.array([5]), np.zeros(0, np.int64)]) == [1, 1]


def test_no_template(planted):
    context = context_of(planted[0])
    none = np.zeros((0, N_CHANNELS, 8), np.float32)
    basis, sizes = np.eye(8, T, dtype="f4"), np.zeros(0, np.int64)
    assert needed_templates(context, none, basis, sizes, []).size == 0


def test_windows_are_few_and_rise(planted):
    context = context_of(planted[0])
    times = np.arange(0, N_FRAMES, 50)
    chosen = choose_windows(context, np.concatenate([times, times]))
    assert chosen.size == context.config.templates.n_trials
    assert np.all(np.diff(chosen) > 0)
    assert np.isin(chosen, times).all()
    # all from one stretch: few chunks have to be read
    length = context.config.filtering.chunk_frames
    assert np.unique(chosen // length).size == 1
