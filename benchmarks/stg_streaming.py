"""An STG on the wall clock: what it runs out of, how late samples are, what it costs.

::

    python benchmarks/stg_streaming.py                 ten minutes, rings of 50/100 ms
    python benchmarks/stg_streaming.py --seconds 60 --buffer-ms 10 --capacity-ms 20
    python benchmarks/stg_streaming.py --quick         two seconds, as the tests do

`STG4000` streams pulses on all channels through the vendor's signatures to the
simulated device in C# (Debian's mono-mcs, libmonosgen-2.0-1 and mono-devel), whose ring
drains by a clock of its own. All figures are of the device's side: frames for which it
had no data, and the time from each block being posted to its first sample leaving.
Processor time is that of the feeding thread, and of all the process with the simulator
in it, in parts of one core. A busy machine changes everything: its load stands beside.
"""

import argparse
import os
import resource
import time

import machine
import numpy as np

from stim import STG4000, SafetyLimits
from stim.mcs import simulated_bus
from stim.mcs.instruments import Instruments
from stim.mcs.simulated import SimulatedStg

LIMITS = SafetyLimits(2_000_000, 400, 400, unit="nA")
LOOK_S = 1.0


def stream(
    stg: STG4000, device: Instruments, seconds: float, rings: dict[str, float]
) -> np.ndarray:
    """Stream for a while; return the latencies of all blocks of all channels, s."""
    for channel in range(stg.channel_count):
        stg.set_signal(channel, [1, -1, 0], [0.2, 0.2, 9.6 + channel])
    stg.start_streaming(**rings)
    end, latencies = time.monotonic() + seconds, []
    while time.monotonic() < end:
        stg.sleep(1000 * min(LOOK_S, max(0.0, end - time.monotonic())))
        latencies += [device.take_latencies(c) for c in range(device.n_channels)]
        device.clear_traces()  # ten minutes of pulses are not to be kept
    return np.concatenate(latencies)


def used_s() -> float:
    """Return the processor time of this process, s."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Stream, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument(
        "--buffer-ms", type=float, default=50.0, help="ring of the host"
    )
    parser.add_argument(
        "--capacity-ms", type=float, default=100.0, help="of the device"
    )
    parser.add_argument("--channels", type=int, choices=(2, 8), default=8)
    parser.add_argument("--runtime", choices=("mono", "coreclr"))
    parser.add_argument("--generation", type=int, choices=(3, 5), default=5)
    parser.add_argument("--quick", action="store_true", help="two seconds")
    chosen = parser.parse_args()
    seconds = 2.0 if chosen.quick else chosen.seconds
    rings = {
        "capacity_in_s": chosen.capacity_ms / 1000,
        "buffer_in_s": chosen.buffer_ms / 1000,
    }
    bus = simulated_bus(
        [SimulatedStg("16mA", chosen.channels, f"benchmark-{os.getpid()}")],
        generation=chosen.generation,
        runtime=chosen.runtime,
    )
    print(machine.describe())
    device = bus.devices[0]
    with STG4000(bus=bus, limits=LIMITS) as stg:
        before_s = used_s()
        latencies_ms = 1000 * stream(stg, device, seconds, rings)
        process_share = (used_s() - before_s) / seconds
        counts = [device.stream_counts(c) for c in range(device.n_channels)]
        stats = stg.stats()
    p50, p99 = np.percentile(latencies_ms, [50, 99])
    print(f"\n{bus.version} of {bus.name}, {device.n_channels} channels at 50 kHz")
    print(f"streamed           {seconds:g} s, {counts[0].n_played} frames")
    print(f"underruns          {sum(c.n_underruns for c in counts)}")
    print(f"frames missing     {sum(c.n_zeros for c in counts)}")
    print(f"latency            {1000 * stats.latency_s:.1f} ms by its rings")
    print(f"measured           p50 {p50:.1f}  p99 {p99:.1f}  ", end="")
    print(f"max {latencies_ms.max():.1f} ms, {latencies_ms.size} blocks")
    print(f"feeder             {stats.cpu_share:.1%} of a core, {stats.n_steps} steps")
    print(f"latest step        {1000 * stats.max_late_s:.1f} ms late")
    print(f"process            {process_share:.1%} of a core")
    print(f"load afterwards    {machine.load()}")


if __name__ == "__main__":
    main()
