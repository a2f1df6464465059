"""Distillation into a torch student."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.torch.loading import import_torch
from pytest_edgegate.backends.torch.losses import (
    Loss,
    Tensors,
    called,
    is_squashed,
    labelled,
    log_of,
    on_device_of,
    plain,
)
from pytest_edgegate.backends.torch.saving import needs_sample, save_program
from pytest_edgegate.backends.torch.trainable import trainable_of
from pytest_edgegate.backends.torch.training import fit
from pytest_edgegate.core.defaults import TransformDefaults
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.plan import Move
from pytest_edgegate.core.ports import Produced, SourceModel, TransformData
from pytest_edgegate.core.recipe import Distill, Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.training import EdgeTraining, TrainingBatch
from pytest_edgegate.data.objectives import (
    as_logits,
    check_teacher,
    choose_objective,
    ends_in_probabilities,
)
from pytest_edgegate.data.splits import Array

_NODE = ("torch", "float32")
_FIRST = 1
"""The class axis of torch: the first after the samples."""


class TorchDistill(TransformDefaults):
    """Trains the student on the outputs of a teacher of any framework."""

    version = 2
    packages = ("torch",)
    moves = (Move(_NODE, Distill, _NODE),)

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        assert isinstance(step, Distill)  # the only step of its moves
        loaded = model.load()
        student = trainable_of(model.name, loaded)
        training = data.training(loaded.inputs)
        trained = fit(student, training, step, model.name, losses=partial(distilling, step))
        main = out / f"{model.name}.pt2"
        sample = training.example().inputs if needs_sample(loaded.inputs) else None
        save_program(student, loaded.inputs, main, outputs=loaded.outputs, sample=sample)
        return Produced(main, (main,), facts={"training": trained})


def distilling(
    step: Distill, outputs: tuple[Array, ...], example: TrainingBatch, settings: EdgeTraining
) -> Loss:
    """The loss of *step*, by the outputs of student and teacher for some samples.

    Raises ConfigurationError if their classes differ, or if required labels are missing or are not
    classes.
    """
    assert example.teacher is not None  # a leg that distils has a teacher
    if settings.distill_loss is not None:
        return partial(_own, settings.distill_loss)
    if step.alpha == 1 and len(outputs) != 1:
        raise _needs_own(
            f"the student has {len(outputs)} outputs, and Distill(alpha=1) teaches one"
        )
    check_teacher(example.teacher, outputs[0])
    hard = None if step.alpha == 1 else labelled(outputs, example, settings)
    axis = _FIRST if hard is None else _class_axis(outputs, example, settings)
    axis = axis if outputs[0].ndim > 1 else -1
    return Distillation(
        step.temperature,
        step.alpha,
        axis,
        hard,
        ends_in_probabilities(outputs[0], axis=axis),
        ends_in_probabilities(example.teacher, axis=axis),
    )


@dataclass(frozen=True)
class Distillation:
    """``alpha T**2 KL(softmax(teacher / T) || softmax(student / T)) + (1 - alpha) hard``.

    The mean over the samples, and over the places that have classes each (Hinton, Vinyals and
    Dean, 2015, arXiv:1503.02531). The classes lie on *axis*.
    """

    temperature: float
    alpha: float
    axis: int
    hard: Loss | None
    """The loss on the labels; None if alpha is 1."""
    student_probabilities: bool
    teacher_probabilities: bool

    def __call__(self, outputs: Tensors, batch: TrainingBatch) -> Any:
        soft = self.alpha * self.temperature**2 * self._divergence(outputs[0], batch)
        if self.hard is None:
            return soft
        return soft + (1 - self.alpha) * self.hard(outputs, batch)

    def _divergence(self, scores: Any, batch: TrainingBatch) -> Any:
        assert batch.teacher is not None  # as for the example
        functional = import_torch().nn.functional
        given = as_logits(batch.teacher, axis=self.axis, probabilities=self.teacher_probabilities)
        teacher = on_device_of(scores, given)
        student = logits(scores, self.axis, probabilities=self.student_probabilities)
        return functional.kl_div(
            functional.log_softmax(student / self.temperature, -1).flatten(0, -2),
            functional.log_softmax(teacher / self.temperature, -1).flatten(0, -2),
            reduction="batchmean",
            log_target=True,
        )


def logits(scores: Any, axis: int, *, probabilities: bool) -> Any:
    """A student's output as logits with the classes last, as ``as_logits`` makes a teacher's.

    One score *s* becomes the two classes 0 and s, or log(1 - s) and log(s) of a sigmoid.
    """
    torch = import_torch()
    if scores.ndim > 1 and scores.shape[axis] > 1:
        moved = scores.movedim(axis, -1)
        return log_of(moved) if probabilities else moved
    score = scores.movedim(axis, -1) if scores.ndim > 1 else scores[:, None]
    if probabilities and is_squashed(scores):
        return log_of(torch.cat([1 - score, score], -1))
    return torch.cat([torch.zeros_like(score), score], -1)


def _class_axis(outputs: tuple[Array, ...], example: TrainingBatch, settings: EdgeTraining) -> int:
    """By the labels, where they show it."""
    if example.labels is None or len(outputs) != 1 or callable(settings.loss):
        return _FIRST
    objective = choose_objective(outputs, example.labels, settings, channels_first=True)
    if objective.kind == "values":
        raise _needs_own(
            "Distill compares the scores of classes, and the labels of edge_data.train are values"
        )
    return objective.axis


def _needs_own(reason: str) -> ConfigurationError:
    return ConfigurationError(
        reason,
        "say what the student is to learn from its teacher: edge_training returns "
        'EdgeTraining(distill_loss=lambda student, teacher, labels: ..., version="1")',
    )


def _own(loss: Callable[..., Any], outputs: Tensors, batch: TrainingBatch) -> Any:
    labels = None if batch.labels is None else on_device_of(outputs[0], batch.labels)
    assert batch.teacher is not None  # as for the example
    teacher = on_device_of(outputs[0], batch.teacher)
    return called(loss, plain(outputs), teacher, labels, name="distill_loss")


TRANSFORM = TorchDistill()
