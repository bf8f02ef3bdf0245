"""Template sorting of extracellular recordings on any number of MPI ranks."""

from sorting.api import sort
from sorting.results import Result, load_result

__all__ = ["Result", "load_result", "sort"]
