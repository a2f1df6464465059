"""Models against their reference: sums over outputs, decibels, outputs that changed places."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from inspect import signature
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate.core.description import ModelDescription, OperatorInfo, TensorInfo
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.layout import CHANNELS_FIRST, Layout
from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.data.laid_out import LaidOutRunner
from pytest_edgegate.data.splits import make_split
from pytest_edgegate.measures.comparison import (
    IDENTICAL_DB,
    compare_models,
    export_error,
    max_error,
    misplaced,
    signals,
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
    export: Evidence | NotMeasured | None = None
    samples: int | None = 5_000
    classes: tuple[str, ...] = ()
    """The outputs that the metric reads as class scores."""

    def reads_classes(self, outputs: tuple[str, ...], at: int, rows: int) -> bool:
        return outputs[at] in self.classes

    def compared(self) -> Evidence | NotMeasured:
        return self.found

    def export_compared(self) -> Evidence | NotMeasured:
        return NotMeasured("nothing was exported", "") if self.export is None else self.export


def as_file(dtype: str | None, *tensors: TensorInfo, weights_at: int | None = None) -> Any:
    """The provider ``file`` of an artifact of the gate, or of a file with these tensors."""
    operator = OperatorInfo(0, "ADD", tensors, (), weights_at=weights_at)
    described = ModelDescription((), (), (operator,), 0, 0)
    artifact = SimpleNamespace(dtype=dtype, made=dtype is not None, path=Path("own.onnx"))
    return SimpleNamespace(artifact=artifact, description=lambda: described)


def measured(measure: Any, found: Evidence | NotMeasured, file: Any = None) -> Finding:
    """*file*: by default a float artifact of the gate."""
    given = {"file": file or as_file("float32")} if "file" in signature(measure).parameters else {}
    finding: Finding = measure(cast("Any", Context(found)), **given)
    return finding


def value(measure: Any, found: Evidence, file: Any = None) -> float:
    finding = measured(measure, found, file)
    assert isinstance(finding, Measurement)
    return finding.value


def test_both_are_what_the_formulas_say() -> None:
    x = rows(3, 4)
    y = x + rows(3, 4, scale=0.01)
    found = compared(Answers(a=x), Answers(a=y))
    assert value(sqnr_db, found) == pytest.approx(decibels(x, y))
    assert value(export_error, found) == pytest.approx(np.abs(x - y).max())
    assert (found.n, found.outputs) == (N, ("a",))


FLOAT = TensorInfo("w", (2,), "float16", constant=True)
IDS = TensorInfo("ids", (2,), "int64", constant=True)
STORED = TensorInfo("w", (2,), "int8", constant=True)
SCALED = TensorInfo("a", (2,), "int8", scales=(0.1,))


def test_the_largest_difference_is_of_the_artifact_and_of_the_float_file() -> None:
    x, far, near = rows(3), rows(3) + 5, rows(3)
    given = Context(compared(Answers(a=x), Answers(a=far)), compared(Answers(a=x), Answers(a=near)))
    of = cast("Any", given)
    own, exported = (pytest.approx(float(np.abs(x - each).max())) for each in (far, near))
    assert cast("Any", max_error(of)).value == own
    for file in (as_file("float32"), as_file("float16"), as_file(None, FLOAT, IDS)):
        told = cast("Any", export_error(of, file))
        assert (told.value, told.remark) == (own, "")
    told = cast("Any", export_error(of, as_file("int8")))
    assert (told.value, told.remark) == (exported, "float export of the model")


@pytest.mark.parametrize("tensors", [(SCALED, FLOAT), (FLOAT, STORED)], ids=["int8", "weights"])
def test_what_a_quantised_file_was_made_of_is_not_known(tensors: Any) -> None:
    x = rows(3)
    same = Context(compared(Answers(a=x), Answers(a=x)))
    told = export_error(cast("Any", same), as_file(None, *tensors, weights_at=1))
    assert isinstance(told, NotMeasured)
    assert told.reason.startswith("own.onnx is not a float file")
    assert told.remedy.startswith("use max_error")


@pytest.mark.parametrize("dtype", [bool, np.int64, np.uint8])
def test_outputs_of_whole_numbers_and_truth_values_differ_by_their_values(dtype: Any) -> None:
    x = np.tile(np.array([[0, 1, 1]]), (N, 1)).astype(dtype)
    y = x.copy()
    y[3, 0] = 1
    assert value(max_error, compared(Answers(a=x), Answers(a=y))) == 1
    assert value(max_error, compared(Answers(a=y), Answers(a=x))) == 1


def test_no_more_samples_than_are_asked_for_drawn_at_random() -> None:
    x = rows(2)
    first = compared(Answers(a=x), Answers(a=x), 10)
    assert first.positions is not None
    assert first.positions.tolist() != list(range(10))
    far = x + np.float32(100)
    far[first.positions] = x[first.positions]
    found = compared(Answers(a=x), Answers(a=far), 10)
    assert found.n == 10
    for each in (sqnr_db, export_error, max_error):
        told = measured(each, found)
        assert isinstance(told, Measurement)
        assert (told.n, told.n_total) == (10, 5_000)
    assert value(export_error, found) == 0


def test_the_worst_output_counts() -> None:
    a, b = rows(3), rows(3)
    noisy = b + rows(3, scale=0.1)
    found = compared(Answers(a=a, b=b), Answers(a=a, b=noisy))
    assert value(sqnr_db, found) == pytest.approx(decibels(b, noisy))
    assert of_outputs(found)[0] == IDENTICAL_DB


def boxes_and_scores(noise: float = 1.0) -> tuple[Array, Array]:
    """Four channels in pixels and two from 0 to 1, and the same with all scores lost."""
    x = np.concatenate([rows(6, 4, scale=80), RNG.random((N, 6, 2))], axis=2).astype(np.float32)
    y = x + np.float32(noise) * rows(6, 6)
    y[..., 4:] = 0
    return x, y


def test_scores_do_not_vanish_among_boxes() -> None:
    x, y = boxes_and_scores()
    found = compared(Answers(a=rows(3), y=x), Answers(a=rows(3) * 0, y=y))
    [*_, scores, boxes] = [each.decibels for each in signals(found, cast("Any", Context(found)))]
    assert of_outputs(found)[1] > 30
    assert boxes == pytest.approx(decibels(x[..., :4], y[..., :4]))
    assert scores == pytest.approx(0)
    alone = compared(Answers(y=x), Answers(y=y))
    told = cast("Any", measured(sqnr_db, alone))
    assert told.value == pytest.approx(0)
    assert told.remark == "of channels 4-5 of output y, the worst group of like channels"


def test_groups_that_are_well_change_nothing_but_the_figure() -> None:
    x, _ = boxes_and_scores()
    y = x * np.float32(1.001)
    told = cast("Any", measured(sqnr_db, compared(Answers(y=x), Answers(y=y))))
    assert told.value == pytest.approx(decibels(x, y), abs=1e-3)


def test_channels_are_those_of_the_model_where_the_file_has_other_axes() -> None:
    x = rows(3, 4, 5)
    x[:, :, :, 2] *= 500  # the last axis of the model, which comes second in the file
    y = x.copy()
    y[..., 3] = 0
    turned = y.transpose(0, 3, 1, 2)
    file = LaidOutRunner(Answers(a=turned), Layout((None,), (CHANNELS_FIRST,)))
    told = cast("Any", measured(sqnr_db, compared(Answers(a=x), cast("Any", file))))
    others = [0, 1, 3, 4]
    assert told.value == pytest.approx(decibels(x[..., others], y[..., others]))
    assert told.remark.startswith("of channels 0-1, 3-4 of output a")


class Difference(Answers):
    """The first of its inputs minus the second, by their names."""

    def __init__(self, *inputs: str) -> None:
        super().__init__(y=np.zeros((N, 1), np.float32))
        self.inputs = tuple(TensorInfo(each, (-1, 3), "float32") for each in inputs)

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        by_name = dict(zip((each.name for each in self.inputs), batch, strict=True))
        return (by_name["a"] - by_name["b"],)


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_each_model_is_fed_by_its_own_names(order: str) -> None:
    split = make_split("evaluation", {"a": rows(3), "b": rows(3)}, None)
    found = compare_models(Difference("a", "b"), Difference(*order), split, "host:a,b")
    assert not found.arrays["absolute"].any()


def test_class_scores_are_one_group() -> None:
    x, y = boxes_and_scores()
    found = compared(Answers(y=x), Answers(y=y))
    told = cast("Any", sqnr_db(cast("Any", Context(found, classes=("y",)))))
    assert (told.value, told.remark) == (pytest.approx(decibels(x, y)), "")


def test_noise_in_a_constant_channel_is_in_the_figure_of_the_output() -> None:
    x, y = boxes_and_scores(noise=1e-3)
    x[..., 4], y[..., 4] = 0.5, 900
    y[..., 5] = x[..., 5]
    told = cast("Any", measured(sqnr_db, compared(Answers(y=x), Answers(y=y))))
    assert (told.value, told.remark) == (pytest.approx(decibels(x, y)), "")


def test_ranges_of_both_models_are_kept_under_the_names_of_the_model() -> None:
    a, b = rows(3), rows(2, 70)
    found = compared(Answers(a=a, b=b), Answers(c=a * 0, d=b))
    assert found.channels["a"].tolist() == [a.min(0).tolist(), a.max(0).tolist()]
    assert found.other_channels["a"].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert found.other_channels["b"].shape == (2, 70)


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
@pytest.mark.parametrize("measure", [sqnr_db, export_error, max_error])
def test_what_is_not_finite_is_said(measure: Any, bad: float) -> None:
    x = rows(3)
    broken = x.copy()
    broken[7, 1] = bad
    told = measured(measure, compared(Answers(a=x), Answers(a=broken)))
    assert isinstance(told, Measurement)
    assert told.nonfinite == "NaN or Inf on 1 of 20 samples, first on sample 7"


@pytest.mark.parametrize("measure", [sqnr_db, export_error, max_error])
def test_nothing_to_compare_with(measure: Any) -> None:
    none = NotMeasured("no model", "define it")
    assert measured(measure, none) is none


def test_models_that_do_not_belong_together() -> None:
    with pytest.raises(ConfigurationError, match=r"has 1 outputs \(a\), the file has 2 \(a, b\)"):
        compared(Answers(a=rows(3)), Answers(a=rows(3), b=rows(3)))
    with pytest.raises(ConfigurationError, match=r"output 0 has shape \(3,\) .* and \(4,\)"):
        compared(Answers(a=rows(3)), Answers(a=rows(4)))
