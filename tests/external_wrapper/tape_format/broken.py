"""A wrapper that cannot be imported: in nobody's way until somebody uses it."""

raise RuntimeError("this tape drive is on fire")
