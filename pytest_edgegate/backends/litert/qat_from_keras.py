"""Quantisation-aware training of Keras models, to int8 .tflite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pytest_edgegate.backends.litert.flat_graph import as_message, flat_graph
from pytest_edgegate.backends.litert.from_keras import in_order
from pytest_edgegate.backends.litert.qat_agreement import check_file, check_twin
from pytest_edgegate.backends.litert.qat_layers import for_training
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.state import refuse_state
from pytest_edgegate.backends.tf_losses import targets_by
from pytest_edgegate.core.errors import ConfigurationError, UnsupportedError
from pytest_edgegate.core.plan import Move
from pytest_edgegate.core.ports import (
    ChildProcess,
    LoadedModel,
    Produced,
    SourceModel,
    TrainingData,
    TransformData,
)
from pytest_edgegate.core.recipe import QAT, Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.training import LOSSES, OPTIMIZERS, EdgeTraining
from pytest_edgegate.data.objectives import choose_objective
from pytest_edgegate.data.splits import Array
from pytest_edgegate.data.training import train

_CHILD = "pytest_edgegate.backends.litert.qat_child:Desk"
_SEEN = 256
"""Samples that ranges begin with, and that models are compared on."""
_STARTING = 240.0
_TRACING = 300.0
_CONVERTING = 600.0
"""Seconds that importing TensorFlow, tracing a large network and converting one may take more."""


class KerasQatToLiteRT:
    """Trains with int8 simulated, in a process of its own, and converts what was trained.

    Weights get symmetric ranges, for each channel of a convolution and for a whole Dense layer;
    activations one range a tensor; batch normalisation is folded (the default 8-bit scheme of
    tensorflow-model-optimization). Ranges begin with the extremes of some training samples.
    """

    version = 1
    packages = (
        "tensorflow", "keras", "tf_keras", "tensorflow-model-optimization", "ai-edge-litert",
        "flatbuffers", "ml_dtypes",
    )  # fmt: skip
    programs = ()
    moves = (Move(("keras", "float32"), QAT, ("litert", "int8")),)

    def refuse(self, step: Step | None, target: Target) -> tuple[str, str] | None:
        return None

    def constraints(self, target: Target) -> Mapping[str, object]:
        return {"io": target.default_io}

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        assert isinstance(step, QAT)  # its only move
        loaded = model.load()
        refuse_state(model.name, loaded, "build it with stateful=False, its state in and out of it")
        _refuse_ends(model.name, loaded)
        samples = data.training(loaded.inputs)
        _refuse_functions(samples.settings)
        work = _Work(model.name, loaded, samples, step)
        main = out / f"{model.name}.tflite"
        with data.process(_CHILD) as child:
            work.build(child)
            facts = work.learn(child)
            main.write_bytes(work.converted(child, target.default_io))
            if len(loaded.inputs) > 1:
                main.write_bytes(in_order(main, loaded))
            facts |= check_file(main, work.seen, child.call("outputs", work.seen)[1])
        return Produced(main, (main,), loaded.notes, facts=facts)


class _Work:
    """One training, this process's side of it."""

    def __init__(
        self, name: str, loaded: LoadedModel, samples: TrainingData, step: QAT
    ) -> None:  # fmt: skip
        self._name = name
        self._loaded = loaded
        self._samples = samples
        self._step = step
        self._graph = for_training(flat_graph(loaded))
        self.seen = _some(samples)
        example = samples.example()
        outputs = _outputs(loaded, example.inputs)
        self._objective = choose_objective(outputs, example.labels, samples.settings)
        self._target = targets_by(self._objective, outputs[0].shape)
        self._target(example.labels)

    def build(self, child: ChildProcess) -> None:
        """Lets the child build the model, and compares it with the one it was read from."""
        graph, weights = as_message(self._graph)
        child.call("build", weights, longer=_STARTING, graph=graph)
        _, found = child.call("outputs", self.seen, longer=_STARTING)
        check_twin(_outputs(self._loaded, self.seen), found, self._name)
        child.call("quantise", self.seen, longer=_STARTING)

    def learn(self, child: ChildProcess) -> dict[str, Any]:
        """The training, batch by batch; gives facts about it."""
        settings, step = self._samples.settings, self._step
        example = self._samples.example()
        hardware, _ = child.call(
            "prepare", (*example.inputs, self._target(example.labels)),
            objective={key: value for key, value in asdict(self._objective).items()
                       if key != "loss"},
            optimizer=settings.optimizer, lr=step.lr, seed=settings.seed, what=self._name,
        )  # fmt: skip

        def learn(batch: Any) -> float:
            arrays = (*batch.inputs, self._target(batch.labels))
            return float(child.call("learn", arrays, longer=_TRACING)[0]["loss"])

        losses = train(self._samples, step, learn, self._name)
        return {
            **hardware, "seed": settings.seed, "epochs": step.epochs, "lr": step.lr,
            "batch_size": settings.batch_size, "losses": list(losses),
        }  # fmt: skip

    def converted(self, child: ChildProcess, io: str) -> bytes:
        inputs = [[each.name, list(each.shape)] for each in self._loaded.inputs]
        _, (content,) = child.call(
            "convert", longer=_CONVERTING, inputs=inputs, outputs=list(self._loaded.outputs), io=io
        )
        return content.tobytes()


def _some(samples: TrainingData) -> tuple[Array, ...]:
    """Some samples as they are trained on: shuffled, where they are of an array."""
    found: list[tuple[Array, ...]] = []
    for batch in samples.epoch(0):
        found.append(batch.inputs)
        if sum(len(each[0]) for each in found) >= _SEEN:
            break
    return tuple(np.concatenate(column)[:_SEEN] for column in zip(*found, strict=True))


def _outputs(loaded: LoadedModel, inputs: tuple[Array, ...]) -> tuple[Array, ...]:
    """The float model's outputs, as its own framework computes them."""
    import tensorflow as tf

    with held_native_output():
        found = loaded.function(*(tf.constant(array) for array in inputs))
    return tuple(np.asarray(each, np.float32) for each in found)


def _refuse_ends(name: str, loaded: LoadedModel) -> None:
    if len(loaded.outputs) != 1:
        raise UnsupportedError(
            f"{name} has {len(loaded.outputs)} outputs, and quantisation-aware training of Keras "
            "models learns one output from its labels",
            "use PTQ(), or train a model of the one output",
        )
    for each in loaded.inputs:
        if each.dtype != "float32" or -1 in each.shape[1:]:
            raise UnsupportedError(
                f"the input {each.name!r} of {name} is {each.dtype} of shape {each.shape}, and "
                "quantisation-aware training takes float32 of fixed sizes",
                "give the model a float32 Input with every size fixed but the batch",
            )


def _refuse_functions(settings: EdgeTraining) -> None:
    for field, names in (("loss", LOSSES), ("optimizer", OPTIMIZERS)):
        given = getattr(settings, field)
        if given is not None and not isinstance(given, str):
            raise ConfigurationError(
                f"the {field} of edge_training is a function of your own, and QAT of a Keras "
                "model runs in a process of its own, which a function can't be sent to",
                f"name it ({', '.join(names)}), or use Distill or Prune, which take your own, and "
                "PTQ()",
            )


TRANSFORM = KerasQatToLiteRT()
