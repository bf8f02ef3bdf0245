"""`RateMeter`: the real rate of a stream, from when its segments arrive."""

from collections import deque

__all__ = ["RateMeter"]

WINDOW_S = 2.0


class RateMeter:
    """Counts frames against the clock of this machine.

    Parameters
    ----------
    window_s : float
        Length of what is looked at, s.

    Notes
    -----
    Frames are counted from one arrival to a later one, so a delay of all of them does
    not matter; that of single segments does, by its share in the window.
    """

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self.window_s = window_s
        self._arrivals: deque[tuple[int, int]] = deque()

    def note(self, t_stop: int, host_time_ns: int) -> None:
        """Note that all frames before `t_stop` were there at a time."""
        arrivals = self._arrivals
        if arrivals and host_time_ns == arrivals[-1][1]:
            arrivals.pop()  # several segments in one piece: the last one counts
        arrivals.append((t_stop, host_time_ns))
        oldest_ns = host_time_ns - int(self.window_s * 1e9)
        while len(arrivals) > 2 and arrivals[1][1] <= oldest_ns:
            arrivals.popleft()

    @property
    def span_s(self) -> float:
        """Time between the first and the last arrival in the window, s."""
        if len(self._arrivals) < 2:
            return 0.0
        return (self._arrivals[-1][1] - self._arrivals[0][1]) / 1e9

    @property
    def is_settled(self) -> bool:
        """Whether the window is full."""
        return self.span_s >= self.window_s

    @property
    def rate_hz(self) -> float | None:
        """Frames per second in the window; None while there is only one arrival."""
        if not self.span_s:
            return None
        return (self._arrivals[-1][0] - self._arrivals[0][0]) / self.span_s

    def reset(self) -> None:
        """Forget all arrivals, as after a gap."""
        self._arrivals.clear()
