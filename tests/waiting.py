"""Waiting for what another thread or process does."""

import time

__all__ = ["wait_until"]


def wait_until(condition, timeout_s=60.0):
    """Wait until a condition holds; fail if it does not in so many seconds."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"not so within {timeout_s:g} s"
        time.sleep(0.005)
