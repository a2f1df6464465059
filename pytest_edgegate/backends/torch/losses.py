"""Losses over torch tensors: by the labels, or the user's own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pytest_edgegate.backends.torch.loading import import_torch
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.training import EdgeTraining, TrainingBatch
from pytest_edgegate.data.objectives import Objective, choose_objective
from pytest_edgegate.data.splits import Array

_STEPS = 8
"""The largest number of operators after a sigmoid that only reshape, squeeze or round."""
_SQUASHING = ("sigmoid", "softmax", "tanh", "clamp", "erfbackward", "expbackward")
"""Operators with bounded results, or parts of a written-out sigmoid: 1 / (1 + exp(-x))."""

Tensors = tuple[Any, ...]
Loss = Callable[[Tensors, TrainingBatch], Any]
"""``loss(outputs, batch)``: a scalar tensor, the mean over the samples of the batch."""
ChooseLoss = Callable[[tuple[Array, ...], TrainingBatch, EdgeTraining], Loss]
"""Chooses the loss by the untrained model's outputs for some samples, and the settings."""


def labelled(outputs: tuple[Array, ...], example: TrainingBatch, settings: EdgeTraining) -> Loss:
    """The loss that the labels ask for. Raises ConfigurationError where they don't fit."""
    objective = choose_objective(outputs, example.labels, settings, channels_first=True)
    if objective.loss is not None:
        return partial(_own, objective.loss)
    return partial(_KINDS[objective.kind], objective)


def log_of(probabilities: Any) -> Any:
    """The logarithm, finite where a probability is 0."""
    return probabilities.clamp_min(import_torch().finfo(probabilities.dtype).tiny).log()


def is_squashed(output: Any) -> bool:
    """Whether a tensor that lies in [0, 1] comes out of a sigmoid or a softmax, or of what does
    the same, as its gradient shows.

    Scores of one class all lie in [0, 1] by chance too often to be known by their values.
    """
    return output.grad_fn is not None and _squashes(output.grad_fn, _STEPS)


def _squashes(node: Any, steps: int) -> bool:
    """Whether all that a gradient goes on to is squashed: in x sigmoid(x) one factor is not."""
    if any(word in node.name().lower() for word in _SQUASHING):
        return True
    before = [each for each, _ in node.next_functions if each is not None]
    return steps > 1 and bool(before) and all(_squashes(each, steps - 1) for each in before)


def called(loss: Callable[..., Any], *arguments: Any, name: str) -> Any:
    """The result of the user's *loss*. Raises ConfigurationError unless it is a scalar tensor."""
    value = loss(*arguments)
    if not hasattr(value, "backward") or value.numel() != 1:
        shape = tuple(value.shape) if hasattr(value, "shape") else type(value).__name__
        raise ConfigurationError(
            f"the {name} of edge_training gives {shape}, not one number as a tensor",
            "return the mean over the batch: values.mean()",
        )
    return value.reshape(())


def on_device_of(tensor: Any, array: Array) -> Any:
    """The array beside the *tensor*: floats in its dtype, whole numbers as torch's losses want."""
    torch = import_torch()
    made = torch.tensor(array, device=tensor.device)
    return made.to(tensor.dtype if made.is_floating_point() else torch.int64)


def plain(outputs: Tensors) -> Any:
    """One output as itself, several as a tuple."""
    return outputs[0] if len(outputs) == 1 else outputs


def _own(loss: Callable[..., Any], outputs: Tensors, batch: TrainingBatch) -> Any:
    labels = None if batch.labels is None else on_device_of(outputs[0], batch.labels)
    return called(loss, plain(outputs), labels, name="loss")


def _classes(objective: Objective, outputs: Tensors, batch: TrainingBatch) -> Any:
    """torch wants the classes second. The log of a softmax is a logit: it sums to one already."""
    scores = log_of(outputs[0]) if objective.probabilities else outputs[0]
    targets = _targets(objective, scores, batch)
    if targets.is_floating_point():
        targets = targets.movedim(objective.axis, 1)
    cross_entropy = import_torch().nn.functional.cross_entropy
    return cross_entropy(scores.movedim(objective.axis, 1), targets)


def _binary(objective: Objective, outputs: Tensors, batch: TrainingBatch) -> Any:
    functional = import_torch().nn.functional
    loss = (
        functional.binary_cross_entropy
        if objective.probabilities and is_squashed(outputs[0])
        else functional.binary_cross_entropy_with_logits
    )
    return loss(outputs[0], _targets(objective, outputs[0], batch))


def _values(objective: Objective, outputs: Tensors, batch: TrainingBatch) -> Any:
    functional = import_torch().nn.functional
    loss = functional.l1_loss if objective.absolute else functional.mse_loss
    return loss(outputs[0], _targets(objective, outputs[0], batch))


def _targets(objective: Objective, scores: Any, batch: TrainingBatch) -> Any:
    assert batch.labels is not None  # choose_objective has looked
    return on_device_of(scores, objective.targets(batch.labels, tuple(scores.shape)))


_KINDS: dict[str, Callable[[Objective, Tensors, TrainingBatch], Any]] = {
    "classes": _classes,
    "binary": _binary,
    "values": _values,
}
