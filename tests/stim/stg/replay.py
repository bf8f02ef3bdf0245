"""How often a device runs dry, from times alone: no part of the project is used here.

Two loops of the host, one that moves slices of 1 ms and one that feeds, come as late as
a list says; the device plays one frame every 20 µs from the moment of its start.
"""

NS = 1_000_000_000
RATE_HZ = 50_000
SLICE_NS = 1_000_000


def wakes(start_ns, period_ns, lateness_ns, until_ns):
    """Return when a loop gets to what it does; what it misses by being late is lost."""
    times, due, i = [], start_ns + period_ns, 0
    while True:
        late = lateness_ns[i % len(lateness_ns)]
        time = due + late
        if time > until_ns:
            return times
        times.append(time)
        due += period_ns * (1 + late // period_ns)
        i += 1


def replay(lateness_s, capacity, fill, feed_period_s, duration_s):
    """Return (underruns, zeros, frames played) after some time of streaming.

    `capacity` is the ring of the device and `fill` the level of the host, in frames.
    """
    lateness_ns = [round(late * NS) for late in lateness_s]
    target = capacity // 2
    # before the start: polled every millisecond, until the device is nearly half full
    begin, in_host, in_device, before = 0, fill, 0, -1
    slices = wakes(0, SLICE_NS, lateness_ns, 10 * NS)
    i = 0
    while in_device < 0.9 * target or in_device != before:
        begin, before = begin + SLICE_NS, in_device
        while slices[i] <= begin:
            moved = min(in_host, target - in_device)
            in_host, in_device, i = in_host - moved, in_device + moved, i + 1
        in_host = max(in_host, fill)
    end = begin + round(duration_s * NS)
    feeds = wakes(begin, round(feed_period_s * NS), lateness_ns, end)
    slices = wakes(0, SLICE_NS, lateness_ns, end)[i:]
    # a slice comes before a feed at the same moment
    events = [*((t, 0) for t in slices), *((t, 1) for t in feeds), (end, 2)]
    events.sort()
    underruns = zeros = played = done = 0
    is_dry = False
    for time, kind in events:
        if kind == 1:
            in_host = max(in_host, fill)
            # it looks into the device, which plays what is due by then
        due = (time - begin) * RATE_HZ // NS
        n = min(due - done, in_device)
        missing = due - done - n
        done, played, in_device = due, played + n, in_device - n
        is_dry = is_dry and n == 0
        if missing:
            underruns += not is_dry
            zeros, is_dry = zeros + missing, True
        if kind == 0:
            moved = min(in_host, target - in_device)
            in_host, in_device = in_host - moved, in_device + moved
    return underruns, zeros, played
