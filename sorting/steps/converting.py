"""Step 8: write the folder that phy opens."""

import numpy as np

from circus_io.parallel import wait_for_all
from sorting.export import write_phy
from sorting.results import SUFFIX, load_result
from sorting.steps.context import Context

__all__ = ["run"]


def run(context: Context) -> dict[str, np.ndarray]:
    """Export the result that merging wrote; nothing is stored beside it."""
    if context.comm.rank == 0:
        config = context.config.converting
        path = context.result_path
        write_phy(
            path.with_name(path.name.removesuffix(SUFFIX) + ".GUI"),
            load_result(path, mapped=True),
            context.recording,
            sparse=config.sparse,
            prelabel=config.prelabel,
        )
    wait_for_all(context.comm)
    return {}
