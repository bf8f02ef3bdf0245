"""Sort with this project, on the ranks that were started."""

from order import read_order, write_result

import sorting
from circus_io.parallel import get_comm
from circus_io.params import read_params


def main() -> None:
    """Sort with the defaults; units labelled noise are left out."""
    order = read_order()
    result = sorting.sort(
        order.recording,
        parameters=read_params(order.recording.removesuffix(".dat") + ".params"),
        output_dir=order.folder,
    )
    if get_comm().rank == 0:
        kept = (result.units.label != "noise")[result.spike_units]
        write_result(order, result.spike_times[kept], result.spike_units[kept])


if __name__ == "__main__":
    main()
