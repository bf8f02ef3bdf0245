"""``[validating]``: the classic comparison with a juxtacellular recording."""

from circus_io.schema.keys import Section, key
from circus_io.schema.types import AutoOrNumber, FilePath, ImageFormat

__all__ = ["ValidatingSection"]


class ValidatingSection(Section):
    """The comparison with a juxtacellular recording; not part of the toolkit."""

    nearest_elec: AutoOrNumber = key("auto", "Electrode nearest to the cell.")
    max_iter: int = key(200, "Iterations of the classifier.", gt=0)
    learning_rate: float = key(1e-3, "Learning rate of the classifier.", gt=0)
    roc_sampling: int = key(10, "Points of the error curve.", gt=0)
    test_size: float = key(0.3, "Fraction of the spikes to test on.", gt=0, lt=1)
    radius_factor: float = key(0.5, "Fraction of the radius to use.", gt=0)
    juxta_dtype: str = key("uint16", "Sample type of the juxtacellular trace.")
    juxta_thresh: float = key(6, "Threshold of its spikes.", unit="× MAD", gt=0)
    juxta_valley: bool = key(False, "Its spikes are negative.")
    juxta_spikes: FilePath = key(None, "Its spike times.")
    filter: bool = key(True, "Filter it.")
    make_plots: ImageFormat = key("png", "Pictures.")
    matching_jitter: float = key(
        2.0, "Largest distance of matched spikes.", unit="ms", hidden=True, gt=0
    )
    greedy_mode: bool = key(True, "Match greedily.", hidden=True)
    extension: str = key("", "Extension of the results.", hidden=True)
