"""Which floats of a file are meant for the CPU: on graphs of a few operators."""

from __future__ import annotations

import pytest

from pytest_edgegate.core.cpu_parts import cpu_parts
from pytest_edgegate.core.description import ModelDescription, OperatorInfo, TensorInfo

Edge = tuple[str, str, str]
"""What an operator reads, its kind, and what it gives."""


def graph(inputs: str, outputs: str, *edges: Edge) -> ModelDescription:
    """Tensors by the first letter of their name: q is int8, f float32, i int64, w a float weight.
    All of one kind have one name, as in files whose names were taken out."""
    made: dict[str, TensorInfo] = {}

    def tensor(name: str) -> TensorInfo:
        dtype = {"q": "int8", "f": "float32", "i": "int64", "w": "float32"}[name[0]]
        scales = (0.1,) if name[0] == "q" else ()
        fresh = TensorInfo("", (1, 4), dtype, constant=name[0] == "w", scales=scales)
        return made.setdefault(name, fresh)

    operators = tuple(
        OperatorInfo(
            at,
            kind,
            tuple(map(tensor, given.split())),
            tuple(map(tensor, results.split())),
            border=kind.endswith("QUANTIZE"),
            weights_at=1 if kind == "CONV" else None,
            activates=kind in ("SOFTMAX", "LOGISTIC"),
        )
        for at, (given, kind, results) in enumerate(edges)
    )
    ends = (tuple(map(tensor, names.split())) for names in (inputs, outputs))
    return ModelDescription(next(ends), next(ends), operators, 0, 0)


BODY = (("f1", "QUANTIZE", "q1"), ("q1", "ADD", "q2"))
GRAPHS: dict[str, tuple[ModelDescription, int, int, list[int]]] = {
    "quantised and dequantised": (graph("f1", "f2", *BODY, ("q2", "DEQUANTIZE", "f2")), 1, 1, []),
    "decoded from integers": (graph("f1", "f2 f3", *BODY, ("q2", "DECODE", "f2 f3")), 1, 2, [2]),
    "decoded from floats, in two": (
        graph("q1", "f4", *BODY[1:], ("q2", "DEQUANTIZE", "f2"), ("f2", "DIV", "f3"),
              ("f3 f2", "GATHER", "f4")),
        0, 1, [2, 3],
    ),
    "the best class": (graph("q1", "i1", *BODY[1:], ("q2", "ARG_MAX", "i1")), 0, 1, [1]),
    "back into the integers": (
        graph("q1", "q4", *BODY[1:], ("q2", "DEQUANTIZE", "f2"), ("f2", "EXP", "f3"),
              ("f3", "QUANTIZE", "q3"), ("q3 w1", "CONV", "q4")),
        0, 0, [],
    ),
    "coordinates, multiplied in integers again": (
        graph("q1", "f3", *BODY[1:], ("q2", "ARG_MAX", "i1"), ("i1", "CAST", "f1"),
              ("f1", "QUANTIZE", "q3"), ("q3 q2", "MUL", "q4"), ("q4", "DEQUANTIZE", "f3")),
        0, 1, [1, 2, 4],
    ),
    "an integer operator at the end": (
        graph("q1", "q3", ("q1 w1", "CONV", "q2"), ("q2", "LEAKY_RELU", "q3")), 0, 0, [],
    ),
    "an output that the body reads on": (
        graph("q1", "f3 q4", *BODY[1:], ("q2", "DEQUANTIZE", "f2"), ("f2", "EXP", "f3"),
              ("f3", "QUANTIZE", "q3"), ("q3 w1", "CONV", "q4")),
        0, 0, [],
    ),
    "a layer with weights": (
        graph("q1", "f3", *BODY[1:], ("q2", "DEQUANTIZE", "f2"), ("f2 w1", "CONV", "f3")),
        0, 0, [],
    ),
    "behind a layer with weights": (
        graph("q1", "f4", *BODY[1:], ("q2", "DEQUANTIZE", "f2"), ("f2 w1", "CONV", "f3"),
              ("f3", "SOFTMAX", "f4")),
        0, 0, [],
    ),
    "the last activation in float": (
        graph("q1", "f3", *BODY[1:], ("q2", "DEQUANTIZE", "f2"), ("f2", "SOFTMAX", "f3")),
        0, 0, [],
    ),
    "an activation that is decoded": (
        graph("q1", "f4", *BODY[1:], ("q2", "DEQUANTIZE", "f2"), ("f2", "LOGISTIC", "f3"),
              ("f3", "DECODE", "f4")),
        0, 1, [2, 3],
    ),
    "all in float": (graph("f1", "f3", ("f1", "ADD", "f2"), ("f2", "SOFTMAX", "f3")), 0, 0, []),
    "beside the quantised part": (
        graph("f1 f9", "f2", *BODY, ("q2 f9", "DECODE", "f2")), 1, 0, [],
    ),
    "read in float too": (
        graph("f1", "f2 q2", *BODY, ("f1", "EXP", "f2")), 0, 0, [],
    ),
    "a result that nobody takes": (graph("q1", "q2", *BODY[1:], ("q2", "EXP", "f2")), 0, 0, []),
}  # fmt: skip
"""The graph; how many inputs and outputs and which operators are meant for the CPU."""


@pytest.mark.parametrize("name", GRAPHS)
def test_what_is_meant_for_the_cpu(name: str) -> None:
    described, inputs, outputs, operators = GRAPHS[name]
    found = cpu_parts(described)
    assert (len(found.inputs), len(found.outputs)) == (inputs, outputs)
    assert [each.index for each in found.operators] == operators
    assert all(found.holds(each) for each in found.operators)
    assert not found.holds(OperatorInfo(0, "ADD", (), ()))
