"""Regression metrics: mean squared and mean absolute error."""

from __future__ import annotations

import numpy as np

from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.evidence import Column, Columns, Evidence
from pytest_edgegate.measures.labels import same_shape
from pytest_edgegate.measures.metrics.estimates import (
    Estimate,
    mean,
)


class ErrorPerSample:
    """The mean of a per-sample error (mse, mae): lower is better."""

    higher_is_better = False
    bounded = False
    figures: Columns = dict.fromkeys(("error",), Column("f", 0))

    def __init__(self, name: str, output: int | str | None = None) -> None:
        self.name = name
        self.key: str | None = name
        self.output = output

    def observe(self, output: Array, labels: Array) -> dict[str, Array]:
        difference = output.astype(np.float64) - same_shape(labels, output)
        error = np.abs(difference) if self.name == "mae" else difference**2
        return {"error": error.reshape(len(error), -1).mean(axis=1)}

    def estimate(self, evidence: Evidence) -> Estimate:
        return mean(evidence.arrays["error"])

    def worse_by(self, reference: Evidence, artifact: Evidence) -> Estimate:
        return mean(artifact.arrays["error"] - reference.arrays["error"], paired=True)
