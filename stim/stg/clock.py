"""`WallClock`: the time of this computer, and what happens in it again and again."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

__all__ = ["WallClock"]

JOIN_S = 2.0


class WallClock:
    """Monotonic time; what is to be done again and again is done by a thread each."""

    def now(self) -> float:
        """Return the monotonic time, s."""
        return time.monotonic()

    def now_ns(self) -> int:
        """Return the monotonic time, ns."""
        return time.monotonic_ns()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(max(0.0, seconds))

    def every(
        self, period_s: float, function: Callable[[], None]
    ) -> Callable[[], None]:
        """Call a function again and again, in a thread; see `stim.stg.port.Clock`."""
        is_ended = threading.Event()
        thread = threading.Thread(
            target=_repeat, args=(period_s, function, is_ended), daemon=True
        )
        thread.start()

        def end() -> None:
            is_ended.set()
            if thread is not threading.current_thread():
                with suppress(RuntimeError):  # the interpreter is ending
                    thread.join(JOIN_S)

        return end


def _repeat(
    period_s: float, function: Callable[[], None], is_ended: threading.Event
) -> None:
    due = time.monotonic() + period_s
    # the event is a wait without a busy loop that an end cuts short
    while not is_ended.wait(max(0.0, due - time.monotonic())):
        function()
        late = time.monotonic() - due
        due += period_s * (1 + max(0, late // period_s))
