"""Training objectives of Keras models, by the labels or by the user's settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pytest_edgegate.backends.keras.tensorflow import import_tensorflow
from pytest_edgegate.backends.tf_losses import loss_by, targets_by
from pytest_edgegate.core.training import EdgeTraining, TrainingBatch
from pytest_edgegate.data.objectives import choose_objective
from pytest_edgegate.data.splits import Array


@dataclass(frozen=True)
class Goal:
    """``loss(outputs, *targets)`` of a list of tensors and of the result of ``arrays(batch)``.

    The loss is a scalar tensor, the mean over the batch.
    """

    arrays: Callable[[TrainingBatch], tuple[Array, ...]]
    loss: Callable[..., Any]


ChooseGoal = Callable[[TrainingBatch, tuple[Array, ...], EdgeTraining], Goal]
"""(some samples, the model's outputs for them, the user's settings) -> the goal.

Raises ConfigurationError if they don't fit.
"""


def supervised(example: TrainingBatch, outputs: tuple[Array, ...], settings: EdgeTraining) -> Goal:
    """The objective that the outputs equal the labels."""
    objective = choose_objective(outputs, example.labels, settings)
    if objective.kind == "own":
        return _own(objective.loss)
    tf = import_tensorflow()
    loss = loss_by(tf, objective)
    targets = targets_by(objective, outputs[0].shape)
    return Goal(
        lambda batch: (targets(batch.labels),), lambda given, target: loss(given[0], target)
    )


def _own(loss: Any) -> Goal:
    """Keras's convention: ``loss(labels, outputs)``, of one sample each or of the whole batch."""
    tf = import_tensorflow()

    def mean(outputs: Any, *labels: Any) -> Any:
        given = outputs[0] if len(outputs) == 1 else outputs
        return tf.reduce_mean(loss(labels[0] if labels else None, given))

    return Goal(own_labels, mean)


def own_labels(batch: TrainingBatch) -> tuple[Array, ...]:
    """The labels for a user-defined loss, if there are any: floats in float32 like the outputs,
    because TensorFlow does not mix dtypes."""
    if batch.labels is None:
        return ()
    real = batch.labels.dtype.kind == "f"
    return (np.asarray(batch.labels, np.float32 if real else None),)
