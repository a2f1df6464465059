"""Losses over TensorFlow tensors, for Keras 3 and tf-keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pytest_edgegate.data.objectives import Objective
from pytest_edgegate.data.splits import Array

Loss = Callable[[Any, Any], Any]
"""(outputs, targets) -> the mean over the batch, a float32 scalar."""

_TINY = 1.2e-38
"""The least normal float32: a probability below it counts as this."""
_RESOLUTION = 6e-8
"""Half the distance of float32 numbers below 1: what a score of exactly 1 leaves for the rest."""


def loss_by(tf: Any, objective: Objective) -> Loss:
    """The loss of an objective that is not the user's own.

    It takes a model's only output and what ``targets_by`` gives for the labels.
    """
    kinds = {"classes": _crossentropy, "binary": _binary_crossentropy, "values": _error}
    return kinds[objective.kind](tf, objective)


def targets_by(
    objective: Objective, output_shape: tuple[int, ...]
) -> Callable[[Array | None], Array]:
    """Labels of a batch as the loss takes them: in one dtype, whatever the batch."""

    def targets(labels: Array | None) -> Array:
        assert labels is not None  # the objective was chosen by labels
        shape = (len(labels), *output_shape[1:])
        checked = objective.targets(labels, shape)
        # rows of shares that happen to be one-hot come back as indices
        rows = labels.shape == shape and shape[objective.axis] > 1
        return np.asarray(labels, np.float32) if rows else checked

    return targets


def as_logits(tf: Any, output: Any, *, axis: int = -1, probabilities: bool) -> Any:
    """A classifier's output as logits of shape (n, ..., classes), float32, as
    ``data.objectives.as_logits`` makes them of arrays: one score becomes those of two classes."""
    values = tf.cast(output, tf.float32)
    if len(values.shape) == 1:
        values = values[:, None]
    values = _classes_last(tf, values, axis)
    if values.shape[-1] == 1:
        score = _score(tf, values) if probabilities else values
        return tf.concat([tf.zeros_like(score), score], -1)
    return _log(tf, values) if probabilities else values


def _crossentropy(tf: Any, objective: Objective) -> Loss:
    def loss(output: Any, target: Any) -> Any:
        logits = as_logits(tf, output, axis=objective.axis, probabilities=objective.probabilities)
        if target.dtype.is_integer:
            each = tf.nn.sparse_softmax_cross_entropy_with_logits(target, logits)
        else:
            shares = _classes_last(tf, target, objective.axis)
            each = tf.nn.softmax_cross_entropy_with_logits(shares, logits)
        return tf.reduce_mean(each)

    return loss


def _binary_crossentropy(tf: Any, objective: Objective) -> Loss:
    def loss(output: Any, target: Any) -> Any:
        values = tf.cast(output, tf.float32)
        scores = _score(tf, values) if objective.probabilities else values
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(target, scores))

    return loss


def _error(tf: Any, objective: Objective) -> Loss:
    size = tf.abs if objective.absolute else tf.square

    def loss(output: Any, target: Any) -> Any:
        return tf.reduce_mean(size(tf.cast(output, tf.float32) - target))

    return loss


def _score(tf: Any, probability: Any) -> Any:
    """The logit ln(p / (1 - p)), whose sigmoid is *probability*."""
    return _log(tf, probability) - tf.math.log(tf.maximum(1 - probability, _RESOLUTION))


def _log(tf: Any, values: Any) -> Any:
    return tf.math.log(tf.maximum(values, _TINY))


def _classes_last(tf: Any, values: Any, axis: int) -> Any:
    rank = len(values.shape)
    if axis % rank == rank - 1:
        return values
    others = [at for at in range(rank) if at != axis % rank]
    return tf.transpose(values, [*others, axis % rank])
