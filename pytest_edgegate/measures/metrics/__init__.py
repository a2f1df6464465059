"""Metrics: the per-sample figures of a model, and the paired comparison of two models.

Every metric keeps figures per sample, so the outputs of a stream are never held as a whole.
"""

from __future__ import annotations

from pytest_edgegate.core.errors import ConfigurationError, UnknownNameError
from pytest_edgegate.measures.metrics.classification import Auc, TopN
from pytest_edgegate.measures.metrics.estimates import Estimate, Scoring
from pytest_edgegate.measures.metrics.own import Metric, OwnMetric
from pytest_edgegate.measures.metrics.regression import ErrorPerSample
from pytest_edgegate.measures.metrics.segmentation import MeanIoU

__all__ = [
    "Auc",
    "ErrorPerSample",
    "Estimate",
    "MeanIoU",
    "Metric",
    "OwnMetric",
    "Scoring",
    "TopN",
    "as_scoring",
]


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
