"""The meter of a rank counts what a step spends on items, and the bytes of calls."""

import time

import numpy as np
import pytest

import sorting.chunk_map
from circus_io.parallel import SerialComm
from sorting.pipeline import Run
from sorting.steps import detection, filtering, fitting, templates


@pytest.fixture
def rank_meter(require, monkeypatch):
    module = require("rank_meter")
    # so that they are put back: a meter stays for the life of its process
    for holder in (sorting.chunk_map, detection, fitting, filtering, templates):
        monkeypatch.setattr(holder, "own_items", holder.own_items)
    monkeypatch.setattr(Run, "_run_step", Run._run_step)
    return module


def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def known_step(run, name):
    """Burn 0.05 + 0.15 + 0.05 s in items, and 0.1 s around them."""
    burn(0.05)
    for seconds in fitting.own_items([5, 15, 5], SerialComm()):
        burn(seconds / 100)
    burn(0.05)


def test_items_are_told_from_the_rest_of_a_step(rank_meter, monkeypatch):
    monkeypatch.setattr(Run, "_run_step", known_step)
    meter = rank_meter.RankMeter()
    meter.install(SerialComm())
    Run._run_step(None, "whitening")
    burn(0.02)
    report = meter.report()
    use = rank_meter.StepUse(**report["whitening"])
    assert (use.n_items, use.n_loops) == (3, 1)
    assert use.items_s == pytest.approx(0.25, abs=0.03)
    assert use.longest_s == pytest.approx(0.15, abs=0.03)
    assert use.own_s == pytest.approx(0.1, abs=0.03)
    total = sum(step["cpu_s"] for step in report.values())
    assert total == pytest.approx(time.process_time(), abs=0.05)


def test_items_are_handed_out_as_without_a_meter(rank_meter):
    rank_meter.RankMeter().install(SerialComm())
    assert sorting.chunk_map.map_items(np.sqrt, [1, 4, 9], SerialComm()) == [1, 2, 3]
    assert list(sorting.chunk_map.own_items([], SerialComm())) == []


def test_rounds_of_one_item_are_no_loops(rank_meter):
    meter = rank_meter.RankMeter()
    meter.install(SerialComm())
    list(sorting.chunk_map.each_item(abs, [1, 2, 3], SerialComm()))
    assert meter.steps[rank_meter.STARTING].n_items == 3
    assert meter.steps[rank_meter.STARTING].n_loops == 0
    sorting.chunk_map.map_items(abs, [1, 2, 3], SerialComm())
    assert meter.steps[rank_meter.STARTING].n_loops == 1


def test_bytes_are_those_of_what_is_moved(rank_meter):
    values = np.zeros(1000)
    assert rank_meter.payload_bytes(values) == 8000
    assert rank_meter.payload_bytes((values, values)) == 16000
    assert rank_meter.payload_bytes(()) == 0
    assert 8000 < rank_meter.payload_bytes({"values": values}) < 8500
