"""Checks that labels fit outputs, and brings both into the layout that metrics expect."""

from __future__ import annotations

import numpy as np

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.feeding import bare_name, looked_at
from pytest_edgegate.data.splits import Array


def class_scores(output: Array) -> Array:
    """Scores of shape (n, classes); a single probability becomes the scores of two classes."""
    if is_single(output):
        single = output.reshape(len(output), 1)
        if single.dtype.kind in "iu":
            raise class_ids(f"the model answers with {single.dtype} integers", "top-N")
        finite = single[np.isfinite(single)]
        if finite.size and finite.max() > 1 and (finite == np.rint(finite)).all():
            raise class_ids(
                f"the model answers with whole numbers ({finite.min():g} to {finite.max():g} in "
                f"{_samples(len(single))})",
                "top-N",
            )
        if finite.size and (finite.min() < 0 or finite.max() > 1):
            raise ConfigurationError(
                f"the model has one output from {finite.min():.4g} to {finite.max():.4g}, which is "
                f"neither a probability nor a row of class scores{looked_at(len(single))}",
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


def is_single(output: Array) -> bool:
    """Whether it has one value for each sample: shape (n,) or (n, 1)."""
    return output.ndim == 1 or (output.ndim == 2 and output.shape[1] == 1)


def class_ids(what: str, metric: str) -> ConfigurationError:
    """The error for an output that holds the number of a class in place of a score of each."""
    return ConfigurationError(
        f"{what}: these are class ids, as an argmax gives them, and {metric} needs scores of the "
        "classes",
        "give a file or model that ends in the scores, before its argmax; or compare the ids "
        "yourself: edge_metric returns Metric(lambda ids, labels: ids.reshape(-1) == labels)",
    )


def refuse_integers(output: TensorInfo) -> None:
    """Raises ConfigurationError for an output that holds class ids, by what its file declares."""
    single = output.shape[:1] in ((-1,), (1,)) and all(size == 1 for size in output.shape[1:])
    if single and output.dtype.startswith(("int", "uint")) and not output.scales:
        raise class_ids(
            f"the output {bare_name(output.name)!r} of the file has {output.dtype} integers, "
            "one for each sample",
            "top-N",
        )


def refuse_ids_by_labels(output: Array, labels: Array) -> None:
    """Raises ConfigurationError for single answers of 0 and 1 where labels name more classes.

    A few samples, of a set that is sorted by class, have no larger ids.
    """
    if not is_single(output) or labels.dtype.kind not in "iuf" or labels.max() <= 1:
        return
    if labels.ndim == 1 or labels.shape[1:] == (1,):
        finite = output[np.isfinite(output)]
        if (finite == np.rint(finite)).all() and (labels == np.rint(labels)).all():
            raise class_ids(
                f"the model answers with one whole number for each of {_samples(len(output))}, "
                f"and labels go up to {labels.max():g}",
                "top-N",
            )


def _samples(count: int) -> str:
    return "1 sample" if count == 1 else f"{count:,} samples"


def class_indices(labels: Array, scores: Array) -> Array:
    """Class indices of shape (n,) from indices or one-hot rows, checked against the scores."""
    classes = scores.shape[1]
    check_known(labels, "top-N")
    if labels.ndim == 2 and labels.shape[1] == classes and classes > 1:
        return np.asarray(labels.argmax(axis=1))
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ConfigurationError(
            f"labels of shape {labels.shape} do not fit outputs of shape {scores.shape}",
            "give class indices of shape (n,) or one-hot rows of shape (n, classes); a class for "
            'every pixel is scored by the metric "miou"',
        )
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ConfigurationError(
            "the labels hold NaN or Inf, and top-N needs class indices",
            "drop the samples that have no label",
        )
    if labels.dtype.kind == "f" and (labels != np.rint(labels)).any():
        raise ConfigurationError(
            "the labels are fractions, but top-N needs class indices",
            "give whole numbers, or choose another metric: edge_metric returns 'mse'",
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ConfigurationError(
            f"labels go from {labels.min()} to {labels.max()}, but the model has {classes} classes "
            f"(0 to {classes - 1}){looked_at(len(labels))}",
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


def positives(labels: Array) -> Array:
    """Marks the samples with the label 1, from 0 and 1 or one-hot rows: bool of shape (n,)."""
    check_known(labels, "auc")
    indices = labels.argmax(-1) if labels.ndim == 2 and labels.shape[1] == 2 else labels
    if not np.isin(indices, (0, 1)).all():
        raise ConfigurationError(
            f"auc needs the labels 0 and 1, and these go from {indices.min()} to {indices.max()}"
            f"{looked_at(len(labels))}",
            "give binary labels, or write your own Metric for several classes",
        )
    return np.asarray(indices.reshape(-1) == 1)


def check_known(labels: Array, metric: str) -> None:
    """Raises ConfigurationError for labels that are NaN or Inf."""
    if labels.dtype.kind != "f":
        return
    bad = ~np.isfinite(labels.reshape(len(labels), -1)).all(axis=1)
    if bad.any():
        raise ConfigurationError(
            f"the labels of {int(bad.sum())} of {len(labels)} samples hold NaN or Inf (the first "
            f"is number {int(bad.argmax())}), and {metric} compares with them",
            "drop the samples without a label, or write a metric that leaves them out: edge_metric "
            "returns Metric(my_function)",
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
