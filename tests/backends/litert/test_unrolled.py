"""Recurrent layers in int8: unrolled for the conversion, and the models as they were afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.keras import unrolling
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.litert import from_keras
from pytest_edgegate.backends.litert.from_keras import TRANSFORM
from pytest_edgegate.backends.litert.inspector import INSPECTOR, float_tensors
from pytest_edgegate.backends.litert.runtime import XNNPACK
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.core.errors import CompressionError
from pytest_edgegate.core.ports import Produced, SourceModel, Unrolled
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


def own_layer(framework: Any) -> Any:
    """A layer of a user's own, for which tf-keras loops over time where the batch is known."""

    class Twice(framework.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return x * 2.0

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    return Twice()


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
    "sequences": lambda k: chain(k, k.layers.LSTM(4, return_sequences=True, go_backwards=True)),
    "gru, reset before": lambda k: chain(k, k.layers.GRU(4, reset_after=False)),
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
    "own layer of each time": lambda k: chain(
        k, k.layers.TimeDistributed(own_layer(k)), k.layers.LSTM(4)
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


def converted(
    source: SourceModel, given: tuple[Array, ...], target: Target, out: Path, step: Step | None
) -> Produced:
    out.mkdir()
    names = [each.name for each in source.load().inputs]
    calibration = given[0] if len(given) == 1 else dict(zip(names, given, strict=True))
    return TRANSFORM.apply(source, step, target, CaseData(EdgeData(calibration=calibration)), out)


@pytest.fixture
def unrolled(monkeypatch: pytest.MonkeyPatch) -> list[Unrolled]:
    """The forms without loops that the test's conversions were made of."""
    made, without_loops = [], from_keras._without_loops

    def noted(*given: Any) -> Unrolled | None:
        form = without_loops(*given)
        assert form is not None
        made.append(form)
        return form

    monkeypatch.setattr(from_keras, "_without_loops", noted)
    return made


def settings(model: Any) -> list[tuple[str, str]]:
    return sorted(
        (f"{each.name}.{name}", repr(vars(each)[name]))
        for each in model._flatten_layers()
        for name in SETTINGS
        if name in vars(each)
    )


def decibels(exact: Array, rounded: Array) -> float:
    return float(10 * np.log10((exact**2).sum() / ((exact - rounded) ** 2).sum()))


OTHERWISE_IN_TF_KERAS = (
    "sequences",
    "gru, reset before",
    "both ways, sequences",
    "dropout",
    "own cell",
    "own layer of each time",
    "states",
)
"""Kinds whose layers tf-keras traces by code of its own: with kernels for a GPU, by implementation,
and over time. The others are wrapped and joined as in Keras 3."""


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        *(("keras", kind) for kind in KINDS),
        *(("tf_keras", kind) for kind in OTHERWISE_IN_TF_KERAS),
    ],
)
def test_a_recurrent_layer_is_unrolled_and_put_back(
    request: pytest.FixtureRequest,
    tf: ModuleType,
    host: Target,
    tmp_path: Path,
    unrolled: list[Unrolled],
    family: str,
    kind: str,
) -> None:
    model = made(request.getfixturevalue(family), kind)
    given, before = samples(model), settings(model)
    exact = answers(model, given)
    produced = converted(live(model), given, host, tmp_path / "int8", PTQ(32))
    assert settings(model) == before
    [form] = unrolled
    once = form.model.function(*[tf.constant(each[:1]) for each in given])
    for own, theirs in zip(exact, once, strict=True):
        np.testing.assert_allclose(np.asarray(theirs), own[:1], atol=1e-6)
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


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_layers_are_put_back_if_the_trace_fails(
    request: pytest.FixtureRequest,
    host: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    family: str,
) -> None:
    model = made(request.getfixturevalue(family), "dropout")
    before, source = settings(model), live(model)

    def fails(*given: Any) -> Any:
        assert settings(model) != before
        raise RuntimeError("from the depths")

    monkeypatch.setattr(unrolling, "freeze", fails)
    with pytest.raises(CompressionError, match="from the depths"):
        converted(source, samples(model), host, tmp_path / "int8", PTQ(32))
    assert settings(model) == before


def test_what_was_unrolled_is_told_with_operators_and_bytes(
    keras: ModuleType, host: Target, tmp_path: Path
) -> None:
    model = made(keras, "in a model")
    source, given = live(model), samples(model)
    produced = converted(source, given, host, tmp_path / "int8", PTQ(32))
    told = produced.facts["unrolled"]
    assert len(told["layers"]) == 2
    assert told["time_steps"] == 2 * STEPS
    assert told["operators"] == len(INSPECTOR.describe(produced.main).operators)
    assert told["bytes"] == produced.main.stat().st_size
    assert all(each in produced.facts["note"] for each in told["layers"])
    assert f"{told['operators']} operators and " in produced.facts["note"]
    assert converted(source, given, host, tmp_path / "float", None).facts == {}


def test_a_sequence_that_is_reversed_keeps_its_scale_in_any_model(
    keras: ModuleType, host: Target, tmp_path: Path
) -> None:
    """The converter gives a REVERSE_V2 the scale of what it is joined with."""
    with held_native_output():
        given = keras.Input((STEPS, FEATURES))
        small = keras.layers.Dense(4, kernel_initializer=keras.initializers.Constant(0.02))(given)
        large = keras.layers.Dense(4, kernel_initializer=keras.initializers.Constant(2.0))(given)
        joined = keras.layers.Concatenate()([large, keras.ops.flip(small, 1)])
        model = keras.Model(given, joined, name="net")
    fed = samples(model, 64)
    produced = converted(live(model), fed, host, tmp_path / "int8", PTQ(64))
    kinds = [each.kind for each in INSPECTOR.describe(produced.main).operators]
    assert kinds[kinds.index("REVERSE_V2") + 1] == "QUANTIZE"
    with XNNPACK.open(produced.main) as runner:
        [found] = runner.infer(fed)
    [exact] = answers(model, fed)
    step = np.ptp(exact) / 255
    np.testing.assert_allclose(found, exact, atol=2 * step)


def test_bytes_grow_with_the_steps_and_no_faster(
    keras: ModuleType, host: Target, tmp_path: Path
) -> None:
    """UNPACK had the names of all its outputs in the name of each."""
    size = {}
    for steps in (4, 8, 16):
        model = chain(keras, keras.layers.SimpleRNN(2), shape=(steps, 1))
        produced = converted(live(model), samples(model), host, tmp_path / str(steps), PTQ(8))
        size[steps] = produced.main.stat().st_size
        [unpack] = [
            each for each in INSPECTOR.describe(produced.main).operators if each.kind == "UNPACK"
        ]
        assert len({each.name for each in unpack.outputs}) == steps
        assert ";" not in unpack.name
    assert size[16] - size[8] < 2.2 * (size[8] - size[4])
