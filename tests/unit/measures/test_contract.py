"""What an artifact has to be: each limit and each offence on hand-made descriptions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from pytest_edgegate import PTQ, QAT, Cast, Distill, Prune
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.description import (
    Conversion,
    ExecutedOperator,
    ModelDescription,
    OperatorInfo,
    Origin,
    TensorInfo,
)
from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.core.recipe import Recipe
from pytest_edgegate.core.target import OperatorRule, Target
from pytest_edgegate.core.tools import LeftOut, Placed
from pytest_edgegate.diagnosis import contract as diagnosis
from pytest_edgegate.mapping.limits import LIMITS, OF_NUMBERS, faults
from pytest_edgegate.measures.contract import contract, in_file, left_to_the_cpu, tolerated
from pytest_edgegate.measures.providers import TriedSignature
from pytest_edgegate.measures.refusals import REFUSALS
from pytest_edgegate.measures.steadiness import Conduct, Steadiness
from pytest_edgegate.measures.unmapped import ELSEWHERE
from pytest_edgegate.targets.folder import built_in
from pytest_edgegate.targets.operators import REFUSALS as REFUSED

CORAL: Target = built_in()["coral"]
HOST: Target = built_in()["host"]
STEADY = Steadiness()


def tensor(
    name: str = "t", shape: tuple[int, ...] = (1, 4), dtype: str = "int8", **more: Any
) -> Any:
    return TensorInfo(name, shape, dtype, **more)


INSIDE, OUTSIDE = (tensor("in"),), (tensor("out"),)


WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")


def operator(
    kind: str, inputs: Any = INSIDE, outputs: Any = OUTSIDE, **options: Any
) -> OperatorInfo:
    return OperatorInfo(
        3,
        kind,
        inputs,
        outputs,
        tuple(options.items()),
        border=kind.endswith("QUANTIZE"),
        accumulates=kind in WEIGHTED,
        weights_at=1 if kind in WEIGHTED else None,
    )


CONVERSION = Conversion(int8="quantise them", io="set dtype={dtype}")


def model(*operators: OperatorInfo, io: str = "uint8", shape: tuple[int, ...] = (1, 4)) -> Any:
    ends = tensor("x", shape, io), tensor("y", shape, io)
    return ModelDescription(
        ends[:1], ends[1:], operators, parameters=0, macs=0, conversion=CONVERSION
    )


def found(
    described: ModelDescription, target: Target = CORAL, expected: str | None = "int8"
) -> list[str]:
    return list(map(str, in_file(described, target, expected)))


def test_a_model_that_fits() -> None:
    conv = operator(
        "CONV_2D", (tensor(), tensor("w", constant=True), None), dilation_w=1, dilation_h=1
    )
    fits = model(conv, operator("SOFTMAX"), operator("QUANTIZE", (tensor(dtype="uint8"),)))
    assert found(fits) == []


DEEP = (tensor(shape=(2, 4, 4, 3)),)
ZEROS = tensor("z", constant=True)


def resized(factor: float) -> OperatorInfo:
    """A picture of 8 rows, made so many times as high, and as wide as it was."""
    sides = tensor(shape=(1, 8, 8, 3)), tensor("out", shape=(1, int(8 * factor), 8, 3))
    return operator("X", sides[:1], sides[1:])


LIMIT_CASES: list[tuple[str, OperatorInfo, str]] = [
    ("default_weights_format", operator("X"), ""),
    ("default_weights_format", operator("X", weights_format=0), ""),
    ("default_weights_format", operator("X", weights_format=1), "has shuffled weights"),
    ("no_batch_padding", operator("X", paddings=(0, 0, 1, 1)), ""),
    ("no_batch_padding", operator("X", paddings=(0, 1, 0, 0)), "pads the batch"),
    ("no_batch_padding", operator("X", paddings=(1, 0, 0, 0)), "pads the batch"),
    ("no_batch_padding", operator("X"), ""),
    ("no_batch_reduction", operator("X", (tensor(shape=(1, 2, 3)),), axes=(1, 2)), ""),
    ("no_batch_reduction", operator("X", (tensor(shape=(1, 2, 3)),), axes=(-1, -2)), ""),
    ("no_batch_reduction", operator("X", (tensor(shape=(1, 2)),), axes=(0,)), "reduces the batch"),
    ("no_batch_reduction", operator("X", (tensor(shape=(1, 2)),), axes=(-2,)), "reduces the batch"),
    ("no_fused_activation", operator("X"), ""),
    ("no_fused_activation", operator("X", fused_activation=0), ""),
    ("no_fused_activation", operator("X", fused_activation=1), "has a fused activation"),
    ("per_tensor_weights", operator("X", (tensor(), tensor(scales=(1.0,)))), ""),
    ("per_tensor_weights", operator("X", (tensor(),)), ""),
    ("per_tensor_weights", operator("X", (tensor(), None)), ""),
    ("per_tensor_weights", operator("X", (tensor(), tensor(scales=(1.0, 2.0)))), "per-channel"),
    ("same_dilation", operator("X"), ""),
    ("same_dilation", operator("X", dilation_w=2, dilation_h=2), ""),
    ("same_dilation", operator("X", dilation_w=2, dilation_h=1), "dilated by 2 across and 1 down"),
    ("same_dilation", operator("X", dilation_h=3), "dilated by 1 across and 3 down"),
    ("softmax_size", operator("X", (tensor(shape=(1, 16_000)),)), ""),
    ("softmax_size", operator("X", (tensor(shape=(1, 1, 10)),)), ""),
    ("softmax_size", operator("X", (tensor(shape=(-1, 10)),)), ""),
    ("softmax_size", operator("X", (tensor(shape=(1, 16_001)),)), "takes shape (1, 16001)"),
    ("softmax_size", operator("X", (tensor(shape=(1, 5, 10)),)), "takes shape (1, 5, 10)"),
    ("flat_alpha", operator("X", (tensor(), tensor(shape=(1, 1, 8)))), ""),
    ("flat_alpha", operator("X", (tensor(),)), ""),
    ("flat_alpha", operator("X", (tensor(), tensor(shape=(4, 1, 8)))), "alpha of shape (4, 1, 8)"),
    ("fours", operator("X", (tensor(shape=(1, 2, 8)),), axes=(2,)), ""),
    ("fours", operator("X", (tensor(shape=(1, 2, 7)),), axes=(1,)), ""),
    ("fours", operator("X", (tensor(shape=(1, 2, 7)),)), ""),
    ("fours", operator("X", (tensor(shape=(1, 2, 7)),), axes=(1, 2)), "reduces 7 channels"),
    ("fours", operator("X", (tensor(shape=(1, 2, 6)),), axes=(-1,)), "reduces 6 channels"),
    ("no_batch_packing", operator("X", outputs=DEEP, axis=1), ""),
    ("no_batch_packing", operator("X", axis=0), ""),
    ("no_batch_packing", operator("X", outputs=DEEP, axis=0), "packs the batch"),
    ("no_batch_packing", operator("X", outputs=DEEP, axis=-4), "packs the batch"),
    ("no_batch_splitting", operator("X", (tensor(), *DEEP), axes=(1,)), ""),
    ("no_batch_splitting", operator("X", (tensor(), *DEEP)), ""),
    ("no_batch_splitting", operator("X", (tensor(), tensor()), axes=(0,)), ""),
    ("no_batch_splitting", operator("X", (tensor(), *DEEP), axes=(0,)), "splits the batch"),
    ("no_batch_splitting", operator("X", (tensor(), *DEEP), axes=(-4,)), "splits the batch"),
    ("one_row", operator("X", outputs=(tensor(shape=(1, 1, 9)),)), ""),
    ("one_row", operator("X", outputs=(tensor(shape=(2, 9)),)), "gives shape (2, 9)"),
    ("resize_factor", resized(8), ""),
    ("resize_factor", resized(0.5), ""),
    ("resize_factor", resized(8.5), "resizes 8.5 times, above 8"),
    ("resized_side", operator("X", outputs=(tensor(shape=(1, 256, 9, 3)),)), ""),
    ("resized_side", operator("X", outputs=()), ""),
    ("resized_side", operator("X", outputs=(tensor(shape=(1, 9, 257, 3)),)), "a picture of 257"),
    ("reduced_values", operator("X", (tensor(shape=(1, 128, 128, 3)),), axes=(1, 2)), ""),
    ("reduced_values", operator("X", (tensor(shape=(1, 999, 999, 3)),)), ""),
    ("reduced_values", operator("X", (tensor(shape=(1, 999)),), axes=(7,)), ""),
    (
        "reduced_values",
        operator("X", (tensor(shape=(1, 129, 128, 3)),), axes=(-3, -2)),
        "reduces 16,512 values to one, above 16,384",
    ),
    *(
        (limit, operator("X", outputs=(tensor(shape=(1, side, 1024)),)), fault)
        for limit, side, fault in (
            ("deconvolved_values", 1024, ""),
            ("deconvolved_values", 1025, "makes 1,049,600 values, above 1,048,576"),
            ("reshaped_values", 488, ""),
            ("reshaped_values", 489, "makes 500,736 values, above 500,000"),
        )
    ),
    ("groups", operator("X", (tensor(), tensor())), ""),
    ("groups", operator("X", (tensor(),)), ""),
    ("groups", operator("X", (tensor(shape=()), tensor(shape=()))), ""),
    (
        "groups",
        operator("X", (tensor(shape=(1, 4_000_000)), tensor(shape=(8, 1)))),
        "convolves 4,000,000 groups, above 1,000,000",
    ),
    ("zero_constants", operator("X", (tensor(), tensor())), ""),
    ("zero_constants", operator("X", (tensor(), ZEROS), zero_constants=True), ""),
    ("zero_constants", operator("X", (tensor(), ZEROS), zero_constants=False), "not all zeros"),
    (
        "zero_constants",
        operator("X", (tensor(), ZEROS, tensor()), zero_constants=True),
        "has a constant among 3 inputs",
    ),
    ("unit_strides", operator("X", strides=(1, 1)), ""),
    ("unit_strides", operator("X"), ""),
    ("unit_strides", operator("X", strides=(1, 2)), "has strides (1, 2)"),
    ("unit_strides", operator("X", ellipsis_mask=1), "has an ellipsis or a new axis"),
    ("unit_strides", operator("X", new_axis_mask=2), "has an ellipsis or a new axis"),
]


@pytest.mark.parametrize(("limit", "given", "fault"), LIMIT_CASES)
def test_each_limit(limit: str, given: OperatorInfo, fault: str) -> None:
    [said] = [text for _, text in faults(given, (limit,), CORAL.limits)] or [""]
    assert fault in said
    assert bool(said) is bool(fault)
    rules = {name: replace(rule, guess="") for name, rule in CORAL.limits.items()}
    x = OperatorRule(limits=(limit,))
    board = replace(CORAL, operators={"X": x}, limits=rules, mapping=None)
    named = found(model(given), board)
    assert named == ([f"{given.name}: {said}, which coral does not map"] if fault else [])


def test_every_limit_was_seen_held_and_broken() -> None:
    limits = {*LIMITS, *OF_NUMBERS}
    assert {limit for limit, _, fault in LIMIT_CASES if fault} == limits
    assert {limit for limit, _, fault in LIMIT_CASES if not fault} == limits


@pytest.mark.parametrize(
    ("target", "io", "count"),
    [
        (CORAL, "uint8", 0),
        (CORAL, "int8", 0),
        (CORAL, "float32", 2),
        (CORAL, "int16", 2),
        (HOST, "float32", 0),
    ],
)
def test_inputs_and_outputs(target: Target, io: str, count: int) -> None:
    named = found(model(io=io), target)
    assert len(named) == count
    if count:
        assert named[0] == f"input x: {io}, where coral takes uint8 or int8"
        assert named[1] == f"output y: {io}, where coral takes uint8 or int8"


def test_a_dynamic_shape() -> None:
    named = found(model(shape=(-1, 4)))
    assert len(named) == 2
    assert "x: dynamic shape (-1, 4) on a target with static shapes" in named
    assert found(model(shape=(-1, 4)), HOST) == []


FLOAT = tensor("f", dtype="float32")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (operator("CONV_2D", (FLOAT, tensor("w", constant=True))), "runs in float"),
        (operator("ADD", (tensor(), tensor()), (FLOAT,)), "runs in float"),
        (operator("ADD", (tensor(), tensor("h", dtype="float16"))), "runs in float"),
        (
            operator("FULLY_CONNECTED", (tensor(), tensor("w", dtype="float32", constant=True))),
            "weights w are float32",
        ),
        (
            operator("DEPTHWISE_CONV_2D", (tensor(), tensor("w", dtype="float16", constant=True))),
            "weights w are float16",
        ),
        (
            operator(
                "TRANSPOSE_CONV",
                (
                    tensor("s", dtype="int32", constant=True),
                    tensor("w", dtype="float32", constant=True),
                    tensor(),
                ),
            ),
            "weights w are float32",
        ),
    ],
)
def test_what_was_left_in_float_is_named(given: OperatorInfo, said: str) -> None:
    [named] = found(model(given), HOST)
    assert named == f"{given.kind} #3 (out): {said}" or named.endswith(said)
    assert named.startswith(f"{given.kind} #3")
    assert found(model(given), HOST, expected=None) == []
    assert found(model(given), HOST, expected="float16") == []


@pytest.mark.parametrize(
    "given",
    [
        operator("QUANTIZE", (FLOAT,)),
        operator("DEQUANTIZE", outputs=(FLOAT,)),
        operator("CONV_2D", (tensor(), tensor("w", dtype="int4", constant=True), None)),
        operator("GATHER", (tensor(), tensor(dtype="int32"))),
    ],
)
def test_what_is_no_float_fallback(given: OperatorInfo) -> None:
    assert found(model(given), HOST) == []


@pytest.mark.parametrize(
    ("activations", "biased", "weights", "faults"),
    [
        ("uint8", 1, "int8", ["weights b are float32"]),
        ("int8", 1, "int8", []),
        ("int8", 1, "float32", ["weights w are float32"]),
        ("int8", None, "int8", ["weights b are float32"]),
    ],
)
def test_biases_are_float_beside_symmetric_activations_only(
    activations: str, biased: int | None, weights: str, faults: list[str]
) -> None:
    constants = (
        tensor("w", dtype=weights, constant=True),
        tensor("b", dtype="float32", constant=True),
    )
    conv = replace(operator("CONV_2D", (tensor(), *constants)), weights_at=biased)
    board = replace(HOST, activations=activations)
    assert found(replace(model(conv), mixed=True), board) == [
        f"CONV_2D #3 (out): {fault}" for fault in faults
    ]


def converted(kind: str, dtype: str, *zero_points: int, constant: bool = False) -> OperatorInfo:
    """A QuantizeLinear or DequantizeLinear of an ONNX file, with its integer tensor."""
    whole = tensor("q", dtype=dtype, zero_points=zero_points, constant=constant)
    sides = ((FLOAT,), (whole,)) if kind == "QuantizeLinear" else ((whole,), (FLOAT,))
    return replace(operator(kind, *sides), border=True)


REFUSAL_CASES: list[tuple[str, OperatorInfo, str]] = [
    ("zero_points", converted("QuantizeLinear", "int8", 0), ""),
    ("zero_points", converted("QuantizeLinear", "int8", 3), "has the zero point 3"),
    ("zero_points", converted("DequantizeLinear", "int8", -3), "has the zero point -3"),
    ("zero_points", converted("DequantizeLinear", "int8", 0, 0, 1), "has the zero point 1"),
    ("zero_points", converted("DequantizeLinear", "int8"), ""),
    ("zero_points", operator("Conv", (tensor(zero_points=(3,)),)), ""),
    ("unsigned_integers", converted("QuantizeLinear", "int8", 0), ""),
    ("unsigned_integers", converted("QuantizeLinear", "uint8", 0), "quantises to uint8 (q)"),
    ("unsigned_integers", converted("DequantizeLinear", "uint8"), "quantises to uint8 (q)"),
    ("unsigned_integers", operator("Gather", (tensor(dtype="uint8"),)), ""),
    ("wide_integers", converted("DequantizeLinear", "int8", 0), ""),
    ("wide_integers", converted("DequantizeLinear", "int4", 0), ""),
    ("wide_integers", converted("DequantizeLinear", "float8e4m3fn", 0), ""),
    ("wide_integers", converted("DequantizeLinear", "int32", constant=True), "bias q (int32)"),
    ("wide_integers", converted("DequantizeLinear", "int32"), "quantises to int32 (q)"),
    ("wide_integers", converted("QuantizeLinear", "uint16", 0), "quantises to uint16 (q)"),
    ("wide_integers", operator("Add", (tensor(dtype="int32"),)), ""),
    ("integer_operators", operator("Conv"), ""),
    ("integer_operators", operator("QuantizeLinear"), ""),
    ("integer_operators", operator("DequantizeLinear"), ""),
    ("integer_operators", operator("QLinearConv"), "is quantised otherwise"),
    ("integer_operators", operator("MatMulInteger"), "is quantised otherwise"),
    ("integer_operators", operator("MatMulIntegerToFloat"), "is quantised otherwise"),
    ("integer_operators", operator("QGemm"), "is quantised otherwise"),
    ("integer_operators", operator("MatMulNBits"), "is quantised otherwise"),
    ("integer_operators", operator("DynamicQuantizeMatMul"), "is quantised otherwise"),
    ("integer_operators", operator("DynamicQuantizeLinear"), "is quantised otherwise"),
]


@pytest.mark.parametrize(("rule", "given", "fault"), REFUSAL_CASES)
def test_each_refusal(rule: str, given: OperatorInfo, fault: str) -> None:
    said = REFUSALS[rule](given)
    assert fault in said
    assert bool(said) is bool(fault)
    board = replace(HOST, name="board", refusals={rule: "the vendor: no"})
    named = found(replace(model(given), mixed=True), board, None)
    assert named == ([f"{given.name}: {said}, which board refuses (the vendor: no)"] * bool(fault))


def test_a_target_may_name_every_rule_and_no_other() -> None:
    assert set(REFUSED) == set(REFUSALS) == {rule for rule, *_ in REFUSAL_CASES}


def test_one_operator_is_refused_once() -> None:
    unsigned = converted("QuantizeLinear", "uint8", 128)
    described = replace(model(unsigned, unsigned), mixed=True)
    refusals = {"zero_points": "not zero", "unsigned_integers": "not signed"}
    told = judged(described, target=replace(HOST, refusals=refusals), dtype=None)
    assert [each.split("refuses ")[1] for each in told.details] == ["(not zero)"]
    assert told.value == 2
    assert "quantised for another processor" in told.cause
    assert told.remedy == (
        "quantise again with zero points of 0 and biases in float, or let edge_ptq make the file"
    )
    made = judged(described, target=replace(HOST, refusals=refusals), recipe=(QAT(),))
    assert made.remedy == "write Cast('float16') in place of QAT(epochs=2)"


CELL = tensor("cell", dtype="int16", state=True)


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        ((tensor(), CELL), OUTSIDE, []),
        ((tensor(), tensor("cell", dtype="float32", state=True)), OUTSIDE, ["runs in float"]),
        ((tensor(), tensor("wide", dtype="int16")), OUTSIDE, ["runs in int16"]),
        ((tensor(dtype="int16"), CELL), OUTSIDE, ["runs in int16"]),
        ((tensor(), CELL), (tensor("out", dtype="int16"),), ["runs in int16"]),
        ((FLOAT, CELL), (FLOAT,), ["runs in float"]),
    ],
)
def test_only_the_state_of_an_int8_operator_may_be_int16(
    inputs: Any, outputs: Any, said: list[str]
) -> None:
    given = operator("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, outputs)
    assert [each.split(": ")[1] for each in found(model(given))] == said


def test_an_operator_that_the_target_does_not_have() -> None:
    [named] = found(model(operator("LEAKY_RELU")))
    fault = 'not an operator of coral; it would run on the CPU ("Operation not supported")'
    assert named == f"LEAKY_RELU #3 (out): {fault}"
    assert found(model(operator("LEAKY_RELU")), HOST) == []


def test_a_border_beside_a_float_input_is_told_once() -> None:
    given = model(operator("DEQUANTIZE", outputs=(FLOAT,)), io="float32")
    assert [each.split(":")[0] for each in found(given)] == ["input x", "output y"]


@dataclass
class Context:
    described: ModelDescription
    artifact: Artifact
    target: Target = CORAL
    broken: str = ""
    run: tuple[ExecutedOperator, ...] | None = None
    misplaced: tuple[str, ...] = ()
    answers: Steadiness = STEADY
    signatures: tuple[TriedSignature, ...] = ()
    gates_mapping: bool = False
    compiler: Placed | None = None

    def placed(self) -> Placed | None:
        return self.compiler

    def description(self) -> ModelDescription:
        return self.described

    def probe(self) -> str:
        return self.broken

    def executed(self) -> tuple[ExecutedOperator, ...] | None:
        return self.run

    def steadiness(self) -> Steadiness:
        return self.answers

    def other_signatures(self) -> tuple[TriedSignature, ...]:
        return self.signatures

    def misplaced_outputs(self) -> tuple[str, ...]:
        return self.misplaced


@dataclass(frozen=True)
class Judged:
    """The figure, and what a red verdict on it says."""

    value: float
    nonfinite: str
    details: tuple[str, ...]
    cause: str
    remedy: str


def artifact_of(made: bool, dtype: str | None = "int8", recipe: Recipe = ()) -> Artifact:
    provenance = {"model": "m"} if made else {}
    return Artifact(
        Path("m"), "litert", dtype, (), 0, "", recipe, "coral", cached=False, provenance=provenance
    )


def judged(described: ModelDescription, **more: Any) -> Judged:
    dtype, recipe = more.pop("dtype", "int8"), more.pop("recipe", ())
    artifact = artifact_of(more.pop("made", bool(recipe)), dtype, recipe)
    context = cast("Any", Context(described, artifact, **more))
    measured = contract(context, context)
    assert isinstance(measured, Measurement)
    why = diagnosis.contract(measured, context, context)
    return Judged(measured.value, measured.nonfinite, why.details, why.cause, why.remedy)


def test_offenders_are_counted_and_explained() -> None:
    clean = judged(model())
    assert (clean.value, clean.details, clean.cause, clean.nonfinite) == (0, (), "", "")
    ends = judged(model(io="float32"))
    assert (ends.value, len(ends.details)) == (2, 2)
    assert "left in another dtype" in ends.cause
    assert ends.remedy == "set dtype=uint8, or let edge_ptq make the file"
    partly = operator("ADD", (FLOAT,)), operator("ADD", (SCALED,), (SCALED,))
    fallback = judged(model(*partly))
    assert fallback.cause == "part of the model was not quantised"
    assert fallback.remedy == "quantise them, or let edge_ptq make the file"
    made = judged(model(operator("ADD", (FLOAT,))), made=True)
    assert made.remedy.startswith("replace those layers by ones that the converter quantises")
    assert "edge_ptq" not in judged(model(io="float32"), made=True).remedy
    foreign = judged(model(operator("FLOOR_MOD")))
    assert "--edge-list-targets" in foreign.remedy


FUSED = "features/block_1/hard_swish/mul_1;features/block_1/add;features/block_1/conv/Conv2D"


def numbered(kind: str, count: int, name: str = FUSED) -> list[OperatorInfo]:
    return [replace(operator(kind, outputs=(tensor(name),)), index=at) for at in range(count)]


def test_offenders_that_are_alike_share_a_line() -> None:
    told = judged(model(*numbered("HARD_SWISH", 19), *numbered("FLOOR_MOD", 2, "out")), made=True)
    assert told.value == 21
    cpu = 'not an operator of coral; it would run on the CPU ("Operation not supported")'
    first = "#0 (features/block_1/hard_swish/mul_1;...)"
    assert told.details == (
        f"19 x HARD_SWISH (first: {first}): {cpu}; rebuild with ReLU6",
        f"2 x FLOOR_MOD (first: #0 (out)): {cpu}",
    )
    assert told.remedy.startswith("replace those layers by ones that the target maps")
    only = judged(model(*numbered("HARD_SWISH", 1), *numbered("LEAKY_RELU", 3, "n" * 99)))
    assert only.details[0] == f"HARD_SWISH {first}: {cpu}; rebuild with ReLU6"
    assert only.details[1].startswith(f"3 x LEAKY_RELU (first: #0 ({'n' * 53}...): {cpu}; rebuild")
    assert only.remedy == (
        "rebuild with ReLU6 and ReLU, whose operators the target maps, and train the model again"
    )


def test_an_operator_that_is_newer_than_the_compiler_is_told_alone() -> None:
    newer = replace(operator("EXP"), version=2)
    told = judged(model(*numbered("ADD", 3), newer, *numbered("FLOOR_MOD", 2)), made=True)
    assert told.details == (
        "EXP #3 (out): of version 2, and the compiler reads versions up to 1 (\"Didn't find op for "
        "builtin opcode 'EXP' version '2'\"); the exponential of 8-bit numbers is written so: take "
        "it on the CPU, behind the model",
    )
    assert told.cause.startswith("the converter is newer than the vendor's compiler")
    assert told.remedy == "build the model without that operator"
    foreign = judged(model(newer))
    assert foreign.remedy.endswith("or convert it with a release as old as the compiler")


def test_an_operator_that_breaks_two_limits_is_one_offence() -> None:
    sides = tensor("x", (1, 8, 8, 3)), tensor("y", (1, 513, 513, 3))
    told = judged(model(operator("RESIZE_BILINEAR", sides[:1], sides[1:])), made=True)
    assert told.value == 1
    assert "resizes 64.1 times, above 8" in told.details[0]
    assert "makes a picture of 513, above 256" in told.details[0]


def test_what_is_mapped_of_a_source_is_judged_on_its_compiled_file() -> None:
    described = model(*numbered("FLOOR_MOD", 2))
    assert judged(described).value == 2
    assert judged(described, compiler=ELSEWHERE).value == 0


def test_an_activation_that_is_newer_than_the_compiler_has_another_one() -> None:
    told = judged(model(*numbered("GELU", 2)), made=True)
    assert told.details[0].endswith('("Model could not be parsed"); rebuild with ReLU6')
    assert told.remedy.startswith("rebuild with ReLU6, whose operators the target maps")


def test_a_max_pooling_with_a_margin_has_another_way() -> None:
    told = judged(model(*numbered("PADV2", 1, "pool")))
    assert told.details[0].endswith("behind a ReLU is the same")
    assert "nn.ZeroPad2d(1)" in told.details[0]


def test_offenders_of_one_kind_with_other_faults_stay_apart() -> None:
    floats = [
        replace(each, inputs=(*INSIDE, tensor(f"w{at}", dtype="float32", constant=True)))
        for at, each in enumerate(numbered("CONV_2D", 3, "out"))
    ]
    told = judged(model(*floats, operator("CONV_2D", (FLOAT, FLOAT))), made=True)
    assert told.value == 4
    assert told.details == (
        "3 x CONV_2D (first: #0 (out)): weights are float32",
        "CONV_2D #3 (out): runs in float",
    )


def test_what_a_runtime_runs_in_float_shares_a_line() -> None:
    run = tuple(replace(RUN, name=f"conv_{at}", runs_in_float=True) for at in range(12))
    assert judged(model(), run=run).details == (
        f"12 x {RUN.kind} (first: conv_0): runs in float after the runtime's optimisation",
    )


SCALED = tensor("s", scales=(0.1,), zero_points=(0,))
WIDE = tensor("s", dtype="int16", scales=(0.1,), zero_points=(0,))
STATE = replace(WIDE, name="cell", state=True)
WEIGHTS = {
    each: tensor("w", dtype=each, constant=True, scales=scales)
    for each, scales in (("float32", ()), ("int8", (0.1,)))
}


def layer(moving: Any, weights: str, *more: Any) -> OperatorInfo:
    return operator("CONV_2D", (moving, WEIGHTS[weights], *more), (moving,))


NUMBERS: dict[str, tuple[tuple[OperatorInfo, ...], str]] = {
    "float": ((layer(FLOAT, "float32"), operator("SOFTMAX", (FLOAT,), (FLOAT,))), "a float file"),
    "float beside token ids": (
        (operator("CAST", (tensor(dtype="int32"),), (FLOAT,)), layer(FLOAT, "float32")),
        "a float file",
    ),
    "dynamic range": (
        (layer(FLOAT, "int8"), layer(FLOAT, "float32")),
        "a dynamic-range quantised file (weights int8, activations float)",
    ),
    "weights only": (
        (operator("DEQUANTIZE", (WEIGHTS["int8"],), (FLOAT,)), operator("ADD", (FLOAT,), (FLOAT,))),
        "a dynamic-range quantised file (weights int8, activations float)",
    ),
    "16x8": ((layer(WIDE, "int8"),), "a file with int16 activations (16x8)"),
    "16x8 with a float end": (
        (layer(WIDE, "int8"), operator("SOFTMAX", (FLOAT,), (FLOAT,))),
        "a file with int16 activations (16x8)",
    ),
    "in part": ((layer(SCALED, "int8"), layer(FLOAT, "float32")), ""),
    "int16 in part": ((layer(SCALED, "int8"), layer(WIDE, "int8")), ""),
    "an int8 cell beside a float layer": ((layer(SCALED, "int8", STATE), layer(FLOAT, "int8")), ""),
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("io", ["float32", "uint8"])
def test_a_file_that_was_never_int8_is_named_by_its_numbers(name: str, io: str) -> None:
    operators, form = NUMBERS[name]
    told = judged(model(*operators, io=io))
    assert told.value >= len(told.details) - bool(form), "the form of the file is no offence"
    if not form:
        assert "quantised" not in told.details[0]
        return
    assert told.details[0] == f"{form}, where coral takes int8"
    assert told.cause.startswith("the file was converted") or "only the weights" in told.cause
    of_io = "; for the inputs and outputs, set dtype=uint8" if io == "float32" else ""
    assert told.remedy == f"quantise them{of_io}; or let edge_ptq make the file"
    made = judged(model(*operators, io=io), made=True)
    assert made.details == told.details[1:], "a recipe has promised int8"


def test_the_part_of_the_model_that_left_an_operator_is_the_cause() -> None:
    mask = Origin("a mask compares values in float", "give the mask as an input of its own")
    compared = replace(operator("NOT_EQUAL", (FLOAT,)), origin=mask)
    unmapped = replace(operator("ONE_HOT"), origin=mask)
    for given, target in ((compared, HOST), (unmapped, CORAL)):
        told = judged(model(operator("ADD"), given), target=target, made=True)
        assert (told.value, told.cause, told.remedy) == (1, mask.cause, mask.remedy)
    assert judged(model(compared, io="float32")).cause != mask.cause
    assert judged(model(compared), misplaced=("a is b",)).cause != mask.cause
    assert judged(model(replace(operator("ADD"), origin=mask))).cause == ""


def with_floats_outside(after: OperatorInfo | None = None) -> ModelDescription:
    """QUANTIZE, an integer layer, DEQUANTIZE, and what follows it."""
    x, y = tensor("x", dtype="float32"), tensor("y", dtype="float32")
    given, made = (replace(SCALED, name=each) for each in "ab")
    real = tensor("c", dtype="float32")
    last = y if after is None else real
    chain = [
        operator("QUANTIZE", (x,), (given,)),
        operator("ADD", (given,), (made,)),
        operator("DEQUANTIZE", (made,), (last,)),
    ]
    if after is not None:
        chain.append(replace(after, inputs=(real, *after.inputs[1:]), outputs=(y,)))
    return ModelDescription((x,), (y,), tuple(chain), 0, 0, conversion=CONVERSION)


DECODING = operator("CUSTOM:TFLite_Detection_PostProcess")


@pytest.mark.parametrize("after", [None, DECODING], ids=["dequantised", "post-processed"])
def test_floats_outside_the_integer_part_are_the_makers_business(
    after: OperatorInfo | None,
) -> None:
    described = with_floats_outside(after)
    file = cast("Any", Context(described, artifact_of(made=False)))
    assert judged(described, dtype=None).value == 0
    named = [each.part.name for each in tolerated(file) if each.part]
    assert named[:2] == ["x", "y"]
    assert set(named[2:]) == (set() if after is None else {described.operators[-1].name})
    made = judged(described, made=True)
    # the target leaves this post-processing to the CPU, and an artifact of the gate is int8
    assert made.value == (2 if after is None else 3), "an artifact of the gate keeps its promise"
    assert tolerated(cast("Any", Context(described, artifact_of(made=True)))) == ()


def test_a_float_layer_with_weights_is_no_post_processing() -> None:
    weights = tensor("w", dtype="float32", constant=True)
    dense = operator("FULLY_CONNECTED", (FLOAT, weights))
    described = with_floats_outside(dense)
    assert [each.split(":")[0] for each in judged(described, dtype=None).details] == [
        "output y",
        "FULLY_CONNECTED #3 (y)",
    ]


def test_a_free_batch_that_the_file_allocates_is_fixed() -> None:
    for shape, allocated, count in (
        ((-1, 4), (1, 4), 0),
        ((-1, 4), (), 2),
        ((-1, 4), (0, 4), 2),
        ((1, -1), (1, 1), 2),
        ((-1, -1), (1, 1), 2),
    ):
        x, y = (tensor(each, shape, "uint8", allocated=allocated) for each in "xy")
        assert judged(ModelDescription((x,), (y,), (), 0, 0), dtype=None).value == count, shape


def test_a_signature_that_ends_its_process_is_red_and_any_other_fault_is_not() -> None:
    tried = (TriedSignature("encode", caution="gives NaN or Inf on zeros"), TriedSignature("b"))
    assert judged(model(), signatures=tried).value == 0
    crashing = judged(model(), signatures=(*tried, TriedSignature("train", "ended by SIGSEGV")))
    assert crashing.details == ("signature train: ended by SIGSEGV",)
    assert "signature" in crashing.cause
    assert "signature=" in crashing.remedy


def test_dense_layers_with_a_scale_for_each_channel_are_made_again() -> None:
    dense = operator(
        "FULLY_CONNECTED",
        (tensor(), tensor("w", constant=True, scales=(0.1, 0.2), zero_points=(0, 0))),
    )
    given = judged(model(dense), dtype=None)
    assert given.value == 1
    assert given.remedy.startswith("quantise the fully connected layers again with one scale")
    more = judged(model(dense, operator("LEAKY_RELU")), dtype=None)
    assert "--edge-list-targets" in more.remedy


def test_shapes_and_dtypes_have_a_remedy_each() -> None:
    both = judged(model(io="float32", shape=(-1, 4)))
    assert both.remedy.startswith("export the file again with fixed shapes")
    assert "; then set dtype=uint8" in both.remedy
    assert judged(model(shape=(-1, 4))).cause == "sizes were left free when the file was converted"


@pytest.mark.parametrize(
    ("made", "remedy"), [(False, "let edge_ptq make it"), (True, "give the model inputs of fixed")]
)
def test_shapes_are_fixed_where_the_file_is_made(made: bool, remedy: str) -> None:
    assert remedy in judged(model(shape=(-1, 4)), made=made).remedy


def test_an_inference_that_gives_nan() -> None:
    assert judged(model(), broken="one inference gives NaN or Inf").nonfinite


@pytest.mark.parametrize(
    ("target", "dtype", "count"), [(CORAL, None, 1), (HOST, None, 0), (HOST, "int8", 1)]
)
def test_a_file_that_others_made_is_what_its_target_takes(
    target: Target, dtype: str | None, count: int
) -> None:
    given = model(operator("ADD", (FLOAT,), (tensor("out"),)))
    assert judged(given, target=target, dtype=dtype).value == count


CONV = operator("CONV_2D", (FLOAT, tensor("w", dtype="float32", constant=True)))
RUN = ExecutedOperator("QLinearConv", "conv", "CPU")


def test_where_floats_and_integers_mix_only_what_accumulates_has_to_be_integer() -> None:
    mixed = replace(model(operator("ADD", (FLOAT,), (FLOAT,)), CONV), mixed=True)
    assert found(mixed, HOST) == ["CONV_2D #3 (out): runs in float"]
    told = judged(mixed, target=HOST)
    allowed = replace(HOST, float_operators=("CONV_2D",))
    assert found(mixed, allowed) == []
    assert told.remedy == (
        "quantise them; where the format has no integer form of a layer, replace it, or let "
        "edge_recipe(Cast('float16')) make the file, or list it in float_operators of a target "
        "from host"
    )
    made = judged(mixed, target=HOST, recipe=(QAT(),))
    assert made.remedy == (
        "where the format has no integer form of a layer, replace it, or write Cast('float16') in "
        "place of QAT(epochs=2), or list it in float_operators of a target from host"
    )
    assert "Cast" not in judged(mixed, target=CORAL, recipe=(QAT(),)).remedy


def test_what_the_runtime_makes_of_the_file() -> None:
    assert judged(model(), run=(RUN,)).value == 0
    assert judged(model(), run=None).value == 0
    float_conv = replace(RUN, kind="Conv", runs_in_float=True)
    told = judged(model(), run=(RUN, float_conv))
    assert told.details == ("Conv conv: runs in float after the runtime's optimisation",)
    assert "no integer kernel" in told.cause
    assert judged(model(), run=(float_conv,), dtype="float32").value == 0


def test_what_a_target_lets_run_in_float() -> None:
    lstm = replace(RUN, kind="RNNSeq", name="LSTMSequence_3", runs_in_float=True)
    for listed, count in (((), 1), (("LSTMSequence",), 0), (("RNNSeq",), 0), (("Conv",), 1)):
        target = replace(HOST, float_operators=listed)
        assert judged(model(), target=target, run=(lstm,)).value == count


def test_a_silent_fall_back_is_an_offence_whatever_the_dtype() -> None:
    fell = replace(RUN, device="CPUExecutionProvider", falls_back=True)
    for dtype in ("int8", "float32"):
        told = judged(model(), target=HOST, run=(fell,), dtype=dtype)
        assert told.details == ("QLinearConv conv: fell back to CPUExecutionProvider",)
        assert "does not run those operators" in told.cause
        assert told.remedy == (
            "keep those operators out of the file where it is made, or list the runtime that it "
            "ran on instead"
        )


@pytest.mark.parametrize(
    ("recipe", "dtype", "target", "cast"),
    [
        ((PTQ(),), "int8", HOST, "write Cast('float16') in place of PTQ(samples=200), or "),
        ((QAT(),), "int8", HOST, "write Cast('float16') in place of QAT(epochs=2), or "),
        ((PTQ(),), "int8", CORAL, ""),
        ((Cast("float16"),), "float16", HOST, ""),
        ((Prune(),), "float32", HOST, ""),
    ],
)
def test_a_provider_without_integer_kernels_is_given_floats(
    recipe: Recipe, dtype: str, target: Target, cast: str
) -> None:
    fell = replace(RUN, device="CPUExecutionProvider", falls_back=True)
    told = judged(model(), target=target, run=(fell,), dtype=dtype, recipe=recipe)
    assert told.remedy == (
        f"keep those operators out of the model, or {cast}list the runtime that it ran on instead"
    )


def test_outputs_that_changed_places() -> None:
    told = judged(
        model(), misplaced=("output a: holds the values of output b of the model under test",)
    )
    assert told.value == 1
    assert "changed places" in told.cause
    assert "export the outputs in the order" in told.remedy
    made = {"misplaced": ("output a",), "recipe": (PTQ(),)}
    assert judged(model(), **made).remedy.startswith("give each output of the model a name")
    made["recipe"] = (Distill(), QAT())
    assert judged(model(), **made).remedy.startswith("give edge_student its outputs in the order")


def test_an_integer_file_that_its_runtime_runs_in_float() -> None:
    float_conv = replace(RUN, kind="Convolution", runs_in_float=True)
    told = judged(model(), run=(float_conv,))
    assert told.remedy.startswith("the file is integer: replace those layers, where the file is")
    assert told.remedy.endswith("list another runtime first in the target")
    made = judged(model(), run=(float_conv,), target=HOST, recipe=(PTQ(),))
    assert "where the file is made" not in made.remedy
    assert "write Cast('float16') in place of PTQ(samples=200)" in made.remedy


def test_answers_that_depend_on_the_batch_are_an_offence_of_its_own() -> None:
    found = Steadiness(Conduct.BY_BATCH, "y", 0.25, 16)
    (told,) = judged(model(), answers=found).details
    assert told == (
        "answers depend on the batch: of the same samples in two batches of 16, the output 'y' "
        "differs by 25 % of its range; a device runs one sample at a time"
    )
    assert judged(model(), answers=found).remedy.endswith("where the file is made")
    made = judged(model(), answers=found, made=True)
    assert "computes over the batch" in made.cause
    assert not made.remedy.endswith("where the file is made")
    for conduct in (Conduct.BY_KERNELS, Conduct.BY_RANGE):
        assert judged(model(), answers=Steadiness(conduct, "y", 0.25, 16)).value == 0


def chain(*kinds: str) -> tuple[OperatorInfo, ...]:
    """Operators of which each reads what the one before it gives."""
    tensors = [tensor(f"t{at}") for at in range(len(kinds) + 1)]
    return tuple(
        replace(operator(kind, (tensors[at],), (tensors[at + 1],)), index=at)
        for at, kind in enumerate(kinds)
    )


def test_what_depends_on_an_operator_on_the_cpu_is_told_in_one_line() -> None:
    told = judged(model(*chain("ADD", "GATHER", "RELU", "ADD", "RELU", "TANH")))
    assert told.value == 5
    assert told.details == (
        'GATHER #1 (t2): not an operator of coral; it would run on the CPU ("Operation not '
        'supported")',
        "4 operators (2 x RELU, ADD, TANH): behind GATHER #1, which stays on the CPU "
        '("More than one subgraph is not supported")',
    )
    assert told.cause.startswith("the compiler makes one program")
    assert told.remedy.startswith("replace those layers by ones that the target maps")
    alone = judged(model(*chain("ADD", "LEAKY_RELU", "RELU")))
    assert alone.details[1].startswith("RELU #2 (t3): behind LEAKY_RELU #1")
    assert alone.remedy.startswith("rebuild with ReLU, whose operators the target maps")


def test_a_budget_on_mapped_ops_decides_in_place_of_the_contract() -> None:
    described = model(*chain("ADD", "GATHER", "RELU"), operator("ADD", (FLOAT,), (FLOAT,)))
    assert judged(described).value == 3
    decided = judged(described, gates_mapping=True, made=True)
    assert decided.details == ("ADD #3 (f): runs in float",)
    file = cast("Any", Context(described, artifact_of(made=True), gates_mapping=True))
    assert [each.spot.operator for each in left_to_the_cpu(file) if each.spot] == ["GATHER", "RELU"]
    assert left_to_the_cpu(replace(file, gates_mapping=False)) == ()


LEFT = Placed("compiler 16", (LeftOut("RELU", "t3", "It is too large"), LeftOut("NEW", "n")))


def test_a_vendors_compiler_decides_whatever_the_rules_say() -> None:
    described = model(*chain("ADD", "GATHER", "RELU"))
    told = judged(described, compiler=LEFT)
    assert told.details == (
        'RELU #2 (t3): left to the CPU by compiler 16 ("It is too large"); behind GATHER #1, '
        "which stays on the CPU",
        "NEW (n): left to the CPU by compiler 16",
    )
    mapped = judged(model(*chain("ADD", "ADD", "RELU")), compiler=LEFT)
    assert "; the rules predict it mapped" in mapped.details[0]
    assert judged(described, compiler=Placed("compiler 16")).value == 0
    refused = judged(described, compiler=Placed("compiler 16", refusal="It refuses the file"))
    assert refused.details == ("It refuses the file",)
    assert judged(described, compiler=Placed("c", refusal="No"), gates_mapping=True).value == 1
    newer = replace(LEFT, not_loaded="It needs version 14")
    assert judged(described, compiler=newer).details[0] == "It needs version 14"
    assert judged(described, compiler=newer, gates_mapping=True).details == ("It needs version 14",)


def test_what_a_target_leaves_to_the_cpu_is_no_offence_of_a_compilers_either() -> None:
    ends = tensor("x", (1, 4), "float32"), tensor("y", (1, 4), "int8")
    quantize = operator("QUANTIZE", ends[:1], ends[1:])
    described = replace(model(quantize), inputs=ends[:1], outputs=ends[1:])
    placed = Placed("compiler 16", (LeftOut("QUANTIZE", "y"),))
    named = [str(each) for each in in_file(described, CORAL, "int8", placed)]
    assert named == ["input x: float32, where coral takes uint8 or int8"]
