"""Real-time priority: who has it in a flow, and what is said where it is refused."""

import os

import numpy as np
import pytest

from circus_io import ArrayRecording
from circus_io.errors import LiveError
from circus_live import Flow, Service
from circus_live.priority import become_realtime, check_realtime
from circus_live.sources.file import FileSource

OTHER = getattr(os, "SCHED_OTHER", None)


def permitted():
    try:
        check_realtime()
    except LiveError:
        return False
    return True


def scheduler(_):
    return os.sched_getscheduler(0)


class View(Service):
    """Notes the class it runs in; the flow can do without it."""

    is_dispensable = True

    def __init__(self, path):
        self.path = path

    def process(self, block):
        self.path.write_text(str(os.sched_getscheduler(0)))


def replay():
    return FileSource(ArrayRecording(np.zeros((100, 1), "i2"), 1000), 50, "fast")


@pytest.mark.skipif(
    not permitted(), reason="this user may not run at real-time priority"
)
@pytest.mark.parametrize("realtime", [False, True])
def test_services_have_it_and_views_do_not(tmp_path, realtime):
    flow = Flow(replay(), realtime=realtime)
    flow.add(scheduler)
    output = flow.output()
    flow.add(View(tmp_path / "view"), after="source")
    with flow:
        found = {message.value for message in output}
    assert found == {os.SCHED_RR if realtime else OTHER}
    assert (tmp_path / "view").read_text() == str(OTHER)
    assert os.sched_getscheduler(0) == OTHER  # it was only tried here


def refuse(*_):
    raise PermissionError(1, "Operation not permitted")


def test_it_is_refused_before_anything_starts(monkeypatch):
    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    with pytest.raises(LiveError, match="raise the limit rtprio"):
        Flow(replay(), realtime=True)


def test_systems_without_it_are_named(monkeypatch):
    monkeypatch.delattr(os, "sched_setscheduler")
    monkeypatch.delattr(os, "sched_getscheduler")
    with pytest.raises(LiveError, match="knows no real-time priority"):
        check_realtime()
    with pytest.raises(LiveError, match="knows no real-time priority"):
        become_realtime()
