"""`DataFileContract`: the tests that the author of a file format inherits.

It needs pytest. In the tests of a wrapper::

    from circus_io.testing import DataFileContract

    class TestMyFile(DataFileContract):
        wrapper = MyFile

        def write_file(self, path, raw):
            raw.tofile(path)
            return {"sampling_rate": 20000, "nb_channels": raw.shape[1]}

`write_file` must not use the wrapper: the tests compare two independent things, the
array and what the wrapper reads.
"""

from circus_io.testing.contract import DataFileContract
from circus_io.testing.made_files import N_FRAMES

__all__ = ["N_FRAMES", "DataFileContract"]
