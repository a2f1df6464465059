"""Which operators run on the chip: each rule, on graphs made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_edgegate.core.description import (
    CompiledFor,
    ModelDescription,
    OperatorInfo,
    TensorInfo,
)
from pytest_edgegate.core.target import MappingRules, Target
from pytest_edgegate.mapping.prediction import Prediction, Why, predicted
from pytest_edgegate.targets.folder import built_in

CORAL: Target = built_in()["coral"]
RULES = CORAL.mapping
assert isinstance(RULES, MappingRules)
WORDS = RULES.words


class Graph:
    """A network whose operators are added one by one, by the names of tensors."""

    def __init__(self, *inputs: str, dtype: str = "int8", shape: tuple[int, ...] = (1, 8)) -> None:
        self.tensors = {each: TensorInfo(each, shape, dtype) for each in inputs}
        self.inputs = tuple(self.tensors.values())
        self.operators: list[OperatorInfo] = []

    def add(
        self,
        kind: str,
        given: str,
        made: str,
        *,
        dtype: str = "int8",
        shape: tuple[int, ...] = (1, 8),
        constants: tuple[TensorInfo, ...] = (),
        state: bool = False,
        version: int = 1,
        **options: Any,
    ) -> Graph:
        """*given*: names, separated by spaces."""
        self.tensors[made] = TensorInfo(made, shape, dtype, state=state)
        taken = (*(self.tensors[each] for each in given.split()), *constants)
        weights = 1 if kind in ("CONV_2D", "FULLY_CONNECTED") else None
        self.operators.append(
            OperatorInfo(
                len(self.operators),
                kind,
                taken,
                (self.tensors[made],),
                tuple(options.items()),
                version,
                border=kind.endswith("QUANTIZE"),
                weights_at=weights if len(taken) > 1 else None,
            )
        )
        return self

    def described(self, *outputs: str) -> ModelDescription:
        ends = tuple(self.tensors[each] for each in outputs)
        return ModelDescription(self.inputs, ends, tuple(self.operators), 0, 0)

    def predicted(self, *outputs: str, target: Target = CORAL) -> Prediction:
        return predicted(self.described(*outputs), target)


def left(found: Prediction) -> list[str]:
    return [each.operator.kind for each in found.left]


def reasons(found: Prediction, at: int = 0) -> list[Why]:
    return [each.why for each in found.left[at].reasons]


def test_all_is_mapped_in_one_subgraph() -> None:
    found = Graph("x").add("ADD", "x", "a").add("RELU", "a", "y").predicted("y")
    assert (left(found), found.subgraphs, found.share, found.splits) == ([], 1, 1.0, ())
    assert found.guesses == ()


def test_what_depends_on_an_operator_on_the_cpu_stays_there() -> None:
    graph = Graph("x").add("ADD", "x", "a").add("GATHER", "a", "b").add("RELU", "b", "c")
    found = graph.add("ARG_MAX", "c", "d", dtype="int64").predicted("d")
    assert left(found) == ["GATHER", "RELU", "ARG_MAX"]
    assert [each.operator.kind for each in found.splits] == ["GATHER"]
    assert reasons(found, 0) == [Why.OPERATOR]
    assert reasons(found, 1) == [Why.DOWNSTREAM]
    assert reasons(found, 2) == [Why.OPERATOR, Why.DTYPE, Why.DOWNSTREAM]
    assert [each.words for each in found.left] == [
        "Operation not supported",
        "More than one subgraph is not supported",
        "Operation not supported",
    ]
    assert "behind GATHER #1" in found.left[1].reasons[0].fault


def test_parallel_branches_stay_mapped() -> None:
    graph = Graph("x").add("ADD", "x", "a").add("GATHER", "a", "b")
    found = graph.add("MUL", "a", "c").add("RELU", "c", "d").predicted("b", "d")
    assert left(found) == ["GATHER"]


def test_where_branches_meet_again_behind_the_cpu_nothing_is_mapped() -> None:
    graph = Graph("x").add("ADD", "x", "a").add("GATHER", "a", "b").add("MUL", "a", "c")
    found = graph.add("CONCATENATION", "b c", "d").predicted("d")
    assert left(found) == ["GATHER", "CONCATENATION"]


def test_before_anything_mapped_the_cpu_does_no_harm() -> None:
    graph = Graph("x").add("GATHER", "x", "a").add("FLOOR_DIV", "a", "b").add("ADD", "b", "c")
    found = graph.predicted("c")
    assert left(found) == ["GATHER", "FLOOR_DIV"]
    assert found.splits == ()
    assert found.subgraphs == 1


def test_a_program_that_waits_for_the_cpu_in_part_is_a_guess() -> None:
    graph = Graph("x", "z").add("GATHER", "x", "a").add("ADD", "a", "b").add("RELU", "z", "c")
    found = graph.predicted("b", "c")
    assert left(found) == ["GATHER"]
    [guess] = found.guesses
    assert guess.startswith("ADD #1 (b): operators that depend on one left to the CPU beside")
    alone = Graph("x").add("GATHER", "x", "a").add("ADD", "a", "b").predicted("b")
    assert alone.guesses == ()


def test_nothing_may_be_mapped() -> None:
    found = Graph("x").add("GATHER", "x", "a").predicted("a")
    assert (found.share, found.subgraphs) == (0.0, 0)
    assert Graph("x").predicted("x").share == 0.0


@pytest.mark.parametrize("dtype", ["float32", "int32", "int64", "bool"])
def test_other_activations_keep_any_operator_on_the_cpu(dtype: str) -> None:
    found = Graph("x", dtype=dtype).add("ADD", "x", "y").predicted("y")
    assert reasons(found) == [Why.DTYPE]
    assert found.left[0].words == "Operation is working on an unsupported data type"


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_between_8_bit_types_a_quantize_is_mapped(dtype: str) -> None:
    assert left(Graph("x", dtype=dtype).add("QUANTIZE", "x", "y").predicted("y")) == []


def test_16_bit_activations_are_a_guess_unless_they_are_a_state() -> None:
    wide = Graph("x").add("ADD", "x", "y", dtype="int16").predicted("y")
    assert (left(wide), len(wide.guesses)) == ([], 1)
    assert "recurrent operators only" in wide.guesses[0]
    kept = Graph("x").add("ADD", "x", "y", dtype="int16", state=True).predicted("y")
    assert (left(kept), kept.guesses) == ([], ())


WEIGHTS = TensorInfo("w", (4, 8), "int8", constant=True)


@pytest.mark.parametrize(
    ("weights", "why"),
    [
        (WEIGHTS, []),
        (replace(WEIGHTS, dtype="float32"), [Why.DTYPE]),
        (replace(WEIGHTS, dtype="int4"), [Why.DTYPE]),
        (replace(WEIGHTS, constant=False), [Why.PARAMETERS]),
    ],
)
def test_weights_are_constants_of_8_bits(weights: TensorInfo, why: list[Why]) -> None:
    found = Graph("x").add("CONV_2D", "x", "y", constants=(weights,)).predicted("y")
    assert (reasons(found) if found.left else []) == why


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ((1, 9, 9, 3), []),
        ((9, 9, 3), []),
        ((2, 9, 9, 3), [Why.DIMENSIONS]),
        ((1, 1, 9, 9, 3), []),
        ((1, 2, 9, 9, 3), [Why.DIMENSIONS]),
        ((-1, 9, 9, 3), [Why.DYNAMIC]),
    ],
)
def test_only_the_three_innermost_dimensions_are_larger_than_1(
    shape: tuple[int, ...], why: list[Why]
) -> None:
    found = Graph("x", shape=shape).add("ADD", "x", "y", shape=shape).predicted("y")
    assert (reasons(found) if found.left else []) == why


@pytest.mark.parametrize(
    ("factor", "mapped", "guessed"),
    [(1, True, False), (2, True, False), (3, True, True), (8, True, True), (9, False, True)],
)
def test_how_far_a_picture_may_grow_is_a_guess_between_what_was_seen(
    factor: int, mapped: bool, guessed: bool
) -> None:
    large = (1, 8 * factor, 8, 3)
    graph = Graph("x", shape=(1, 8, 8, 3)).add("RESIZE_BILINEAR", "x", "y", shape=large)
    found = graph.predicted("y")
    assert (bool(found.mapped), bool(found.guesses)) == (mapped, guessed)
    assert bool(Graph("x").add("RSQRT", "x", "y").predicted("y").guesses)


def test_a_factor_that_was_seen_refused_is_no_guess() -> None:
    graph = Graph("x", shape=(1, 8, 8, 3))
    found = graph.add("RESIZE_BILINEAR", "x", "y", shape=(1, 124, 8, 3)).predicted("y")
    assert reasons(found) == [Why.LIMIT]
    assert found.guesses == ()
    assert "some unspecified limitation" in found.left[0].words


def test_an_operator_is_newer_than_the_runtime() -> None:
    older = replace(CORAL, mapping=replace(RULES, runtime="12"))
    graph = Graph("x").add("QUANTIZE", "x", "a").add("ADD", "a", "y")
    assert left(graph.predicted("y", target=older)) == ["QUANTIZE"]
    assert (
        "before version 13 of the runtime"
        in graph.predicted("y", target=older).left[0].reasons[0].fault
    )
    assert left(graph.predicted("y")) == []


@pytest.mark.parametrize("runtime", ["", "newest"])
def test_a_version_that_is_no_number_refuses_nothing(runtime: str) -> None:
    target = replace(CORAL, mapping=replace(RULES, runtime=runtime))
    assert left(Graph("x").add("QUANTIZE", "x", "y").predicted("y", target=target)) == []


def test_what_a_target_leaves_to_the_cpu() -> None:
    graph = Graph("x", dtype="float32").add("QUANTIZE", "x", "a").add("ADD", "a", "b")
    graph.add("DEQUANTIZE", "b", "c", dtype="float32")
    found = graph.add("CUSTOM:TFLite_Detection_PostProcess", "b", "d").predicted("c", "d")
    assert left(found) == ["QUANTIZE", "DEQUANTIZE", "CUSTOM:TFLite_Detection_PostProcess"]
    assert all(each.allowed for each in found.left)
    inside = Graph("x").add("ADD", "x", "a").add("DEQUANTIZE", "a", "b", dtype="float32")
    found = inside.add("EXP", "b", "y", dtype="float32").predicted("y")
    assert [each.allowed for each in found.left] == [False, False]


def test_a_compiled_file_shows_what_is_left() -> None:
    graph = Graph("x").add("CUSTOM:chip", "x", "a").add("ADD", "a", "b").add("GATHER", "b", "y")
    chip = CompiledFor("a chip", "CUSTOM:chip", "chip")
    found = predicted(replace(graph.described("y"), compiled=chip), CORAL)
    assert left(found) == ["ADD", "GATHER"]
    assert [reason.why for each in found.left for reason in each.reasons] == [Why.COMPILED] * 2
    assert "not an operator of coral" in found.left[1].reasons[0].fault
    assert found.guesses == ()


def test_a_target_without_rules_for_the_graph_looks_at_operators_alone() -> None:
    table = replace(CORAL, mapping=None)
    graph = Graph("x", dtype="float32").add("GATHER", "x", "a").add("ADD", "a", "y")
    found = graph.predicted("y", target=table)
    assert left(found) == ["GATHER"]
    assert found.left[0].words == "not an operator of coral; it would run on the CPU"
    assert left(graph.predicted("y", target=built_in()["host"])) == []


def test_each_rule_that_keeps_an_operator_has_words_of_the_compiler_and_a_source() -> None:
    named = {*Why} - {Why.COMPILED}
    assert set(WORDS) == named
    assert named - {Why.LIMIT} == set(RULES.sources)


def test_a_graph_that_is_out_of_order_ends() -> None:
    graph = Graph("x").add("ADD", "x", "a").add("GATHER", "a", "b").add("RELU", "b", "y")
    turned = replace(graph.described("y"), operators=tuple(reversed(graph.operators)))
    assert len(predicted(turned, CORAL).placements) == 3


NEWER = [("EXP", 2), ("CONV_2D", 6), ("TRANSPOSE_CONV", 4), ("QUANTIZE", 3)]
"""Operators of files that version 16 of the compiler has refused, in public."""


@pytest.mark.parametrize(("kind", "version"), NEWER)
def test_an_operator_of_a_newer_version_refuses_the_whole_file(kind: str, version: int) -> None:
    def placed(found: int) -> Prediction:
        graph = Graph("x").add("ADD", "x", "a").add(kind, "a", "b", version=found)
        return graph.add("RELU", "b", "y").predicted("y")

    found = placed(version)
    assert left(found) == ["ADD", kind, "RELU"]
    assert [reasons(found, at) for at in range(3)] == [[Why.FILE], [Why.VERSION], [Why.FILE]]
    assert found.left[1].words == f"Didn't find op for builtin opcode '{kind}' version '{version}'"
    assert f"reads versions up to {version - 1}" in found.left[1].reasons[0].fault
    assert f"by {kind} #1" in found.left[0].reasons[0].fault
    assert (found.subgraphs, found.share, found.splits) == (0, 0.0, ())
    older = placed(version - 1).left
    assert Why.VERSION not in {reason.why for each in older for reason in each.reasons}


@pytest.mark.parametrize("kind", ["GELU", "STABLEHLO_ADD", "BUILTIN_250"])
def test_an_operator_that_is_younger_than_the_compiler_refuses_the_whole_file(kind: str) -> None:
    found = Graph("x").add("ADD", "x", "a").add(kind, "a", "y").predicted("y")
    assert [each.reasons[0].why for each in found.left] == [Why.FILE, Why.VERSION]
    assert "not an operator that version 16.0.384591198 of the compiler knows" in (
        found.left[1].reasons[0].fault
    )


def test_a_refused_file_has_no_operators_that_are_allowed() -> None:
    graph = Graph("x").add("QUANTIZE", "x", "a", version=3)
    found = graph.add("CUSTOM:TFLite_Detection_PostProcess", "a", "y").predicted("y")
    assert [each.allowed for each in found.left] == [False, False]


def test_a_custom_operator_refuses_no_file() -> None:
    found = Graph("x").add("ADD", "x", "a").add("CUSTOM:mine", "a", "y", version=9).predicted("y")
    assert left(found) == ["CUSTOM:mine"]


def test_a_version_that_the_compiler_may_not_know_is_a_guess() -> None:
    known = Graph("x").add("RELU", "x", "y", version=2).predicted("y")
    assert (left(known), known.guesses) == ([], ())
    perhaps = Graph("x").add("RELU", "x", "y", version=3).predicted("y")
    assert left(perhaps) == []
    assert "this version of the operator may be newer than the compiler" in perhaps.guesses[0]
    assert left(Graph("x").add("RELU", "x", "y", version=4).predicted("y")) == ["RELU"]


def test_rules_without_versions_refuse_none() -> None:
    target = replace(CORAL, mapping=replace(RULES, newest={}))
    graph = Graph("x").add("ADD", "x", "a", version=99).add("RELU", "a", "y")
    assert left(graph.predicted("y", target=target)) == []


def test_the_compiler_reads_every_operator_that_the_chip_takes() -> None:
    assert set(CORAL.operators) <= set(RULES.newest)
    assert all(perhaps >= known for known, perhaps in RULES.newest.values())


@pytest.mark.parametrize(
    ("side", "mapped", "guessed"), [(128, True, False), (256, True, True), (320, False, True)]
)
def test_how_large_a_picture_may_become_is_a_guess(side: int, mapped: bool, guessed: bool) -> None:
    shape = (1, side // 2, 8, 3)
    graph = Graph("x", shape=shape)
    found = graph.add("RESIZE_BILINEAR", "x", "y", shape=(1, side, 16, 3)).predicted("y")
    assert (bool(found.mapped), bool(found.guesses)) == (mapped, guessed)


@pytest.mark.parametrize(
    ("height", "mapped", "guessed"),
    [(64, True, False), (100, True, True), (200, False, True), (256, False, False)],
)
def test_of_how_many_values_a_mean_may_be_is_a_guess_between_what_was_seen(
    height: int, mapped: bool, guessed: bool
) -> None:
    graph = Graph("x", shape=(1, height, 128, 3))
    found = graph.add("MEAN", "x", "y", shape=(1, 3), axes=(1, 2)).predicted("y")
    assert (bool(found.mapped), bool(found.guesses)) == (mapped, guessed)


def test_a_tensor_that_is_larger_than_any_that_was_seen_is_a_guess() -> None:
    def placed(side: int) -> Prediction:
        shape = (1, side, side, 48)
        return Graph("x", shape=shape).add("ADD", "x", "y", shape=shape).predicted("y")

    assert (left(placed(257)), placed(257).guesses) == ([], ())
    assert left(placed(258)) == []
    assert "large activation tensors" in placed(258).guesses[0]


def test_operators_of_several_graphs_may_have_one_number() -> None:
    graph = Graph("x").add("ADD", "x", "a").add("EXP", "a", "y", version=2)
    same = tuple(replace(each, index=0) for each in graph.operators)
    found = predicted(replace(graph.described("y"), operators=same), CORAL)
    assert [each.reasons[0].why for each in found.left] == [Why.FILE, Why.VERSION]


def test_a_convolution_in_groups_is_a_guess() -> None:
    weights = TensorInfo("w", (8, 3, 3, 2), "int8", constant=True)
    graph = Graph("x", shape=(1, 8, 8, 4))
    found = graph.add("CONV_2D", "x", "y", constants=(weights,)).predicted("y")
    assert (left(found), len(found.guesses)) == ([], 1)
    whole = replace(weights, shape=(8, 3, 3, 4))
    graph = Graph("x", shape=(1, 8, 8, 4))
    assert graph.add("CONV_2D", "x", "y", constants=(whole,)).predicted("y").guesses == ()
