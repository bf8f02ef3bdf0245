"""The vendor's .NET assembly, or its simulator: the only package that knows of .NET.

`vendor_bus` drives real devices, on Windows; `simulated_bus` drives a simulator with
the vendor's signatures through the same code, on Mono or on .NET. Both need the extra
``stg``, which is imported only when a bus is made.
"""

from stim.mcs.simulated import simulated_bus
from stim.mcs.vendor import vendor_bus

__all__ = ["simulated_bus", "vendor_bus"]
