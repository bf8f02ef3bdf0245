"""A closed loop in CREPE's style: rhythm of a culture -> gesture -> stimulus.

The chain of a well-known demonstration, a hand that plays rock, paper, scissors::

    segments -> moving average -> main frequency -> gesture -> the hand, by HTTP
                                              a hand's answer -> label -> stimulus

The server stands in for the device. Run it, and play the hand from another terminal::

    python closed_loop_crepe.py rec.h5
    curl http://127.0.0.1:5000/hw-api/output/
    curl -d Paper http://127.0.0.1:5000/hw-api/input/
"""

import sys

import numpy as np

from circus_live.crepe import CREPE, CrepeModus, HWAPIWrapper, QueueService
from stim import Pulse, SafetyLimits

RATE_HZ = 10_000
GESTURES_HZ = {"None": 10.0, "Rock": 20.0, "Scissors": 30.3, "Paper": 40.0}
# periods of stimulation, in ticks of 20 µs, have the same frequencies
PERIODS = {"None": 5000, "Rock": 2500, "Scissors": 1650, "Paper": 1250}


class MovingAvg(QueueService):
    """Averages over `n` frames, of each channel, `N` frames at a time."""

    def __init__(self, N=RATE_HZ, n=100, **kwargs):
        QueueService.__init__(self, name="MOVINGAVG", **kwargs)
        self.N, self.n = N, n

    def run(self):
        while (columns := self.get_n_col(self.N, 60, 100)) is not False:
            self.put(moving_average(columns, self.n))
        self.end()


class FrequencyExtractor(QueueService):
    """The strongest frequency of each channel, below a cutoff."""

    def __init__(self, cutoff_hz=100.0, **kwargs):
        QueueService.__init__(self, name="FREQUENCY", **kwargs)
        self.cutoff_hz = cutoff_hz

    def run(self):
        while (averages := self.get()) is not False:
            self.put(main_frequencies(averages, self.cutoff_hz))
        self.end()


class MeameDecoder(QueueService):
    """The gesture whose frequency is nearest to the mean of some channels."""

    def __init__(self, channels=range(12), **kwargs):
        QueueService.__init__(self, name="DECODER", **kwargs)
        self.channels = list(channels)

    def run(self):
        while (frequencies := self.get()) is not False:
            self.put(nearest_gesture(frequencies[self.channels].mean()))
        self.end()


class IRPreprocessor(QueueService):
    """What the hand has seen, posted as text -> a label of the speaker."""

    def __init__(self, **kwargs):
        QueueService.__init__(self, name="IRPREPROCESSOR", **kwargs)

    def run(self):
        while (body := self.get()) is not False:
            self.put(body.decode(errors="replace").strip().strip('"'))
        self.end()


def moving_average(columns, n):
    """Return averages over n columns of (n_channels, n_columns)."""
    sums = np.cumsum(np.pad(columns, ((0, 0), (1, 0))), axis=1)
    return (sums[:, n:] - sums[:, :-n]) / n


def main_frequencies(traces, cutoff_hz):
    """Return the frequency of the largest Fourier component of each row, Hz."""
    spectrum = np.abs(np.fft.rfft(traces - traces.mean(axis=1, keepdims=True)))
    frequencies = np.fft.rfftfreq(traces.shape[1], 1 / RATE_HZ)
    return frequencies[np.argmax(spectrum[:, frequencies < cutoff_hz], axis=1)]


def nearest_gesture(frequency_hz):
    """Return the gesture of the nearest frequency."""
    return min(GESTURES_HZ, key=lambda name: abs(GESTURES_HZ[name] - frequency_hz))


def make(recording=None, port=5000):
    """Return the experiment; nothing runs yet."""
    return CREPE(
        CrepeModus.OFFLINE,
        recording,
        [
            [MovingAvg, {}],
            [FrequencyExtractor, {}],
            [MeameDecoder, {}],
            [HWAPIWrapper, {"port": port}],
            [IRPreprocessor, {}],
        ],
        meame_speaker_periods=PERIODS,
        meame_speaker={
            "limits": SafetyLimits(
                max_amplitude=200_000, max_phase_us=500, min_period_us=10_000
            ),
            "pulse": Pulse.biphasic(-100_000, 200),  # µV, µs
            "electrodes": [12, 13],
        },
    )


def main():
    """Run until an interrupt, and say what was sent."""
    make(*sys.argv[1:2]).wait(lambda event: print(event.label, flush=True))


if __name__ == "__main__":
    main()
