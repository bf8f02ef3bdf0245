"""From seconds to frames: how a stream is buffered."""

from circus_io.errors import DeviceRefusedError
from stim.stg.port import MAX_RATE_HZ
from stim.stg.stream import SLICE_S, StreamSettings

__all__ = ["stream_settings"]

LEAST_S = 2 * SLICE_S  # of either ring: one slice moves while the other plays
SHORTEST_STEP_S, LONGEST_STEP_S = 0.001, 0.005
STEPS_PER_FILL = 10
SPARE = 2  # times the level, so that a ring takes every block whole


def stream_settings(
    capacity_in_s: float,
    buffer_in_s: float,
    fill_in_s: float | None = None,
    *,
    callback_percent: int = 10,
    period_s: float | None = None,
    rate_hz: int = MAX_RATE_HZ,
) -> StreamSettings:
    """Return settings in frames.

    Parameters
    ----------
    capacity_in_s : float
        Ring of the device, s.
    buffer_in_s : float
        Ring of the host, s. It is kept filled to this level, and is twice as large,
        unless `fill_in_s` gives the level.
    fill_in_s : float, optional
    callback_percent : int
    period_s : float, optional
        From one step of the feeder to the next, s.
    rate_hz : int

    Raises
    ------
    DeviceRefusedError
        A ring is too short to be filled in time.
    """
    level_s = buffer_in_s if fill_in_s is None else fill_in_s
    given = {"capacity_in_s": capacity_in_s, "buffer_in_s": buffer_in_s}
    given |= {} if fill_in_s is None else {"fill_in_s": fill_in_s}
    for name, value in given.items():
        if not value >= LEAST_S:  # or NaN
            raise DeviceRefusedError(
                f"{name} = {value}: expected {LEAST_S:g} s or more; preflight() tells "
                "what this computer needs"
            )
    if not 0 <= callback_percent <= 100:
        raise DeviceRefusedError(
            f"callback_percent = {callback_percent}: expected 0 to 100"
        )
    if period_s is None:
        period_s = min(max(level_s / STEPS_PER_FILL, SHORTEST_STEP_S), LONGEST_STEP_S)
    fill_frames = round(level_s * rate_hz)
    return StreamSettings(
        rate_hz=rate_hz,
        capacity_frames=round(capacity_in_s * rate_hz),
        ring_frames=max(round(buffer_in_s * rate_hz), SPARE * fill_frames),
        fill_frames=fill_frames,
        period_s=period_s,
        callback_percent=callback_percent,
    )
