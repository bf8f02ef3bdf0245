"""How long a stimulator streams without a loss, and what feeding it costs.

::

    python -m benchmarks.stim_soak replay              # an hour, on a virtual clock
    python -m benchmarks.stim_soak wall --minutes 10   # on the clock of the wall
    python -m benchmarks.stim_soak preflight --seconds 60

`replay` streams eight channels at 50 kHz to the simulator while host and driver are as
late as a trace says, and compares every sample that leaves with what was set, and the
underruns with those that `tests/stim/stg/replay.py` gets from the times alone. With
``--scale`` the trace is that much later. `wall` streams on this computer, as busy as it
is, and measures the time from `set_signal` to the output besides.
"""

import argparse
import time

import numpy as np

from benchmarks.machine import describe
from stim.safety import SafetyLimits
from stim.simulated import SimulatedBus, SimulatedDevice
from stim.stg import STG4000, preflight
from stim.stg.clock import WallClock
from stim.stg.lateness import Preflight
from tests.stim.stg.test_streaming import TRACE, soak

N_CHANNELS = 8
RATE_HZ = 50_000


def replay(given: argparse.Namespace) -> None:
    """Stream in simulated time; print counts beside those of the replay."""
    trace = Preflight.load(given.trace)
    print(
        f"trace: late by {trace.percentile_s(99.9) * 1e3:.3f} ms (99.9 %), "
        f"{trace.max_s * 1e3:.3f} ms (worst), times {given.scale:g}"
    )
    begin = time.process_time()
    seconds = given.minutes * 60
    device, stg, listener, expected = soak(trace.lateness_s * given.scale, seconds)
    used = time.process_time() - begin
    underruns, zeros, played = expected
    found = {(s.n_underruns, s.n_zeros, s.n_played) for s in device.streams}
    stats = stg.stats()
    print(f"simulated: {given.minutes:g} min, {N_CHANNELS} channels, {RATE_HZ} Hz")
    print(f"underruns, zeros, frames by the replay: {underruns}, {zeros}, {played}")
    print(f"the same of each channel of the device: {sorted(found)}")
    print(
        f"found out by the driver: {stats.n_underruns} underruns, {stats.n_lost} zeros"
    )
    print(f"samples compared: {sum(listener.n)}, all as they were set")
    print(f"charge at the end, steps x frames: {set(stats.charges)}")
    print(f"{used:.0f} s of a processor, {used / seconds:.4f} per second simulated")
    assert found == {expected}
    device.sink = None
    stg.close()


def wall(given: argparse.Namespace) -> None:
    """Stream on the wall clock; print losses, latency and cost."""
    device = SimulatedDevice(clock=WallClock(), n_channels=N_CHANNELS)
    limits = SafetyLimits(2_000_000, 400, 400, unit="nA")
    with STG4000(limits=limits, bus=SimulatedBus([device])) as stg:
        for channel in range(1, N_CHANNELS):
            stg.set_signal(channel, [1, -1, 0], [0.2, 0.2, 10 + channel])
        stg.start_streaming(given.capacity_ms / 1e3, given.buffer_ms / 1e3)
        end, asked_s = time.monotonic() + 60 * given.minutes, []
        while time.monotonic() < end:
            asked_s.append(time.monotonic())
            stg.set_signal(0, [1, -1, 0], [0.2, 0.2, 500])  # heard once
            time.sleep(0.3)
            stg.set_signal(0)
            time.sleep(0.4)
        stats = stg.stats()
        times, levels = device.trace.changes(0)
    heard_s = times[levels > 0] / 1e9
    found = np.searchsorted(heard_s, asked_s)
    kept = found < heard_s.size
    latencies = heard_s[found[kept]] - np.array(asked_s)[kept]
    latencies = latencies[latencies < 0.6]
    lost = {(s.n_underruns, s.n_zeros) for s in device.streams}
    print(f"{given.minutes:g} min, rings {given.buffer_ms:g}/{given.capacity_ms:g} ms")
    print(f"underruns and zeros in the device: {sorted(lost)}; {stats}")
    quantiles = np.percentile(latencies * 1e3, [50, 95, 99, 100]).round(1).tolist()
    print(f"latency of {latencies.size} changes, ms, 50/95/99/100 %: {quantiles}")
    print(f"feeder: {100 * stats.cpu_share:.1f} % of a processor")


def measure(given: argparse.Namespace) -> None:
    """Print the lateness of this computer."""
    found = preflight(given.seconds)
    print(found)
    if given.save:
        found.save(given.save)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stim_soak")
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("replay")
    one.add_argument("--minutes", type=float, default=60)
    one.add_argument("--scale", type=float, default=1)
    one.add_argument("--trace", default=TRACE)
    one.set_defaults(run=replay)
    one = commands.add_parser("wall")
    one.add_argument("--minutes", type=float, default=10)
    one.add_argument("--capacity-ms", type=float, default=100)
    one.add_argument("--buffer-ms", type=float, default=50)
    one.set_defaults(run=wall)
    one = commands.add_parser("preflight")
    one.add_argument("--seconds", type=float, default=60)
    one.add_argument("--save")
    one.set_defaults(run=measure)
    given = parser.parse_args()
    print(describe())
    given.run(given)


if __name__ == "__main__":
    main()
