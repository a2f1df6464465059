"""Metrics: what is noted of each sample, and what two models' notes say when they are paired.

Every metric keeps figures for each sample, so that a stream's outputs are never held whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np

from pytest_edgegate.core.errors import ConfigurationError, UnknownNameError, UnsupportedError
from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.labels import class_indices, class_scores, positive_scores, same_shape
from pytest_edgegate.stats.auc import delong, delong_paired
from pytest_edgegate.stats.bootstrap import paired_bootstrap, set_bootstrap
from pytest_edgegate.stats.distances import rank_of, top1
from pytest_edgegate.stats.intervals import Interval, clopper_pearson, tango

LEVEL = 0.9
"""Two-sided; its ends are the one-sided 95 % bounds that decide."""
VOID = 255
"""The label of pixels that count for no class, as segmentation data sets have it."""


@dataclass(frozen=True)
class Metric:
    """A metric of the user's own, or a built-in one with an output named.

    ``fn(outputs, labels)`` takes one output as a float32 array of shape (n, ...) and the labels of
    those samples. With ``per_sample`` it returns an array of shape (n,); without, one number for
    the whole set (arrays only, not streams). ``fn`` may be a built-in name ("top1").
    ``output`` is the index or the name of the output that is read; None: the only one.
    """

    fn: Callable[[Any, Any], Any] | str
    _: KW_ONLY
    per_sample: bool = True
    higher_is_better: bool = True
    output: int | str | None = None


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval, in the metric's own unit."""

    value: float
    interval: Interval
    method: str
    exact: Fraction | None = None
    provable: bool = True
    spread: float | None = None


class Scoring(Protocol):
    """A metric as the accuracy measures use it."""

    name: str
    key: str | None
    """Names what ``observe`` keeps, for the cache; None: not kept between runs."""
    higher_is_better: bool
    bounded: bool
    """Whether its values lie between 0 and 1."""
    output: int | str | None

    def observe(self, output: Array, labels: Array) -> dict[str, Array]:
        """Per-sample figures of a batch."""

    def estimate(self, evidence: Evidence) -> Estimate:
        """The metric of one model."""

    def worse_by(self, reference: Evidence, artifact: Evidence) -> Estimate:
        """How much worse the artifact is, on the same samples: positive is worse."""


class TopN:
    """Share of samples whose label is among the N highest scores. Ties: the lowest index wins."""

    key: str | None = "rank"
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
        return _share(hits, evidence.n)

    def worse_by(self, reference: Evidence, artifact: Evidence) -> Estimate:
        return _paired_share(self.correct(reference), self.correct(artifact))


class Auc:
    """Area under the ROC curve of a binary classifier; label 1 is positive."""

    name = "auc"
    key: str | None = "auc"
    higher_is_better = True
    bounded = True

    def __init__(self, output: int | str | None = None) -> None:
        self.output = output

    def observe(self, output: Array, labels: Array) -> dict[str, Array]:
        scores = positive_scores(output)
        indices = labels.argmax(-1) if labels.ndim == 2 and labels.shape[1] == 2 else labels
        return {"score": scores, "positive": indices.reshape(-1) == 1}

    def estimate(self, evidence: Evidence) -> Estimate:
        self._both_classes(evidence)
        value, interval = delong(evidence.arrays["score"], evidence.arrays["positive"], LEVEL)
        return Estimate(value, interval, "DeLong's interval", spread=_spread(interval, evidence.n))

    def worse_by(self, reference: Evidence, artifact: Evidence) -> Estimate:
        self._both_classes(reference)
        positives = reference.arrays["positive"]
        scores = (reference.arrays["score"], artifact.arrays["score"])
        value, interval = delong_paired(*scores, positives, LEVEL)
        same = np.array_equal(*scores)
        spread = _spread(interval, reference.n)
        return Estimate(value, interval, "DeLong's paired interval", None, not same, spread)

    def _both_classes(self, evidence: Evidence) -> None:
        count = int(evidence.arrays["positive"].sum())
        if count in (0, evidence.n):
            raise ConfigurationError(
                f"auc needs samples of both classes: {count} of {evidence.n} have the label 1",
                "give binary labels 0 and 1 with both among the evaluation samples",
            )


class ErrorPerSample:
    """Mean over the samples of an error (mse, mae): lower is better."""

    higher_is_better = False
    bounded = False

    def __init__(self, name: str, output: int | str | None = None) -> None:
        self.name = name
        self.key: str | None = name
        self.output = output

    def observe(self, output: Array, labels: Array) -> dict[str, Array]:
        difference = output.astype(np.float64) - same_shape(labels, output)
        error = np.abs(difference) if self.name == "mae" else difference**2
        return {"error": error.reshape(len(error), -1).mean(axis=1)}

    def estimate(self, evidence: Evidence) -> Estimate:
        return _mean(evidence.arrays["error"])

    def worse_by(self, reference: Evidence, artifact: Evidence) -> Estimate:
        return _mean(artifact.arrays["error"] - reference.arrays["error"], paired=True)


class MeanIoU:
    """Intersection over union, averaged over the classes that occur; label 255 is void."""

    name = "miou"
    key: str | None = "miou"
    higher_is_better = True
    bounded = True

    def __init__(self, output: int | str | None = None) -> None:
        self.output = output

    def observe(self, output: Array, labels: Array) -> dict[str, Array]:
        classes = top1(output) if output.ndim == labels.ndim + 1 else np.rint(output)
        truth = same_shape(labels, classes).astype(np.int64).reshape(len(labels), -1)
        guess = classes.astype(np.int64).reshape(len(labels), -1)
        if truth.min() < 0 or truth.max() > VOID:
            raise ConfigurationError(
                f"miou: labels go from {truth.min()} to {truth.max()}",
                "give class indices from 0 to 254; 255 is void",
            )
        rows = [_overlap(*pair) for pair in zip(truth, guess, strict=True)]
        return {
            "intersection": np.stack([row[0] for row in rows]),
            "union": np.stack([row[1] for row in rows]),
        }

    def estimate(self, evidence: Evidence) -> Estimate:
        value = self._value(evidence, slice(None))
        interval = set_bootstrap(lambda drawn: self._value(evidence, drawn), evidence.n, LEVEL)
        return _set_estimate(value, interval, evidence.n)

    def worse_by(self, reference: Evidence, artifact: Evidence) -> Estimate:
        def difference(drawn: Any) -> float:
            return self._value(reference, drawn) - self._value(artifact, drawn)

        interval = set_bootstrap(difference, reference.n, LEVEL)
        return _set_estimate(difference(slice(None)), interval, reference.n)

    @staticmethod
    def _value(evidence: Evidence, drawn: Any) -> float:
        union = evidence.arrays["union"][drawn].sum(axis=0)
        shared = evidence.arrays["intersection"][drawn].sum(axis=0)
        present = union > 0
        return float((shared[present] / union[present]).mean()) if present.any() else float("nan")


class OwnMetric:
    """A user's function. Outputs are kept for it where the data is indexable."""

    bounded = False

    def __init__(self, given: Metric, *, indexable: bool) -> None:
        if not callable(given.fn):
            raise ConfigurationError(f"Metric(fn={given.fn!r}) is no function", "give a function")
        if not given.per_sample and not indexable:
            raise UnsupportedError(
                f"{_name_of(given.fn)} reads the whole set at once, and a stream is never held "
                "whole",
                "give arrays, or a metric with one score a sample: Metric(fn, per_sample=True)",
            )
        self._fn = given.fn
        self._per_sample = given.per_sample
        self._keep_outputs = indexable
        self.name = _name_of(given.fn)
        self.key = "outputs" if indexable else None
        self.higher_is_better = given.higher_is_better
        self.output = given.output

    def observe(self, output: Array, labels: Array) -> dict[str, Array]:
        if self._keep_outputs:
            return {"output": output, "label": labels}
        return {"score": self._scores(output, labels)}

    def estimate(self, evidence: Evidence) -> Estimate:
        if not self._per_sample:
            value = self._whole(evidence, slice(None))
            interval = set_bootstrap(lambda drawn: self._whole(evidence, drawn), evidence.n, LEVEL)
            return _set_estimate(value, interval, evidence.n)
        scores = self._of(evidence)
        if scores.dtype == bool:
            return _share(int(scores.sum()), evidence.n)
        return _mean(scores.astype(np.float64))

    def worse_by(self, reference: Evidence, artifact: Evidence) -> Estimate:
        sign = 1.0 if self.higher_is_better else -1.0
        if not self._per_sample:

            def difference(drawn: Any) -> float:
                return sign * (self._whole(reference, drawn) - self._whole(artifact, drawn))

            interval = set_bootstrap(difference, reference.n, LEVEL)
            return _set_estimate(difference(slice(None)), interval, reference.n)
        before, after = self._of(reference), self._of(artifact)
        if before.dtype == after.dtype == bool:
            pair = (before, after) if self.higher_is_better else (after, before)
            return _paired_share(*pair)
        return _mean(sign * (before.astype(np.float64) - after.astype(np.float64)), paired=True)

    def _of(self, evidence: Evidence) -> Array:
        if "score" in evidence.arrays:
            return evidence.arrays["score"]
        return self._scores(evidence.arrays["output"], evidence.arrays["label"])

    def _scores(self, output: Array, labels: Array) -> Array:
        scores = np.asarray(self._fn(output, labels))
        if scores.shape != (len(output),):
            raise ConfigurationError(
                f"{self.name} gave an array of shape {scores.shape} for {len(output)} samples",
                "return one score a sample, shape (n,), or say Metric(fn, per_sample=False)",
            )
        return scores

    def _whole(self, evidence: Evidence, drawn: Any) -> float:
        arrays = evidence.arrays
        return float(self._fn(arrays["output"][drawn], arrays["label"][drawn]))


def as_scoring(given: object, *, indexable: bool) -> Scoring:
    """The user's ``edge_metric`` as a metric. Raises ConfigurationError, UnknownNameError."""
    if isinstance(given, Metric):
        if isinstance(given.fn, str):
            return _built_in(given.fn, given.output)
        return OwnMetric(given, indexable=indexable)
    if isinstance(given, str):
        return _built_in(given, None)
    raise ConfigurationError(
        f"edge_metric is a {type(given).__name__}, neither a name nor a Metric",
        'return "top1", or Metric(my_function)',
    )


def _built_in(name: str, output: int | str | None) -> Scoring:
    if name.startswith("top") and name[3:].isdecimal() and int(name[3:]) > 0:
        return TopN(int(name[3:]), output)
    if name in ("mse", "mae"):
        return ErrorPerSample(name, output)
    if name == "auc":
        return Auc(output)
    if name == "miou":
        return MeanIoU(output)
    raise UnknownNameError("metric", name, ("top1", "top5", "miou", "auc", "mse", "mae"))


def _share(hits: int, n: int) -> Estimate:
    share = hits / n
    return Estimate(
        share, clopper_pearson(hits, n, LEVEL), "Clopper-Pearson's interval",
        Fraction(hits, n), True, share * (1 - share),
    )  # fmt: skip


def _paired_share(before: Array, after: Array) -> Estimate:
    lost = int((before & ~after).sum())
    won = int((after & ~before).sum())
    n = len(before)
    return Estimate(
        (lost - won) / n, tango(lost, won, n, LEVEL), "Tango's paired score interval",
        Fraction(lost - won, n), True, (lost + won) / n,
    )  # fmt: skip


def _mean(values: Array, *, paired: bool = False) -> Estimate:
    interval = paired_bootstrap(values, LEVEL)
    return Estimate(
        float(values.mean()), interval,
        f"{'paired ' if paired else ''}percentile bootstrap",
        None, interval.low < interval.high, float(values.var()),
    )  # fmt: skip


def _set_estimate(value: float, interval: Interval, n: int) -> Estimate:
    return Estimate(
        value, interval, "percentile bootstrap of the set",
        None, interval.low < interval.high, _spread(interval, n),
    )  # fmt: skip


def _spread(interval: Interval, n: int) -> float:
    """The variance of one sample's part that an interval of this width stands for."""
    half = (interval.high - interval.low) / 2
    return float(n * (half / 1.6449) ** 2)


def _overlap(truth: Array, guess: Array) -> tuple[Array, Array]:
    kept = truth != VOID
    truth, guess = truth[kept], np.clip(guess[kept], 0, VOID)
    shared = np.bincount(truth[truth == guess], minlength=VOID + 1)
    union = np.bincount(truth, minlength=VOID + 1) + np.bincount(guess, minlength=VOID + 1) - shared
    return shared.astype(np.int64), union.astype(np.int64)


def _name_of(function: object) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
