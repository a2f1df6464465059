"""Quantisation-aware training of one Keras model: the session's side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

import numpy as np

from pytest_edgegate.backends.keras_qat.flat_graph import as_message, flat_graph
from pytest_edgegate.backends.keras_qat.layers import for_training
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.other_floats import refuse_other_layers
from pytest_edgegate.backends.stateful_models import refuse_stateful
from pytest_edgegate.backends.tf_graphs import graph_names
from pytest_edgegate.backends.tf_losses import targets_by
from pytest_edgegate.core.errors import (
    BackendUnavailableError,
    ConfigurationError,
    UnsupportedError,
)
from pytest_edgegate.core.ports import (
    ChildProcess,
    LoadedModel,
    TrainingData,
    TransformData,
)
from pytest_edgegate.core.recipe import QAT
from pytest_edgegate.core.training import LOSSES, OPTIMIZERS, EdgeTraining, TrainingBatch
from pytest_edgegate.data.agreement import agreement, mean_steps
from pytest_edgegate.data.objectives import choose_objective
from pytest_edgegate.data.splits import Array
from pytest_edgegate.data.training_loop import train, training_facts

_MEAN, _LARGEST = 3.0, 257.0
"""The largest differences, in steps, between the outputs of a file and of its simulation: on
average, and of one value, which may cross the whole range (a softmax has 256 steps, and floats end
a little behind them).

Deep networks carry every rounding on: of a MobileNetV2 that was trained so, the simulation lies 1.3
steps from its file on average, up to 81 at most, and LiteRT's two kinds of kernels 2.2 and 108 from
each other. A layer that was converted to another lies 10 on average. Of a softmax of many classes
all of that is little: ``data.agreement`` sees to it that the best class is the same.
"""
_OF_KERNELS = 8.0
"""The largest mean for a file whose own kernels lie as far from each other: the simulation is one
more implementation of the same integers. Less than what a layer makes that was converted to
another."""
_COMPARED = 32
"""Samples for the distance between kinds of kernels, of which the reference ones are slow."""
CHILD = "pytest_edgegate.backends.keras_qat.child:QatTrainer"
PACKAGES = ("tensorflow", "keras", "tf_keras", "tensorflow-model-optimization")
_SEEN = 256
"""Samples that ranges begin with, and that models are compared on."""
_STARTING = 240.0
_TRACING = 300.0
_CONVERTING = 600.0
"""Seconds that importing TensorFlow, tracing a large network and converting one may take more."""
_TWIN = 1e-4
"""Two builds of one float model differ by about 4e-7, relative to outputs of about 1."""


class Work:
    """A training, validated before any process is started.

    Raises UnsupportedError for a model, ConfigurationError for settings or labels,
    BackendUnavailableError for a missing package.
    """

    def __init__(
        self,
        name: str,
        loaded: LoadedModel,
        data: TransformData,
        step: QAT,
        *,
        symmetric: bool = False,
        hard_swish: bool = False,
    ) -> None:
        """*symmetric*: activations have zero points of 0; *hard_swish*: the file may have an
        operator for that activation."""
        _refuse_missing()
        refuse_stateful(name, loaded)
        refuse_other_layers(name, loaded)
        _refuse_inputs_outputs(name, loaded)
        self._name, self._loaded, self._step = name, loaded, step
        self._symmetric = symmetric
        self._graph = for_training(flat_graph(loaded), hard_swish=hard_swish)
        self._samples = samples = data.training(loaded.inputs)
        _refuse_functions(samples.settings)
        self._example = example = samples.example()
        outputs = _outputs(loaded, example.inputs)
        self._objective = choose_objective(outputs, example.labels, samples.settings)
        self._target = targets_by(self._objective, outputs[0].shape)
        self._target(example.labels)
        self.seen = _some(samples)

    def learn(self, child: ChildProcess) -> dict[str, Any]:
        """Builds the model in the child and trains it batch by batch; returns facts about it."""
        self._build(child)
        hardware = self._prepare(child)
        settings, step = self._samples.settings, self._step

        def learn(batch: TrainingBatch) -> float:
            arrays = (*batch.inputs, self._target(batch.labels))
            return float(child.call("learn", arrays, longer=_TRACING)[0]["loss"])

        losses = train(self._samples, step, learn, self._name)
        return {**hardware, **training_facts(step, settings, losses)}

    def converted(self, child: ChildProcess, io: str) -> bytes:
        """The .tflite file of the trained model, with inputs and outputs of the dtype *io*."""
        named = zip(graph_names(self._loaded.inputs), self._loaded.inputs, strict=True)
        inputs = [[name, list(each.shape[1:])] for name, each in named]
        _, (content,) = child.call("convert", longer=_CONVERTING, inputs=inputs, io=io)
        return content.tobytes()

    def simulated(self, child: ChildProcess) -> tuple[Array, ...]:
        """The outputs of the trained model for ``seen``, with simulated int8."""
        return child.call("outputs", self.seen, longer=_TRACING)[1]

    def agreement(
        self,
        found: Sequence[Array],
        simulated: Sequence[Array],
        steps: Sequence[float | None],
        what: str,
        other_kernels: Callable[[tuple[Array, ...]], Sequence[Array]] | None = None,
    ) -> dict[str, Any]:
        """The differences between the outputs *found* for ``seen`` and the *simulated* ones.

        *other_kernels* computes the file's outputs another way, if that has to be known.
        Raises CompressionError if the file *what* computes another function.
        """
        objective, allowed, facts = self._objective, _MEAN, {}
        if other_kernels is not None and mean_steps(found, simulated, steps) > _MEAN:
            others = other_kernels(tuple(each[:_COMPARED] for each in self.seen))
            between = mean_steps([each[:_COMPARED] for each in found], others, steps)
            allowed = min(max(_MEAN, between), _OF_KERNELS)
            facts = {"mean_steps_between_kernels": round(between, 4)}
        found_apart = agreement(
            found,
            simulated,
            steps,
            what,
            largest_allowed=_LARGEST,
            mean_allowed=allowed,
            classes=objective.axis if objective.kind == "classes" else None,
        )
        return found_apart | facts

    def _build(self, child: ChildProcess) -> None:
        """Compares the child's model with the one that it was read from, before it is changed."""
        child.call("build", as_message(self._graph), longer=_STARTING)
        _, found = child.call("outputs", self.seen, longer=_TRACING)
        check_twin(_outputs(self._loaded, self.seen), found, self._name)
        child.call("quantise", self.seen, longer=_TRACING, symmetric=self._symmetric)

    def _prepare(self, child: ChildProcess) -> dict[str, Any]:
        settings, objective = self._samples.settings, asdict(self._objective)
        del objective["loss"]  # a function, of which there is none here
        arrays = (*self._example.inputs, self._target(self._example.labels))
        hardware, _ = child.call(
            "prepare",
            arrays,
            objective=objective,
            optimizer=settings.optimizer,
            lr=self._step.lr,
            seed=settings.seed,
            what=self._name,
        )
        return dict(hardware)


def check_twin(expected: Sequence[Array], found: Sequence[Array], name: str) -> None:
    """Refuses a model that tf-keras does not compute as Keras does. Raises UnsupportedError."""
    for one, other in zip(expected, found, strict=True):
        apart = float(np.abs(one - other).max())
        if not apart <= _TWIN * max(1.0, float(np.abs(one).max())):
            raise UnsupportedError(
                f"{name} can't be carried over to tf-keras, where quantisation-aware training of "
                f"Keras models is done: outputs differ by {apart:.3g}",
                "use PTQ(), or build the model of plainer layers",
            )


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


def _refuse_missing() -> None:
    """Looks for what the child imports; this process never does."""
    for module in ("tf_keras", "tensorflow_model_optimization"):
        if find_spec(module) is None:
            raise BackendUnavailableError(
                module.replace("_", "-"), "quantisation-aware training of a Keras model", "keras"
            )


def _refuse_inputs_outputs(name: str, loaded: LoadedModel) -> None:
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
                f"the {field} of edge_training is your own function, but QAT of a Keras model "
                "runs in a separate process, to which functions can't be sent",
                f"name it ({', '.join(names)}), or use Distill or Prune, which take your own, and "
                "PTQ()",
            )
