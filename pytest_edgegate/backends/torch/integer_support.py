"""Rejects operators without an integer version before the training."""

from __future__ import annotations

from typing import Any

from pytest_edgegate.backends.torch.operators import (
    FIXED,
    KEEPING,
    RESCALING,
    TRANSPARENT,
    WEIGHTED,
    clamp_bounds,
    is_float,
    name_of,
)
from pytest_edgegate.core.errors import UnsupportedError

_INTEGER = frozenset({*WEIGHTED, *KEEPING, *RESCALING, *FIXED, *TRANSPARENT})
_WHY = {
    "conv_transpose": "QAT trains no transposed convolutions, which PTQ() stores in int8 and some "
    "runtimes compute in float; Upsample and Conv do the same and can be trained",
    "lstm": "recurrent layers accumulate in a state that int8 training does not round",
    "gru": "recurrent layers accumulate in a state that int8 training does not round",
    "rnn": "recurrent layers accumulate in a state that int8 training does not round",
    "scaled_dot_product_attention": "attention multiplies activations by activations",
    "matmul": "it multiplies activations by activations, as attention does",
    "bmm": "it multiplies activations by activations, as attention does",
    "layer_norm": "it divides by a statistic of each sample",
    "group_norm": "it divides by a statistic of each sample",
    "instance_norm": "it divides by a statistic of each sample",
    "embedding": "its table is looked up, not multiplied by",
}


def refuse_what_stays_float(program: Any, name: str) -> None:
    """Raises UnsupportedError that names each operator on floats that has no int8 operator."""
    found = {
        operator: _layer(node)
        for node in program.graph.nodes
        if node.op == "call_function" and (operator := _foreign(node)) is not None
    }
    _refuse_other_weights(program, name)
    if found:
        listed = "; ".join(f"{each}{layer}{_reason(each)}" for each, layer in found.items())
        raise UnsupportedError(
            f"QAT has no int8 operators for what {name} computes: {listed}",
            "use PTQ(), after which the gate names what stays in float; or write that part with "
            "convolutions, linear layers, pooling and elementwise arithmetic",
        )


def _foreign(node: Any) -> str | None:
    """The name of an operator on floats that has no integer version, else None."""
    name = name_of(node) or str(getattr(node.target, "__name__", node.target))
    if name in _INTEGER or clamp_bounds(node) is not None or name == "getitem":
        return None
    return name if is_float(node) or _is_several(node) else None


def _is_several(node: Any) -> bool:
    return isinstance(node.meta.get("val"), tuple | list)


def _refuse_other_weights(program: Any, name: str) -> None:
    """Rejects weights that are computed from the data, which can't be stored."""
    known = {
        *program.graph_signature.inputs_to_parameters,
        *program.graph_signature.inputs_to_buffers,
    }
    for node in program.graph.nodes:
        if name_of(node) in WEIGHTED and node.args[1].name not in known:
            raise UnsupportedError(
                f"the weights of {node.name}{_layer(node)} in {name} are computed, not stored",
                "make them plain parameters (torch.nn.utils.parametrize.remove_parametrizations), "
                "or use PTQ()",
            )


def _reason(operator: str) -> str:
    return next((f" ({why})" for kind, why in _WHY.items() if operator.startswith(kind)), "")


def _layer(node: Any) -> str:
    """In which layer of the module an operator stands, where that is known."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path = str(stack[-1][0]).removeprefix("L['self']").strip(".") if stack else ""
    return f" in {path}" if path else ""
