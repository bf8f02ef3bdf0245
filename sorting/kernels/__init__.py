"""Kernels: arrays in, arrays out; no files, parameters, loggers or ranks."""
