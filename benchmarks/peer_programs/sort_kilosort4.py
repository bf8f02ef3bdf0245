"""Sort with Kilosort 4, on the processor."""

from pathlib import Path

import numpy as np
import torch
from kilosort import run_kilosort
from order import read_order, write_result

MEDIAN_CHANNELS = 8  # the median over fewer would take the spikes along


def main() -> None:
    """Sort with the defaults, but for the options of the order."""
    order = read_order()
    torch.set_num_threads(order.n_jobs)
    x, y = np.array(order.positions_um, np.float32).T
    probe = {
        "chanMap": np.arange(order.n_channels),
        "xc": x,
        "yc": y,
        "kcoords": np.zeros(order.n_channels, np.float32),
        "n_chan": order.n_channels,
    }
    settings = {"n_chan_bin": order.n_channels, "fs": order.sampling_rate}
    phy = Path(order.folder) / "phy"
    run_kilosort(
        settings=settings | order.options,
        probe=probe,
        filename=order.recording,
        data_dtype="int16",
        results_dir=phy,
        device=torch.device("cpu"),
        do_CAR=order.n_channels > MEDIAN_CHANNELS,
        verbose_console=False,
    )
    times, units = (
        np.load(phy / f"spike_{name}.npy") for name in ("times", "clusters")
    )
    write_result(order, times, units)


if __name__ == "__main__":
    main()
