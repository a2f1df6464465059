"""The signatures of a .tflite file: the entry points that its converter has named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.litert.schema import opened


def text(name: Any) -> str:
    """A name in a flatbuffer."""
    return (name or b"").decode("utf-8", "replace")


def signature_defs(model: Any) -> tuple[Any, ...]:
    """The SignatureDefT of a ModelT, without those that name no graph of it."""
    count = len(model.subgraphs)
    return tuple(each for each in model.signatureDefs or () if each.subgraphIndex < count)


def argument_names(model: Any, graph: Any) -> Mapping[int, str]:
    """By the index of a tensor of *graph*: the name of the input in its first signature."""
    for each in signature_defs(model):
        if model.subgraphs[each.subgraphIndex] is graph:
            return {int(one.tensorIndex): text(one.name) for one in each.inputs or ()}
    return {}


def input_names(path: Path) -> Mapping[int, str]:
    """As ``argument_names``, of the first graph of a file; weights are not read."""
    model = opened(path)
    for each in (model.SignatureDefs(at) for at in range(model.SignatureDefsLength())):
        if each.SubgraphIndex() == 0:
            inputs = (each.Inputs(at) for at in range(each.InputsLength()))
            return {int(one.TensorIndex()): text(one.Name()) for one in inputs}
    return {}


def put_first(model: Any, name: str) -> None:
    """Exchanges the first subgraph of a ModelT with that of a signature. Raises KeyError."""
    signatures = {text(each.signatureKey): each for each in signature_defs(model)}
    at = signatures[name].subgraphIndex
    if at == 0:
        return
    graphs = model.subgraphs
    graphs[0], graphs[at] = graphs[at], graphs[0]
    moved = {0: at, at: 0}
    for each in model.signatureDefs:
        each.subgraphIndex = moved.get(each.subgraphIndex, each.subgraphIndex)
    for graph in graphs:
        for operator in graph.operators or ():
            for options in (operator.builtinOptions, operator.builtinOptions2):
                _renumber(options, moved)


def _renumber(options: Any, moved: Mapping[int, int]) -> None:
    for field in graph_fields(options):
        value = getattr(options, field)
        setattr(options, field, moved.get(value, value))


def graph_fields(options: Any) -> tuple[str, ...]:
    """The fields of an operator's options that are the index of a graph which it runs.

    The schema ends their names alike, but for that of CALL.
    """
    fields = () if options is None else tuple(vars(options))
    return tuple(
        each for each in fields if each.lower().endswith("subgraphindex") or each == "subgraph"
    )
