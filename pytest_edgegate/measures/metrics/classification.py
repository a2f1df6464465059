"""Metrics of classifiers: top-N and AUC."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.splits import Array, Split
from pytest_edgegate.measures.evidence import Column, Columns, Evidence
from pytest_edgegate.measures.labels import (
    class_indices,
    class_scores,
    positive_scores,
    positives,
    refuse_ids_by_labels,
)
from pytest_edgegate.measures.metrics.chance import (
    Chance,
    Unchecked,
    is_better,
    without_interval,
)
from pytest_edgegate.measures.metrics.estimates import (
    LEVEL,
    Estimate,
    has_spread,
    of_set,
    paired_share,
    share,
    spread,
)
from pytest_edgegate.measures.metrics.resampling import ALL, Purpose, Resampling
from pytest_edgegate.stats.auc import auc, delong, delong_paired
from pytest_edgegate.stats.distances import rank_of, top1
from pytest_edgegate.stats.intervals import Interval


class TopN:
    """Share of samples whose label is among the N highest scores. Ties: the lowest index wins."""

    key: str | None = "rank"
    figures: Columns = dict.fromkeys(("rank", "predicted", "label"), Column("i", 0))
    higher_is_better = True
    bounded = True
    of_nothing: float | None = None
    identity = ""
    reads_all_outputs = wants_names = False

    def __init__(self, n: int, output: int | str | None = None) -> None:
        self.n = n
        self.name = f"top{n}"
        self.title = f"top-{n}"
        self.output = output

    def observe(self, output: Any, labels: Array, inputs: Any = None) -> dict[str, Array]:
        scores = self._scores(output)
        refuse_ids_by_labels(output, labels)
        indices = class_indices(labels, scores)
        return {
            "rank": rank_of(scores, indices).astype(np.int32),
            "predicted": top1(scores).astype(np.int32),
            "label": indices.astype(np.int32),
        }

    def reads_classes(self, rows: int) -> bool:
        return rows == 1

    def try_on(self, output: Any, labels: Array, inputs: Any, every: Array | None) -> None:
        scores = self._scores(output)
        refuse_ids_by_labels(output, labels if every is None else every)
        if every is not None:
            labels, scores = every, np.broadcast_to(scores[:1], (len(every), scores.shape[1]))
        class_indices(labels, scores)

    def _scores(self, output: Any) -> Array:
        """Raises ConfigurationError for an output of so few classes that any answer is right."""
        scores = class_scores(output)
        if scores.shape[1] <= self.n:
            raise ConfigurationError(
                f"{self.name} is 1 for any answers: the output has {scores.shape[1]} classes",
                "count fewer of them: edge_metric returns 'top1'",
            )
        return scores

    def keeper(self, split: Split) -> None:
        return None

    def correct(self, evidence: Evidence) -> Array:
        """bool of shape (n,)."""
        return np.asarray(evidence.arrays["rank"] < self.n)

    def kept(self, evidence: Evidence) -> dict[str, Array]:
        return {"correct": self.correct(evidence)}

    def restored(self, kept: Mapping[str, Array]) -> dict[str, Array]:
        return {"rank": np.where(kept["correct"], 0, self.n)}

    def value(self, evidence: Evidence) -> float:
        return float(self.correct(evidence).mean())

    def estimate(self, evidence: Evidence, resampling: Resampling = ALL) -> Estimate:
        return share(self.correct(evidence), resampling)

    def worse_by(
        self, reference: Evidence, artifact: Evidence, resampling: Resampling = ALL
    ) -> Estimate:
        return paired_share(self.correct(reference), self.correct(artifact), resampling)

    def chance(
        self, reference: Evidence, resampling: Resampling = ALL
    ) -> Chance | Unchecked | None:
        """Chance always answers the N commonest classes; of equally common ones the lowest."""
        labels = reference.arrays["label"]
        classes, counts = np.unique(labels, return_counts=True)
        commonest = classes[np.argsort(-counts, kind="stable")[: self.n]]
        right = np.isin(labels, commonest)
        drop = paired_share(right, self.correct(reference), resampling, "reference")
        answer = f"class {commonest[0]}" if self.n == 1 else f"the {self.n} commonest classes"
        return without_interval(drop) or Chance(
            f"always answering {answer}",
            float(right.mean()),
            is_better(drop),
            reference.n,
            int((~right).sum()),
        )


class Auc:
    """Area under the ROC curve of a binary classifier; label 1 is positive."""

    name = title = "auc"
    key: str | None = "auc"
    figures: Columns = MappingProxyType({"score": Column("iuf"), "positive": Column("b")})
    higher_is_better = True
    bounded = True
    of_nothing: float | None = None
    identity = ""
    reads_all_outputs = wants_names = False

    def __init__(self, output: int | str | None = None) -> None:
        self.output = output

    def observe(self, output: Any, labels: Array, inputs: Any = None) -> dict[str, Array]:
        return {"score": positive_scores(output), "positive": positives(labels)}

    def try_on(self, output: Any, labels: Array, inputs: Any, every: Array | None) -> None:
        self.observe(output, labels)
        if every is not None:
            _both_classes(int(positives(every).sum()), len(every))

    def reads_classes(self, rows: int) -> bool:
        return rows == 1

    def keeper(self, split: Split) -> None:
        return None

    def kept(self, evidence: Evidence) -> dict[str, Array]:
        return {
            "score": evidence.arrays["score"].astype(np.float32),
            "positive": evidence.arrays["positive"],
        }

    def restored(self, kept: Mapping[str, Array]) -> dict[str, Array]:
        return dict(kept)

    def value(self, evidence: Evidence) -> float:
        _both_classes(int(evidence.arrays["positive"].sum()), evidence.n)
        return auc(evidence.arrays["score"], evidence.arrays["positive"])

    def estimate(self, evidence: Evidence, resampling: Resampling = ALL) -> Estimate:
        return self._of_one(evidence, resampling, "figure")

    def worse_by(
        self, reference: Evidence, artifact: Evidence, resampling: Resampling = ALL
    ) -> Estimate:
        _both_classes(int(reference.arrays["positive"].sum()), reference.n)
        positive = reference.arrays["positive"]
        before, after = reference.arrays["score"], artifact.arrays["score"]
        if resampling.groups is not None:

            def difference(drawn: Array | slice) -> float:
                return _auc(before, positive, drawn) - _auc(after, positive, drawn)

            return of_set(difference, reference.n, resampling, "drop")
        value, interval = delong_paired(before, after, positive, LEVEL)
        return self._estimate(value, interval, "DeLong's paired interval", reference.n)

    def chance(
        self, reference: Evidence, resampling: Resampling = ALL
    ) -> Chance | Unchecked | None:
        count = int(reference.arrays["positive"].sum())
        found = self._of_one(reference, resampling, "reference")
        return without_interval(found) or Chance(
            "scores at random",
            0.5,
            found.interval.low > 0.5,
            reference.n,
            min(count, reference.n - count),
        )

    def _of_one(self, evidence: Evidence, resampling: Resampling, purpose: Purpose) -> Estimate:
        _both_classes(int(evidence.arrays["positive"].sum()), evidence.n)
        scores, positive = evidence.arrays["score"], evidence.arrays["positive"]
        if resampling.groups is not None:
            return of_set(
                lambda drawn: _auc(scores, positive, drawn), evidence.n, resampling, purpose
            )
        value, interval = delong(scores, positive, LEVEL)
        return self._estimate(value, interval, "DeLong's interval", evidence.n)

    @staticmethod
    def _estimate(value: float, interval: Interval, method: str, n: int) -> Estimate:
        """Perfect separation gives an interval of zero width, which proves nothing."""
        provable = has_spread(interval)
        return Estimate(value, interval, method, None, provable, spread(interval, n))


def _both_classes(count: int, n: int) -> None:
    if count in (0, n):
        raise ConfigurationError(
            f"auc needs samples of both classes, but {count} of {n} have the label 1",
            "give evaluation samples with both labels, 0 and 1",
        )


def _auc(scores: Array, positive: Array, drawn: Array | slice) -> float:
    """The AUC of some samples; NaN if they are of one class."""
    chosen = positive[drawn]
    if chosen.all() or not chosen.any():
        return float("nan")
    return auc(scores[drawn], chosen)
