"""Regression metrics: mean squared and mean absolute error."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from pytest_edgegate.data.splits import Array, ArraySplit, Split
from pytest_edgegate.measures.evidence import Column, Columns, Evidence
from pytest_edgegate.measures.labels import check_known, same_shape
from pytest_edgegate.measures.metrics.chance import (
    Chance,
    Unchecked,
    is_better,
    without_interval,
)
from pytest_edgegate.measures.metrics.estimates import Estimate, mean
from pytest_edgegate.measures.metrics.kept import KeptSamples, spread_out
from pytest_edgegate.measures.metrics.resampling import ALL, Resampling
from pytest_edgegate.measures.metrics.scoring import Keeper

_MOST_OF_MEDIAN = 10_000
"""The largest number of samples that medians are taken of."""
_MOST_VALUES = 1 << 26
"""The largest number of label values that the constant answer is made of: a second of work."""
_FEWEST = 100
_BLOCK = 1 << 22
"""Label values held in float64 at a time."""
_SEED = 0


class ErrorPerSample:
    """The mean of a per-sample error (mse, mae): lower is better."""

    higher_is_better = False
    bounded = False
    of_nothing: float | None = None
    identity = ""
    reads_all_outputs = wants_names = False
    figures: Columns = MappingProxyType({"error": Column("f", 0), "constant": Column("f")})

    def __init__(self, name: str, output: int | str | None = None) -> None:
        self.name = self.title = name
        self.key: str | None = name
        self.output = output

    def observe(self, output: Any, labels: Array, inputs: Any = None) -> dict[str, Array]:
        difference = output.astype(np.float64) - same_shape(labels, output)
        error = np.abs(difference) if self.name == "mae" else difference**2
        return {"error": error.reshape(len(error), -1).mean(axis=1)}

    def reads_classes(self, rows: int) -> bool:
        return False

    def try_on(self, output: Any, labels: Array, inputs: Any, every: Array | None) -> None:
        same_shape(labels, output)
        check_known(labels if every is None else every, self.name)

    def keeper(self, split: Split) -> Keeper:
        if isinstance(split, ArraySplit):
            return _OfArray(self.name, split)
        return _OfStream(self.name)

    def kept(self, evidence: Evidence) -> dict[str, Array]:
        return {"error": evidence.arrays["error"].astype(np.float32)}

    def restored(self, kept: Mapping[str, Array]) -> dict[str, Array]:
        return {"error": kept["error"].astype(np.float64)}

    def value(self, evidence: Evidence) -> float:
        return float(evidence.arrays["error"].mean())

    def estimate(self, evidence: Evidence, resampling: Resampling = ALL) -> Estimate:
        return mean(evidence.arrays["error"], resampling, "figure")

    def worse_by(
        self, reference: Evidence, artifact: Evidence, resampling: Resampling = ALL
    ) -> Estimate:
        worse = artifact.arrays["error"] - reference.arrays["error"]
        return mean(worse, resampling, "drop", paired=True)

    def chance(
        self, reference: Evidence, resampling: Resampling = ALL
    ) -> Chance | Unchecked | None:
        """Chance always answers the mean of the labels, or their median for mae, by element."""
        errors, constant = reference.arrays["error"], reference.arrays["constant"]
        kept = ~np.isnan(constant)
        if not np.isfinite(errors).all():
            return None
        if not kept.any():
            return Unchecked("the labels of the samples differ in their shape")
        errors, constant = errors[kept], constant[kept]
        drop = mean(errors - constant, resampling.at(kept), "reference", paired=True)
        middle = "median" if self.name == "mae" else "mean"
        return without_interval(drop) or Chance(
            f"always answering the {middle} of the labels",
            float(constant.mean()),
            is_better(drop),
            len(errors),
            int((constant > 0).sum()),
        )


class _OfArray:
    """Reads the labels from the arrays, after the pass."""

    def __init__(self, name: str, split: ArraySplit) -> None:
        self._name = name
        self._split = split

    def add(self, output: Any, labels: Array, inputs: Any) -> None:
        return

    def figures(self, n: int) -> dict[str, Array]:
        labels = self._split.labels
        if labels is None:
            return {"constant": np.full(n, np.nan)}
        positions = _drawn(self._name, labels)
        part = labels if len(positions) == len(labels) else labels[positions]
        errors = constant_errors(self._name, part)
        return {"constant": spread_out(errors, positions, n)}


class _OfStream:
    """Keeps the labels of a random part of the samples."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._kept = KeptSamples()

    def add(self, output: Any, labels: Array, inputs: Any) -> None:
        self._kept.add({"labels": labels})

    def figures(self, n: int) -> dict[str, Array]:
        labels = self._kept.arrays.get("labels")
        errors = np.zeros(0) if labels is None else constant_errors(self._name, labels)
        return {"constant": spread_out(errors, self._kept.positions, n)}


def _drawn(name: str, labels: Array) -> Array:
    """The positions of the samples to compare: all, or some at random if they are very many."""
    width = max(labels[0].size, 1)
    most = max(_MOST_VALUES // width, _FEWEST)
    most = min(most, _MOST_OF_MEDIAN) if name == "mae" else most
    if most >= len(labels):
        return np.arange(len(labels))
    drawn = np.random.default_rng(_SEED).choice(len(labels), most, replace=False)
    return np.asarray(np.sort(drawn))


def constant_errors(name: str, labels: Array) -> Array:
    """The error of always answering the mean of the labels (mse) or their median (mae).

    Both are taken for each element of the *labels*, of shape (n, ...): no other constant has a
    smaller error. float64, shape (n,).
    """
    flat = labels.reshape(len(labels), -1)
    errors = np.zeros(len(flat))
    columns = max(_BLOCK // len(flat), 1)
    for start in range(0, flat.shape[1], columns):
        errors += _distances(name, flat[:, start : start + columns].astype(np.float64))
    return np.asarray(errors / max(flat.shape[1], 1))


def _distances(name: str, labels: Array) -> Array:
    """Sums of the errors over some elements, for each sample: float64, shape (n,)."""
    with np.errstate(invalid="ignore", over="ignore"):  # labels that are not finite give NaN
        middle = np.median(labels, axis=0) if name == "mae" else labels.mean(axis=0)
        # the mean of equal values may differ from them in its last digit
        middle = np.where(labels.min(axis=0) == labels.max(axis=0), labels[0], middle)
        differences = labels - middle
        return np.asarray((np.abs(differences) if name == "mae" else differences**2).sum(axis=1))
