"""Knowledge distillation into a Keras student."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_edgegate.backends.keras.goals import ChooseGoal, Goal, own_labels, supervised
from pytest_edgegate.backends.keras.saving import refuse_unreadable, save
from pytest_edgegate.backends.keras.tensorflow import import_tensorflow
from pytest_edgegate.backends.keras.training import fit
from pytest_edgegate.backends.other_floats import refuse_other_layers
from pytest_edgegate.backends.tf_losses import as_logits as student_logits
from pytest_edgegate.core.defaults import TransformDefaults
from pytest_edgegate.core.errors import ConfigurationError, UnsupportedError
from pytest_edgegate.core.plan import Move
from pytest_edgegate.core.ports import Produced, SourceModel, TransformData
from pytest_edgegate.core.recipe import Distill, Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.training import EdgeTraining, TrainingBatch
from pytest_edgegate.data.objectives import (
    Objective,
    as_logits,
    check_teacher,
    choose_objective,
    ends_in_probabilities,
)
from pytest_edgegate.data.splits import Array

_NODE = ("keras", "float32")


class KerasDistill(TransformDefaults):
    """Trains the student, the model that it is applied to, on the teacher's outputs."""

    version = 2
    packages = ("tensorflow", "keras", "tf_keras", "h5py")
    moves = (Move(_NODE, Distill, _NODE),)

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        assert isinstance(step, Distill)  # its only move
        loaded = model.load()
        if loaded.trainable is None:
            raise UnsupportedError(
                f"{model.name} has no weights that a training could change",
                "give the Keras model that it was exported from",
            )
        refuse_other_layers(model.name, loaded)
        student = loaded.trainable()
        refuse_unreadable(student)
        facts = fit(student, data.training(loaded.inputs), step, model.name, goal=distilling(step))
        main = save(student, out / f"{model.name}.keras")
        return Produced(main, (main,), loaded.notes, facts={"training": facts})


def distilling(step: Distill) -> ChooseGoal:
    """``alpha T**2 KL(softmax(teacher / T) || softmax(student / T)) + (1 - alpha) CE``, or the
    user's own loss in place of CE, or of the whole loss."""

    def choose(example: TrainingBatch, outputs: tuple[Array, ...], settings: EdgeTraining) -> Goal:
        assert example.teacher is not None  # every batch of a distillation has it
        if settings.distill_loss is not None:
            return _own(settings.distill_loss)
        check_teacher(example.teacher, outputs[0])
        hard = _hard(step, example, outputs, settings)
        return _soft(step, example.teacher, outputs, hard)

    return choose


def _hard(
    step: Distill, example: TrainingBatch, outputs: tuple[Array, ...], settings: EdgeTraining
) -> tuple[Objective, Goal | None]:
    """The loss on the labels; None if *alpha* gives them no weight."""
    if step.alpha == 1:
        _refuse_several(outputs)
        return Objective("classes"), None
    objective = choose_objective(outputs, example.labels, settings)
    if objective.kind == "values":
        raise ConfigurationError(
            "Distill learns classes from its teacher, and the labels of edge_data.train are values",
            'give the whole loss: EdgeTraining(distill_loss=my_loss, version="1"), called '
            "with (student, teacher, labels)",
        )
    return objective, supervised(example, outputs, settings)


def _refuse_several(outputs: tuple[Array, ...]) -> None:
    if len(outputs) != 1:
        raise ConfigurationError(
            f"the student has {len(outputs)} outputs, and with alpha=1 it would only learn the "
            "first, the only one used of its teacher",
            'give a loss over all of them: EdgeTraining(distill_loss=my_loss, version="1"), called '
            "with (student, teacher, labels)",
        )


def _soft(
    step: Distill,
    teacher: Array,
    outputs: tuple[Array, ...],
    hard: tuple[Objective, Goal | None],
) -> Goal:
    objective, labelled = hard
    tf = import_tensorflow()
    scores = _Scores(objective, teacher, outputs[0])

    def arrays(batch: TrainingBatch) -> tuple[Array, ...]:
        assert batch.teacher is not None  # as in the example
        return (scores.of_teacher(batch.teacher), *(labelled.arrays(batch) if labelled else ()))

    def loss(student: Any, taught: Any, *targets: Any) -> Any:
        apart = divergence(tf, taught, scores.of_student(tf, student[0]), step.temperature)
        soft = step.alpha * step.temperature**2 * apart
        if labelled is None:
            return soft
        return soft + (1 - step.alpha) * tf.cast(labelled.loss(student, *targets), tf.float32)

    return Goal(arrays, loss)


class _Scores:
    """Outputs of teacher and student as logits, the classes last; each of several sigmoids is a
    choice between two."""

    def __init__(self, objective: Objective, teacher: Array, student: Array) -> None:
        self._axis = objective.axis
        self._sigmoids = objective.kind == "binary"
        self._of_teacher, self._of_student = (
            ends_in_probabilities(self._placed(each), axis=self._axis)
            for each in (teacher, student)
        )

    def _placed(self, output: Any) -> Any:
        return output[..., None] if self._sigmoids else output

    def of_teacher(self, output: Array) -> Array:
        placed = self._placed(output)
        return as_logits(placed, axis=self._axis, probabilities=self._of_teacher)

    def of_student(self, tf: Any, output: Any) -> Any:
        placed = self._placed(output)
        return student_logits(tf, placed, axis=self._axis, probabilities=self._of_student)


def divergence(tf: Any, teacher: Any, student: Any, temperature: float) -> Any:
    """KL(softmax(teacher / T) || softmax(student / T)) in nats, the mean over all but the classes.

    Of logits of shape (n, ..., classes), float32.
    """
    expected = tf.nn.log_softmax(teacher / temperature)
    given = tf.nn.log_softmax(student / temperature)
    return tf.reduce_mean(tf.reduce_sum(tf.exp(expected) * (expected - given), -1))


def _own(loss: Any) -> Goal:
    """``distill_loss(student, teacher, labels)``, the teacher's output as it gives it."""
    tf = import_tensorflow()

    def arrays(batch: TrainingBatch) -> tuple[Array, ...]:
        assert batch.teacher is not None  # every batch of a distillation has it
        return (batch.teacher, *own_labels(batch))

    def mean(student: Any, teacher: Any, *labels: Any) -> Any:
        given = student[0] if len(student) == 1 else student
        return tf.reduce_mean(loss(given, teacher, labels[0] if labels else None))

    return Goal(arrays, mean)


TRANSFORM = KerasDistill()
