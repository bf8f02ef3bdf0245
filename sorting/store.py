"""What steps leave behind: arrays, whole or not at all, and a manifest that vouches.

::

    steps/whitening.npz     arrays of the step
    steps/whitening.json    digest of all that went in, hash of what came out
    steps/fitting.spikes    spikes of a step that finds any, see `spike_file`
    steps/fitting/          parts of a long step, kept until the step is whole
"""

import glob
import hashlib
import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.atomic import atomic_path, write_json
from circus_io.errors import StepError
from circus_io.parallel import broadcast, wait_for_all
from sorting.array_file import map_arrays, write_arrays

__all__ = ["Store", "remove_leftovers"]


class Store:
    """Results of the steps in one folder, written by rank 0, mapped by all.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    comm : SerialComm or mpi4py.MPI.Comm
    """

    def __init__(self, folder: Path, comm: Any):
        self.folder = Path(folder)
        self.comm = comm
        self._verified: dict[str, str] = {}  # hashes that this run has seen hold
        if comm.rank == 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in self.folder.rglob(".*-????????.*"):  # names of atomic_path
                path.unlink()
        wait_for_all(comm)

    def is_done(self, step: str, digest: str) -> bool:
        """Tell whether the step ran on exactly these inputs and its files are whole."""
        done = None
        if self.comm.rank == 0:
            manifest = self._manifest(step)
            done = (
                manifest is not None
                and manifest["digest"] == digest
                and self._is_intact(step, manifest["sha256"])
            )
        return broadcast(self.comm, done)

    def _is_intact(self, step: str, sha256: str) -> bool:
        """Hold the files of a step against their hash, once in a run."""
        if not self._arrays(step).exists():
            return False
        if self._verified.get(step) != sha256:
            self._verified[step] = _hash_files(self._files(step))
        return self._verified[step] == sha256

    def begin(self, step: str) -> None:
        """Withdraw what vouches for a step, before its files are written over."""
        if self.comm.rank == 0:
            self._json(step).unlink(missing_ok=True)
            self.spikes(step).unlink(missing_ok=True)
            self._verified.pop(step, None)
        wait_for_all(self.comm)

    def save(self, step: str, digest: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write the arrays of rank 0, then the manifest; parts are no longer needed."""
        if self.comm.rank == 0:
            with atomic_path(self._arrays(step)) as path, path.open("wb") as file:
                write_arrays(file, arrays)
            sha256 = self._verified[step] = _hash_files(self._files(step))
            write_json(
                self._json(step), {"step": step, "digest": digest, "sha256": sha256}
            )
            shutil.rmtree(self.parts(step), ignore_errors=True)
        wait_for_all(self.comm)

    def load(self, step: str) -> dict[str, np.ndarray]:
        """Map the arrays of a step: the ranks of a node share their memory.

        Raises
        ------
        StepError
            If the step has not run.
        """
        try:
            return map_arrays(self._arrays(step))
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise StepError(
                f"nothing whole is stored for the step {step!r} in {self.folder}; run "
                "it first, or run all steps by leaving out -m"
            ) from error

    def output_hash(self, step: str) -> str | None:
        """Return the hash of what a step stored, read on this rank; None before."""
        manifest = self._manifest(step)
        return manifest and manifest["sha256"]

    def spikes(self, step: str) -> Path:
        """Return where a step writes its spikes, on rank 0, before it is saved."""
        return self.folder / f"{step}.spikes"

    def parts(self, step: str) -> Path:
        """Return the folder for the parts of a long step."""
        return self.folder / step

    def open_parts(self, step: str, digest: str) -> Path:
        """Make the folder for parts; parts of other inputs are thrown away."""
        folder = self.parts(step)
        if self.comm.rank == 0:
            stamp = folder / "digest.txt"
            if not stamp.exists() or stamp.read_text() != digest:
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                with atomic_path(stamp) as path:
                    path.write_text(digest)
        wait_for_all(self.comm)
        return folder

    def _arrays(self, step: str) -> Path:
        return self.folder / f"{step}.npz"

    def _files(self, step: str) -> list[Path]:
        files = (self._arrays(step), self.spikes(step))
        return [file for file in files if file.exists()]

    def _json(self, step: str) -> Path:
        return self.folder / f"{step}.json"

    def _manifest(self, step: str) -> dict | None:
        try:
            manifest = json.loads(self._json(step).read_text())
            return {key: manifest[key] for key in ("digest", "sha256")}
        except (OSError, ValueError, KeyError, TypeError):
            return None


def remove_leftovers(path: Path) -> None:
    """Remove what runs that were killed while they wrote `path` left beside it."""
    pattern = f".{glob.escape(path.stem)}-????????{path.suffix}"
    for leftover in path.parent.glob(pattern):
        leftover.unlink()


def _hash_files(paths: list[Path]) -> str:
    """Hash the bytes of files, one after the other."""
    whole = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while content := file.read(1 << 20):
                whole.update(content)
    return whole.hexdigest()
