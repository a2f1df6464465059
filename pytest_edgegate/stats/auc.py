"""Area under the ROC curve, and DeLong's intervals of one area and of a paired difference."""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_edgegate.stats.intervals import Interval, two_sided_z

FloatArray = NDArray[np.float64]


def auc(scores: NDArray[Any], positives: NDArray[Any]) -> float:
    """Chance that a positive sample scores higher than a negative one; ties count one half.

    *scores* is real, of shape (n,); *positives* is bool (or 0 and 1), of shape (n,). The result
    lies in [0, 1].

    Source: the Mann-Whitney statistic by midranks (H. Mann, D. Whitney, 1947).

    Raises ValueError for other shapes, NaN scores, other labels, or one class only.
    """
    return float(_components(scores, positives)[0].mean())


def delong(
    scores: NDArray[Any], positives: NDArray[Any], level: float = 0.9
) -> tuple[float, Interval]:
    """AUC and its interval, cut off at [0, 1]; arguments and errors as for :func:`auc`.

    A class of one sample has no estimate of its spread, so the interval is then [0, 1]. Scores that
    separate the classes perfectly have no spread either, and give the zero width [1, 1].

    Source: E. DeLong et al., Biometrics 44:837-845, 1988, by the midranks of X. Sun, W. Xu, IEEE
    Signal Processing Letters 21:1389-1393, 2014.

    Raises ValueError also for a level outside (0, 1).
    """
    of_positives, of_negatives = _components(scores, positives)
    return _normal_interval(of_positives, of_negatives, level, floor=0.0)


def delong_paired(
    scores_a: NDArray[Any], scores_b: NDArray[Any], positives: NDArray[Any], level: float = 0.9
) -> tuple[float, Interval]:
    """AUC of *a* minus AUC of *b* on the same samples, and its interval, cut off at [-1, 1].

    Each of the scores is as for :func:`auc`; scales need not agree, only orders matter. Models
    that order the samples alike give the zero width [0, 0], which proves nothing; a class of one
    sample gives [-1, 1].

    Source: as for :func:`delong`; the variance of the difference is that of the differences of the
    structural components, which is the contrast of DeLong's covariance matrix.

    Raises ValueError as :func:`delong` does.
    """
    positives_a, negatives_a = _components(scores_a, positives)
    positives_b, negatives_b = _components(scores_b, positives)
    differences = (positives_a - positives_b, negatives_a - negatives_b)
    return _normal_interval(*differences, level, floor=-1.0)


def _components(scores: NDArray[Any], positives: NDArray[Any]) -> tuple[FloatArray, FloatArray]:
    """For each positive the share of negatives below, for each negative the positives above.

    A tie counts one half; these are DeLong's structural components V10 and V01.
    """
    scores, chosen = _checked(scores, positives)
    above, below = scores[chosen], scores[~chosen]
    ranks = _midranks(scores)
    of_positives = (ranks[chosen] - _midranks(above)) / len(below)
    of_negatives = 1 - (ranks[~chosen] - _midranks(below)) / len(above)
    return of_positives, of_negatives


def _checked(
    scores: NDArray[Any], positives: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    scores, positives = np.asarray(scores), np.asarray(positives)
    if scores.ndim != 1 or scores.shape != positives.shape:
        raise ValueError(
            f"scores have shape {scores.shape} and positives {positives.shape}; give one of each "
            "per sample, shape (n,)"
        )
    if scores.dtype.kind == "f" and np.isnan(scores).any():
        raise ValueError(f"{int(np.isnan(scores).sum())} scores are NaN, and NaN has no rank")
    chosen = positives == 1
    if not (chosen | (positives == 0)).all():
        raise ValueError("positives hold other values than 0 and 1; give a bool for each sample")
    if chosen.all() or not chosen.any():
        raise ValueError(
            f"{int(chosen.sum())} of {len(chosen)} samples are positive; AUC needs both classes"
        )
    return scores, chosen


def _midranks(values: NDArray[Any]) -> FloatArray:
    """Ranks from 1, equal values sharing the middle of theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    middles = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(middles[which], np.float64)


def _normal_interval(
    of_positives: FloatArray, of_negatives: FloatArray, level: float, floor: float
) -> tuple[float, Interval]:
    value = float(of_positives.mean())
    reach = two_sided_z(level) * sqrt(_mean_variance(of_positives) + _mean_variance(of_negatives))
    return value, Interval(max(value - reach, floor), min(value + reach, 1.0), level)


def _mean_variance(components: FloatArray) -> float:
    return float(components.var(ddof=1)) / len(components) if len(components) > 1 else inf
