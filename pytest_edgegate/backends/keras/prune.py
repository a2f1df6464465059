"""Structured pruning of Keras models with fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.keras.families import family
from pytest_edgegate.backends.keras.pruning.choosing import Cutback
from pytest_edgegate.backends.keras.pruning.graph import graph_of
from pytest_edgegate.backends.keras.pruning.macs import count_macs
from pytest_edgegate.backends.keras.pruning.pruned import Pruned, prune
from pytest_edgegate.backends.keras.pruning.tracing import OUTPUT
from pytest_edgegate.backends.keras.saving import refuse_unreadable, save
from pytest_edgegate.backends.keras.training import check_fit, fit
from pytest_edgegate.backends.other_floats import refuse_other_layers
from pytest_edgegate.backends.pruned_layers import KeptLayers
from pytest_edgegate.core.defaults import TransformDefaults
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.plan import Move
from pytest_edgegate.core.ports import (
    LoadedModel,
    Produced,
    SourceModel,
    TrainingData,
    TransformData,
)
from pytest_edgegate.core.recipe import Prune, Step
from pytest_edgegate.core.target import Target


class KerasPrune(TransformDefaults):
    """Structured pruning by a dependency graph, then fine-tuning.

    Facts: ``parameters`` and ``macs``, [before, after]; ``uncounted``, the layers that ``macs``
    leave out; ``filters``, [before, after] of each layer that lost some; ``kept``, why the others
    lost none; ``training``, as ``training.fit`` gives it.
    """

    version = 2
    packages = ("tensorflow", "keras", "h5py")
    moves = (Move(("keras", "float32"), Prune, ("keras", "float32")),)

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        assert isinstance(step, Prune)  # the only step of its moves
        loaded = model.load()
        refuse_other_layers(model.name, loaded)
        training = data.training(loaded.inputs)
        original, pruned = _pruned(model.name, loaded, step, training)
        trained = fit(pruned.model, training, step, model.name)
        main = save(pruned.model, out / f"{model.name}.keras")
        notes = (*loaded.notes, *KeptLayers(step, model.name, pruned.kept).notes(OUTPUT))
        return Produced(main, (main,), notes, facts=_facts(original, pruned, trained))

    def check(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData
    ) -> None:
        """Everything but the training: the number of removed filters does not depend on weights."""
        assert isinstance(step, Prune)  # the only step of its moves
        loaded = model.load()
        refuse_other_layers(model.name, loaded)
        training = data.training(loaded.inputs)
        _, pruned = _pruned(model.name, loaded, step, training)
        check_fit(pruned.model, training, step, model.name)


def _pruned(
    name: str, loaded: LoadedModel, step: Prune, training: TrainingData
) -> tuple[Any, Pruned]:
    """A copy of the model, and a pruned one. Raises UnsupportedError."""
    original = _prunable(name, loaded)
    refuse_unreadable(original)
    cutback = Cutback(step.amount, step.importance, step.round_to, training.settings.seed)
    pruned = prune(original, cutback)
    if not pruned.filters:
        raise KeptLayers(step, name, pruned.kept).refused("it has no filters")
    return original, pruned


def _prunable(name: str, loaded: LoadedModel) -> Any:
    """A copy of the model, whose graph is known. Raises UnsupportedError."""
    if family(loaded.framework_model) == "tf_keras":
        raise UnsupportedError(
            f"{name} is a model of tf-keras, and filters are removed from models of Keras 3 only",
            "build it with Keras 3 and save it with model.save('model.keras')",
        )
    if loaded.trainable is None or graph_of(loaded.framework_model) is None:
        raise UnsupportedError(
            f"{name} has its own call, which shows no graph of layers to prune",
            "build it as a Functional or Sequential model",
        )
    return loaded.trainable()


def _facts(original: Any, pruned: Pruned, trained: Mapping[str, Any]) -> dict[str, Any]:
    pair = (original, pruned.model)
    counted = [count_macs(each) for each in pair]
    return {
        "parameters": [each.count_params() for each in pair],
        "macs": [each.total for each in counted],
        "uncounted": list(counted[0].uncounted),
        "filters": {path: list(counts) for path, counts in pruned.filters.items()},
        "kept": dict(pruned.kept),
        "training": dict(trained),
    }


TRANSFORM = KerasPrune()
