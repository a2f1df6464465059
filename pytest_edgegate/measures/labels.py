"""Whether labels fit outputs, and both in the one form that the metrics count in."""

from __future__ import annotations

import numpy as np

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.splits import Array


def class_scores(output: Array) -> Array:
    """Scores of shape (n, classes); a single probability becomes the scores of two classes."""
    if output.ndim == 1 or (output.ndim == 2 and output.shape[1] == 1):
        single = output.reshape(len(output), 1)
        finite = single[np.isfinite(single)]
        if finite.size and (finite.min() < 0 or finite.max() > 1):
            raise ConfigurationError(
                f"the model has one output of {finite.min():.4g} to {finite.max():.4g}, which is "
                "no probability and no row of class scores",
                "name what it is: edge_metric returns 'mse', 'mae', 'auc' or Metric(my_function)",
            )
        return np.concatenate([1 - single, single], axis=1)
    if output.ndim != 2:
        raise ConfigurationError(
            f"top-N reads class scores of shape (n, classes), and the output has {output.shape}",
            "name another metric: edge_metric returns 'miou' or Metric(my_function)",
        )
    return output


def class_indices(labels: Array, scores: Array) -> Array:
    """Class indices of shape (n,) from indices or one-hot rows, checked against the scores."""
    classes = scores.shape[1]
    if labels.ndim == 2 and labels.shape[1] == classes and classes > 1:
        return np.asarray(labels.argmax(axis=1))
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ConfigurationError(
            f"labels of shape {labels.shape} do not fit outputs of shape {scores.shape}",
            "give class indices of shape (n,) or one-hot rows of shape (n, classes)",
        )
    if labels.dtype.kind == "f" and (labels != np.rint(labels)).any():
        raise ConfigurationError(
            "labels are fractions, and top-N reads class indices",
            "give whole numbers, or name another metric: edge_metric returns 'mse'",
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ConfigurationError(
            f"labels go from {labels.min()} to {labels.max()}, but the model has {classes} classes "
            f"(0 to {classes - 1})",
            "check the labels, or whether this is the model that they belong to",
        )
    return labels.astype(np.int64)


def classes_last(output: Array, labels: Array | None) -> Array:
    """Dense scores with the classes on the last axis, also where the model has them first.

    An output of shape (n, classes, ...) is told by labels of shape (n, ...), which fit it in no
    other way; anything else is given back as it is.
    """
    if labels is None or output.ndim < 3:
        return output
    if labels.ndim == output.ndim and 1 in (labels.shape[1], labels.shape[-1]):
        labels = labels[:, 0] if labels.shape[1] == 1 else labels[..., 0]
    spread = (len(output), *output.shape[2:])
    if labels.shape == spread and labels.shape != output.shape[:-1]:
        return np.moveaxis(output, 1, -1)
    return output


def positive_scores(output: Array) -> Array:
    """The score of the positive class, shape (n,)."""
    if output.ndim == 2 and output.shape[1] == 2:
        return output[:, 1]
    if output.ndim == 1 or (output.ndim == 2 and output.shape[1] == 1):
        return output.reshape(-1)
    raise ConfigurationError(
        f"auc reads one score, or two class scores, a sample; the output has shape {output.shape}",
        "give a Metric of your own for several classes: edge_metric returns Metric(my_function)",
    )


def same_shape(labels: Array, output: Array) -> Array:
    """Labels in the shape of the output, where they differ only by dimensions of size 1."""
    if _without_ones(labels) != _without_ones(output):
        raise ConfigurationError(
            f"labels of shape {labels.shape} do not fit outputs of shape {output.shape}",
            "give a label for every value that the model gives",
        )
    return labels.reshape(output.shape)


def _without_ones(array: Array) -> tuple[int, ...]:
    """The shape, samples first, less the dimensions of size 1."""
    return (len(array), *(size for size in array.shape[1:] if size != 1))
