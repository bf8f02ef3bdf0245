"""`DataFileContract`: all that a file format promises, as tests."""

from typing import Any

from circus_io.testing.conditions import leave_out
from circus_io.testing.header import HeaderTests
from circus_io.testing.reading import ReadingTests
from circus_io.testing.streams import StreamTests
from circus_io.testing.writing import WritingTests

__all__ = ["DataFileContract"]


class DataFileContract(HeaderTests, ReadingTests, StreamTests, WritingTests):
    """What every `DataFile` does, as tests.

    A test of what a format cannot do, such as writing, is not collected for it, if
    `wrapper` is set in the body of the class. A test that makes no sense for a format
    is left out by ``test_... = None``.

    Attributes
    ----------
    wrapper : class
        The format under test.
    dtype : str
        Type of the samples that `write_file` gets.
    gain, dtype_offset : float
        What the file is expected to be read with: ``(raw - dtype_offset) * gain``.
    holds_no_frames : bool
        The format can hold a recording of 0 frames.
    least_frames : int
        The shortest recording, but one of 0 frames, that the format can hold.
    block_frames : int
        The format holds a multiple of so many frames.
    any_case : bool
        The suffix may be in capitals.
    is_numbered : bool
        The names of files may end in _0, _1, ... before their suffix.
    """

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Leave out the tests that do not apply to the format."""
        super().__init_subclass__(**keywords)
        leave_out(cls, DataFileContract)
