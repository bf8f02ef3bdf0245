"""A file format of your own, complete: read, written, in streams, on several ranks.

The format is made up. A ``.lab`` file is a text header and then the samples, frame by
frame, as 16-bit integers::

    LAB 1
    channels: 4
    rate: 20000.0
    microvolt_per_count: 0.25
    first_frame: 0
    END

Use it without installing anything, from Python::

    circus_io.open_recording("rec.lab", "./custom_wrapper.py:LabFile")

or from a ``.params`` file with ``file_format = ./custom_wrapper.py:LabFile``. Its tests
are a dozen lines: see `circus_io.testing`.
"""

# ruff: noqa: RUF012 -- DataFile makes the declared mappings read-only

from pathlib import Path

import numpy as np

from circus_io import DataFile, FormatError
from circus_io.indexing import select_channels


class LabFile(DataFile):
    """Recordings of the imaginary lab recorder."""

    description = "lab"  # the name of the format
    extension = (".lab",)
    is_writable = True  # there is a _write_frames
    parallel_write = True  # ranks may write different frames of a mapped file
    is_streamable = ("multi-files",)  # rec_0.lab, rec_1.lab, ... are one recording

    # what every file of this format has in common
    _params = {"data_dtype": "<i2", "dtype_offset": 0}

    def _read_from_header(self):
        """Set the shape, and return the parameters that the header knows."""
        header, self.header_bytes = read_header(self.file_name)
        n_channels = int(header["channels"])
        n_samples = (file_size(self.file_name) - self.header_bytes) // 2
        self._shape = (n_samples // n_channels, n_channels)
        # streams keep their place in time: gaps between files stay gaps
        if int(header["first_frame"]) > 0:
            self._t_start = int(header["first_frame"])
        return {
            "nb_channels": n_channels,
            "sampling_rate": float(header["rate"]),
            "gain": float(header["microvolt_per_count"]),
        }

    def _open(self, mode="r"):
        """Map the samples; an empty file cannot be mapped."""
        if self._shape[0] == 0:
            self.data = np.zeros(self._shape, self.data_dtype)
        else:
            self.data = np.memmap(
                self.file_name, self.data_dtype, mode, self.header_bytes, self._shape
            )

    def _close(self):
        """Let go of the file."""
        self.data = None

    def _read_frames(self, t_start, t_stop, nodes):
        """Return samples as stored; gain and offset are applied for you."""
        return select_channels(np.asarray(self.data[t_start:t_stop]), nodes)

    def _write_frames(self, t_start, raw):
        """Store samples; they are scaled, rounded and clipped already."""
        self.data[t_start : t_start + len(raw)] = raw


def read_header(path):
    """Return the header as a dict of text, and its length in bytes."""
    header = {}
    with Path(path).open("rb") as file:
        if file.readline().strip() != b"LAB 1":
            raise FormatError(f"{path} is no .lab file: it does not start with LAB 1")
        for line in iter(file.readline, b""):
            if line.strip() == b"END":
                return header, file.tell()
            name, _, value = line.decode().partition(":")
            header[name.strip()] = value.strip()
    raise FormatError(f"the header of {path} has no END: was the file cut off?")


def file_size(path):
    """Return the size of a file in bytes."""
    return Path(path).stat().st_size


def write_lab_file(path, raw, rate=20000.0, microvolt_per_count=0.25, first_frame=0):
    """Write samples (n_frames, n_channels), int16, as the lab recorder would."""
    header = (
        "LAB 1\n"
        f"channels: {raw.shape[1]}\n"
        f"rate: {rate}\n"
        f"microvolt_per_count: {microvolt_per_count}\n"
        f"first_frame: {first_frame}\n"
        "END\n"
    )
    with Path(path).open("wb") as file:
        file.write(header.encode())
        file.write(raw.astype("<i2").tobytes())


def main():
    """Write a small file, read it back, print it."""
    import tempfile

    from circus_io import open_recording

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rec.lab"
        noise = np.random.default_rng(0).normal(0, 40, (1000, 4))
        write_lab_file(path, noise.astype(np.int16))
        with open_recording(path, LabFile) as recording:
            print(recording)
            for chunk in recording.chunks(400, padding=(-10, 10)):
                print(chunk.t_start, chunk.t_stop, chunk.padding, chunk.traces.std())


if __name__ == "__main__":
    main()
