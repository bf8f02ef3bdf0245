"""Sort with a sorter that SpikeInterface runs in its own process."""

import numpy as np
import probeinterface
import spikeinterface
from order import Order, read_order, write_result
from spikeinterface.sorters import run_sorter


def main() -> None:
    """Sort with the defaults of the sorter, but for the options of the order."""
    order = read_order()
    spikeinterface.set_global_job_kwargs(
        n_jobs=order.n_jobs,
        chunk_duration="1s",
        progress_bar=False,
        max_threads_per_worker=1,
    )
    found = run_sorter(
        order.sorter,
        open_recording(order),
        folder=f"{order.folder}/sort",
        raise_error=True,
        verbose=True,
        **order.options,
    )
    spikes = found.to_spike_vector()
    write_result(order, spikes["sample_index"], spikes["unit_index"])


def open_recording(order: Order):
    """Open the raw file, with its probe."""
    recording = spikeinterface.core.read_binary(
        order.recording,
        sampling_frequency=order.sampling_rate,
        dtype="int16",
        num_channels=order.n_channels,
        gain_to_uV=order.gain_uv,
        offset_to_uV=0.0,
    )
    probe = probeinterface.Probe(ndim=2)
    probe.set_contacts(order.positions_um, shape_params={"radius": 5.0})
    probe.set_device_channel_indices(np.arange(order.n_channels))
    with_probe = recording.set_probe(probe)
    return recording if with_probe is None else with_probe  # from 0.105 on, in place


if __name__ == "__main__":
    main()
