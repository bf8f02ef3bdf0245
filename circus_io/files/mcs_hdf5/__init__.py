"""HDF5 of Multi Channel Systems: read (`recording`) and written (`writer`).

A recorder that may be killed writes through `JournaledWriter`; `complete` adds what was
left in its journal.
"""

from circus_io.files.mcs_hdf5.journaled import Completion, JournaledWriter, complete
from circus_io.files.mcs_hdf5.recording import MCSHDF5File
from circus_io.files.mcs_hdf5.writer import MCSHDF5Writer
from circus_io.files.superblock import recover

__all__ = [
    "Completion",
    "JournaledWriter",
    "MCSHDF5File",
    "MCSHDF5Writer",
    "complete",
    "recover",
]
