"""A look at a recording: what it is, its ranges, and whether that can be right."""

from circus_io.inspection.plausibility import Finding, guess_flat, judge
from circus_io.inspection.summary import summarise

__all__ = ["Finding", "guess_flat", "judge", "summarise"]
