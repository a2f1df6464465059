"""Metrics of dense outputs: mean IoU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.feeding import looked_at
from pytest_edgegate.data.splits import Array, Split
from pytest_edgegate.measures.evidence import Column, Columns, Evidence
from pytest_edgegate.measures.labels import check_known, classes_last, same_shape
from pytest_edgegate.measures.metrics.chance import (
    Chance,
    Unchecked,
    is_better,
    without_interval,
)
from pytest_edgegate.measures.metrics.estimates import Estimate, of_set
from pytest_edgegate.measures.metrics.resampling import ALL, Resampling
from pytest_edgegate.stats.distances import top1

VOID = 255
"""The label of pixels that belong to no class, by the convention of segmentation data sets."""
_CLASSES = VOID + 1


class MeanIoU:
    """Intersection over union, averaged over the classes that occur; label 255 is void."""

    name = title = "miou"
    key: str | None = "miou"
    figures: Columns = dict.fromkeys(
        ("intersection", "union", "truth"), Column("i", 0, (_CLASSES,))
    )
    higher_is_better = True
    bounded = True
    of_nothing: float | None = None
    identity = ""
    reads_all_outputs = wants_names = False

    def __init__(self, output: int | str | None = None) -> None:
        self.output = output

    def observe(self, output: Any, labels: Array, inputs: Any = None) -> dict[str, Array]:
        _check_classes(labels)
        classes = _class_map(classes_last(output, labels), labels)
        truth = same_shape(labels, classes).astype(np.int64).reshape(len(labels), -1)
        guess = classes.astype(np.int64).reshape(len(labels), -1)
        rows = [_overlap(*pair) for pair in zip(truth, guess, strict=True)]
        names = ("intersection", "union", "truth")
        return dict(zip(names, map(np.stack, zip(*rows, strict=True)), strict=True))

    def reads_classes(self, rows: int) -> bool:
        return True

    def kept(self, evidence: Evidence) -> None:
        return None

    def restored(self, kept: Mapping[str, Array]) -> dict[str, Array]:
        return dict(kept)

    def try_on(self, output: Any, labels: Array, inputs: Any, every: Array | None) -> None:
        self.observe(output, labels)
        if every is not None:
            _check_classes(every)

    def keeper(self, split: Split) -> None:
        return None

    def value(self, evidence: Evidence) -> float:
        return _statistic(evidence)(slice(None))

    def estimate(self, evidence: Evidence, resampling: Resampling = ALL) -> Estimate:
        return of_set(_statistic(evidence), evidence.n, resampling, "figure")

    def worse_by(
        self, reference: Evidence, artifact: Evidence, resampling: Resampling = ALL
    ) -> Estimate:
        before, after = _statistic(reference), _statistic(artifact)
        return of_set(lambda drawn: before(drawn) - after(drawn), reference.n, resampling, "drop")

    def chance(
        self, reference: Evidence, resampling: Resampling = ALL
    ) -> Chance | Unchecked | None:
        """Chance answers the class of most pixels everywhere."""
        truth = reference.arrays["truth"]
        pixels = truth.sum(axis=0)
        if not pixels.any():
            return None
        commonest = int(pixels.argmax())
        constant, own = _constant(truth, commonest), _statistic(reference)
        drop = of_set(
            lambda drawn: constant(drawn) - own(drawn), reference.n, resampling, "reference"
        )
        others = truth.sum(axis=1) > truth[:, commonest]
        return without_interval(drop) or Chance(
            f"answering class {commonest} at every pixel",
            constant(slice(None)),
            is_better(drop),
            reference.n,
            int(others.sum()),
        )


def _check_classes(labels: Array) -> None:
    check_known(labels, "miou")
    if labels.dtype.kind == "f" and (labels != np.rint(labels)).any():
        raise ConfigurationError(
            "miou: the labels are fractions, but they have to be class indices",
            "give whole numbers: for masks from 0 to 1, (masks > 0.5).astype('int64')",
        )
    if labels.min() < 0 or labels.max() > VOID:
        raise ConfigurationError(
            f"miou: labels go from {labels.min()} to {labels.max()}{looked_at(len(labels))}",
            "give class indices from 0 to 254; 255 is void",
        )


_Statistic = Callable[[Array | slice], float]


def _statistic(evidence: Evidence) -> _Statistic:
    """The mean IoU of some samples, given as indices or a slice."""
    return _mean_iou(evidence.arrays["intersection"], evidence.arrays["union"])


def _constant(truth: Array, answer: int) -> _Statistic:
    """The mean IoU of answering one class at every pixel; *truth*: pixels by sample and class."""
    intersection = np.zeros_like(truth)
    intersection[:, answer] = truth[:, answer]
    union = truth.copy()
    union[:, answer] = truth.sum(axis=1)
    return _mean_iou(intersection, union)


def _mean_iou(intersection: Array, union: Array) -> _Statistic:
    """Sums over resampled samples as products of their counts with the classes that occur.

    Counts of pixels are exact in float64, so this gives the same sums as adding the samples.
    """
    occurring = union.any(axis=0)
    shared = intersection[:, occurring].astype(np.float64)
    either = union[:, occurring].astype(np.float64)
    n = len(union)

    def statistic(drawn: Array | slice) -> float:
        times = np.ones(n) if isinstance(drawn, slice) else np.bincount(drawn, minlength=n)
        unions = times @ either
        present = unions > 0
        if not present.any():
            return float("nan")
        return float(((times @ shared)[present] / unions[present]).mean())

    return statistic


def _class_map(output: Array, labels: Array) -> Array:
    """Class indices: by the highest score, by a probability above a half, or the output itself."""
    scored = output.ndim > labels.ndim or (labels.shape[-1] == 1 and output.ndim == labels.ndim)
    if scored and output.shape[-1] > 1:
        return top1(output)
    if output.shape[-1] == 1 and output.min() >= 0 and output.max() <= 1:
        return np.asarray(output[..., 0] > 0.5)
    return np.asarray(np.rint(output))


def _overlap(truth: Array, guess: Array) -> tuple[Array, Array, Array]:
    kept = truth != VOID
    truth, guess = truth[kept], np.clip(guess[kept], 0, VOID)
    shared = np.bincount(truth[truth == guess], minlength=_CLASSES).astype(np.int64)
    pixels = np.bincount(truth, minlength=_CLASSES).astype(np.int64)
    return shared, pixels + np.bincount(guess, minlength=_CLASSES) - shared, pixels
