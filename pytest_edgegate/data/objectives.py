"""Chooses the loss by labels and outputs, and converts both to the layout that losses expect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.training import LOSSES, EdgeTraining
from pytest_edgegate.data.feeding import looked_at
from pytest_edgegate.data.splits import Array

Kind = Literal["classes", "binary", "values", "own"]

_OWN = "name the loss: edge_training returns EdgeTraining(loss='mse'), or your own function"
_LEAST = 1e-7
"""Lower bound for probabilities: int8 outputs can be 0, which has no logarithm."""


@dataclass(frozen=True)
class Objective:
    """The objective that a training minimises.

    ``classes``: the cross-entropy of scores with the classes on *axis*; ``binary``: of one score;
    ``values``: the mean squared (or, with *absolute*, absolute) error; ``own``: the user's loss.
    ``probabilities``: the model ends in a softmax or a sigmoid, and the logarithm of its scores is
    the logit.
    """

    kind: Kind
    axis: int = -1
    probabilities: bool = False
    absolute: bool = False
    loss: Callable[..., Any] | None = None

    def targets(self, labels: Array, output_shape: tuple[int, ...]) -> Array:
        """Labels as targets for a framework's loss; *output_shape* is that of the whole batch.

        ``classes``: int64 indices in the shape of the outputs without the class axis, or float32
        rows of shares; else float32 in the shape of the outputs. Raises ConfigurationError.
        """
        if self.kind == "own":
            return labels
        _check_finite(labels)
        if self.kind == "classes":
            return _class_targets(labels, output_shape, self.axis)
        if _bare(labels.shape) != _bare(output_shape):
            raise _unfit(labels.shape, output_shape)
        values = np.asarray(labels, np.float32).reshape(output_shape)
        if self.kind == "binary" and (values.min() < 0 or values.max() > 1):
            raise ConfigurationError(
                f"labels go from {values.min():g} to {values.max():g}, and one score is that of "
                f"two classes, 0 and 1{looked_at(len(values))}",
                _OWN,
            )
        return values


def choose_objective(
    outputs: tuple[Array, ...],
    labels: Array | None,
    settings: EdgeTraining,
    *,
    channels_first: bool = False,
) -> Objective:
    """The objective, by the model's *outputs* for some samples, their *labels* and the settings.

    *channels_first*: the framework has the classes after the samples, (n, classes, h, w), where
    shapes leave that open.
    Raises ConfigurationError if the three don't fit.
    """
    named = settings.loss
    if named is not None and not isinstance(named, str):
        return Objective("own", loss=named)
    if labels is None:
        raise ConfigurationError(
            "edge_data.train has no labels, and this training learns from them",
            "give a pair: EdgeData(train=(x_train, y_train), ...)",
        )
    _check_finite(labels)
    if len(outputs) != 1:
        raise ConfigurationError(
            f"the model has {len(outputs)} outputs, so the labels do not determine a loss",
            "give a loss over all of them: edge_training returns EdgeTraining(loss=my_loss, "
            'version="1")',
        )
    (output,) = outputs
    kind = _named_kind(named) if named else _kind(output, labels, channels_first=channels_first)
    if kind == "classes":
        axis = _class_axis(output, labels, _axes(channels_first))
        objective = Objective("classes", axis, _sums_to_one(output, axis))
    elif kind == "binary":
        objective = Objective("binary", probabilities=_in_unit(output))
    else:
        objective = Objective("values", absolute=named == "mae")
    objective.targets(labels, output.shape)
    return objective


def as_logits(output: Array, *, axis: int = -1, probabilities: bool | None = None) -> Array:
    """A classifier's output as logits of shape (n, ..., classes): the classes last, float32.

    Probabilities are converted by their logarithm; a single score becomes the scores of two
    classes. *probabilities*: whether they are, if that is known from more samples than these.
    """
    moved = np.moveaxis(output, axis, -1) if output.ndim > 1 else output[:, None]
    values: Array = moved.astype(np.float32)
    known = ends_in_probabilities(values) if probabilities is None else probabilities
    if values.shape[-1] == 1:
        if not known:
            return np.concatenate([np.zeros_like(values), values], -1)
        values = np.concatenate([1 - values, values], -1)
    elif not known:
        return values
    logits: Array = np.log(np.maximum(values, np.float32(_LEAST)))
    return logits


def ends_in_probabilities(output: Array, *, axis: int = -1) -> bool:
    """Whether a classifier's *output* for some samples comes from a softmax or a sigmoid."""
    single = output.ndim == 1 or output.shape[axis] == 1
    return _in_unit(output) if single else _sums_to_one(output, axis)


def check_teacher(teacher: Array, student: Array) -> None:
    """Raises ConfigurationError if student and teacher differ in their classes."""
    if teacher.shape[1:] != student.shape[1:]:
        raise ConfigurationError(
            f"the student gives {_classes(student)} and its teacher {_classes(teacher)} (outputs "
            f"of shape {student.shape[1:]} and {teacher.shape[1:]} a sample)",
            "give edge_student the classes of edge_model, in the same order",
        )


def _classes(output: Array) -> str:
    count = output.shape[-1] if output.ndim > 1 else 1
    return f"{count} class{'es' if count != 1 else ''}"


def _named_kind(name: str) -> Kind:
    kinds: dict[str, Kind] = dict(
        zip(LOSSES, ("classes", "binary", "values", "values"), strict=True)
    )
    return kinds[name]


def _kind(output: Array, labels: Array, *, channels_first: bool) -> Kind:
    whole = labels.dtype.kind in "biu" or bool((labels == np.rint(labels)).all())
    if _is_single(output):
        return "binary" if whole and labels.min() >= 0 and labels.max() <= 1 else "values"
    one_hot = (
        labels.shape == output.shape
        and bool((labels >= 0).all())
        and any(_sums_to_one(labels, axis) for axis in ((1, -1) if channels_first else (-1,)))
    )
    if one_hot or (whole and labels.dtype.kind in "biu" and _fits_classes(output, labels)):
        return "classes"
    if _bare(labels.shape) == _bare(output.shape):
        return "values"
    if whole and _fits_classes(output, labels):
        return "classes"
    raise _unfit(labels.shape, output.shape)


def _is_single(output: Array) -> bool:
    return output.ndim == 1 or (output.ndim == 2 and output.shape[1] == 1)


def _fits_classes(output: Array, labels: Array) -> bool:
    """Whether labels are valid class indices for the scores in the output."""
    shape = labels.shape[:-1] if labels.ndim > 1 and labels.shape[-1] == 1 else labels.shape
    return shape in ((len(output), *output.shape[1:-1]), (len(output), *output.shape[2:]))


def _axes(channels_first: bool) -> tuple[int, int]:
    """The possible class axes, the framework's own convention first."""
    return (1, -1) if channels_first else (-1, 1)


def _class_axis(output: Array, labels: Array, axes: tuple[int, int]) -> int:
    """The first of *axes* that the labels fit."""
    return next((axis for axis in axes if _fits_axis(output, labels, axis)), -1)


def _fits_axis(output: Array, labels: Array, axis: int) -> bool:
    if output.ndim < 3:
        return axis == -1
    if labels.shape == output.shape:
        return _sums_to_one(labels, axis)
    shape = labels.shape[:-1] if labels.ndim > 1 and labels.shape[-1] == 1 else labels.shape
    return shape == (output.shape[:-1] if axis == -1 else (len(output), *output.shape[2:]))


def _class_targets(labels: Array, output_shape: tuple[int, ...], axis: int) -> Array:
    classes = output_shape[axis]
    spread = tuple(size for at, size in enumerate(output_shape) if at != axis % len(output_shape))
    if labels.shape == output_shape and classes > 1:
        shares = np.asarray(labels, np.float32)
        if bool(((shares == 0) | (shares == 1)).all()):
            return np.asarray(shares.argmax(axis), np.int64)
        return shares
    if labels.size != int(np.prod(spread)):
        raise _unfit(labels.shape, output_shape)
    indices = np.asarray(labels).reshape(spread)
    if indices.min() < 0 or indices.max() >= classes:
        raise ConfigurationError(
            f"labels go from {indices.min()} to {indices.max()}, but the model has {classes} "
            f"classes (0 to {classes - 1}){looked_at(len(indices))}",
            "check edge_data.train, or whether this is the model that its labels belong to",
        )
    return indices.astype(np.int64)


def _sums_to_one(output: Array, axis: int) -> bool:
    values = np.asarray(output, np.float32)
    return bool(
        values.shape[axis] > 1
        and (values >= 0).all()
        and (np.abs(values.sum(axis) - 1) < 0.02).all()  # int8 outputs are rounded one by one
    )


def _in_unit(output: Array) -> bool:
    return bool(((output >= 0) & (output <= 1)).all())


def _check_finite(labels: Array) -> None:
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ConfigurationError(
            "edge_data.train: the labels hold NaN or Inf", "drop the samples that have no label"
        )


def _bare(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0], *(size for size in shape[1:] if size != 1))


def _unfit(labels: tuple[int, ...], output: tuple[int, ...]) -> ConfigurationError:
    return ConfigurationError(
        f"edge_data.train: labels of shape {labels} do not fit outputs of shape {output}", _OWN
    )
