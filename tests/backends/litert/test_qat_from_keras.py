"""Keras models trained with int8 simulated: the .tflite file that it ends in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import warm_python

from pytest_edgegate import QAT, EdgeData, EdgeTraining
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.qat_from_keras import TRANSFORM
from pytest_edgegate.backends.litert.runtime import REFERENCE, XNNPACK
from pytest_edgegate.core.errors import CompressionError
from pytest_edgegate.core.ports import Produced
from pytest_edgegate.core.target import Target
from pytest_edgegate.data.feeding import bare_name
from pytest_edgegate.measures.contract import in_file
from pytest_edgegate.registry import Registry
from pytest_edgegate.testing.contract import CaseData, surroundings

Floats = npt.NDArray[np.float32]


def quantise(
    model: Any, digits: Any, target: Target, out: Path, step: QAT | None = None, **settings: Any
) -> Produced:
    source = READER.recognise(model, surroundings())
    assert source is not None
    out.mkdir(exist_ok=True)
    case = CaseData(digits.data, training=EdgeTraining(version="1", **settings))
    return TRANSFORM.apply(source, step or QAT(1, lr=1e-4), target, case, out)


@pytest.fixture(scope="module")
def produced(
    trained_keras: Any, digits: Any, coral: Target, tmp_path_factory: pytest.TempPathFactory
) -> Produced:
    return quantise(trained_keras, digits, coral, tmp_path_factory.mktemp("qat") / "out")


@pytest.mark.slow
def test_it_is_all_int8_with_uint8_ends(produced: Produced) -> None:
    described = INSPECTOR.describe(produced.main)
    kinds = [each.kind for each in described.operators]
    assert kinds == [
        "QUANTIZE",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "RESHAPE",
        "FULLY_CONNECTED",
        "SOFTMAX",
        "QUANTIZE",
    ]
    tensors = [one for each in described.operators for one in (*each.inputs, *each.outputs) if one]
    assert {each.dtype for each in tensors} == {"uint8", "int8", "int32"}
    assert [each.dtype for each in (*described.inputs, *described.outputs)] == ["uint8"] * 2
    assert [each.shape for each in described.inputs] == [(1, 8, 8, 1)]


@pytest.mark.slow
def test_weights_have_a_symmetric_scale_for_each_channel_but_of_dense_layers(
    produced: Produced,
) -> None:
    weights = {
        each.kind: each.inputs[1]
        for each in INSPECTOR.describe(produced.main).operators
        if len(each.inputs) == 3
    }
    counts = {kind: len(each.scales) for kind, each in weights.items() if each}
    assert counts == {"CONV_2D": 8, "DEPTHWISE_CONV_2D": 8, "FULLY_CONNECTED": 1}
    assert {point for each in weights.values() if each for point in each.zero_points} == {0}


@pytest.mark.slow
def test_ranges_are_those_of_the_samples_however_short_the_training(
    keras: ModuleType, trained_keras: Any, produced: Produced, digits: Any
) -> None:
    ends = [trained_keras.get_layer(name).output for name in ("relu", "depthwise")]
    between = keras.Model(trained_keras.input, ends)(digits.x[:600])
    scales = {
        each.kind: each.outputs[0].scales[0]
        for each in INSPECTOR.describe(produced.main).operators
        if each.kind.endswith("CONV_2D")
    }
    for kind, exact in zip(("CONV_2D", "DEPTHWISE_CONV_2D"), between, strict=True):
        assert scales[kind] * 255 == pytest.approx(float(np.max(exact)), rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", [XNNPACK, REFERENCE], ids=["xnnpack", "reference"])
def test_it_is_as_good_as_the_float_model(
    trained_keras: Any, produced: Produced, digits: Any, runtime: Any
) -> None:
    x, y = digits.x[-300:], digits.y[-300:]
    with runtime.open(produced.main) as runner:
        [scores] = runner.infer((x,))
    exact = np.mean(np.asarray(trained_keras(x)).argmax(1) == y)
    assert np.mean(scores.argmax(1) == y) >= exact - 0.02
    assert exact > 0.9


@pytest.mark.slow
def test_the_facts_tell_how_far_the_file_is_from_what_was_trained(produced: Produced) -> None:
    agreement, facts = produced.facts["agreement"], produced.facts["training"]
    assert 0 < agreement["largest_steps"] < 8
    assert 0 < agreement["mean_steps"] < 0.5
    assert agreement["samples"] == 256
    [loss] = facts["losses"]
    assert 0 < loss < 0.5
    assert {"device", "threads"} < set(facts)
    assert (facts["seed"], facts["epochs"], facts["lr"], facts["batch_size"]) == (0, 1, 1e-4, 64)


@pytest.mark.slow
def test_another_process_gives_the_same_bytes(
    trained_keras: Any, produced: Produced, digits: Any, coral: Target, tmp_path: Path
) -> None:
    """One that has imported all of it by itself, and has other hashes of texts."""
    with warm_python.fresh():
        again = quantise(trained_keras, digits, coral, tmp_path)
    assert again.main.read_bytes() == produced.main.read_bytes()


@pytest.mark.slow
def test_inputs_keep_their_order_and_names_and_frozen_layers_their_weights(
    keras: ModuleType, digits: Any, host: Target, tmp_path: Path
) -> None:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    given = {name: keras.Input((8, 8, 1), name=name) for name in ("wide", "narrow")}
    frozen = layers.Conv2D(4, 3, name="frozen", use_bias=False, trainable=False)
    both = layers.Add()(
        [
            frozen(layers.Rescaling(0.02)(given["wide"])),
            layers.LeakyReLU(name="leaky")(layers.Conv2D(4, 3)(given["narrow"])),
        ]
    )
    model = keras.Model(given, layers.Dense(10, name="scores")(layers.Flatten()(both)))
    source = READER.recognise(model, surroundings())
    assert source is not None
    x, y = digits.x[:300], digits.y[:300]
    case = CaseData(EdgeData(train=({"narrow": x, "wide": 50 * x}, y)))
    produced = TRANSFORM.apply(source, QAT(1, lr=1e-2), host, case, tmp_path)
    described = INSPECTOR.describe(produced.main)
    ends = [(bare_name(each.name), each.scales[0] * 255) for each in described.inputs]
    assert ends == [("narrow", pytest.approx(1, rel=0.01)), ("wide", pytest.approx(50, rel=0.01))]
    assert [each.name for each in described.outputs] == ["scores"]
    assert {each.dtype for each in (*described.inputs, *described.outputs)} == {"int8"}
    kernel = np.asarray(frozen.kernel).transpose(3, 0, 1, 2)
    with REFERENCE.open(produced.main) as runner:
        [seen] = runner.infer((x, 50 * x))
    [simulated] = [np.asarray(each) for each in [model({"narrow": x, "wide": 50 * x})]]
    assert not np.allclose(seen, simulated, atol=0.05)  # the others have learnt
    scales = {
        tuple(round(float(one), 7) for one in each.inputs[1].scales)
        for each in described.operators
        if each.kind == "CONV_2D" and each.inputs[1] is not None
    }
    expected = np.abs(kernel).max(axis=(1, 2, 3)) / 127
    assert any(np.allclose(each, expected, rtol=1e-3) for each in scales if len(each) == 4)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "swishes"), [("coral", 0), ("raspberry-pi", 2)])
def test_gates_end_in_integer_operators_of_the_target(
    gated_keras: Any, digits: Any, tmp_path: Path, name: str, swishes: int
) -> None:
    target: Target = Registry().get("target", name)
    produced = quantise(gated_keras, digits, target, tmp_path)
    described = INSPECTOR.describe(produced.main)
    assert list(in_file(described, target, "int8")) == []
    tensors = [one for each in described.operators for one in (*each.inputs, *each.outputs) if one]
    assert {each.dtype for each in tensors} <= {"uint8", "int8", "int32"}
    kinds = Counter(each.kind for each in described.operators)
    assert (kinds["HARD_SWISH"], kinds["MUL"]) == (swishes, 2 + 2 * (2 - swishes))
    assert not {"RELU", "RELU6"} & set(kinds)  # they are in the operators before them
    x, y = digits.x[-300:], digits.y[-300:]
    with XNNPACK.open(produced.main) as runner:
        [scores] = runner.infer((x,))
    exact = np.mean(np.asarray(gated_keras(x)).argmax(1) == y)
    assert np.mean(scores.argmax(1) == y) >= exact - 0.02
    assert exact > 0.9
    assert produced.facts["agreement"]["mean_steps"] < 0.5


@pytest.mark.slow
def test_a_training_that_diverges_is_an_error_and_leaves_nothing(
    network: Callable[..., Any], keras: ModuleType, digits: Any, coral: Target, tmp_path: Path
) -> None:
    model = network(keras, activation=None)
    with pytest.raises(CompressionError, match="digits diverged: the loss is"):
        quantise(model, digits, coral, tmp_path, QAT(1, lr=1e25), optimizer="sgd")
    assert not list(tmp_path.iterdir())
