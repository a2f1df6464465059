"""User-defined metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np

from pytest_edgegate.core.arguments import tells_arguments
from pytest_edgegate.core.errors import ConfigurationError, UnsupportedError
from pytest_edgegate.data.splits import Array, ArraySplit, Split
from pytest_edgegate.measures.evidence import ANY, OUTPUT, Columns, Evidence, output_key
from pytest_edgegate.measures.metrics.answers import Answers
from pytest_edgegate.measures.metrics.chance import Chance, Unchecked
from pytest_edgegate.measures.metrics.estimates import (
    Estimate,
    mean,
    of_set,
    paired_share,
    share,
)
from pytest_edgegate.measures.metrics.function import UserFunction
from pytest_edgegate.measures.metrics.identity import identity_of
from pytest_edgegate.measures.metrics.resampling import ALL, Purpose, Resampling
from pytest_edgegate.measures.metrics.scoring import Keeper
from pytest_edgegate.measures.metrics.shuffled import (
    ScoresOfStream,
    chance_of_samples,
    chance_of_set,
    scores_by_chance,
)


@tells_arguments
@dataclass(frozen=True)
class Metric:
    """A user-defined metric, or a built-in one with further settings.

    ``fn(outputs, labels)`` takes one output as a float32 array of shape (n, ...) and the labels of
    those samples. With ``per_sample`` it returns an array of shape (n,); without, one number for
    the whole set (arrays only, not streams). ``fn`` may be the name of a built-in metric ("top1").

    ``output`` is the index or the name of the output to score. None: the only output; of a model
    with several, ``fn`` takes all of them, as a dict by name.
    ``wants_inputs``: ``fn(outputs, labels, inputs)`` also takes the inputs of those samples, as
    they are in the data: an array, or a tuple or dict of arrays.
    ``groups``: the group of each evaluation sample, shape (n,), integers or texts. Samples of one
    group (the windows of a recording, the images of a patient) are not independent of each other,
    so intervals are drawn by group.
    ``decode``: for "map" and "map50" of a model whose outputs have other names than boxes, scores
    and classes: ``decode(outputs)`` takes the outputs of one image, a dict of arrays by name
    without the axis of the batch, and returns its boxes (k, 4) as x1 y1 x2 y2 in the unit of the
    labels, its scores (k,) and its classes (k,).
    """

    fn: Callable[..., Any] | str
    _: KW_ONLY
    per_sample: bool = True
    higher_is_better: bool = True
    output: int | str | None = None
    wants_inputs: bool = False
    groups: Any = field(default=None, compare=False)
    decode: Callable[..., Any] | None = None


class OwnMetric:
    """A metric computed by a user's function. Outputs are kept for it if the data is indexable."""

    bounded = False
    of_nothing: float | None = None
    wants_names = False
    figures: Columns = dict.fromkeys((OUTPUT, "label"), ANY)

    def __init__(
        self,
        given: Metric,
        *,
        indexable: bool,
        inputs: Callable[[], Any] = lambda: None,
    ) -> None:
        """*inputs* returns all inputs of indexable data, for a metric that reads them."""
        if not callable(given.fn):
            raise ConfigurationError(
                f"Metric(fn={given.fn!r}) is not a function", "give a function"
            )
        self._function = UserFunction(given.fn, wants_inputs=given.wants_inputs)
        self.name = self.title = self._function.name
        if not given.per_sample and not indexable:
            raise UnsupportedError(
                f"{self.name} needs the whole set at once, but a stream is never held whole",
                "give arrays, or a metric with one score per sample: Metric(fn, per_sample=True)",
            )
        self.identity = f"{identity_of(given.fn)} {given.per_sample}"
        self._per_sample = given.per_sample
        self._keep_outputs = indexable
        self._inputs = inputs
        self.key = "outputs" if indexable else None
        self.higher_is_better = given.higher_is_better
        self.output = given.output
        self.reads_all_outputs = given.output is None

    def observe(self, output: Any, labels: Array, inputs: Any = None) -> dict[str, Array]:
        seen = Answers.of_batch(output, labels, inputs)
        if not self._keep_outputs:
            return {"score": self._function.scores(seen)}
        arrays = {output_key(at): each for at, each in enumerate(seen.outputs.values())}
        return {**arrays, "label": labels}

    def reads_classes(self, rows: int) -> bool:
        return False

    def try_on(self, output: Any, labels: Array, inputs: Any, every: Array | None) -> None:
        """The function itself is tried on streams only: of arrays it is given all answers at once,
        and may rely on that."""
        self.observe(output, labels, inputs)

    def keeper(self, split: Split) -> Keeper | None:
        """Nothing for arrays: all answers are kept."""
        return None if isinstance(split, ArraySplit) else ScoresOfStream(self._function)

    def kept(self, evidence: Evidence) -> dict[str, Array] | None:
        if not self._per_sample:
            return None
        scores = self._scores(evidence)
        return {"score": scores if scores.dtype == bool else scores.astype(np.float32)}

    def restored(self, kept: Mapping[str, Array]) -> dict[str, Array]:
        return dict(kept)

    def value(self, evidence: Evidence) -> float:
        if not self._per_sample:
            return self._function.figure(self._answers(evidence).take())
        return float(self._scores(evidence).mean(dtype=np.float64))

    def estimate(self, evidence: Evidence, resampling: Resampling = ALL) -> Estimate:
        if not self._per_sample:
            statistic = self._statistic(self._answers(evidence))
            return of_set(statistic, evidence.n, resampling, "figure")
        scores = self._scores(evidence)
        if scores.dtype == bool:
            return share(scores, resampling)
        return mean(scores.astype(np.float64), resampling, "figure")

    def worse_by(
        self, reference: Evidence, artifact: Evidence, resampling: Resampling = ALL
    ) -> Estimate:
        names = reference.outputs
        if self._per_sample:
            before, after = self._scores(reference), self._scores(artifact, names)
            return self._drop(before, after, resampling, "drop")
        one = self._statistic(self._answers(reference))
        other = self._statistic(self._answers(artifact, names))
        sign = 1.0 if self.higher_is_better else -1.0
        return of_set(
            lambda drawn: sign * (one(drawn) - other(drawn)), reference.n, resampling, "drop"
        )

    def chance(
        self, reference: Evidence, resampling: Resampling = ALL
    ) -> Chance | Unchecked | None:
        """Chance is the figure of the same answers with the labels of other samples."""
        if not self._per_sample:
            return chance_of_set(
                self._function,
                self._answers(reference),
                resampling,
                higher_is_better=self.higher_is_better,
            )
        own = self._scores(reference)
        if not np.isfinite(own).all():
            return None
        if self._keep_outputs:
            by_chance = scores_by_chance(self._function, self._answers(reference))
        else:
            kept = ~np.isnan(reference.arrays["telling"])
            names = ("others", "flat", "telling")
            by_chance = {name: reference.arrays[name][kept] for name in names}
            own, resampling = own[kept], resampling.at(kept)

        def drop_of(before: Array, after: Array) -> Estimate:
            return self._drop(before, after, resampling, "reference")

        return chance_of_samples(self.name, own, by_chance, drop_of)

    def _drop(
        self, before: Array, after: Array, resampling: Resampling, purpose: Purpose
    ) -> Estimate:
        """How much worse the scores *after* are, both of shape (n,)."""
        if before.dtype == after.dtype == bool:
            pair = (before, after) if self.higher_is_better else (after, before)
            return paired_share(*pair, resampling, purpose)
        sign = 1.0 if self.higher_is_better else -1.0
        with np.errstate(invalid="ignore"):  # Inf on both sides is NaN, which is reported
            worse = sign * (before.astype(np.float64) - after.astype(np.float64))
        return mean(worse, resampling, purpose, paired=True)

    def _answers(self, evidence: Evidence, names: tuple[str, ...] = ()) -> Answers:
        """*names*: those of the reference's outputs, for an artifact that may have others."""
        inputs = self._inputs() if self._function.wants_inputs else None
        return Answers.of_evidence(evidence, names, inputs)

    def _scores(self, evidence: Evidence, names: tuple[str, ...] = ()) -> Array:
        """The scores of the samples, of shape (n,)."""
        if "score" in evidence.arrays:
            return evidence.arrays["score"]
        return self._function.scores(self._answers(evidence, names).take())

    def _statistic(self, answers: Answers) -> Callable[[Array | slice], float]:
        """The figure of some samples; NaN for a resample that the function has no number for."""

        def statistic(drawn: Array | slice) -> float:
            taken = answers.take(drawn)
            if isinstance(drawn, slice):
                return self._function.figure(taken)
            return self._function.figure_or_nan(taken)

        return statistic
