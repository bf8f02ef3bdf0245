"""Recordings whose spikes are known: made from a seed, of any size, piece by piece.

::

    recording = SyntheticRecording(n_channels=64, duration_s=120, n_units=20, seed=1)
    recording[0:1000]                       # float32, µV, generated on demand
    recording.ground_truth.spike_times      # int64 frames
    recording.write("demo.dat")             # with demo.prb, demo.params and the truth

A frame is a function of the settings and its place in time alone: not of the chunk, the
rank or the length of the recording. Two recordings that differ in ``t_start`` are two
pieces of one experiment.

Not modelled: bursts and other structure in spike trains, electrode impedance, common
artefacts, neurons that die or appear.
"""

from circus_io.synthetic.ground_truth import GroundTruth, read_ground_truth
from circus_io.synthetic.layouts import make_probe
from circus_io.synthetic.recording import SyntheticRecording
from circus_io.synthetic.spec import GroundTruthSpec

__all__ = [
    "GroundTruth",
    "GroundTruthSpec",
    "SyntheticRecording",
    "make_probe",
    "read_ground_truth",
]
