"""Recurrent layers in int8: unrolled for the conversion, and the models as they were afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate import PTQ, Cast, EdgeData
from pytest_edgegate.backends import recurrent_models
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.keras.traced import READER as TRACED
from pytest_edgegate.backends.litert.from_keras import TRANSFORM
from pytest_edgegate.backends.litert.inspector import INSPECTOR, float_tensors
from pytest_edgegate.backends.litert.runtime import XNNPACK
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import HasGraph, Produced, SourceModel
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.testing.contract import CaseData, surroundings

Array = npt.NDArray[Any]
STEPS, FEATURES = 3, 3
SETTINGS = (
    "unroll",
    "use_cudnn",
    "_could_use_gpu_kernel",
    "implementation",
    "dropout",
    "recurrent_dropout",
    "_always_use_reshape",
)


def chain(framework: Any, *layers: Any, shape: tuple[int, ...] = (STEPS, FEATURES)) -> Any:
    given = framework.Input(shape)
    made = given
    for each in layers:
        made = each(made)
    return framework.Model(given, made, name="net")


def own_cell(framework: Any) -> Any:
    """A cell of a user's own, with a layer under the name of a setting of Keras's cells."""
    ops = framework.ops if hasattr(framework, "ops") else __import__("tensorflow")

    class Cell(framework.layers.Layer):  # type: ignore[misc, name-defined]
        state_size = output_size = 4

        def build(self, shape: Any) -> None:
            self.dropout = framework.layers.Dropout(0.5)
            self.inner = self.add_weight(shape=(shape[-1], 4), name="inner")
            self.own = self.add_weight(shape=(4, 4), name="own")

        def call(self, x: Any, states: Any, training: bool = False) -> Any:
            entered = ops.matmul(self.dropout(x, training=training), self.inner)
            state = ops.tanh(entered + ops.matmul(states[0], self.own))
            return state, [state]

    return Cell()


def states(framework: Any) -> Any:
    given, start = framework.Input((STEPS, FEATURES), name="z"), framework.Input((4,), name="a")
    out, hidden = framework.layers.GRU(4, return_state=True)(given, initial_state=start)
    return framework.Model([given, start], [out, hidden], name="net")


def shared(framework: Any) -> Any:
    """One layer, called twice."""
    one, other = framework.Input((STEPS, FEATURES)), framework.Input((STEPS, FEATURES))
    layer = framework.layers.SimpleRNN(4)
    joined = framework.layers.Concatenate()([layer(one), layer(other)])
    return framework.Model([one, other], joined, name="net")


KINDS: dict[str, Callable[[Any], Any]] = {
    "lstm": lambda k: chain(k, k.layers.LSTM(4)),
    "sequences": lambda k: chain(k, k.layers.LSTM(4, return_sequences=True, go_backwards=True)),
    "gru": lambda k: chain(k, k.layers.GRU(4)),
    "gru, reset before": lambda k: chain(k, k.layers.GRU(4, reset_after=False)),
    "simple": lambda k: chain(k, k.layers.SimpleRNN(4)),
    "both ways": lambda k: chain(k, k.layers.Bidirectional(k.layers.LSTM(4))),
    "both ways, sequences": lambda k: chain(
        k, k.layers.Bidirectional(k.layers.LSTM(4, return_sequences=True))
    ),
    "cells": lambda k: chain(k, k.layers.RNN([k.layers.LSTMCell(4), k.layers.GRUCell(3)])),
    "dropout": lambda k: chain(k, k.layers.LSTM(4, dropout=0.2, recurrent_dropout=0.2)),
    "own cell": lambda k: chain(k, k.layers.RNN(own_cell(k))),
    "in a model": lambda k: chain(
        k,
        k.Sequential(
            [k.Input((STEPS, FEATURES)), k.layers.LSTM(4, return_sequences=True), k.layers.GRU(3)]
        ),
    ),
    "of each time": lambda k: chain(
        k, k.layers.TimeDistributed(k.layers.GRU(4)), k.layers.LSTM(3), shape=(2, STEPS, FEATURES)
    ),
    "unrolled": lambda k: chain(k, k.layers.LSTM(4, unroll=True)),
    "states": states,
    "shared": shared,
}


def made(framework: Any, kind: str) -> Any:
    with held_native_output():
        framework.utils.set_random_seed(0)
        return KINDS[kind](framework)


def samples(model: Any, count: int = 32) -> tuple[Array, ...]:
    random = np.random.default_rng(0)
    return tuple(
        random.normal(size=(count, *each.shape[1:])).astype(np.float32) for each in model.inputs
    )


def answers(model: Any, given: tuple[Array, ...]) -> list[Array]:
    with held_native_output():
        found = model(given[0] if len(given) == 1 else list(given), training=False)
    return [np.asarray(each) for each in (found if isinstance(found, list | tuple) else [found])]


def live(model: Any) -> SourceModel:
    source = READER.recognise(model, surroundings())
    assert source is not None
    return source


def traced(source: SourceModel, folder: Path) -> SourceModel:
    folder.mkdir()
    assert isinstance(source, HasGraph)
    source.write_graph(folder)
    found = TRACED.recognise(folder, surroundings())
    assert found is not None
    return found


def converted(
    source: SourceModel, given: tuple[Array, ...], target: Target, out: Path, step: Step | None
) -> Produced:
    out.mkdir()
    names = [each.name for each in source.load().inputs]
    calibration = given[0] if len(given) == 1 else dict(zip(names, given, strict=True))
    return TRANSFORM.apply(source, step, target, CaseData(EdgeData(calibration=calibration)), out)


def settings(model: Any) -> list[tuple[str, str]]:
    return sorted(
        (f"{each.name}.{name}", repr(vars(each)[name]))
        for each in model._flatten_layers()
        for name in SETTINGS
        if name in vars(each)
    )


def decibels(exact: Array, rounded: Array) -> float:
    return float(10 * np.log10((exact**2).sum() / ((exact - rounded) ** 2).sum()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_a_recurrent_layer_is_unrolled_and_put_back(
    request: pytest.FixtureRequest,
    tf: ModuleType,
    host: Target,
    tmp_path: Path,
    family: str,
    kind: str,
) -> None:
    model = made(request.getfixturevalue(family), kind)
    given, before = samples(model), settings(model)
    exact = answers(model, given)
    source = live(model)
    unrolled = source.load().unrolled
    assert unrolled is not None
    form = unrolled()
    once = form.model.function(*[tf.constant(each[:1]) for each in given])
    for own, theirs in zip(exact, once, strict=True):
        np.testing.assert_allclose(np.asarray(theirs), own[:1], atol=1e-6)
    produced = converted(source, given, host, tmp_path / "int8", PTQ(32))
    assert settings(model) == before
    described = INSPECTOR.describe(produced.main)
    assert not [each.name for each in described.operators if float_tensors(each)]
    assert not [each for each in described.operators if each.kind == "WHILE"]
    with XNNPACK.open(produced.main) as runner:
        found = runner.infer(given)
    for own, theirs in zip(exact, found, strict=True):
        assert decibels(own, theirs) > 25
        last = np.moveaxis(own, -1, 0), np.moveaxis(theirs, -1, 0)
        assert min(map(decibels, *last)) > 20  # no channel is drowned by others
    assert bool(form.layers) == (kind != "unrolled") == ("unrolled" in produced.facts)
