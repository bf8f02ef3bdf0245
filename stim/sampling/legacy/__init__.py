"""Files of `bspysmg`, read without running what may be in them."""

from stim.sampling.legacy.io_dat import import_io_dat, read_io_dat
from stim.sampling.legacy.npz import import_npz
from stim.sampling.legacy.sampler_configs import read_sampler_configs

__all__ = ["import_io_dat", "import_npz", "read_io_dat", "read_sampler_configs"]
