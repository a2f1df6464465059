"""Carries the layer names of an exported torch program over to a .tflite file."""

from __future__ import annotations

import re
from typing import Any

from pytest_edgegate.backends.litert.inputs_outputs import make_names_unique

_MARK = "edgegate_layer_"


def channels_last_module(program: Any, images: list[int]) -> Any:
    """A ``torch.nn.Module`` over the program that takes the inputs *images* with channels last.

    Each operator runs inside a module of the name of its layer: the converter exports the program
    again, and that is all that it keeps of where an operator came from.
    """
    import torch

    class Layer(torch.nn.Module):  # type: ignore[misc]
        def forward(self, function: Any, *values: Any) -> Any:
            return function(*values)

    class ByLayer(torch.fx.Interpreter):  # type: ignore[misc]
        layer: Any

        def run_node(self, n: Any) -> Any:
            self.layer = layers.get(n.name)
            return super().run_node(n)

        def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
            return self.layer(super().call_function, target, args, kwargs)

    class ChannelsLast(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.graph_module = program.module()
            for name, layer in kept.items():
                self.add_module(_MARK + name, layer)
            self.training = False  # an exported module refuses eval(), the converter asks for it

        def forward(self, *tensors: Any) -> Any:
            values = [
                tensor.permute(0, 3, 1, 2) if at in images else tensor
                for at, tensor in enumerate(tensors)
            ]
            return ByLayer(self.graph_module).run(*values)

    kept: dict[str, Any] = {}
    layers = {
        node.name: kept.setdefault(name, Layer().eval())
        for node, name in _layer_names(program.graph).items()
    }
    return ChannelsLast()


def name_tensors(model: Any) -> None:
    """Gives the tensors of a converted ModelT the names of their layers.

    The converter joins what it has fused: ``conv;bn;relu`` is one convolution.
    """
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            layers = re.findall(_MARK + r"([^;]*)", (tensor.name or b"").decode("utf-8", "replace"))
            if layers:
                tensor.name = ";".join(dict.fromkeys(layers)).encode()
    make_names_unique(model)


def layer_of(program: Any, operator: str) -> str:
    """The layer of an operator from the converter's message, or an empty string.

    For an operator that torch calls otherwise (``mhlo.convolution``) that is a likely place.
    """
    kin = operator.rsplit(".", 1)[-1]
    graphs = (program.graph, program.run_decompositions().graph)
    for wanted in (
        f"^{re.escape(operator)}$",
        r"\.conv_transpose" if kin == "convolution" else kin,
    ):
        for graph in graphs:
            names = _layer_names(graph)
            found = dict.fromkeys(
                f"{name} ({_stack(node)[-1][1]})"
                for node, name in names.items()
                if re.search(wanted, str(node.target))
            )
            if found:
                return f" in {' or '.join(list(found)[:3])}"
    return ""


def written_state(program: Any) -> list[str]:
    """The buffers and inputs that the program writes to when it runs."""
    changing = any(
        getattr(getattr(node.target, "_schema", None), "is_mutable", False)
        for node in program.graph.nodes
    )
    # Only a graph without in-place operators has in its signature what they would change
    signature = (program.run_decompositions({}) if changing else program).graph_signature
    found = {*signature.buffers_to_mutate.values(), *signature.user_inputs_to_mutate.values()}
    return sorted(found)


def _layer_names(graph: Any) -> dict[Any, str]:
    """For each operator the path of its module, from the innermost one that holds them all on.

    An operator of that one itself goes by its own name.
    """
    nodes = [each for each in graph.nodes if each.op == "call_function"]
    # Sizes that torch has added stand in no module
    within = {each: _stack(each) for each in nodes if _stack(each)[0][0] == ""}
    shared = [{path for path, _ in stack} for stack in within.values()]
    root = max(set.intersection(*shared) if shared else (), key=len, default="")
    return {
        node: (
            within.get(node, [("", "")])[-1][0].removeprefix(root).strip(".") or node.name
        ).replace(".", "/")
        for node in nodes
    }


def _stack(node: Any) -> list[tuple[str, str]]:
    """(path, class) of every module around a node, the outermost first."""
    entries = (node.meta.get("nn_module_stack") or {}).values()
    return [
        (
            str(path).removeprefix("L['self']").strip("."),
            (kind if isinstance(kind, str) else kind.__name__).rsplit(".", 1)[-1],
        )
        for path, kind in entries
    ] or [("-", "module")]
