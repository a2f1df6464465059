"""Structured pruning of torch modules by Torch-Pruning, with fine-tuning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.pruned_layers import KeptLayers
from pytest_edgegate.backends.tools import first_line
from pytest_edgegate.backends.torch import counting
from pytest_edgegate.backends.torch.dependencies import filters_of, import_torch_pruning, is_layer
from pytest_edgegate.backends.torch.exporting import readable_path
from pytest_edgegate.backends.torch.loading import import_torch
from pytest_edgegate.backends.torch.removal import OUTPUT, Pruned, prune
from pytest_edgegate.backends.torch.saving import save_program
from pytest_edgegate.backends.torch.trainable import trainable_of
from pytest_edgegate.backends.torch.training import check_fit, fit
from pytest_edgegate.core.defaults import TransformDefaults
from pytest_edgegate.core.errors import CompressionError
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
from pytest_edgegate.data.splits import Array

_NODE = ("torch", "float32")
_SAMPLES = 8
"""The number of samples for verifying a removal."""


class TorchPrune(TransformDefaults):
    """Structured pruning: layers of the result have fewer filters, not zeros."""

    version = 2
    packages = ("torch", "torch-pruning")
    moves = (Move(_NODE, Prune, _NODE),)

    def check(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData
    ) -> None:
        assert isinstance(step, Prune)  # the only step of its moves
        loaded = model.load()
        training = data.training(loaded.inputs)
        _, pruned = _begun(model, loaded, step, training)
        check_fit(pruned.module, training, step, model.name)

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        assert isinstance(step, Prune)  # the only step of its moves
        loaded = model.load()
        training = data.training(loaded.inputs)
        sample = training.example().inputs
        original, pruned = _begun(model, loaded, step, training)
        trained = fit(pruned.module, training, step, model.name)
        main = out / f"{model.name}.pt2"
        save_program(pruned.module, loaded.inputs, main, outputs=loaded.outputs, sample=sample)
        facts = _facts(original, pruned, sample)
        notes = KeptLayers(step, model.name, facts["kept"]).notes(OUTPUT)
        return Produced(main, (main,), notes, facts={**facts, "training": trained})


def _begun(
    model: SourceModel, loaded: LoadedModel, step: Prune, training: TrainingData
) -> tuple[Any, Pruned]:
    """The module as it was, and without the filters."""
    import_torch_pruning()
    original = trainable_of(model.name, loaded)
    sample = training.example().inputs
    return original, _pruned(model.name, original, sample, step, training.settings.seed)


def _pruned(name: str, original: Any, sample: tuple[Array, ...], step: Prune, seed: int) -> Pruned:
    """Raises UnsupportedError if no filter can be removed."""
    torch = import_torch()
    original.eval().cpu()
    try:
        with held_native_output():
            pruned = prune(torch, original, _tensors(sample, _SAMPLES), step, seed)
    except Exception as error:  # the tracer and the module's layers may raise anything
        raise CompressionError(
            f"Torch-Pruning failed on {name}: {first_line(error)}",
            "compare edge_data.train with what the model takes, or leave Prune out of the recipe; "
            "the whole traceback is at --tb=long",
        ) from error
    if not pruned.removed:
        kept = KeptLayers(step, name, _kept(pruned))
        raise kept.refused("it has no convolution and no dense layer")
    return pruned


def _tensors(sample: tuple[Array, ...], count: int) -> tuple[Any, ...]:
    torch = import_torch()
    return tuple(torch.tensor(each[:count]) for each in sample)


def _facts(original: Any, pruned: Pruned, sample: tuple[Array, ...]) -> dict[str, Any]:
    torch, one = import_torch(), _tensors(sample, 1)
    pair = (original, pruned.module)
    before, after = (_filters(each) for each in pair)
    return {
        "parameters": [counting.parameters(each) for each in pair],
        "macs": [counting.macs(torch, each, one) for each in pair],
        "filters": {
            path: [count, after[path]] for path, count in before.items() if count != after[path]
        },
        "kept": _kept(pruned),
    }


def _kept(pruned: Pruned) -> dict[str, str]:
    return {readable_path(path): why for path, why in pruned.locked.items()}


def _filters(module: Any) -> dict[str, int]:
    return {
        readable_path(path): filters_of(layer)
        for path, layer in module.named_modules()
        if is_layer(layer)
    }


TRANSFORM = TorchPrune()
