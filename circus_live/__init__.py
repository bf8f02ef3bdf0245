"""Live recordings: sources, a flow of services in processes of their own, a recorder.

::

    from circus_live import Flow

    def mean(block):                            # or a class with process(block)
        return block.traces.mean()

    flow = Flow("rec.h5")
    flow.add(mean)
    with_means = flow.output()
    with flow:
        for message in with_means:
            message.sample_index, message.value
"""

from circus_live.block import Block, BlockFlag, Message
from circus_live.event import Event
from circus_live.flow import Flow
from circus_live.opening import open_source
from circus_live.policies import Policy
from circus_live.ring import Ring
from circus_live.service import Service
from circus_live.source import Source, SourceInfo, SourceState, Verdict

__all__ = [
    "Block",
    "BlockFlag",
    "Event",
    "Flow",
    "Message",
    "Policy",
    "Ring",
    "Service",
    "Source",
    "SourceInfo",
    "SourceState",
    "Verdict",
    "open_source",
]
