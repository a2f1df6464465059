"""A user's function as a metric: its results are checked, its exceptions become errors."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pytest_edgegate.core.errors import ConfigurationError, EdgeGateError
from pytest_edgegate.core.user_code import ends_more, told
from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.metrics.answers import Answers


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class UserFunction:
    """``name`` is that of the function. It may write to the answers that it is given."""

    def __init__(self, function: Callable[..., Any], *, wants_inputs: bool) -> None:
        self._function = function
        self.wants_inputs = wants_inputs
        self.name = str(getattr(function, "__name__", type(function).__name__))

    def scores(self, answers: Answers) -> Array:
        """One score per sample, of shape (n,). Raises ConfigurationError for anything else."""
        made = self._call(answers)
        try:
            scores = np.asarray(made)
        except Exception as error:  # a type of the user's own may raise anything
            raise ConfigurationError(
                f"{self.name} gave {_kind(made)}, which can't be made an array: {told(error)}",
                "return a numpy array of one score per sample, shape (n,)",
            ) from error
        if scores.shape != (len(answers),):
            raise ConfigurationError(
                f"{self.name} gave an array of shape {scores.shape} for {len(answers)} samples",
                "return one score per sample, shape (n,), or write Metric(fn, per_sample=False)",
            )
        if scores.dtype.kind not in "biuf":
            raise ConfigurationError(
                f"{self.name} gave an array of dtype {scores.dtype}, which is not a number",
                "return one number or bool per sample",
            )
        return scores

    def figure(self, answers: Answers) -> float:
        """One number for all samples. Raises ConfigurationError for anything else."""
        made = self._call(answers)
        try:
            return float(made)
        except Exception as error:  # a type of the user's own may raise anything
            raise ConfigurationError(
                f"{self.name} gave {_kind(made)} where one number is wanted",
                "return one number for the whole set, or write Metric(fn, per_sample=True)",
            ) from error

    def figure_or_nan(self, answers: Answers) -> float:
        """NaN for answers that the function has no number for, such as those of a resample.

        What it warns of is not told, since nobody gave it such answers.
        """
        try:
            with _quiet():
                return self.figure(answers)
        except ConfigurationError:
            return math.nan

    def finite_scores(self, answers: Answers) -> Array | None:
        """None for answers that the function has no finite scores for; warnings as above."""
        try:
            with _quiet():
                scores = self.scores(answers)
        except ConfigurationError:
            return None
        return scores if np.isfinite(scores).all() else None

    def _call(self, answers: Answers) -> Any:
        more = (answers.inputs,) if self.wants_inputs else ()
        try:
            return self._function(answers.output, answers.labels, *more)
        except EdgeGateError:
            raise
        except BaseException as error:  # the user's own code may raise anything, and leave or skip
            if ends_more(error):
                raise
            raise ConfigurationError(
                f"{self.name}, the function of edge_metric, raised {told(error)} when it was "
                f"given {_shapes(answers)}",
                f"{_HINT if answers.has_names else ''}correct the function; --tb=long shows its "
                "own traceback",
            ) from error


_HINT = "it takes all outputs, as a dict by name; choose one with Metric(fn, output=0) instead, or "


def _shapes(answers: Answers) -> str:
    outputs = [
        f"the output {name!r} of shape {array.shape}" if name else f"outputs of shape {array.shape}"
        for name, array in answers.outputs.items()
    ]
    return f"{', '.join(outputs)} and labels of shape {answers.labels.shape}"


def _kind(made: Any) -> str:
    shape = getattr(made, "shape", None)
    return f"a {type(made).__name__}" + ("" if shape is None else f" of shape {tuple(shape)}")
