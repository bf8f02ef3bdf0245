import ctypes
import os

import numpy as np
import pytest
import threadpoolctl

from circus_io import threads
from circus_io.errors import LaunchError


def test_limit_threads_holds_in_numpy_and_is_undone():
    before = threadpoolctl.threadpool_info()
    with threads.limit_threads():
        np.ones((50, 50)) @ np.ones((50, 50))
        now = threadpoolctl.threadpool_info()
        assert now
        assert {pool["num_threads"] for pool in now} == {1}
    assert threadpoolctl.threadpool_info() == before


def test_limit_threads_says_which_library_keeps_threads(monkeypatch):
    pool = {"prefix": "libgomp", "num_threads": 8}
    monkeypatch.setattr(threads, "threadpool_info", lambda: [pool])
    with pytest.raises(LaunchError, match=r"libgomp \(8\)"):
        threads.limit_threads()


def test_thread_variables_are_those_the_c_library_sees(monkeypatch):
    for variable in threads.THREAD_VARIABLES:
        monkeypatch.setenv(variable, "7")
    threads.set_thread_variables()
    if os.name == "posix":
        getenv = ctypes.CDLL(None).getenv
        getenv.restype = ctypes.c_char_p
        assert getenv(b"OPENBLAS_NUM_THREADS") == b"1"
    assert {os.environ[name] for name in threads.THREAD_VARIABLES} == {"1"}
