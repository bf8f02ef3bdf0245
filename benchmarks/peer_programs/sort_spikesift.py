"""Sort with SpikeSift, which is one process."""

import numpy as np
import spikesift
from order import read_order, write_result


def main() -> None:
    """Sort with the defaults."""
    order = read_order()
    recording = spikesift.Recording(
        binary_file=order.recording,
        data_type="int16",
        probe_geometry=np.array(order.positions_um, np.float32),
        sampling_frequency=int(order.sampling_rate),
    )
    result = spikesift.perform_spike_sorting(recording, verbose=False)
    names = list(result.cluster_ids())
    trains = [np.asarray(result.spikes(name)) for name in names]
    none = np.zeros(0, np.int64)
    write_result(
        order,
        np.concatenate([none, *trains]),
        np.repeat(np.arange(len(names)), [train.size for train in trains]),
    )


if __name__ == "__main__":
    main()
