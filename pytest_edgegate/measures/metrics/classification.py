"""Metrics of classifiers: top-N and AUC."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.evidence import Column, Columns, Evidence
from pytest_edgegate.measures.labels import class_indices, class_scores, positive_scores
from pytest_edgegate.measures.metrics.estimates import (
    LEVEL,
    Estimate,
    paired_share,
    share,
    spread,
)
from pytest_edgegate.stats.auc import delong, delong_paired
from pytest_edgegate.stats.distances import rank_of, top1
from pytest_edgegate.stats.intervals import Interval


class TopN:
    """Share of samples whose label is among the N highest scores. Ties: the lowest index wins."""

    key: str | None = "rank"
    figures: Columns = dict.fromkeys(("rank", "predicted", "label"), Column("i", 0))
    higher_is_better = True
    bounded = True

    def __init__(self, n: int, output: int | str | None = None) -> None:
        self.n = n
        self.name = f"top{n}"
        self.output = output

    def observe(self, output: Array, labels: Array) -> dict[str, Array]:
        scores = class_scores(output)
        indices = class_indices(labels, scores)
        return {
            "rank": rank_of(scores, indices).astype(np.int32),
            "predicted": top1(scores).astype(np.int32),
            "label": indices.astype(np.int32),
        }

    def correct(self, evidence: Evidence) -> Array:
        """bool of shape (n,)."""
        return np.asarray(evidence.arrays["rank"] < self.n)

    def estimate(self, evidence: Evidence) -> Estimate:
        hits = int(self.correct(evidence).sum())
        return share(hits, evidence.n)

    def worse_by(self, reference: Evidence, artifact: Evidence) -> Estimate:
        return paired_share(self.correct(reference), self.correct(artifact))


class Auc:
    """Area under the ROC curve of a binary classifier; label 1 is positive."""

    name = "auc"
    key: str | None = "auc"
    figures: Columns = MappingProxyType({"score": Column("iuf"), "positive": Column("b")})
    higher_is_better = True
    bounded = True

    def __init__(self, output: int | str | None = None) -> None:
        self.output = output

    def observe(self, output: Array, labels: Array) -> dict[str, Array]:
        scores = positive_scores(output)
        indices = labels.argmax(-1) if labels.ndim == 2 and labels.shape[1] == 2 else labels
        if not np.isin(indices, (0, 1)).all():
            raise ConfigurationError(
                f"auc needs the labels 0 and 1, and these go from {indices.min()} "
                f"to {indices.max()}",
                "give binary labels, or write your own Metric for several classes",
            )
        return {"score": scores, "positive": indices.reshape(-1) == 1}

    def estimate(self, evidence: Evidence) -> Estimate:
        self._both_classes(evidence)
        value, interval = delong(evidence.arrays["score"], evidence.arrays["positive"], LEVEL)
        return self._estimate(value, interval, "DeLong's interval", evidence.n)

    def worse_by(self, reference: Evidence, artifact: Evidence) -> Estimate:
        self._both_classes(reference)
        positives = reference.arrays["positive"]
        scores = (reference.arrays["score"], artifact.arrays["score"])
        value, interval = delong_paired(*scores, positives, LEVEL)
        return self._estimate(value, interval, "DeLong's paired interval", reference.n)

    @staticmethod
    def _estimate(value: float, interval: Interval, method: str, n: int) -> Estimate:
        """Perfect separation gives an interval of zero width, which proves nothing."""
        provable = interval.low < interval.high
        return Estimate(value, interval, method, None, provable, spread(interval, n))

    def _both_classes(self, evidence: Evidence) -> None:
        count = int(evidence.arrays["positive"].sum())
        if count in (0, evidence.n):
            raise ConfigurationError(
                f"auc needs samples of both classes, but {count} of {evidence.n} have the label 1",
                "give evaluation samples with both labels, 0 and 1",
            )
