"""How densely a phase of charge is put onto an electrode."""

import math

__all__ = ["density_uc_per_cm2", "shannon_k"]

FC_PER_UC = 1e9
UM2_PER_CM2 = 1e8


def density_uc_per_cm2(charge_fc: float, area_um2: float) -> float:
    """Return charge per phase over the geometric area of the electrode, µC/cm²."""
    return charge_fc / FC_PER_UC / (area_um2 / UM2_PER_CM2)


def shannon_k(charge_fc: float, area_um2: float) -> float:
    """Return ``log10(D) + log10(Q)``, with D in µC/cm² and Q in µC per phase.

    Notes
    -----
    R. V. Shannon, "A model of safe levels for electrical stimulation", IEEE Trans.
    Biomed. Eng. 39, 424 (1992). The data behind it are of electrodes on the surface of
    the brain, of some mm²: damage was seen above k = 1.85. It does not hold for
    microelectrodes, which damage tissue below it and spare it above.
    """
    if charge_fc <= 0:
        return -math.inf
    density = density_uc_per_cm2(charge_fc, area_um2)
    return math.log10(density) + math.log10(charge_fc / FC_PER_UC)
