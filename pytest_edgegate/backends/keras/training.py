"""The training of a Keras model on the batches of a train split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pytest_edgegate.backends.keras.copying import keras_of
from pytest_edgegate.backends.keras.goals import ChooseGoal, Goal, supervised
from pytest_edgegate.backends.keras.loading import forward_of, from_keras_model
from pytest_edgegate.backends.keras.tensorflow import import_tensorflow
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.tf_learner import (
    BatchSpecs,
    Forward,
    Learner,
    TrainedModel,
    batch_spec,
    deterministic,
    hardware,
    make_optimizer,
)
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import CompressionError, UnsupportedError
from pytest_edgegate.core.ports import TrainingData
from pytest_edgegate.core.training import TrainingBatch
from pytest_edgegate.data.splits import Array
from pytest_edgegate.data.training_loop import Training, train, training_facts


def fit(
    model: Any, data: TrainingData, step: Training, what: str, *, goal: ChooseGoal = supervised
) -> dict[str, Any]:
    """Trains *model*, of Keras 3 or tf-keras, in place by *step*; returns facts about it.

    Layers that are not ``trainable`` stay, regularisers count, batch normalisation learns its
    statistics. The same seed gives the same weights in every process on the same machine, and the
    random numbers of this one stay as they were. The facts are JSON values: device, threads, seed,
    epochs, lr, batch_size, losses (the mean of each epoch). Raises ConfigurationError before
    anything is learnt, CompressionError where the loss diverges.
    """
    tf = import_tensorflow()
    job = _Job(model, data, step, what)
    chosen, example = job.prepared(goal)
    _seed(model, data.settings.seed)
    with deterministic(tf):
        learner = job.learner(tf, chosen, example)
        losses = train(
            data, step, lambda batch: learner((*batch.inputs, *chosen.arrays(batch))), what
        )
    return {**hardware(tf), **training_facts(step, data.settings, losses)}


def check_fit(model: Any, data: TrainingData, step: Training, what: str) -> None:
    """Raises the errors that ``fit`` raises before the training starts."""
    job = _Job(model, data, step, what)
    job.prepared(supervised)
    job.optimizer()


@dataclass(frozen=True)
class _Job:
    """A model with its training data and step."""

    model: Any
    data: TrainingData
    step: Training
    what: str

    def prepared(self, goal: ChooseGoal) -> tuple[Goal, TrainingBatch]:
        """The goal by some samples, and those."""
        _refuse_untrainable(self.model, self.what, self.data.settings.batch_size)
        example = self.data.example()
        outputs = _outputs(import_tensorflow(), forward_of(self.model), example, self.what)
        return goal(example, outputs, self.data.settings), example

    def optimizer(self) -> Any:
        with held_native_output():
            return make_optimizer(keras_of(self.model), self.data.settings, self.step.lr)

    def learner(self, tf: Any, goal: Goal, example: TrainingBatch) -> Learner:
        model = self.model
        specs = BatchSpecs(
            [_free_batch(tf, each) for each in from_keras_model(model).inputs],
            [batch_spec(tf, array) for array in goal.arrays(example)],
        )
        trained = TrainedModel(
            self.what, forward_of(model), model.trainable_variables, lambda: model.losses
        )
        return Learner(tf, trained, self.optimizer(), goal.loss, specs, self.data.settings.seed)


def _free_batch(tf: Any, tensor: TensorInfo) -> Any:
    sizes = (None if size < 0 else size for size in tensor.shape[1:])
    return tf.TensorSpec([None, *sizes], tensor.dtype)


def _outputs(tf: Any, forward: Forward, example: TrainingBatch, what: str) -> tuple[Array, ...]:
    """The model's outputs for the example, in float32."""
    try:
        with held_native_output():
            found = forward([tf.constant(array) for array in example.inputs], False)
    except Exception as error:  # the model's layers may raise anything
        raise CompressionError(
            f"{what} can't run on edge_data.train: {error}",
            "compare the shape of edge_data's x with the model's input",
        ) from error
    return tuple(np.asarray(each, np.float32) for each in found)


def _refuse_untrainable(model: Any, what: str, width: int) -> None:
    if not model.trainable_variables:
        raise UnsupportedError(
            f"{what} has no trainable weights, so nothing can be learnt",
            "set trainable = True on the layers that may learn",
        )
    fixed = {each.shape[0] for each in model.inputs} - {None, width}
    if fixed:
        raise UnsupportedError(
            f"{what} takes batches of exactly {min(fixed)}, and a training goes over {width} "
            "samples a step",
            "build it with a free batch: keras.Input(shape), without batch_size",
        )


def _seed(model: Any, seed: int) -> None:
    """Dropout and kin of Keras 3 draw from states that each model has of its own."""
    random = np.random.default_rng(seed)
    for variable in model.variables:
        if variable.name == "seed_generator_state":
            variable.assign(random.integers(2**32, size=variable.shape, dtype=np.uint32))
