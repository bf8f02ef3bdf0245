"""`HighPass`: takes away what is slower than spikes, block after block."""

import numpy as np

__all__ = ["HighPass"]

ORDER = 2


class HighPass:
    """A Butterworth high-pass that goes on where the last block ended.

    Parameters
    ----------
    cutoff_hz : float
    sampling_rate : float
        Hz; more than twice the cutoff.
    """

    def __init__(self, cutoff_hz: float, sampling_rate: float) -> None:
        from scipy.signal import butter, sosfilt, sosfilt_zi

        self._filter = sosfilt
        self._sos = butter(ORDER, cutoff_hz, "highpass", fs=sampling_rate, output="sos")
        self._rest = sosfilt_zi(self._sos)[:, :, None]
        self._state: np.ndarray | None = None

    def restart(self) -> None:
        """Forget what came before: what comes next does not follow it."""
        self._state = None

    def __call__(self, traces: np.ndarray) -> np.ndarray:
        """Filter the next frames.

        Parameters
        ----------
        traces : ndarray, shape (n_frames, n_channels)

        Returns
        -------
        ndarray of float32, shape (n_frames, n_channels)
        """
        if self._state is None:
            # as if the first value had been there for ever: no step at the start
            self._state = self._rest * traces[0]
        filtered, self._state = self._filter(self._sos, traces, 0, self._state)
        return filtered.astype(np.float32)
