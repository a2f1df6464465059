"""User-defined metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from pytest_edgegate.core.errors import ConfigurationError, UnsupportedError
from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.evidence import ANY, Columns, Evidence
from pytest_edgegate.measures.metrics.estimates import (
    Estimate,
    mean,
    paired_share,
    set_estimate,
    set_interval,
    share,
)


@dataclass(frozen=True)
class Metric:
    """A user-defined metric, or a built-in one for a given output.

    ``fn(outputs, labels)`` takes one output as a float32 array of shape (n, ...) and the labels of
    those samples. With ``per_sample`` it returns an array of shape (n,); without, one number for
    the whole set (arrays only, not streams). ``fn`` may be the name of a built-in metric ("top1").
    ``output`` is the index or the name of the output to score; None: the only output.
    """

    fn: Callable[[Any, Any], Any] | str
    _: KW_ONLY
    per_sample: bool = True
    higher_is_better: bool = True
    output: int | str | None = None


class OwnMetric:
    """A metric computed by a user's function. Outputs are kept for it if the data is indexable."""

    bounded = False
    figures: Columns = dict.fromkeys(("output", "label"), ANY)

    def __init__(self, given: Metric, *, indexable: bool) -> None:
        if not callable(given.fn):
            raise ConfigurationError(
                f"Metric(fn={given.fn!r}) is not a function", "give a function"
            )
        if not given.per_sample and not indexable:
            raise UnsupportedError(
                f"{_name_of(given.fn)} needs the whole set at once, but a stream is never held "
                "whole",
                "give arrays, or a metric with one score per sample: Metric(fn, per_sample=True)",
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
            interval = set_interval(lambda drawn: self._whole(evidence, drawn), evidence.n)
            return set_estimate(value, interval, evidence.n)
        scores = self._of(evidence)
        if scores.dtype == bool:
            return share(int(scores.sum()), evidence.n)
        return mean(scores.astype(np.float64))

    def worse_by(self, reference: Evidence, artifact: Evidence) -> Estimate:
        sign = 1.0 if self.higher_is_better else -1.0
        if not self._per_sample:

            def difference(drawn: Any) -> float:
                return sign * (self._whole(reference, drawn) - self._whole(artifact, drawn))

            interval = set_interval(difference, reference.n)
            return set_estimate(difference(slice(None)), interval, reference.n)
        before, after = self._of(reference), self._of(artifact)
        if before.dtype == after.dtype == bool:
            pair = (before, after) if self.higher_is_better else (after, before)
            return paired_share(*pair)
        with np.errstate(invalid="ignore"):  # Inf on both sides is NaN, which is reported
            worse = sign * (before.astype(np.float64) - after.astype(np.float64))
        return mean(worse, paired=True)

    def _of(self, evidence: Evidence) -> Array:
        if "score" in evidence.arrays:
            return evidence.arrays["score"]
        return self._scores(evidence.arrays["output"], evidence.arrays["label"])

    def _scores(self, output: Array, labels: Array) -> Array:
        scores = np.asarray(self._fn(output, labels))
        if scores.shape != (len(output),):
            raise ConfigurationError(
                f"{self.name} gave an array of shape {scores.shape} for {len(output)} samples",
                "return one score per sample, shape (n,), or write Metric(fn, per_sample=False)",
            )
        return scores

    def _whole(self, evidence: Evidence, drawn: Any) -> float:
        arrays = evidence.arrays
        return float(self._fn(arrays["output"][drawn], arrays["label"][drawn]))


def _name_of(function: object) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
