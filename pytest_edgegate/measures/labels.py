"""Checks that labels fit outputs, and brings both into the layout that metrics expect."""

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
                f"the model has one output from {finite.min():.4g} to {finite.max():.4g}, which is "
                "neither a probability nor a row of class scores",
                "choose a metric for such outputs: edge_metric returns 'mse', 'mae', 'auc' or "
                "Metric(my_function)",
            )
        return np.concatenate([1 - single, single], axis=1)
    if output.ndim != 2:
        raise ConfigurationError(
            f"top-N needs class scores of shape (n, classes); the output has {output.shape}",
            "choose another metric: edge_metric returns 'miou' or Metric(my_function)",
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
            "the labels are fractions, but top-N needs class indices",
            "give whole numbers, or choose another metric: edge_metric returns 'mse'",
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ConfigurationError(
            f"labels go from {labels.min()} to {labels.max()}, but the model has {classes} classes "
            f"(0 to {classes - 1})",
            "check the labels: they seem to begin at 1, so give labels - 1"
            if labels.min() >= 1 and labels.max() == classes
            else "check the labels, and that they belong to this model",
        )
    return labels.astype(np.int64)


def classes_last(output: Array, labels: Array | None) -> Array:
    """Dense scores with the classes on the last axis, wherever the model has them.

    An output of shape (n, classes, ...) is recognised by labels of shape (n, ...), which fit no
    other layout; anything else is returned unchanged.
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
        f"auc needs one score or two class scores per sample; the output has shape {output.shape}",
        "write your own metric for several classes: edge_metric returns Metric(my_function)",
    )


def same_shape(labels: Array, output: Array) -> Array:
    """Labels in the shape of the output, if the two differ only by dimensions of size 1."""
    if _without_ones(labels) != _without_ones(output):
        raise ConfigurationError(
            f"labels of shape {labels.shape} do not fit outputs of shape {output.shape}",
            "give one label for every output value",
        )
    return labels.reshape(output.shape)


def _without_ones(array: Array) -> tuple[int, ...]:
    """The shape without the dimensions of size 1, the sample dimension kept."""
    return (len(array), *(size for size in array.shape[1:] if size != 1))
