"""HDF5 of Multi Channel Systems: read (`recording`) and written (`writer`)."""

from circus_io.files.mcs_hdf5.recording import MCSHDF5File
from circus_io.files.mcs_hdf5.writer import MCSHDF5Writer
from circus_io.files.superblock import recover

__all__ = ["MCSHDF5File", "MCSHDF5Writer", "recover"]
