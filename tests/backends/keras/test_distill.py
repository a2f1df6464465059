"""Distillation into Keras students: its loss to the number, and what it is refused for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import log_softmax, softmax

from pytest_edgegate import Distill, EdgeData, EdgeTraining
from pytest_edgegate.backends.keras.distill import TRANSFORM, distilling
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.core.errors import CompressionError, ConfigurationError, UnsupportedError
from pytest_edgegate.core.ports import Produced
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.training import TrainingBatch
from pytest_edgegate.data.splits import Batch
from pytest_edgegate.testing.contract import CaseData, surroundings

Floats = npt.NDArray[Any]
NUMBERS = np.random.default_rng(0)
TEACHER = NUMBERS.normal(size=(5, 4)) * 4
STUDENT = NUMBERS.normal(size=(5, 4)) * 2
CLASSES = np.array([0, 3, 2, 1, 3])


class Prototypes:
    """A teacher that is no network: minus the squared distance from the mean digit of a class."""

    def __init__(self, digits: Any) -> None:
        x, y = digits.x[:600], digits.y[:600]
        self._means = np.stack([x[y == each].mean(0).ravel() for each in range(10)])

    def scores(self, x: Floats) -> npt.NDArray[np.float32]:
        apart = x.reshape(len(x), 1, -1) - self._means
        found: npt.NDArray[np.float32] = (-(apart**2).sum(-1)).astype(np.float32)
        return found

    def outputs(self, batch: Batch, names: tuple[str, ...] | None) -> npt.NDArray[np.float32]:
        return self.scores(batch.inputs[0])


@pytest.fixture(scope="module")
def teacher(digits: Any) -> Prototypes:
    return Prototypes(digits)


@pytest.fixture
def distil(host: Target, teacher: Prototypes, digits: Any, tmp_path: Path) -> Callable[..., Any]:
    """Runs the transform on a student."""

    def run(
        student: Any,
        step: Distill,
        data: EdgeData | None = None,
        taught: Any = None,
        **settings: Any,
    ) -> Produced:
        source = READER.recognise(student, surroundings())
        assert source is not None
        training = EdgeTraining(version="1", **settings)
        case = CaseData(data or digits.data, training=training, teacher=taught or teacher)
        return TRANSFORM.apply(source, step, host, case, tmp_path)

    return run


def _expected(step: Distill, teacher: Floats, student: Floats, labels: Floats) -> tuple[Any, Any]:
    """The loss and its gradient by the student's logits, from the definition, in float64."""
    wide, n = step.temperature, len(student)
    p, q = softmax(teacher / wide, axis=1), softmax(student / wide, axis=1)
    divergence = p * (log_softmax(teacher / wide, axis=1) - log_softmax(student / wide, axis=1))
    one_hot = np.eye(student.shape[1])[labels]
    hard = -(one_hot * log_softmax(student, axis=1)).sum() / n
    loss = step.alpha * wide**2 * divergence.sum() / n + (1 - step.alpha) * hard
    # d KL / d student = (q - p) / T, d CE / d student = softmax(student) - one_hot
    gradient = step.alpha * wide * (q - p) + (1 - step.alpha) * (softmax(student, axis=1) - one_hot)
    return loss, gradient / n


def _found(
    tf: ModuleType,
    step: Distill,
    taught: Floats,
    logits: Floats,
    end: Callable[[Any], Any],
    labels: Any = CLASSES,
    **settings: Any,
) -> tuple[float, Floats]:
    """The loss and its gradient by the student's logits, which *end* makes outputs of."""
    value = tf.Variable(logits, dtype=tf.float32)
    outputs = (end(value).numpy(),)
    example = TrainingBatch((np.zeros((len(logits), 1)),), labels, taught.astype(np.float32))
    goal = distilling(step)(example, outputs, EdgeTraining(version="1", **settings))
    with tf.GradientTape() as tape:
        loss = goal.loss([end(value)], *map(tf.constant, goal.arrays(example)))
    return float(loss), tape.gradient(loss, value).numpy()


STEPS = [Distill(), Distill(1.0, alpha=0.5), Distill(2.5, alpha=1.0), Distill(alpha=0.0)]


@pytest.mark.parametrize("step", STEPS, ids=str)
@pytest.mark.parametrize("student_end", ["logits", "softmax"])
@pytest.mark.parametrize("teacher_end", ["logits", "softmax"])
def test_the_loss_and_its_gradient_are_those_of_the_formula(
    tf: ModuleType, step: Distill, student_end: str, teacher_end: str
) -> None:
    taught = softmax(TEACHER, axis=1) if teacher_end == "softmax" else TEACHER
    end = tf.nn.softmax if student_end == "softmax" else tf.identity
    loss, gradient = _found(tf, step, taught, STUDENT, end)
    expected_loss, expected_gradient = _expected(step, TEACHER, STUDENT, CLASSES)
    assert loss == pytest.approx(expected_loss, rel=1e-4)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("student_end", ["logits", "sigmoid"])
@pytest.mark.parametrize("teacher_end", ["logits", "sigmoid"])
def test_one_score_is_a_choice_between_two(
    tf: ModuleType, student_end: str, teacher_end: str
) -> None:
    taught, student, labels = TEACHER[:, :1], STUDENT[:, :1], CLASSES[:, None] % 2
    given = 1 / (1 + np.exp(-taught)) if teacher_end == "sigmoid" else taught
    end = tf.nn.sigmoid if student_end == "sigmoid" else tf.identity
    loss, gradient = _found(tf, Distill(), given, student, end, labels)

    def two(scores: Floats) -> Floats:
        return np.concatenate([np.zeros_like(scores), scores], 1)

    expected_loss, expected_gradient = _expected(Distill(), two(taught), two(student), labels[:, 0])
    assert loss == pytest.approx(expected_loss, rel=1e-4)
    np.testing.assert_allclose(gradient[:, 0], expected_gradient[:, 1], rtol=1e-3, atol=1e-5)


def test_several_sigmoids_are_as_many_choices(tf: ModuleType) -> None:
    labels = np.eye(4)[CLASSES]
    end = tf.nn.sigmoid
    loss, _ = _found(tf, Distill(), TEACHER, STUDENT, end, labels, loss="binary_crossentropy")
    columns = [
        _found(
            tf,
            Distill(),
            TEACHER[:, at : at + 1],
            STUDENT[:, at : at + 1],
            end,
            labels[:, at : at + 1].astype(int),
        )[0]
        for at in range(4)
    ]
    assert loss == pytest.approx(np.mean(columns), rel=1e-4)


def test_classes_on_an_axis_before_the_last(tf: ModuleType) -> None:
    def image(scores: Floats) -> Floats:
        """(4, 4) to (n=1, classes, h=2, w=2)."""
        return scores[:4].T.reshape(1, 4, 2, 2)

    labels = CLASSES[:4].reshape(1, 2, 2)
    loss, _ = _found(tf, Distill(), image(TEACHER), image(STUDENT), tf.identity, labels)
    expected, _ = _expected(Distill(), TEACHER[:4], STUDENT[:4], CLASSES[:4])
    assert loss == pytest.approx(expected, rel=1e-4)


def test_a_loss_of_ones_own_takes_the_place_of_the_labels_part(tf: ModuleType) -> None:
    loss, _ = _found(
        tf,
        Distill(alpha=0.25),
        TEACHER,
        STUDENT,
        tf.identity,
        loss=lambda labels, outputs: tf.reduce_sum(outputs) * 0 + 8.0,
    )
    soft, _ = _expected(Distill(alpha=1.0), TEACHER, STUDENT, CLASSES)
    assert loss == pytest.approx(0.25 * soft + 0.75 * 8, rel=1e-4)


def test_a_distill_loss_is_all_of_it(tf: ModuleType) -> None:
    loss, gradient = _found(
        tf,
        Distill(),
        TEACHER[:, :3],
        STUDENT,
        tf.identity,
        distill_loss=lambda student, teacher, labels: (
            tf.reduce_sum(student, 1) + tf.reduce_sum(teacher, 1) + tf.cast(labels, tf.float32)
        ),
    )
    expected = (STUDENT.sum(1) + TEACHER[:, :3].sum(1) + CLASSES).mean()
    assert loss == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(gradient, np.full((5, 4), 1 / 5), rtol=1e-5)


@pytest.mark.parametrize(
    "step", [Distill(epochs=4, lr=1e-2), Distill(alpha=1.0, epochs=4, lr=1e-2)], ids=str
)
def test_the_student_comes_to_agree_with_its_teacher(
    keras: ModuleType,
    network: Callable[..., Any],
    digits: Any,
    teacher: Prototypes,
    distil: Callable[..., Produced],
    step: Distill,
) -> None:
    student = network(keras, name="student")
    before = [np.array(each) for each in student.get_weights()]
    data = digits.data
    if step.alpha == 1:
        data = EdgeData(train=(digits.x[:600], None), evaluation=data.evaluation)
    produced = distil(student, step, data)
    assert produced.main.name == "student.keras"
    assert produced.facts["training"]["losses"][-1] < produced.facts["training"]["losses"][0]
    read = READER.recognise(produced.main, surroundings())
    assert read is not None
    x = digits.x[-300:]
    taught = teacher.scores(x).argmax(1)
    agreed = np.mean(np.asarray(read.load().function(x)[0]).argmax(1) == taught)
    assert agreed > 0.7
    assert np.mean(np.asarray(student(x)).argmax(1) == taught) < 0.2
    assert all(map(np.array_equal, before, student.get_weights()))


def test_the_same_training_gives_the_same_bytes(
    keras: ModuleType, network: Callable[..., Any], distil: Callable[..., Produced]
) -> None:
    made = [
        distil(network(keras, dropout=0.2), Distill(epochs=1)).main.read_bytes() for _ in range(2)
    ]
    assert made[0] == made[1]


def test_another_number_of_classes_is_refused(
    keras: ModuleType, network: Callable[..., Any], distil: Callable[..., Produced], tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="student gives 7 classes and its teacher 10"):
        distil(network(keras, classes=7), Distill())
    assert not list(tmp_path.iterdir())


def test_values_are_no_classes(tf: ModuleType) -> None:
    with pytest.raises(ConfigurationError, match="learns classes from its teacher") as raised:
        _found(tf, Distill(), TEACHER, STUDENT, tf.identity, labels=STUDENT)
    assert "EdgeTraining(distill_loss=my_loss" in raised.value.remedy


def test_no_labels_are_no_hindrance_to_alpha_1_alone(tf: ModuleType) -> None:
    loss, _ = _found(tf, Distill(alpha=1.0), TEACHER, STUDENT, tf.identity, labels=None)
    expected, _ = _expected(Distill(alpha=1.0), TEACHER, STUDENT, CLASSES)
    assert loss == pytest.approx(expected, rel=1e-4)
    with pytest.raises(ConfigurationError, match=r"edge_data\.train has no labels"):
        _found(tf, Distill(), TEACHER, STUDENT, tf.identity, labels=None)


def test_several_outputs_learn_by_a_distill_loss_alone(
    keras: ModuleType, digits: Any, distil: Callable[..., Produced]
) -> None:
    image = keras.Input((8, 8, 1))
    flat = keras.layers.Flatten()(image)
    student = keras.Model(image, [keras.layers.Dense(10)(flat), keras.layers.Dense(10)(flat)])
    with pytest.raises(ConfigurationError, match="the student has 2 outputs") as raised:
        distil(student, Distill(alpha=1.0, epochs=1))
    assert "EdgeTraining(distill_loss=my_loss" in raised.value.remedy
    produced = distil(
        student,
        Distill(alpha=1.0, epochs=2, lr=1e-2),
        distill_loss=lambda given, teacher, labels: sum(
            keras.ops.mean((each - teacher) ** 2) for each in given
        ),
    )
    assert produced.facts["training"]["losses"][-1] < produced.facts["training"]["losses"][0]


def test_labels_with_a_point_are_in_float32_for_a_distill_loss(tf: ModuleType) -> None:
    labels = np.eye(4)[CLASSES]
    loss, _ = _found(
        tf,
        Distill(),
        TEACHER,
        STUDENT,
        tf.identity,
        labels,
        distill_loss=lambda student, teacher, labels: tf.reduce_sum((student - labels) ** 2, 1),
    )
    assert loss == pytest.approx(((STUDENT - labels) ** 2).sum(1).mean(), rel=1e-5)


def test_what_diverges_leaves_nothing(
    keras: ModuleType, network: Callable[..., Any], distil: Callable[..., Produced], tmp_path: Path
) -> None:
    with pytest.raises(CompressionError, match="diverged"):
        distil(network(keras, activation=None), Distill(lr=1e25), optimizer="sgd")
    assert not list(tmp_path.iterdir())


def test_a_subclassed_student_is_refused(
    keras: ModuleType, distil: Callable[..., Produced]
) -> None:
    class Own(keras.Model):  # type: ignore[name-defined, misc]
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(UnsupportedError, match="Own has no fixed inputs"):
        distil(Own(), Distill())


def test_an_unbuilt_student_is_refused(keras: ModuleType, distil: Callable[..., Produced]) -> None:
    student = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)], name="plain")
    with pytest.raises(UnsupportedError, match=r"Sequential model plain .* not built") as raised:
        distil(student, Distill())
    assert "keras.Input(" in raised.value.remedy
    assert "SavedModel" not in raised.value.remedy
