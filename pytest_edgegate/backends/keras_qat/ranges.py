"""Ranges of activations, before quantisation-aware training moves them.

tensorflow-model-optimization starts every range at [-6, 6] and moves it by a thousandth a step:
a short training would end with ranges that have nothing to do with the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_RATIO = 128 / 127
"""How much further symmetric int8 reaches down than up."""


def make_symmetric(model: Any) -> None:
    """Lets the quantizers of activations keep zero in the middle of their ranges."""
    for place in _places(model):
        place.quantizer.symmetric = True


def calibrate(tf: Any, model: Any, run: Callable[[], object], *, symmetric: bool = False) -> None:
    """Sets the ranges of all activations to the extremes that they have while *run* calls the
    model in float; *symmetric*: with zero in the middle."""
    with _replaced(model, _Observer(tf), _Passing()):
        for place in _places(model):
            for bound in place.variables.values():
                bound.assign(tf.zeros_like(bound))
        run()
    for place in _places(model) if symmetric else ():
        low, high = place.variables["min_var"], place.variables["max_var"]
        furthest = tf.maximum(high, -low / _RATIO)
        low.assign(-furthest * _RATIO)
        high.assign(furthest)


class _Observer:
    """Widens a range to what passes, and zero, which every quantised range has."""

    def __init__(self, tf: Any) -> None:
        self._tf = tf

    def __call__(self, values: Any, training: Any, weights: Any, **_: Any) -> Any:
        low, high = weights["min_var"], weights["max_var"]
        low.assign(self._tf.minimum(low, self._tf.reduce_min(values)))
        high.assign(self._tf.maximum(high, self._tf.reduce_max(values)))
        return values


class _Passing:
    """Weights as they are: their ranges are set anew in every step of the training."""

    def __call__(self, values: Any, training: Any, weights: Any, **_: Any) -> Any:
        return values


class _Place:
    """A place where an activation is quantised: the owner of the quantizer, and its range."""

    def __init__(self, holder: Any, name: str | int, variables: Any) -> None:
        self._holder = holder
        self._name = name
        self.variables = variables

    @property
    def quantizer(self) -> Any:
        name = self._name
        return self._holder[name] if isinstance(name, int) else getattr(self._holder, name)

    def swap(self, quantizer: Any) -> Any:
        """Puts *quantizer* there; gives the one that was."""
        before = self.quantizer
        if isinstance(self._name, int):
            self._holder[self._name] = quantizer
        else:
            setattr(self._holder, self._name, quantizer)
        return before


def _places(model: Any) -> Iterator[_Place]:
    for layer in model.layers:
        if hasattr(layer, "quantizer"):  # behind an input
            yield _Place(layer, "quantizer", layer.quantizer_vars)
        for each in getattr(layer, "_quantize_activations", ()):
            for name in ("_pre_activation_vars", "_post_activation_vars"):
                if hasattr(each, name):
                    yield _Place(each, "quantizer", getattr(each, name))
        if getattr(layer, "_output_quantizers", None):
            yield _Place(layer._output_quantizers, 0, layer._output_quantizer_vars)


@contextmanager
def _replaced(model: Any, activations: Any, weights: Any) -> Iterator[None]:
    """The quantizers of the model while it runs in float."""
    places = list(_places(model))
    before = [each.swap(activations) for each in places]
    kept = [(layer, layer._weight_vars) for layer in model.layers if hasattr(layer, "_weight_vars")]
    for layer, each in kept:
        layer._weight_vars = [(weight, weights, bounds) for weight, _, bounds in each]
    try:
        yield
    finally:
        for place, quantizer in reversed(list(zip(places, before, strict=True))):
            place.swap(quantizer)
        for layer, each in kept:
            layer._weight_vars = each
