"""A model that declares a free batch, and takes one sample at a time."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import EdgeGateWarning, InferenceError
from pytest_edgegate.data.lone_runner import LoneRunner, declares_a_free_batch
from pytest_edgegate.data.runners import QuantisingRunner
from pytest_edgegate.data.splits import Array

X = (np.arange(12, dtype=np.float32).reshape(4, 3),)


class Model(QuantisingRunner):
    """Doubles its input; *takes* says which batches it does not fail on."""

    def __init__(self, takes: Callable[[Array], bool], shape: tuple[int, ...] = (-1, 3)) -> None:
        self.inputs = (TensorInfo("x", shape, "float32"),)
        self.outputs = (TensorInfo("y", shape, "float32"),)
        self.takes = takes
        self.calls: list[int] = []
        self.entered = self.closed = 0

    def __enter__(self) -> Model:
        self.entered += 1
        return self

    def close(self) -> None:
        self.closed += 1

    def infer_raw(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        self.calls.append(len(batch[0]))
        if not self.takes(batch[0]):
            raise InferenceError(f"not {len(batch[0])}", "give another")
        return (batch[0] * 2,)

    def once(self, sample: tuple[Array, ...]) -> Callable[[], object]:
        return lambda: ("timed", sample)


def one(x: Array) -> bool:
    return len(x) == 1


@pytest.mark.parametrize("name", ["infer", "infer_raw"])
def test_several_samples_are_run_one_by_one_once_they_have_failed(name: str) -> None:
    model = Model(one)
    runner = LoneRunner(model)
    assert not runner.alone
    for _ in range(2):
        [found] = getattr(runner, name)(X)
        np.testing.assert_array_equal(found, X[0] * 2)
    assert runner.alone
    assert model.calls == [4, *[1] * 4, *[1] * 4]


def test_a_model_that_takes_several_is_left_alone() -> None:
    model = Model(lambda x: True)
    runner = LoneRunner(model)
    runner.infer(X)
    assert (runner.alone, model.calls) == (False, [4])


def test_a_model_that_has_taken_several_is_not_asked_one_by_one() -> None:
    """What it fails on then is in the samples."""
    model = Model(lambda x: x.max() < 100)
    runner = LoneRunner(model)
    runner.infer(X)
    with pytest.raises(InferenceError, match="not 4"):
        runner.infer((X[0] + 100,))
    assert (runner.alone, model.calls) == (False, [4, 4])


@pytest.mark.parametrize("takes", [lambda x: False, lambda x: len(x) == 1 and x.max() < 5])
def test_a_sample_that_fails_by_itself_is_told_as_the_batch_was(
    takes: Callable[[Array], bool],
) -> None:
    runner = LoneRunner(Model(takes))
    with pytest.raises(InferenceError, match="not 4"):
        runner.infer(X)
    assert not runner.alone


def test_one_sample_that_fails_is_not_tried_again() -> None:
    model = Model(lambda x: False)
    with pytest.raises(InferenceError, match="not 1"):
        LoneRunner(model).infer((X[0][:1],))
    assert model.calls == [1]


def test_it_is_the_model_in_all_else() -> None:
    model = Model(one)
    with LoneRunner(model) as runner:
        assert (runner.inputs, runner.outputs) == (model.inputs, model.outputs)
        assert runner.once(X)() == ("timed", X)
        assert model.entered == 1
    assert model.closed == 1


def test_a_warning_names_the_model_where_that_is_wanted() -> None:
    with pytest.warns(
        EdgeGateWarning, match=r"m\.onnx declares a free batch and runs with a batch"
    ):
        LoneRunner(Model(one), "m.onnx").infer(X)
    with warnings.catch_warnings(action="error"):
        LoneRunner(Model(one)).infer(X)
        LoneRunner(Model(lambda x: True), "m.onnx").infer(X)


@pytest.mark.parametrize(
    ("shapes", "free"),
    [
        ([(-1, 3)], True),
        ([(-1,), (-1, 3)], True),
        ([(1, 3)], False),
        ([(-1, 3), (1, 3)], False),
        ([()], False),
        ([], False),
    ],
)
def test_a_free_batch_is_that_of_every_input(shapes: list[tuple[int, ...]], free: bool) -> None:
    model = Model(one)
    model.inputs = tuple(TensorInfo("x", shape, "float32") for shape in shapes)
    assert declares_a_free_batch(model) is free
