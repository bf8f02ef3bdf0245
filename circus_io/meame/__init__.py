"""The protocol of MEAME, the server of a MEA2100: commands by HTTP, samples by TCP.

Everything that a recording (`circus_io.files.meame_stream`) and a live source need:
what the bytes mean (`settings`, `framing`), what is wrong with them (`last_sample`,
`segment_length`, `rate`), how the server is told (`control`, `connection`), which
electrode a channel is (`channel_maps`), and the test signal (`sawtooth`).

Facts of the protocol are those of MEAME2 (branch with polling of the DSP), observed and
read; no code of it is used.
"""

from circus_io.meame.channel_maps import CHANNEL_MAPS, ChannelMap, get_channel_map
from circus_io.meame.control import ControlClient, Reply, ServerStatus
from circus_io.meame.framing import Framer, decode_segment, encode_segment
from circus_io.meame.last_sample import POLICIES, FrameList, LastSampleRepair
from circus_io.meame.rate import RateMeter
from circus_io.meame.sawtooth import sawtooth
from circus_io.meame.segment_length import find_segment_frames
from circus_io.meame.settings import StreamSettings

__all__ = [
    "CHANNEL_MAPS",
    "POLICIES",
    "ChannelMap",
    "ControlClient",
    "FrameList",
    "Framer",
    "LastSampleRepair",
    "RateMeter",
    "Reply",
    "ServerStatus",
    "StreamSettings",
    "decode_segment",
    "encode_segment",
    "find_segment_frames",
    "get_channel_map",
    "sawtooth",
]
