"""Models against their reference: sums over outputs, decibels, outputs that changed places."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.data.splits import make_split
from pytest_edgegate.measures.comparison import (
    IDENTICAL_DB,
    compare_models,
    export_error,
    misplaced,
    sqnr_db,
)
from pytest_edgegate.measures.comparison import (
    decibels as of_outputs,
)
from pytest_edgegate.measures.evidence import Evidence

Array = npt.NDArray[Any]
RNG = np.random.default_rng(0)
N = 20


def decibels(x: Array, y: Array) -> float:
    """By exact fractions."""
    signal, noise = (
        sum(Fraction(float(each)) ** 2 for each in side.ravel()) for side in (x, x - y)
    )
    return 10 * math.log10(signal / noise)


class Answers:
    """A runner that answers each sample, which is its number, with rows of given arrays."""

    def __init__(self, **outputs: Array) -> None:
        self._given = list(outputs.values())
        self.inputs = (TensorInfo("x", (-1,), "float32"),)
        self.outputs = tuple(
            TensorInfo(name, (-1, *each.shape[1:]), "float32") for name, each in outputs.items()
        )

    def __enter__(self) -> Answers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(each[batch[0].astype(int)] for each in self._given)

    infer_raw = infer


def compared(one: Answers, other: Answers, limit: int | None = None) -> Evidence:
    split = make_split("evaluation", np.arange(N, dtype=np.float32), None)
    return compare_models(one, other, split, "host:a,b", limit)


def rows(*shape: int, scale: float = 1.0) -> Array:
    return (RNG.normal(size=(N, *shape)) * scale).astype(np.float32)


@dataclass
class Context:
    found: Evidence | NotMeasured
    samples: int | None = 5_000

    def compared(self) -> Evidence | NotMeasured:
        return self.found

    def export_compared(self) -> Evidence | NotMeasured:
        return self.found


def measured(measure: Any, found: Evidence | NotMeasured) -> Finding:
    finding: Finding = measure(cast("Any", Context(found)))
    return finding


def value(measure: Any, found: Evidence) -> float:
    finding = measured(measure, found)
    assert isinstance(finding, Measurement)
    return finding.value


def test_both_are_what_the_formulas_say() -> None:
    x = rows(3, 4)
    y = x + rows(3, 4, scale=0.01)
    found = compared(Answers(a=x), Answers(a=y))
    assert value(sqnr_db, found) == pytest.approx(decibels(x, y))
    assert value(export_error, found) == pytest.approx(np.abs(x - y).max())
    assert (found.n, found.outputs) == (N, ("a",))


def test_no_more_samples_than_are_asked_for() -> None:
    x = rows(2)
    far = x.copy()
    far[10:] += 100
    found = compared(Answers(a=x), Answers(a=far), 10)
    assert found.n == 10
    told = measured(sqnr_db, found)
    assert isinstance(told, Measurement)
    assert (told.n, told.n_total) == (10, 5_000)
    assert value(export_error, found) == 0


def test_the_worst_output_counts() -> None:
    a, b = rows(3), rows(3)
    noisy = b + rows(3, scale=0.1)
    found = compared(Answers(a=a, b=b), Answers(a=a, b=noisy))
    assert value(sqnr_db, found) == pytest.approx(decibels(b, noisy))
    assert of_outputs(found)[0] == IDENTICAL_DB


def test_ends_of_the_scale() -> None:
    x = rows(3)
    assert value(sqnr_db, compared(Answers(a=x), Answers(a=x))) == IDENTICAL_DB
    assert value(sqnr_db, compared(Answers(a=0 * x), Answers(a=x))) == -IDENTICAL_DB
    assert value(sqnr_db, compared(Answers(a=0 * x), Answers(a=0 * x))) == IDENTICAL_DB


def test_outputs_are_matched_by_name_and_else_by_order() -> None:
    a, b = rows(3), rows(3)
    assert value(export_error, compared(Answers(a=a, b=b), Answers(b=b, a=a))) == 0
    assert value(export_error, compared(Answers(a=a, b=b), Answers(c=a, d=b))) == 0
    assert value(export_error, compared(Answers(a=a, b=b), Answers(c=b, d=a))) > 0.1


def test_outputs_that_changed_places_are_told_by_their_values() -> None:
    a, b, c = rows(3), rows(3), rows(2)
    noise = rows(3, scale=0.05)
    swapped = compared(Answers(a=a, b=b, c=c), Answers(x=b + noise, y=a + noise, z=c))
    assert misplaced(swapped) == (
        "output b: holds the values of output a of the model under test",
        "output a: holds the values of output b of the model under test",
    )


@pytest.mark.parametrize("scale", [0.0, 0.05, 0.5])
def test_noise_alone_moves_no_output(scale: float) -> None:
    a, b = rows(3), rows(3)
    noise = rows(3, scale=scale)
    assert misplaced(compared(Answers(a=a, b=b), Answers(a=a + noise, b=b - noise))) == ()


def test_outputs_that_are_alike_have_no_places_to_change() -> None:
    a = rows(3)
    b = a + rows(3, scale=1e-3)
    noise = rows(3, scale=0.05)
    assert misplaced(compared(Answers(a=a, b=b), Answers(a=b + noise, b=a - noise))) == ()


def test_one_output_can_not_change_places() -> None:
    assert misplaced(compared(Answers(a=rows(3)), Answers(a=rows(3)))) == ()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("measure", [sqnr_db, export_error])
def test_what_is_not_finite_is_said(measure: Any, bad: float) -> None:
    x = rows(3)
    broken = x.copy()
    broken[7, 1] = bad
    told = measured(measure, compared(Answers(a=x), Answers(a=broken)))
    assert isinstance(told, Measurement)
    assert told.nonfinite == "NaN or Inf on 1 of 20 samples, first on sample 7"


@pytest.mark.parametrize("measure", [sqnr_db, export_error])
def test_nothing_to_compare_with(measure: Any) -> None:
    none = NotMeasured("no model", "define it")
    assert measured(measure, none) is none


def test_models_that_do_not_belong_together() -> None:
    with pytest.raises(ConfigurationError, match=r"has 1 outputs \(a\), the file has 2 \(a, b\)"):
        compared(Answers(a=rows(3)), Answers(a=rows(3), b=rows(3)))
    with pytest.raises(ConfigurationError, match=r"output 0 has shape \(3,\) .* and \(4,\)"):
        compared(Answers(a=rows(3)), Answers(a=rows(4)))
