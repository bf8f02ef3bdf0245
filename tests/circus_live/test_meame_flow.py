"""From the server double through a flow into a file, and its faults on the way."""

import subprocess
import sys

import numpy as np
import pytest

from circus_io import open_recording
from circus_io.errors import StreamStalledError
from circus_io.samples import read_stored
from circus_live.flow import Flow
from circus_live.meame_server import Ramp
from circus_live.recorder import Recorder

RAMP = Ramp()


@pytest.fixture
def start():
    """``start("silence_after=50")``: a server as a program; its address."""
    programs = []

    def start(*faults):
        ports = ["--port", "0", "--data-port", "0", "--test-port", "0"]
        command = [sys.executable, "-m", "circus_cli", "meame-server", "--quiet"]
        given = [f"--fault={fault}" for fault in faults]
        programs.append(
            subprocess.Popen(
                [*command, "--signal=ramp", *ports, *given],
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        return programs[-1].stdout.readline().strip()

    yield start
    for program in programs:
        program.kill()
        program.communicate()


def test_what_is_recorded_is_what_was_sent_and_the_gap_is_in_the_file(start, tmp_path):
    flow = Flow(f"{start('disconnect_after=40')}&sampling_rate=10000")
    output = flow.output()
    flow.add(Recorder(tmp_path / "rec.h5"), after="source")
    with flow:
        for block in output:
            if block.t_stop > 9000:
                flow.stop()
    with open_recording(tmp_path / "rec.h5") as recording:
        first, second = recording.streams
        gap_frames = second.t_start - first.t_stop
        assert gap_frames == flow.statistics().gap_frames > 0
        for stream in (first, second):
            counts = read_stored(stream, 0, stream.duration, None)
            start_of_ramp = int(counts[0, 0])
            expected = RAMP.frames(start_of_ramp, start_of_ramp + len(counts))
            expected = expected.astype(np.int64)
            frames = np.arange(99, len(counts) - 1, 100)
            expected[frames] = (expected[frames - 1] + expected[frames + 1]) >> 1
            if len(counts) % 100 == 0:
                expected[-1] = expected[-2]
            assert np.array_equal(counts, expected)


def test_silence_reaches_the_parent_by_its_name(start):
    flow = Flow(f"{start('silence_after=30')}&sampling_rate=10000&patience_s=1.2")
    flow.add(id, name="idle")
    with pytest.raises(StreamStalledError, match="restart MEAME"):
        flow.run()
    verdicts = flow.statistics().verdicts
    assert [v.is_good for v in verdicts if v.name == "stall"] == [False]
