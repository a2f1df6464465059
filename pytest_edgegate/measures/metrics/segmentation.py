"""Metrics of dense outputs: mean IoU."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.evidence import Column, Columns, Evidence
from pytest_edgegate.measures.labels import classes_last, same_shape
from pytest_edgegate.measures.metrics.estimates import (
    Estimate,
    set_estimate,
    set_interval,
)
from pytest_edgegate.stats.distances import top1

VOID = 255
"""The label of pixels that belong to no class, by the convention of segmentation data sets."""


class MeanIoU:
    """Intersection over union, averaged over the classes that occur; label 255 is void."""

    name = "miou"
    key: str | None = "miou"
    figures: Columns = dict.fromkeys(("intersection", "union"), Column("i", 0, (VOID + 1,)))
    higher_is_better = True
    bounded = True

    def __init__(self, output: int | str | None = None) -> None:
        self.output = output

    def observe(self, output: Array, labels: Array) -> dict[str, Array]:
        classes = _class_map(classes_last(output, labels), labels)
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
        interval = set_interval(lambda drawn: self._value(evidence, drawn), evidence.n)
        return set_estimate(value, interval, evidence.n)

    def worse_by(self, reference: Evidence, artifact: Evidence) -> Estimate:
        def difference(drawn: Any) -> float:
            return self._value(reference, drawn) - self._value(artifact, drawn)

        interval = set_interval(difference, reference.n)
        return set_estimate(difference(slice(None)), interval, reference.n)

    @staticmethod
    def _value(evidence: Evidence, drawn: Any) -> float:
        union = evidence.arrays["union"][drawn].sum(axis=0)
        shared = evidence.arrays["intersection"][drawn].sum(axis=0)
        present = union > 0
        return float((shared[present] / union[present]).mean()) if present.any() else float("nan")


def _class_map(output: Array, labels: Array) -> Array:
    """Class indices: by the highest score, by a probability above a half, or the output itself."""
    scored = output.ndim > labels.ndim or (labels.shape[-1] == 1 and output.ndim == labels.ndim)
    if scored and output.shape[-1] > 1:
        return top1(output)
    if output.shape[-1] == 1 and output.min() >= 0 and output.max() <= 1:
        return np.asarray(output[..., 0] > 0.5)
    return np.asarray(np.rint(output))


def _overlap(truth: Array, guess: Array) -> tuple[Array, Array]:
    kept = truth != VOID
    truth, guess = truth[kept], np.clip(guess[kept], 0, VOID)
    shared = np.bincount(truth[truth == guess], minlength=VOID + 1)
    union = np.bincount(truth, minlength=VOID + 1) + np.bincount(guess, minlength=VOID + 1) - shared
    return shared.astype(np.int64), union.astype(np.int64)
