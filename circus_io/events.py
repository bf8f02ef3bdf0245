"""Times that a file holds beside its samples: triggers, digital marks, spikes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

__all__ = ["Events", "in_order", "join_events"]

ARRAYS = ("values", "waveforms", "n_before")  # that an event may have


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
    n_before : int array, shape (n_events,), optional
        How many of these samples are ahead of the time of the event.

    Raises
    ------
    ValueError
        Fields that are given do not have one entry per event.
    """

    times_s: np.ndarray
    labels: tuple[str, ...] = ()
    values: np.ndarray | None = None
    waveforms: np.ndarray | None = field(default=None, repr=False)
    n_before: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Check that everything belongs to the same events."""
        for name in ("labels", *ARRAYS):
            given = getattr(self, name)
            if given is not None and len(given) not in (0, len(self.times_s)):
                raise ValueError(
                    f"{len(given)} {name} for {len(self.times_s)} events; give one each"
                )

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.times_s)

    def later(self, seconds: float) -> "Events":
        """Return the same events on a clock that has started earlier."""
        return replace(self, times_s=self.times_s + seconds)

    def only(self, chosen: np.ndarray) -> "Events":
        """Return some of the events, or all in another order.

        Parameters
        ----------
        chosen : int array
            Their places.
        """
        labels = tuple(self.labels[i] for i in chosen) if len(self.labels) else ()
        arrays = {name: getattr(self, name) for name in ARRAYS}
        rows = {
            n: None if a is None else np.asarray(a)[chosen] for n, a in arrays.items()
        }
        return Events(np.asarray(self.times_s)[chosen], labels, **rows)


def in_order(parts: Sequence[Events]) -> Events:
    """Return the events of all parts in the order of time.

    What some of them do not have, or have in another shape, none of them keeps.
    """
    if not parts:
        return Events(np.zeros(0))
    parts = [part for part in parts if len(part)] or parts[:1]
    times_s = np.concatenate([part.times_s for part in parts])
    labels = tuple(label for part in parts for label in part.labels)
    joined = Events(
        times_s,
        labels if len(labels) == len(times_s) else (),
        **{name: _stack([getattr(part, name) for part in parts]) for name in ARRAYS},
    )
    return joined.only(np.argsort(times_s, kind="stable"))


def _stack(parts: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """Return one array; None unless all parts have equal rows."""
    if any(part is None for part in parts):
        return None
    if len({np.shape(part)[1:] for part in parts}) > 1:
        return None
    return np.concatenate(parts)


def join_events(parts: Sequence[Mapping[str, Events]]) -> dict[str, Events]:
    """Return the events of several files, whose times are on one clock, by name."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {
        name: in_order([part[name] for part in parts if name in part]) for name in names
    }
