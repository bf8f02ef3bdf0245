"""Times that a file holds beside its samples: triggers, digital marks, spikes."""

from dataclasses import dataclass, field

import numpy as np

__all__ = ["Events"]


@dataclass(frozen=True)
class Events:
    """Events of one stream of a file, on the clock of the recording.

    Attributes
    ----------
    times_s : float64 array, shape (n_events,)
        Seconds in increasing order; the global frame ``f`` of the recording is at
        ``f / sampling_rate``.
    labels : sequence of str, length n_events, or ()
        What each event says of itself: a channel, a comment.
    values : array, shape (n_events,), optional
        Number that comes with each event, such as the state of a digital port.
    waveforms : float32 array, shape (n_events, n_samples), optional
        Samples around each event, µV.

    Raises
    ------
    ValueError
        Fields that are given do not have one entry per event.
    """

    times_s: np.ndarray
    labels: tuple[str, ...] = ()
    values: np.ndarray | None = None
    waveforms: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Check that everything belongs to the same events."""
        for name in ("labels", "values", "waveforms"):
            given = getattr(self, name)
            if given is not None and len(given) not in (0, len(self.times_s)):
                raise ValueError(
                    f"{len(given)} {name} for {len(self.times_s)} events; give one each"
                )

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.times_s)
