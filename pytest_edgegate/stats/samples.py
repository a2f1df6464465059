"""Estimates the number of samples that a verdict would have needed."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, isfinite


def samples_to_prove(
    discordant_share: float, distance: float, alpha: float = 0.05, power: float = 0.8
) -> int:
    """Paired samples that prove, with chance *power*, that a drop is on its side of the budget.

    ``n = ceil((z(1 - alpha) + z(power))² ψ / δ²)``. ψ, *discordant_share*, is the share of samples
    that just one of the models has right; for scores other than 0/1 it is the variance of the
    per-sample differences, in the unit of δ², and may be over 1. δ, *distance*, is that of the
    drop from the budget. *alpha* is one-sided.

    Source: R. Connor, Biometrics 43:207-211, 1987, without its terms in δ².

    Raises ValueError for a share or a distance that is not positive and finite (without discordant
    samples there is no estimate, and at the budget no number is enough), or alpha or power outside
    (0, 1).
    """
    if not (isfinite(discordant_share) and discordant_share > 0):
        raise ValueError(f"discordant_share is {discordant_share}; give a positive number")
    if not (isfinite(distance) and distance > 0):
        raise ValueError(f"distance is {distance}; at the budget no number of samples is enough")
    if not (0 < alpha < 1 and 0 < power < 1):
        raise ValueError(f"alpha is {alpha} and power {power}; give shares between 0 and 1")
    from statistics import NormalDist

    quantile = NormalDist().inv_cdf
    factor = (quantile(1 - alpha) + quantile(power)) ** 2
    # Fractions, because the square of a small distance is 0 as a float
    return ceil(Fraction(factor) * Fraction(discordant_share) / Fraction(distance) ** 2)


def samples_of_agreement(distance: float, alpha: float = 0.05) -> int:
    """Samples, none of them discordant, that prove a drop of 0 to be within a budget.

    ``n = ceil(z(1 - alpha)² (1 - δ) / δ)``: where Tango's upper limit z² / (n + z²) of no
    discordant sample meets δ, the *distance* of 0 from the budget. *alpha* is one-sided.

    Raises ValueError for a distance outside (0, 1).
    """
    if not 0 < distance < 1:
        raise ValueError(f"distance is {distance}; give a share between 0 and 1")
    from statistics import NormalDist

    factor = NormalDist().inv_cdf(1 - alpha) ** 2
    return ceil(factor * (1 - distance) / distance)
