"""How messages reach the DSP, and what is noted of each."""

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass

from circus_io.errors import DeviceError
from circus_io.meame.control import ControlClient
from circus_live.speaker.messages import Message, safe_stop

__all__ = ["Sent", "Transmitter", "stop_everything"]

logger = logging.getLogger(__name__)

N_REMEMBERED = 10_000


@dataclass(frozen=True)
class Sent:
    """One message, and when it left.

    Attributes
    ----------
    message : Call or Write
    sent_ns, acknowledged_ns : int
        On the monotonic clock of this machine; acknowledged 0 if it was not.
    """

    message: Message
    sent_ns: int
    acknowledged_ns: int


class Transmitter:
    """Sends messages one after another, from any thread.

    Parameters
    ----------
    control : ControlClient or None
        None sends nothing: a dry run, of which the transcript is what would be sent.

    Attributes
    ----------
    transcript : deque of Sent
        The last 10,000.
    """

    def __init__(self, control: ControlClient | None) -> None:
        self.control = control
        self.transcript: deque[Sent] = deque(maxlen=N_REMEMBERED)
        # a signal handler may stop in the middle of a message
        self._lock = threading.RLock()

    def send(self, message: Message) -> Sent:
        """Send one message, and wait for its acknowledgement.

        Raises
        ------
        DeviceError
            It was not acknowledged. Where twice is the same as once, it was sent again
            before.
        """
        with self._lock:
            sent_ns = time.monotonic_ns()
            acknowledged_ns = 0
            try:
                if self.control is not None:
                    self.control.request(
                        message.path,
                        message.as_json(),
                        is_repeatable=message.is_repeatable,
                    )
                acknowledged_ns = time.monotonic_ns()
            finally:
                sent = Sent(message, sent_ns, acknowledged_ns)
                self.transcript.append(sent)
        return sent


def stop_everything(transmitter: Transmitter) -> None:
    """Disable every group, then stop the queue, whatever fails on the way.

    Raises
    ------
    DeviceError
        Something was not acknowledged; all of it was tried.
    """
    failures = []
    for message in safe_stop():
        try:
            transmitter.send(message)
        except Exception as error:
            failures.append(f"{message.function.name}: {error}")
    if failures:
        raise DeviceError(
            "the stimulator may not have stopped, switch it off by hand; "
            + "; ".join(failures)
        )
