"""MC_Rack recordings (``.mcd``) of Multi Channel Systems, read without their library.

`header` says what the file holds, `chunks` where its samples lie, `events` what
happened when; `recording` is the wrapper that puts them together.
"""

from circus_io.files.mcd.recording import MCDFile

__all__ = ["MCDFile"]
