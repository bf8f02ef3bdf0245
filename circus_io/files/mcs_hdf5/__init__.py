"""HDF5 of Multi Channel Systems: read (`recording`), written (`writer`), recovered."""

from circus_io.files.mcs_hdf5.recording import MCSHDF5File
from circus_io.files.mcs_hdf5.recovery import recover
from circus_io.files.mcs_hdf5.writer import MCSHDF5Writer

__all__ = ["MCSHDF5File", "MCSHDF5Writer", "recover"]
