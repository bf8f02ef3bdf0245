"""Neurodata Without Borders: electrical series as recordings."""

from circus_io.files.nwb.recording import NWBFile

__all__ = ["NWBFile"]
