"""Parameter files that tests write, and what is said of bad ones."""

import pytest

from circus_io.errors import ParameterError
from circus_io.params import read_params

FORMAT = (
    "[data]\nfile_format = raw_binary\ndata_dtype = int16\nsampling_rate = 20000\n"
    "nb_channels = 4\n"
)
FORMAT_FIELDS = {"data_dtype": "int16", "sampling_rate": 20000, "nb_channels": 4}


def write(folder, text, name="recording.params"):
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def problems_of(path, **options):
    with pytest.raises(ParameterError) as error:
        read_params(path, **options)
    return str(error.value)
