"""The training of a Keras model on the batches of a train split."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytest_edgegate.backends.keras.copying import keras_of
from pytest_edgegate.backends.keras.goals import ChooseGoal, Goal, supervised
from pytest_edgegate.backends.keras.loading import forward_of, from_keras_model
from pytest_edgegate.backends.keras.tensorflow import import_tensorflow
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.tf_learner import (
    Forward,
    Learner,
    batch_spec,
    deterministic,
    hardware,
    make_optimizer,
)
from pytest_edgegate.core.errors import CompressionError, UnsupportedError
from pytest_edgegate.core.ports import TrainingData
from pytest_edgegate.core.training import TrainingBatch
from pytest_edgegate.data.splits import Array
from pytest_edgegate.data.training import Training, train


def fit(
    model: Any, data: TrainingData, step: Training, what: str, *, goal: ChooseGoal = supervised
) -> dict[str, Any]:
    """Trains *model*, of Keras 3 or tf-keras, in place as *step* says; gives facts about it.

    Layers that are not ``trainable`` stay, regularisers count, batch normalisation learns its
    statistics. The same seed gives the same weights in every process on the same machine, and the
    random numbers of this one stay as they were. The facts are JSON values: device, threads, seed,
    epochs, lr, batch_size, losses (the mean of each epoch). Raises ConfigurationError before
    anything is learnt, CompressionError where the loss diverges.
    """
    tf = import_tensorflow()
    settings = data.settings
    chosen, example = _prepared(model, data, what, goal)
    _seed(model, settings.seed)
    with deterministic(tf):
        learner = _learner(tf, model, chosen, example, step.lr, data, what)
        losses = train(
            data, step, lambda batch: learner((*batch.inputs, *chosen.arrays(batch))), what
        )
    return {
        **hardware(tf),
        "seed": settings.seed,
        "epochs": step.epochs,
        "lr": step.lr,
        "batch_size": settings.batch_size,
        "losses": list(losses),
    }


def check_fit(model: Any, data: TrainingData, step: Training, what: str) -> None:
    """Raises what ``fit`` would raise before anything is learnt from the labels."""
    _prepared(model, data, what, supervised)
    _optimizer(model, data, step.lr)


def _prepared(
    model: Any, data: TrainingData, what: str, goal: ChooseGoal
) -> tuple[Goal, TrainingBatch]:
    _refuse_untrainable(model, what, data.settings.batch_size)
    example = data.example()
    outputs = _outputs(import_tensorflow(), forward_of(model), example, what)
    return goal(example, outputs, data.settings), example


def _learner(
    tf: Any,
    model: Any,
    goal: Goal,
    example: TrainingBatch,
    lr: float,
    data: TrainingData,
    what: str,
) -> Learner:
    inputs = [
        tf.TensorSpec([None, *(None if size < 0 else size for size in each.shape[1:])], each.dtype)
        for each in from_keras_model(model).inputs
    ]
    return Learner(
        tf,
        forward_of(model),
        model.trainable_variables,
        _optimizer(model, data, lr),
        goal.loss,
        lambda: model.losses,
        specs=[*inputs, *(batch_spec(tf, array) for array in goal.arrays(example))],
        inputs=len(inputs),
        seed=data.settings.seed,
        what=what,
    )


def _optimizer(model: Any, data: TrainingData, lr: float) -> Any:
    with held_native_output():
        return make_optimizer(keras_of(model), data.settings, lr)


def _outputs(tf: Any, forward: Forward, example: TrainingBatch, what: str) -> tuple[Array, ...]:
    """The model's outputs for the example, in float32."""
    try:
        with held_native_output():
            found = forward([tf.constant(array) for array in example.inputs], False)
    except Exception as error:  # whatever the model's own layers raise
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
