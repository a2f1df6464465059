"""Follows channels through a model, call by call, including nested models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pytest_edgegate.backends.keras.pruning.channels import Channels, Ledger
from pytest_edgegate.backends.keras.pruning.cuts import (
    Cut,
    Given,
    NotCoveredError,
    Tensor,
    described,
)
from pytest_edgegate.backends.keras.pruning.graph import Call, calls, graph_of
from pytest_edgegate.backends.keras.pruning.rules import rule_of

OUTPUT = "makes an output of the model"
INPUT = "is tied to an input of the model"


@dataclass(frozen=True)
class Found:
    """A layer with weights. ``path``: its name, behind those of the models that it is in."""

    path: str
    layer: Any
    cut: Cut
    made: Channels
    """Those of its output."""


@dataclass
class Trace:
    """The results for a model. ``layers``: each once, in the order of their calls."""

    ledger: Ledger = field(default_factory=Ledger)
    layers: dict[int, Found] = field(default_factory=dict)
    """By ``id``: Keras's layers differ by identity."""
    inputs: dict[int, list[Channels]] = field(default_factory=dict)
    """The results for nested models, by their ``id``."""

    def filters(self) -> Iterator[tuple[Any, str, int, Channels]]:
        """(layer, weight, axis, units) of all filters, once each."""
        for each in self.layers.values():
            if each.cut.filters is not None:
                name, axis = each.cut.filters
                yield each.layer, name, axis, each.cut.weights[name][axis]


def trace(model: Any) -> Trace:
    """Follows the channels of a Functional or Sequential model of Keras 3."""
    found = Trace()
    tracer = _Tracer(found)
    graph = graph_of(model)
    assert graph is not None  # the caller has refused what is no graph
    for output in tracer.run(graph, [tracer.fixed(each, INPUT) for each in graph.inputs], ""):
        found.ledger.keep(output, OUTPUT)
    return found


class _Tracer:
    def __init__(self, found: Trace) -> None:
        self._found = found
        self._ledger = found.ledger

    def fixed(self, tensor: Any, why: str) -> Channels:
        """Channels that have to stay, for a symbolic tensor."""
        channels = self._ledger.new(_width(tensor))
        self._ledger.keep(channels, why)
        return channels

    def run(self, graph: Any, inputs: Sequence[Channels], path: str) -> list[Channels]:
        """The channels of a graph's outputs, by those of its inputs."""
        known = {id(each): made for each, made in zip(graph.inputs, inputs, strict=True)}
        for call in calls(graph):
            if all(id(each) in known for each in call.inputs):
                made = self._call(call, [known[id(each)] for each in call.inputs], path)
                known.update(zip(map(id, call.outputs), made, strict=True))
        return [known[id(each)] for each in graph.outputs]

    def _call(self, call: Call, inputs: Sequence[Channels], path: str) -> list[Channels]:
        inner = graph_of(call.layer)
        if inner is not None:
            return self._model(call, inner, inputs, f"{path}{call.layer.name}/")
        try:
            made, cut = self._by_rule(call, inputs)
        except NotCoveredError as error:
            return self._whole(call, inputs, path, described(call.layer, str(error)))
        self._remember(call.layer, path, cut, made)
        return [made]

    def _model(
        self, call: Call, inner: Any, inputs: Sequence[Channels], path: str
    ) -> list[Channels]:
        """A nested model, treated as if its layers were inlined."""
        alike = [len(each) for each in inputs] == [_width(each) for each in inner.inputs]
        if alike and call.by_name == isinstance(inner.input, dict):
            return self._inside(call.layer, inner, inputs, path)
        why = described(call.layer, "is called with other inputs than it was built for")
        for each in inputs:
            self._ledger.keep(each, why)
        fixed = [self.fixed(each, why) for each in inner.inputs]
        made = self._inside(call.layer, inner, fixed, path)
        for each in made:
            self._ledger.keep(each, why)
        return made

    def _inside(
        self, model: Any, graph: Any, inputs: Sequence[Channels], path: str
    ) -> list[Channels]:
        before = self._found.inputs.setdefault(id(model), list(inputs))
        for one, other in zip(before, inputs, strict=True):
            self._ledger.tie(one, other)
        return self.run(graph, inputs, path)

    def _by_rule(self, call: Call, inputs: Sequence[Channels]) -> tuple[Channels, Cut]:
        layer, rule = call.layer, rule_of(call.layer)
        _check_call(call)
        if not all(map(len, inputs)):
            raise NotCoveredError("reads a tensor without a fixed number of channels")
        tensors = [
            Tensor(channels, each.shape) for channels, each in zip(inputs, call.inputs, strict=True)
        ]
        made, cut = rule(Given(layer, tuple(tensors), call.outputs[0].shape, self._ledger))
        if len(made) != _width(call.outputs[0]) or not _fits(cut, layer):
            raise NotCoveredError("has other weights than layers of its kind")
        return made, cut

    def _whole(self, call: Call, inputs: Sequence[Channels], path: str, why: str) -> list[Channels]:
        """A call through which channels can't be followed: what it reads and makes stays."""
        for each in inputs:
            self._ledger.keep(each, why)
        made = [self.fixed(each, why) for each in call.outputs]
        self._remember(call.layer, path, Cut(), np.concatenate(made))
        return made

    def _remember(self, layer: Any, path: str, cut: Cut, made: Channels) -> None:
        """Records a call: channels that a layer loses in one call, it loses in all."""
        before = self._found.layers.setdefault(
            id(layer), Found(f"{path}{layer.name}", layer, cut, made)
        )
        if before.cut is cut:
            return
        one, other = before.cut.maps, cut.maps
        for key in one | other:
            pair = [maps[key] for maps in (one, other) if key in maps]
            if len({len(each) for each in pair}) == 1 and len(pair) == 2:
                self._ledger.tie(*pair)
                continue
            for each in pair:
                self._ledger.keep(each, described(layer, "is used in different ways"))


def _width(tensor: Any) -> int:
    """The number of channels of a symbolic tensor; 0 if it is not fixed, or there are none."""
    return (tensor.shape[-1] or 0) if len(tensor.shape) > 1 else 0


def _check_call(call: Call) -> None:
    """Refuses calls that the rules know nothing of: arrays as arguments, tensors by keyword."""
    if getattr(call.layer, "data_format", None) == "channels_first":
        raise NotCoveredError("has its channels first")
    if len(call.outputs) != 1:
        raise NotCoveredError("has more than one output")
    if len(call.positional) - len(call.constants) != len(call.inputs):
        raise NotCoveredError("is given a tensor by keyword")
    scalars = all(isinstance(each, int | float) for each in call.constants)
    if call.constants and not (scalars and len(call.positional) == 2):
        raise NotCoveredError("is given an array")


def _fits(cut: Cut, layer: Any) -> bool:
    """Whether the cut names every weight, and in its size."""
    return all(
        weight.name in cut.weights
        and all(
            weight.shape[axis] == len(channels)
            for axis, channels in cut.weights[weight.name].items()
        )
        for weight in getattr(layer, "weights", ())
    )
