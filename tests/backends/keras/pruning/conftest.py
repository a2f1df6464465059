"""What every test of pruned networks asks: is what was removed the same as what is masked?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate.backends.keras.pruning.channels import Channels
from pytest_edgegate.backends.keras.pruning.choosing import Cutback, Mask, choose
from pytest_edgegate.backends.keras.pruning.pruned import Pruned, prune
from pytest_edgegate.backends.keras.pruning.tracing import trace

Array = npt.NDArray[Any]
THIRTY = Cutback(0.3)


def leaves(model: Any) -> Iterator[Any]:
    """The layers of a model, and of the models inside it."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from leaves(layer)
        else:
            yield layer


def randomise(model: Any, seed: int = 0) -> None:
    """Weights of usual size, other norms for each filter, and statistics as if trained."""
    random = np.random.default_rng(seed)

    def value(weight: Any) -> Array:
        shape = tuple(weight.shape)
        if weight.name in ("gamma", "moving_variance"):
            return random.uniform(0.5, 1.5, shape)
        if len(shape) == 1:
            return random.normal(0, 0.3, shape)
        scale = random.uniform(0.3, 1.7, shape[-1:]) / np.sqrt(max(1, np.prod(shape[:-1])))
        return random.normal(0, 1, shape) * scale

    for layer in leaves(model):
        layer.set_weights([value(weight) for weight in layer.weights])


def inputs_of(model: Any, samples: int = 3) -> Any:
    """Random inputs in the structure that the model takes."""
    import keras

    random = np.random.default_rng(1)
    return keras.tree.map_structure(
        lambda each: random.normal(size=(samples, *each.shape[1:])).astype(np.float32),
        model.inputs[0] if isinstance(model, keras.Sequential) else model.input,
    )


def outputs_of(model: Any, inputs: Any) -> list[Array]:
    import keras

    return [np.asarray(each) for each in keras.tree.flatten(model(inputs, training=False))]


def _masked(model: Any, cutback: Cutback) -> Any:
    """A copy in which whatever reads a channel that goes reads nothing: its weights are zero."""
    found = trace(model)
    stays = choose(found, found.ledger.bonds(), cutback)
    copy = prune(model, Cutback(0)).model
    readers = [each for each in found.layers.values() if each.cut.filters is not None]
    twins = [each for each in trace(copy).layers.values() if each.cut.filters is not None]
    for reader, twin in zip(readers, twins, strict=True):
        for name, axes in reader.cut.weights.items():
            for axis, channels in axes.items():
                if name != "bias" and (name, axis) != reader.cut.filters:
                    _zero(twin.layer, name, axis, channels, stays)
    return copy


def _zero(layer: Any, name: str, axis: int, channels: Channels, stays: Mask) -> None:
    [weight] = [each for each in layer.weights if each.name == name]
    value = np.moveaxis(np.asarray(weight).copy(), axis, 0)
    value[~stays[channels]] = 0
    weight.assign(np.moveaxis(value, 0, axis))


def _ends(model: Any) -> Any:
    """Names, shapes and structure of inputs and outputs; those of a Sequential have no names."""
    import keras

    if isinstance(model, keras.Sequential):
        return model.input_shape, model.output_shape
    shapes = [[each.shape for each in ends] for ends in (model.inputs, model.outputs)]
    names = [each.name for each in model.inputs], model.output_names
    structures = [
        keras.tree.map_structure(lambda each: 0, ends) for ends in (model.input, model.output)
    ]
    return shapes, names, structures


class Checker:
    """Prunes a network with random weights and compares it with the original in every way."""

    def __call__(self, model: Any, cutback: Cutback = THIRTY, seed: int = 0) -> Pruned:
        randomise(model, seed)
        inputs = inputs_of(model)
        before = outputs_of(model, inputs)
        pruned = prune(model, cutback)
        self._same(before, outputs_of(model, inputs))  # the original is left as it was
        self._same(before, outputs_of(prune(model, Cutback(0)).model, inputs))
        after = outputs_of(pruned.model, inputs)
        for one, other in zip(after, outputs_of(_masked(model, cutback), inputs), strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * max(1, np.abs(other).max()))
        assert _ends(pruned.model) == _ends(model)
        trained = [len(each.trainable_weights) for each in (model, pruned.model)]
        assert trained[0] == trained[1]
        if pruned.filters:
            assert pruned.model.count_params() < model.count_params()
            # else a mask that masks nothing would be as good
            assert any((one != other).any() for one, other in zip(before, after, strict=True))
        return pruned

    def _same(self, one: list[Array], other: list[Array]) -> None:
        for each, twin in zip(one, other, strict=True):
            np.testing.assert_array_equal(each, twin)


@pytest.fixture(scope="session")
def check() -> Checker:
    return Checker()
