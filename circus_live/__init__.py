"""Live recordings: sources, a flow of services in processes of their own, a recorder.

::

    from circus_live import open_source

    for block in open_source("rec.h5"):
        block.sample_index, block.traces        # native samples (n_frames, n_channels)
"""

from circus_live.block import Block, BlockFlag, Message
from circus_live.opening import open_source
from circus_live.source import Source, SourceInfo, SourceState, Verdict

__all__ = [
    "Block",
    "BlockFlag",
    "Message",
    "Source",
    "SourceInfo",
    "SourceState",
    "Verdict",
    "open_source",
]
