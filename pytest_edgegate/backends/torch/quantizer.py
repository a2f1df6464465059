"""Assigns a scale to every stored tensor of an exported graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pytest_edgegate.backends.torch.operators import (
    FIXED,
    FREE,
    KEEPING,
    RESCALING,
    TRANSPARENT,
    WEIGHTED,
    Bounds,
    clamp_bounds,
    is_float,
    name_of,
    tensors_of,
)

AVERAGING = 0.1
"""The weight of a batch in the moving average of a tensor's extremes.

What lies beyond a range has no gradient: with torch's 0.01 ranges follow over some hundred steps,
and what they hold back does not learn meanwhile (4 epochs of a small network on digits, lr 1e-2:
loss 1.21 at 0.01, 0.54 at 0.1, 0.51 in float).
"""
_SMALLEST = 2.0**-14
"""The smallest scale of activations: torch's fused kernel goes no lower (6.1e-5)."""
_SMALLEST_OF_WEIGHTS = 2.0**-20
"""The scale of all-zero channels: the scale of the 32-bit bias is a multiple of it."""


@dataclass(frozen=True)
class Value:
    """A tensor that the deployed model stores in int8, and the tensor whose scale it shares."""

    node: Any
    scale_of: Any
    bounds: Bounds = FREE
    fixed: tuple[float, int] | None = None


@dataclass
class Values:
    """Every tensor of a graph that gets a scale, in the order of the graph.

    A clamp (ReLU6) that alone follows what makes its tensor is one operator with it: what lies
    between is never kept, and integers that end where the clamp does need no clamp at all.
    """

    known: dict[Any, Value] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: Any) -> Values:
        found = cls()
        for node in graph.nodes:
            if _is_kept(node):
                found.known[node] = found._value(node)
        return found

    def __iter__(self) -> Iterator[Value]:
        return iter(self.known.values())

    def _value(self, node: Any) -> Value:
        name, sources = name_of(node), [self._behind(each) for each in tensors_of(node)]
        bounds = clamp_bounds(node)
        if name in FIXED:
            return Value(node, node, fixed=FIXED[name])
        if bounds is not None:
            return Value(node, node, bounds)
        if (name in KEEPING or _is_item(node)) and sources:
            return self._like(node, sources[0])
        if name == "cat" and len({self._kind(each) for each in sources}) == 1:
            self._share(sources)
            return self._like(node, sources[0])
        return Value(node, node)

    def _behind(self, node: Any) -> Any:
        """The node whose scale the tensor of *node* has: dropout and lists of parts have none."""
        while node not in self.known and node.args and hasattr(node.args[0], "args"):
            node = node.args[0]
        return node

    def _like(self, node: Any, source: Any) -> Value:
        before = self.known.get(source)
        if before is None:
            return Value(node, node)
        return Value(node, before.scale_of, before.bounds, before.fixed)

    def _kind(self, source: Any) -> object:
        """The class of values that can share a scale without loss: those with equal bounds."""
        value = self.known.get(source)
        return source if value is None else (value.bounds, value.fixed)

    def _share(self, sources: list[Any]) -> None:
        """All that is concatenated gets the scale of the first one."""
        roots = {self.known[each].scale_of for each in sources if each in self.known}
        order = {node: at for at, node in enumerate(self.known)}
        first = min(roots, key=lambda node: order[node], default=None)
        for node, value in self.known.items():
            if value.scale_of in roots:
                self.known[node] = Value(node, first, value.bounds, value.fixed)


def quantizer(*, symmetric: bool) -> Any:
    """A torchao Quantizer: int8 activations with a scale a tensor, int8 weights with one a channel.

    *symmetric*: zero points of 0, as TensorRT wants them.
    """
    from torchao.quantization.pt2e.quantizer import (
        FixedQParamsQuantizationSpec,
        QuantizationAnnotation,
        Quantizer,
        SharedQuantizationSpec,
    )

    activation, specs = _activation(symmetric), FixedQParamsQuantizationSpec

    class WholeGraph(Quantizer):  # type: ignore[misc]
        def annotate(self, model: Any) -> Any:
            for value in Values.of(model.graph):
                spec = activation
                if value.fixed is not None:
                    fixed = _centred(*value.fixed) if symmetric else value.fixed
                    spec = _fixed(specs, *fixed)
                if value.scale_of is not value.node:
                    spec = SharedQuantizationSpec(value.scale_of)
                _annotation(QuantizationAnnotation, value.node).output_qspec = spec
            for node in model.graph.nodes:
                if name_of(node) in WEIGHTED:
                    weights = _annotation(QuantizationAnnotation, node).input_qspec_map
                    weights[node.args[1]] = _weights(WEIGHTED[name_of(node)])
            return model

        def validate(self, model: Any) -> None:
            """All that is left in float was refused before."""

    return WholeGraph()


def _is_kept(node: Any) -> bool:
    """Whether the tensor of a node is kept, and not only a step inside one operator."""
    if not is_float(node) or name_of(node) in TRANSPARENT or not _is_data(node):
        return False
    users = list(node.users)
    if len(users) == 1 and clamp_bounds(users[0]) is not None:
        return not _takes_a_clamp(node)
    return True


def _takes_a_clamp(node: Any) -> bool:
    return name_of(node) in WEIGHTED or name_of(node) in RESCALING


def _is_data(node: Any) -> bool:
    """Whether a node is what flows through the model: no weight and no bias."""
    if node.op == "get_attr":
        return any(name_of(user) not in WEIGHTED for user in node.users)
    return node.op in ("placeholder", "call_function")


def _is_item(node: Any) -> bool:
    return bool(getattr(node.target, "__name__", "") == "getitem")


def _annotation(kind: Any, node: Any) -> Any:
    made = node.meta.setdefault("quantization_annotation", kind())
    made._annotated = True
    return made


def _activation(symmetric: bool) -> Any:
    """By torch's fused kernel, which is faster; its symmetric scales are not those deployed."""
    import torch
    from torchao.quantization.pt2e import fake_quantize
    from torchao.quantization.pt2e.observer import MovingAverageMinMaxObserver
    from torchao.quantization.pt2e.quantizer import QuantizationSpec

    fused, plain = fake_quantize.FusedMovingAvgObsFakeQuantize, fake_quantize.FakeQuantize
    return QuantizationSpec(
        dtype=torch.int8,
        quant_min=-128,
        quant_max=127,
        qscheme=torch.per_tensor_symmetric if symmetric else torch.per_tensor_affine,
        observer_or_fake_quant_ctr=(plain if symmetric else fused).with_args(
            observer=MovingAverageMinMaxObserver, averaging_constant=AVERAGING, eps=_SMALLEST
        ),
    )


def _weights(axis: int | None) -> Any:
    """Symmetric, from -127 to 127; their extremes are those of now, not an average.

    Not by the fused kernel, for the same reason as symmetric activations.
    """
    import torch
    from torchao.quantization.pt2e.fake_quantize import FakeQuantize
    from torchao.quantization.pt2e.observer import (
        MovingAverageMinMaxObserver,
        MovingAveragePerChannelMinMaxObserver,
    )
    from torchao.quantization.pt2e.quantizer import QuantizationSpec

    now = {"averaging_constant": 1.0, "eps": _SMALLEST_OF_WEIGHTS}
    if axis is None:
        kind, scheme = MovingAverageMinMaxObserver, torch.per_tensor_symmetric
    else:
        kind, scheme = MovingAveragePerChannelMinMaxObserver, torch.per_channel_symmetric
        now["ch_axis"] = axis
    return QuantizationSpec(
        dtype=torch.int8,
        quant_min=-127,
        quant_max=127,
        qscheme=scheme,
        ch_axis=axis,
        observer_or_fake_quant_ctr=FakeQuantize.with_args(observer=kind, **now),
    )


def _centred(scale: float, zero_point: int) -> tuple[float, int]:
    """The scale with which a zero point of 0 reaches as far up, and that zero point."""
    return scale * (127 - zero_point) / 127, 0


def _fixed(kind: Any, scale: float, zero_point: int) -> Any:
    import torch

    return kind(
        dtype=torch.int8,
        scale=scale,
        zero_point=zero_point,
        quant_min=-128,
        quant_max=127,
        qscheme=torch.per_tensor_affine,
    )
