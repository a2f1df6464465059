"""Metrics: the per-sample figures of a model, and the paired comparison of two models.

Every metric keeps figures per sample, so the outputs of a stream are never held as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from pytest_edgegate.core.errors import ConfigurationError, UnknownNameError
from pytest_edgegate.measures.metrics.chance import Chance, Unchecked
from pytest_edgegate.measures.metrics.classification import Auc, TopN
from pytest_edgegate.measures.metrics.detection import MeanAP
from pytest_edgegate.measures.metrics.estimates import Estimate
from pytest_edgegate.measures.metrics.own import Metric, OwnMetric
from pytest_edgegate.measures.metrics.regression import ErrorPerSample
from pytest_edgegate.measures.metrics.resampling import Resampling
from pytest_edgegate.measures.metrics.scoring import Scoring
from pytest_edgegate.measures.metrics.segmentation import MeanIoU
from pytest_edgegate.stats.groups import Groups

__all__ = [
    "Auc",
    "Chance",
    "ErrorPerSample",
    "Estimate",
    "MeanAP",
    "MeanIoU",
    "Metric",
    "OwnMetric",
    "Resampling",
    "Scoring",
    "TopN",
    "Unchecked",
    "as_scoring",
    "check_groups",
    "groups_of",
]


def as_scoring(
    given: object, *, indexable: bool, inputs: Callable[[], Any] = lambda: None
) -> Scoring:
    """The user's ``edge_metric`` as a metric. Raises ConfigurationError, UnknownNameError.

    *inputs* returns the inputs of all evaluation samples, if these are *indexable*.
    """
    if isinstance(given, Metric):
        if isinstance(given.fn, str):
            return _named(given, given.fn)
        if given.decode is not None:
            raise _no_decode("Metric(fn, decode=...)")
        return OwnMetric(given, indexable=indexable, inputs=inputs)
    if isinstance(given, str):
        return _built_in(Metric(given), given)
    if given is None:
        return_it = 'end the fixture with a return: return "top1", or return Metric(my_function)'
    else:
        name = getattr(given, "__name__", "my_function") if callable(given) else "my_function"
        return_it = f'return "top1", or Metric({name})'
    raise ConfigurationError(
        f"edge_metric is a {type(given).__name__}, neither a name nor a Metric", return_it
    )


def groups_of(given: object, samples: int | None) -> Groups | None:
    """The groups of a metric, None without any.

    *samples*: the number of evaluation samples, if it is known. Raises ConfigurationError.
    """
    if not isinstance(given, Metric) or given.groups is None:
        return None
    try:
        groups = Groups(np.asarray(given.groups))
    except ValueError as error:
        raise ConfigurationError(
            f"the groups of edge_metric can't be read: {error}",
            'return Metric("top1", groups=names), with one name or number per evaluation sample',
        ) from error
    if samples is not None:
        check_groups(groups, samples)
    return groups


def check_groups(groups: Groups, samples: int) -> None:
    """Raises ConfigurationError unless each sample has its group."""
    if len(groups) != samples:
        raise ConfigurationError(
            f"the groups of edge_metric are of {len(groups)} samples, and there are {samples} "
            "evaluation samples",
            "give one group per sample of the evaluation split, in its order",
        )


def _named(given: Metric, name: str) -> Scoring:
    if given.wants_inputs:
        raise ConfigurationError(
            f"Metric({name!r}, wants_inputs=True): this built-in metric does not read the inputs",
            f"return Metric({name!r}), or Metric(my_function, wants_inputs=True)",
        )
    return _built_in(given, name)


def _built_in(given: Metric, name: str) -> Scoring:
    output = given.output
    if name in ("map", "map50"):
        return _mean_ap(given, name)
    if given.decode is not None:
        raise _no_decode(f"Metric({name!r}, decode=...)")
    if name.startswith("top") and name[3:].isdecimal() and int(name[3:]) > 0:
        return TopN(int(name[3:]), output)
    if name in ("mse", "mae"):
        return ErrorPerSample(name, output)
    if name == "auc":
        return Auc(output)
    if name == "miou":
        return MeanIoU(output)
    raise _unknown(name)


def _mean_ap(given: Metric, name: str) -> MeanAP:
    if given.output is not None:
        raise ConfigurationError(
            f"Metric({name!r}, output={given.output!r}): {name} reads boxes, scores and classes, "
            "so there is no single output to choose",
            f'return "{name}", or Metric("{name}", decode=fn)',
        )
    return MeanAP(name, given.decode)


def _no_decode(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"{what}: only the metrics map and map50 decode the outputs of a detector",
        'return Metric("map", decode=fn), or leave decode out',
    )


_NAMES = ("top1", "top5", "miou", "map", "map50", "auc", "mse", "mae")
_CALLED = {
    "accuracy": "top1",
    "acc": "top1",
    "top": "top1",
    "iou": "miou",
    "meanap": "map",
    "averageprecision": "map",
    "map5095": "map",
    "ap": "map",
    "ap50": "map50",
    "rocauc": "auc",
    "rmse": "mse",
    "l1": "mae",
    "l2": "mse",
}
"""Metrics by the names that other tools give them."""


def _unknown(name: str) -> UnknownNameError:
    bare = re.sub(r"[\W_]", "", name).lower()
    ends = (other for other in _CALLED if bare.endswith(other))
    meant = bare if bare in _NAMES else next((_CALLED[other] for other in ends), "")
    own = "; another one is the fixture edge_metric: return Metric(my_function)"
    return UnknownNameError("metric", name, _NAMES, meant=(meant,) if meant else (), more=own)
