"""Devices that are sampled: simulated, a stimulator with a recorder, NI-DAQmx."""
