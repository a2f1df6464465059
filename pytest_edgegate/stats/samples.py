"""How many samples a proof takes."""

from __future__ import annotations

import math


def samples_to_prove(
    discordant_share: float, distance: float, alpha: float = 0.05, power: float = 0.8
) -> int:
    """Samples that prove a figure to be within its budget, with the given power.

    ``n = (z_(1-alpha) + z_(1-power'))^2 psi / delta^2``: ``discordant_share`` psi is the variance
    of one sample's contribution (for paired 0/1 scores the share of discordant samples),
    ``distance`` delta how far the figure is from its budget. One-sided, normal approximation.
    Raises ValueError for a distance of 0, a negative share, or levels outside (0, 1).
    """
    from statistics import NormalDist

    if distance == 0 or discordant_share < 0:
        raise ValueError(f"no number of samples proves a distance of {distance}")
    if not (0 < alpha < 1 and 0 < power < 1):
        raise ValueError(f"alpha={alpha} and power={power} lie between 0 and 1")
    normal = NormalDist()
    reach = normal.inv_cdf(1 - alpha) + normal.inv_cdf(power)
    return math.ceil(reach**2 * discordant_share / distance**2)
