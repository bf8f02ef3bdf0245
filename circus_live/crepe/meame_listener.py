"""`MeameListener`: the segments of a MEAME server, as a service."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from circus_io.meame import ControlClient, StreamSettings
from circus_live.block import Block
from circus_live.crepe.experiment import free_recording_path
from circus_live.crepe.queue_service import QueueService
from circus_live.recorder import Recorder
from circus_live.sources.meame import MeameSource

__all__ = ["MeameListener"]


class MeameListener(QueueService):
    """Configures and starts a server, and puts its segments into a queue.

    Parameters
    ----------
    server_address : str
    port : int
        Of the samples.
    bitrate : int
        Frames per second, Hz.
    segment_len : int
        Frames of a segment.
    record : bool or path
        Write what comes, in the MCS HDF5 layout: to ``recordings/recording{i}.h5``, or
        to this file.
    http_port : int
        Of the commands.
    **queues
        ``queue_out``.

    Notes
    -----
    Silence, a refused rate, a lost connection and everything else that can go wrong are
    those of `MeameSource`, and end it with an error.
    """

    def __init__(
        self,
        server_address: str,
        port: int = 12340,
        bitrate: int = 10_000,
        segment_len: int = 100,
        record: Any = False,
        http_port: int = 8888,
        **queues: Any,
    ) -> None:
        QueueService.__init__(self, name="MEAMELISTENER", **queues)
        settings = StreamSettings(
            host=server_address,
            http_port=http_port,
            data_port=port,
            sampling_rate=bitrate,
            segment_frames=segment_len,
        )
        self.source = MeameSource(settings, last_sample="hold")
        self.record = record
        self._recorder: Recorder | None = None
        self._blocks: Iterator[Block] | None = None
        self._block: Block | None = None

    def run(self) -> None:
        """Put all segments until the stream ends."""
        try:
            while (segment := self.recvchunk()) is not None:
                if self.record:
                    self.savechunk(segment)
                self.put(segment)
            self.end()
        finally:
            self.close()

    def send_config(self) -> None:
        """Ask for the rate and the segment length; `recvchunk` does so by itself."""
        settings = self.source.settings
        self._control().connect(settings.sampling_rate, settings.segment_frames)

    def send_start(self) -> None:
        """Start the acquisition; `recvchunk` does so by itself."""
        self._control().start()

    def _control(self) -> ControlClient:
        return ControlClient(self.source.settings.host, self.source.settings.http_port)

    def recvchunk(self) -> np.ndarray | None:
        """Return the next segment, int32 (n_channels, segment_len); None at the end.

        Raises
        ------
        SourceError
            The stream cannot go on.
        """
        if self._blocks is None:
            self._blocks = iter(self.source)
        self._block = next(self._blocks, None)
        if self._block is None:
            return None
        return np.ascontiguousarray(self._block.traces.T)

    def savechunk(self, segment: np.ndarray) -> None:
        """Write the segment that `recvchunk` gave last, gaps before it included."""
        if self._recorder is None:
            chosen = self.record not in (False, True)
            path = self.record if chosen else free_recording_path()
            self._recorder = Recorder(path)
            self._recorder.output_info(self.source.info)
            self._recorder.open(self.source.info)
        at = self._block
        self._recorder.process(
            Block(at.sample_index, np.ascontiguousarray(segment.T), at.host_time_ns)
        )

    def close(self) -> None:
        """Leave the server, and close the file."""
        if self._blocks is not None:
            self._blocks.close()
        if self._recorder is not None:
            self._recorder.close()
