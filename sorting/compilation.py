"""Whether the kernels are compiled already: a first run takes its time."""

from pathlib import Path

__all__ = ["FIRST_RUN", "is_compiled"]

FIRST_RUN = (
    "first run on this machine: the kernels are compiled, which takes about half a "
    "minute once; they are kept for the next runs"
)


def is_compiled() -> bool:
    """Tell whether an earlier run has compiled and kept the kernel of the last step."""
    from sorting.kernels.matching import find_spikes

    folder = Path(find_spikes.stats.cache_path)
    return any(folder.glob("matching.find_spikes-*.nbi"))
