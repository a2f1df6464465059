"""Faults put into a healthy artifact, one at a time: each has to turn the right gate red."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ
from pytest_edgegate.backends.keras.tensorflow import import_keras
from pytest_edgegate.core.budget import Budget

BUDGETS = (Budget("accuracy_drop", 0.01), Budget("parity_agreement", 0.99))
QUICK = BUDGETS[:1]
"""Without parity, whose reference kernels take most of the time."""
DENSE = "probabilities_1/MatMul"
POINTWISE = "widen_pointwise"
LAYERS = ("stem", "widen_depthwise", POINTWISE, "residual_a_pointwise", "deepen_pointwise")


def shift_input_zero_point(surgery: Any) -> None:
    """100 and less only move the range: the runner follows the file, and digits survive that."""
    surgery.input.quantization.zeroPoint = np.array([200])


def shrink_input_scale(surgery: Any) -> None:
    """A scale 1.5 times too large costs a bit of resolution and no accuracy; a quarter clips."""
    surgery.input.quantization.scale = surgery.input.quantization.scale / np.float32(4)


def disagree_on_input_scale(surgery: Any) -> None:
    """The scale after the QUANTIZE at the input is no longer the one that the biases were made by.

    At 1.5 times it costs 0.8 points, just within the budget.
    """
    tensor = surgery.tensor(surgery.operator("stem_relu"), 0)
    tensor.quantization.scale = tensor.quantization.scale * np.float32(4)


def saturate_output(surgery: Any) -> None:
    surgery.output.quantization.zeroPoint = np.array([254])


def saturate_logits(surgery: Any) -> None:
    surgery.made(surgery.operator(DENSE)).quantization.zeroPoint = np.array([127])


def scale_weights(surgery: Any) -> None:
    weights = surgery.tensor(surgery.operator(POINTWISE), 1)
    weights.quantization.scale = weights.quantization.scale * np.float32(1.5)


def zero_weights(surgery: Any) -> None:
    weights = surgery.tensor(surgery.operator("residual_a_pointwise"), 1)
    surgery.put(weights, np.zeros_like(surgery.values(weights)))


def drop_bias(surgery: Any) -> None:
    bias = surgery.tensor(surgery.operator("deepen_pointwise"), 2)
    surgery.put(bias, np.zeros_like(surgery.values(bias)))


def shuffle_weights(surgery: Any) -> None:
    weights = surgery.tensor(surgery.operator("features_pointwise"), 1)
    surgery.put(weights, np.random.default_rng(0).permutation(surgery.values(weights).ravel()))


def flip_high_bits(surgery: Any) -> None:
    """The sign bit of every twentieth weight of five layers."""
    for name in LAYERS:
        weights = surgery.tensor(surgery.operator(name), 1)
        values = surgery.values(weights).ravel().view(np.uint8).copy()
        values[::20] ^= 0x80
        surgery.put(weights, values)


def _reorder_classes(surgery: Any, order: list[int]) -> None:
    dense = surgery.operator(DENSE)
    for position in (1, 2):
        tensor = surgery.tensor(dense, position)
        surgery.put(tensor, surgery.values(tensor)[order])


def rotate_classes(surgery: Any) -> None:
    _reorder_classes(surgery, [*range(1, 10), 0])


def swap_two_classes(surgery: Any) -> None:
    _reorder_classes(surgery, [0, 1, 2, 5, 4, 3, 6, 7, 8, 9])


def swap_layers(surgery: Any) -> None:
    """Two pointwise layers of the same shape, each with its scales and biases."""
    one, other = (surgery.operator(f"residual_{each}_pointwise") for each in "ab")
    for position in (1, 2):
        at = one.inputs[position]
        one.inputs = np.array(one.inputs)
        other.inputs = np.array(other.inputs)
        one.inputs[position], other.inputs[position] = other.inputs[position], at


def remove_activation(surgery: Any) -> None:
    """Its fused ReLU, and the output range that made up for it: with a zero point of -128 alone,
    saturation at int8's least value does the same work."""
    operator = surgery.operator(POINTWISE)
    assert operator.builtinOptions.fusedActivationFunction == 1
    operator.builtinOptions.fusedActivationFunction = 0
    made = surgery.made(operator)
    assert list(made.quantization.zeroPoint) == [-128]
    made.quantization.zeroPoint = np.array([0])
    made.quantization.scale = made.quantization.scale * np.float32(2)


@dataclass(frozen=True)
class Mutation:
    """A fault, the gates that have to be red by it, and what the failure has to say."""

    fault: Callable[[Any], None]
    red: frozenset[str]
    says: tuple[str, ...] = ()


def _accuracy(fault: Callable[[Any], None], *says: str) -> Mutation:
    return Mutation(fault, frozenset({"accuracy_drop"}), says)


def _clipped(fault: Callable[[Any], None], *says: str) -> Mutation:
    return Mutation(fault, frozenset({"accuracy_drop", "contract"}), says)


COLLAPSED = "the outputs have collapsed"
MUTATIONS = (
    _clipped(shift_input_zero_point, "of the values are clipped"),
    _clipped(shrink_input_scale, "the file's input holds 0 to 0.25"),
    _accuracy(disagree_on_input_scale),
    _accuracy(saturate_output),
    _accuracy(saturate_logits),
    _accuracy(scale_weights),
    _accuracy(zero_weights),
    _accuracy(drop_bias),
    _accuracy(shuffle_weights, COLLAPSED),
    _accuracy(flip_high_bits),
    _accuracy(rotate_classes, "the classes look permuted", "0 -> 9"),
    _accuracy(swap_two_classes, "the classes look permuted: 3 -> 5, 5 -> 3"),
    _accuracy(swap_layers),
    _accuracy(remove_activation),
)

IN_BOTH_RUNTIMES = (shift_input_zero_point, scale_weights, swap_two_classes)


def test_the_healthy_artifact_is_green(gate: Any) -> None:
    judged = gate.judge(gate.healthy, BUDGETS)
    assert judged.red == set()
    assert judged.verdicts.keys() == {"contract", "accuracy_drop", "parity_agreement"}
    assert judged.verdicts["accuracy_drop"].measured.n == 1000


def test_taken_apart_and_put_together_it_is_the_same_model(gate: Any, damaged: Any) -> None:
    judged = gate.judge(damaged(lambda surgery: None), BUDGETS)
    healthy = gate.judge(gate.healthy, BUDGETS)
    assert judged.red == set()
    for metric, verdict in judged.verdicts.items():
        assert verdict.measured.value == healthy.verdicts[metric].measured.value


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.fault.__name__)
def test_a_damaged_artifact_is_red(gate: Any, damaged: Any, mutation: Mutation) -> None:
    """Parity is none of its business: both runtimes may agree on a wrong answer, or not."""
    budgets = BUDGETS if mutation.fault in IN_BOTH_RUNTIMES else QUICK
    judged = gate.judge(damaged(mutation.fault), budgets)
    assert judged.red - {"parity_agreement"} == mutation.red
    for words in (*mutation.says, "classes that lost most:", "samples that flipped: #"):
        assert words in judged.told
    assert "next: " in judged.text


def test_a_layer_left_in_float_is_named_though_the_accuracy_holds(
    gate: Any, damaged: Any, in_float: Any
) -> None:
    judged = gate.judge(damaged(in_float), QUICK)
    assert judged.red == {"contract"}
    assert "(fallback/out): runs in float" in judged.text
    assert "probably: part of the model was not quantised" in judged.text


def test_a_float_file_is_red_though_nothing_is_lost(gate: Any) -> None:
    judged = gate.judge(gate.float_file(), QUICK)
    assert judged.red == {"contract"}
    assert judged.text.startswith("contract broken: a float file, where coral takes int8 (coral")
    assert "float32, where coral takes uint8 or int8" in judged.text
    assert "6 x CONV_2D (first: #0 (" in judged.told
    assert "probably: the file was converted without quantisation" in judged.text
    assert "next: convert with a representative dataset" in judged.text


def test_what_was_made_for_the_host_is_not_for_a_uint8_board(gate: Any) -> None:
    """int8 at both ends where the board takes only uint8, and per-channel dense weights."""
    case = gate.session.case(gate.subject, gate.session.target("host"))
    made = gate.session.compress(case, (PTQ(),)).path
    judged = gate.judge(made, QUICK, target="uint8-camera")
    assert judged.red == {"contract"}
    details = judged.verdicts["contract"].details
    assert len(details) == 4
    assert details[0].startswith("input ")
    assert details[0].endswith("int8, where uint8-camera takes uint8")
    assert details[1].startswith("output ")
    assert details[2].startswith("FULLY_CONNECTED #")
    assert "has per-channel weights" in details[2]
    assert details[3].startswith("SOFTMAX #"), "what depends on it stays on the CPU, too"
    assert gate.judge(gate.healthy.path, QUICK, target="uint8-camera").red == set()


@pytest.mark.parametrize("kind", ["artifact", "file"])
def test_calibrated_on_what_was_not_normalised(gate: Any, kind: str) -> None:
    made = gate.built(gate.train[0][:200] * 255)
    judged = gate.judge(made if kind == "artifact" else made.path, QUICK)
    assert "accuracy_drop" in judged.red
    assert "contract" not in judged.red
    assert "0 to 255" in judged.text


def test_calibrated_on_noise(gate: Any) -> None:
    noise = np.random.default_rng(0).normal(size=(200, 28, 28, 1)).astype(np.float32) * 10
    judged = gate.judge(gate.built(noise), QUICK)
    assert "accuracy_drop" in judged.red
    assert "the calibration samples go from" in judged.text


def test_an_operator_that_the_board_does_not_map(gate: Any) -> None:
    keras = import_keras()
    healthy = keras.models.load_model(gate.model, compile=False)

    def leaky(layer: Any) -> Any:
        if layer.name == "deepen_pointwise_relu":
            return keras.layers.LeakyReLU(negative_slope=0.001, name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    model = keras.models.clone_model(healthy, clone_function=leaky)
    model.set_weights(healthy.get_weights())
    judged = gate.judge(gate.built(gate.train[0][:200], model), QUICK)
    assert judged.red == {"contract"}
    assert "LEAKY_RELU #" in judged.text
    assert "not an operator of coral" in judged.text


def test_one_byte_over_its_size(gate: Any) -> None:
    size = gate.healthy.path.stat().st_size
    assert gate.judge(gate.healthy, (Budget("size", size),)).red == set()
    judged = gate.judge(gate.healthy, (Budget("size", size - 1),))
    assert judged.red == {"size"}


def test_the_artifact_of_another_training(gate: Any) -> None:
    keras = import_keras()
    keras.utils.set_random_seed(0)
    image = keras.Input((28, 28, 1))
    flat = keras.layers.Flatten()(image)
    model = keras.Model(image, keras.layers.Dense(10, activation="softmax")(flat))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(*gate.train, epochs=3, verbose=0)
    judged = gate.judge(gate.built(gate.train[0][:200], model).path, QUICK)
    assert judged.red == {"accuracy_drop"}
    assert judged.verdicts["accuracy_drop"].proven


@pytest.mark.parametrize(
    ("scale", "offset", "code"), [(0.5, 0.5, "x * 2 - 1"), (-1.0, 1.0, "1 - x")]
)
def test_a_file_for_samples_in_another_encoding(
    gate: Any, scale: float, offset: float, code: str
) -> None:
    """The healthy model behind ``x * scale + offset``, which undoes *code*."""
    keras = import_keras()
    image = keras.Input((28, 28, 1))
    healthy = keras.models.load_model(gate.model, compile=False)
    model = keras.Model(image, healthy(keras.layers.Rescaling(scale, offset)(image)))
    made = gate.built((gate.train[0][:200] - offset) / scale, model).path
    judged = gate.judge(made, QUICK)
    assert judged.red == {"accuracy_drop"}
    assert f"with {code} in place of x the artifact reaches 0.9" in judged.text
    assert f"next: give edge_data samples as {code}" in judged.text
