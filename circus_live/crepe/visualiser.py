"""`Visualiser`: a service that shows what goes by, and hands all of it on."""

import time
from typing import Any

import numpy as np

from circus_live.block import Block
from circus_live.crepe.queue_service import QueueService
from circus_live.service import Service
from circus_live.source import SourceInfo

__all__ = ["Visualiser"]

SAMPLING_RATE = 10_000.0  # of CREPE


class Visualiser(QueueService):
    """Stands anywhere in a chain; segments go through it as they are.

    Among the services of a `CREPE`, without a ``view``, it is the view in a browser.

    Parameters
    ----------
    view : Service
        What looks at the segments, as blocks with the time of their samples.
    sampling_rate : float
        Of the segments, Hz: a queue does not tell.
    name : str
    **queues
        ``queue_in``, ``queue_out``.

    Notes
    -----
    Items that are no segments, (n_channels, n_frames), are handed on and not shown. A
    view that fails does not hold the chain up: it is shown no more, and `failure`
    says why.
    """

    def __init__(
        self,
        view: Service,
        sampling_rate: float = SAMPLING_RATE,
        name: str = "VISUALISER",
        **queues: Any,
    ) -> None:
        QueueService.__init__(self, name=name, **queues)
        self.view, self.sampling_rate = view, sampling_rate
        self.failure: Exception | None = None
        self._is_open = False
        self._sample_index = self._n_lost = 0

    def run(self) -> None:
        """Show and hand on until the end."""
        try:
            while True:
                data = self.get()
                if data is False and self.has_ended:
                    return
                if self.failure is None and _is_segment(data):
                    self._try_to_show(data)
                self.put(data)
        finally:
            if self._is_open:
                self.view.close()

    def _try_to_show(self, segment: np.ndarray) -> None:
        try:
            self._show(segment)
        except Exception as error:  # a picture is worth less than the data
            self.failure = error

    def _show(self, segment: np.ndarray) -> None:
        if not self._is_open:
            self._is_open = True
            self.view.open(self._info(segment))
        gap_frames = self.lost_frames - self._n_lost
        self._n_lost += gap_frames
        self._sample_index += gap_frames
        traces = np.ascontiguousarray(segment.T)
        block = Block(self._sample_index, traces, time.monotonic_ns(), gap_frames)
        self._sample_index += len(traces)
        self.view.process(block)

    def _info(self, segment: np.ndarray) -> SourceInfo:
        n_channels, n_frames = segment.shape
        return SourceInfo(
            self.name, self.sampling_rate, n_channels, segment.dtype.str, n_frames
        )


def _is_segment(data: Any) -> bool:
    is_table = isinstance(data, np.ndarray) and data.ndim == 2 and data.size > 0
    return is_table and data.dtype.kind in "iuf"
