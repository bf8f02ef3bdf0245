"""npz files of `bspysmg`, whose configuration is a pickle."""

import os
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from circus_io.errors import FormatError
from stim.sampling.configs import plain
from stim.sampling.npz_file import Pieces, read_arrays, write_npz

__all__ = ["import_npz", "unpickle_configs"]

BLOCK_ROWS = 1 << 16

# what a table of numbers, texts and numpy arrays is made of; none of it runs a program
ALLOWED = {
    "numpy": {"dtype", "ndarray"},
    "numpy.core.multiarray": {"_reconstruct", "scalar"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
    "numpy.core.numeric": {"_frombuffer"},
    "numpy._core.numeric": {"_frombuffer"},
    "_codecs": {"encode"},
    "builtins": {"bytes"},
    "__builtin__": {"bytes"},
}


class _Unpickler(pickle.Unpickler):
    """Finds the names above and no others."""

    def find_class(self, module: str, name: str) -> Any:
        if name not in ALLOWED.get(module, ()):
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        # numpy 1 and 2 call this module by different names
        module = module.replace("numpy.core", "numpy._core")
        if module == "numpy._core.multiarray" and not hasattr(np, "_core"):
            module = "numpy.core.multiarray"
        return super().find_class(module, name)


def unpickle_configs(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the ``sampling_configs`` of a file, by an unpickler that runs nothing.

    Raises
    ------
    FormatError
        It holds anything but tables, texts, numbers and numpy arrays.
    """
    try:
        with (
            zipfile.ZipFile(path) as archive,
            archive.open("sampling_configs.npy") as file,
        ):
            version = npy.read_magic(file)
            read_header = (
                npy.read_array_header_1_0
                if version == (1, 0)
                else npy.read_array_header_2_0
            )
            shape, _, dtype = read_header(file)
            if shape != () or not dtype.hasobject:
                raise FormatError(f"{path}: sampling_configs is no table")
            held = _Unpickler(file, encoding="latin1").load()
    except (KeyError, ValueError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise FormatError(
            f"{path}: no sampling_configs can be read: {error}"
        ) from error
    except Exception as error:  # a damaged pickle may raise anything
        raise FormatError(f"{path}: its configuration is refused: {error}") from error
    configs = held.item() if isinstance(held, np.ndarray) and held.ndim == 0 else held
    if not isinstance(configs, dict):
        raise FormatError(f"{path}: sampling_configs is no table")
    return plain(configs)


def import_npz(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    allow_pickled_configs: bool = False,
) -> Path:
    """Write a data set of `bspysmg` anew, with its configuration as JSON.

    Parameters
    ----------
    path, out : path
    allow_pickled_configs : bool
        Read the configuration, which is a pickle, through a restricted unpickler; else
        it is left out, and only inputs and outputs are taken.

    Raises
    ------
    FormatError
        The file is something else, or its pickle holds what is not allowed.
    """
    inputs, outputs = read_arrays(path, "inputs", "outputs")
    configs = unpickle_configs(path) if allow_pickled_configs else {}
    arrays = {
        name: Pieces(array.shape, array.dtype, _pieces(array))
        for name, array in (("inputs", inputs), ("outputs", outputs))
    }
    write_npz(Path(out), arrays, configs)
    return Path(out)


def _pieces(array: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(array), BLOCK_ROWS):
        yield np.asarray(array[start : start + BLOCK_ROWS])
