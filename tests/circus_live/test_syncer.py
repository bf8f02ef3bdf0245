"""The thread that flushes a file to the disk."""

import pytest

from circus_io.errors import NotWritableError
from circus_live.syncer import Syncer
from tests.waiting import wait_until


def test_it_flushes_again_and_again_until_it_is_closed(tmp_path):
    path = tmp_path / "rec.h5"
    path.write_bytes(b"x")
    syncer = Syncer(path, 0.01)
    syncer.start()
    wait_until(lambda: syncer.n_times > 3)
    syncer.check()
    syncer.close()
    assert not syncer.is_alive()


def test_a_disk_that_refuses_is_said(tmp_path):
    path = tmp_path / "rec.h5"
    path.write_bytes(b"x")
    syncer = Syncer(path, 0.01)
    path.unlink()
    syncer.start()
    syncer.join(60)
    with pytest.raises(NotWritableError, match=r"cannot write rec\.h5: .*No such file"):
        syncer.check()
    syncer.close()
