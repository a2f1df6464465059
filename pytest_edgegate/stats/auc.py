"""Area under the ROC curve with DeLong's intervals, alone and paired."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_edgegate.stats.intervals import Interval

Array = NDArray[Any]


def auc(scores: Array, positives: Array) -> float:
    """P(score of a positive > score of a negative), ties count half.

    ``scores`` float of shape (n,), ``positives`` bool of shape (n,). Raises ValueError where one
    class is missing.
    """
    return _parts(scores, positives)[0]


def delong(scores: Array, positives: Array, level: float = 0.9) -> tuple[float, Interval]:
    """The AUC and DeLong's interval, clipped to [0, 1].

    Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44:837 (1988), computed by midranks as in
    Sun and Xu, IEEE Signal Processing Letters 21:1389 (2014).
    """
    value, of_positives, of_negatives = _parts(scores, positives)
    half = _half_width(of_positives, of_negatives, level)
    return value, Interval(max(0.0, value - half), min(1.0, value + half), level)


def delong_paired(
    scores_a: Array, scores_b: Array, positives: Array, level: float = 0.9
) -> tuple[float, Interval]:
    """``AUC_a - AUC_b`` on the same samples and DeLong's interval of it. Source: as ``delong``."""
    a, positives_a, negatives_a = _parts(scores_a, positives)
    b, positives_b, negatives_b = _parts(scores_b, positives)
    half = _half_width(positives_a - positives_b, negatives_a - negatives_b, level)
    difference = a - b
    return difference, Interval(max(-1.0, difference - half), min(1.0, difference + half), level)


def _parts(scores: Array, positives: Array) -> tuple[float, Array, Array]:
    """The AUC and the structural components of the positives and of the negatives."""
    from scipy.stats import rankdata

    chosen = np.asarray(positives, bool)
    values = np.asarray(scores, np.float64)
    if values.shape != chosen.shape or values.ndim != 1:
        raise ValueError(f"scores of shape {values.shape} for classes of shape {chosen.shape}")
    own, others = values[chosen], values[~chosen]
    if not len(own) or not len(others):
        raise ValueError("an AUC needs at least one positive and one negative sample")
    ranks = rankdata(values)
    above = (ranks[chosen] - rankdata(own)) / len(others)
    below = 1 - (ranks[~chosen] - rankdata(others)) / len(own)
    return float(above.mean()), above, below


def _half_width(of_positives: Array, of_negatives: Array, level: float) -> float:
    variance = sum(
        float(part.var(ddof=1)) / len(part)
        for part in (of_positives, of_negatives)
        if len(part) > 1
    )
    return NormalDist().inv_cdf((1 + level) / 2) * float(np.sqrt(variance))
