"""The surface of CREPE on top of the flow: its programs run with the import changed.

::

    from circus_live.crepe import CREPE, CrepeModus, QueueService

What differs from CREPE, and how to move on to `circus_live.Flow`, is in the how-to on
moving from CREPE.
"""

from circus_live.crepe.experiment import CREPE, get_queue
from circus_live.crepe.growing_array import GrowingArray
from circus_live.crepe.hdf5_reader import HDF5Reader
from circus_live.crepe.hw_api import EndpointAction, HWAPIWrapper
from circus_live.crepe.meame_listener import MeameListener
from circus_live.crepe.meame_speaker import MeameSpeaker
from circus_live.crepe.modus import CrepeModus
from circus_live.crepe.poison_pill import PoisonPill, is_poison_pill
from circus_live.crepe.queue_service import QueueService
from circus_live.crepe.settings import DEFAULT_STREAM_DIMENSION
from circus_live.crepe.start_queue_service import StartQueueService
from circus_live.crepe.visualiser import Visualiser

__all__ = [
    "CREPE",
    "DEFAULT_STREAM_DIMENSION",
    "CrepeModus",
    "EndpointAction",
    "GrowingArray",
    "HDF5Reader",
    "HWAPIWrapper",
    "MeameListener",
    "MeameSpeaker",
    "PoisonPill",
    "QueueService",
    "StartQueueService",
    "Visualiser",
    "get_queue",
    "is_poison_pill",
]
