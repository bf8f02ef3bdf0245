"""The templates of each chunk: where drift has carried them."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from sorting.kernels.tracks import hat_weights
from sorting.motion import Motion

__all__ = ["MovingTemplates"]

STEP_UM = 2.0  # templates are made anew where the tissue moved by this
MAX_BANKS = 8  # that wait to be used again: as large as the overlaps of all templates


class MovingTemplates:
    """Coefficients and bank for each chunk, made when they are needed.

    Parameters
    ----------
    templates : dict
        What the templates step stored.
    motion : Motion
    make_bank : callable
        Coefficients, float32 (n_templates, n_channels, n_components), to their bank.
    """

    def __init__(
        self, templates: dict, motion: Motion, make_bank: Callable[[np.ndarray], Any]
    ):
        self.templates = templates
        self.motion = motion
        self.make_bank = make_bank
        self._made: OrderedDict[tuple[int, ...], tuple] = OrderedDict()

    def at(self, index: int) -> tuple[np.ndarray, Any]:
        """Return the coefficients and the bank for a chunk."""
        levels = self.motion.levels(index, STEP_UM)
        if levels not in self._made:
            coefficients = self._coefficients(levels)
            self._made[levels] = (coefficients, self.make_bank(coefficients))
            if len(self._made) > MAX_BANKS:
                self._made.popitem(last=False)
        self._made.move_to_end(levels)
        return self._made[levels]

    def _coefficients(self, levels: tuple[int, ...]) -> np.ndarray:
        still = self.templates["coefficients"]
        if not self.templates["knots"].size:
            return still
        depths = self.templates["track_depths"]
        middles = self.motion.depths_um
        displacement = np.interp(depths, middles, np.multiply(levels, STEP_UM))
        hats = hat_weights(displacement, self.templates["knots"])
        moved = np.zeros_like(still)
        for row, near in enumerate(self.templates["track_channels"]):
            track = np.tensordot(hats[row], self.templates["tracks"][row], axes=1)
            moved[row, near[near >= 0]] = track[near >= 0]
        return moved
