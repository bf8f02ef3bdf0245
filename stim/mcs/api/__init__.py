"""What the vendor's assembly offers, as facts: one list for each generation.

``generation_3.txt`` is of version 3.2.45, ``generation_5.txt`` of 5.3.15; ``calls.txt``
is what this driver uses of either. `stim.mcs.api.check` holds the driver and the
simulator against them.
"""
