"""MC_Rack files of one stream of electrodes, and the µV that they hold."""

import numpy as np

from tests.writers.mcd import Channel, Recording, Stream, sampled, write

PLACE = (1, 0, 0, 0, 10, 10, 10, 0, 0, 100, 100, 0, 5_000_000)


def electrodes(n_channels, **options):
    """Return a stream of electrodes on a row, 200 µm apart."""
    channels = tuple(
        Channel(i, f"{i + 1}4", 63 - i, 1_100_000, (1, 200 * i, 600, *PLACE[3:]))
        for i in range(n_channels)
    )
    options = {"rate_hz": 20000.0, "units_per_count": 0.000125 / 1100, **options}
    return Stream("elec0001", "analog", "Electrode Raw Data 1", channels, **options)


def write_electrodes(path, raw, closed=True, chunk_frames=(), **options):
    """Write counts (n_frames, n_channels) of one stream."""
    stream = electrodes(raw.shape[1], **options)
    samples = raw.astype("<u2").tobytes()
    chunks = sampled(
        stream.tag, samples, raw.shape[1], stream.rate_hz, chunk_frames=chunk_frames
    )
    write(path, Recording((stream,)), chunks, closed)


def make_counts(n_frames, n_channels, seed=0):
    """Return random counts, uint16 (n_frames, n_channels)."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2**16, (n_frames, n_channels)).astype(np.uint16)


def microvolts(counts, volts_per_count=0.000125 / 1100, zero=32768):
    """Return counts as µV, as the documentation says: in float64, then rounded."""
    return ((counts.astype(np.float64) - zero) * volts_per_count * 1e6).astype("f4")
