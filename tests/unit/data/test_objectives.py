"""Which loss labels and outputs ask for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax, logit, softmax

from pytest_edgegate import EdgeTraining
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.objectives import (
    Objective,
    as_logits,
    check_teacher,
    choose_objective,
)

random = np.random.default_rng(0)
LOGITS = random.normal(size=(12, 5)).astype(np.float32)
SHARES = softmax(LOGITS, axis=1)
INDICES = np.arange(12) % 5
ONE_HOT = np.eye(5)[INDICES]
DENSE = random.normal(size=(12, 4, 3, 5)).astype(np.float32)
DENSE_LABELS = random.integers(0, 5, (12, 4, 3))
BOTH = np.arange(12) % 2


def chosen(output: Any, labels: Any, **settings: Any) -> Objective:
    return choose_objective((output,), labels, EdgeTraining(**settings))


@pytest.mark.parametrize(
    ("output", "labels", "objective"),
    [
        (LOGITS, INDICES, Objective("classes")),
        (LOGITS, INDICES[:, None], Objective("classes")),
        (LOGITS, INDICES.astype(np.float32), Objective("classes")),
        (LOGITS, ONE_HOT, Objective("classes")),
        (SHARES, INDICES, Objective("classes", probabilities=True)),
        (SHARES, 0.9 * ONE_HOT + 0.02, Objective("classes", probabilities=True)),
        (DENSE, DENSE_LABELS, Objective("classes")),
        (np.moveaxis(DENSE, -1, 1), DENSE_LABELS, Objective("classes", axis=1)),
        (LOGITS[:, :1], BOTH, Objective("binary")),
        (SHARES[:, :1], BOTH[:, None], Objective("binary", probabilities=True)),
        (SHARES[:, 0], BOTH.astype(bool), Objective("binary", probabilities=True)),
        (LOGITS[:, :1], LOGITS[:, 1], Objective("values")),
        (LOGITS[:, :1], BOTH.astype(np.float32), Objective("binary")),
        (LOGITS[:, :1], BOTH[:, None].astype(np.float64), Objective("binary")),
        (LOGITS[:, :1], BOTH + 1, Objective("values")),
        (LOGITS, LOGITS + 1, Objective("values")),
        (DENSE, DENSE * 2, Objective("values")),
    ],
)
def test_the_loss_is_told_by_labels_and_outputs(
    output: Any, labels: Any, objective: Objective
) -> None:
    assert chosen(output, labels) == objective


CUBE = random.normal(size=(4, 8, 8, 8)).astype(np.float32)
CUBE_LABELS = random.integers(0, 8, (4, 8, 8))


@pytest.mark.parametrize(
    ("output", "labels", "axis", "first"),
    [
        (CUBE, CUBE_LABELS, -1, 1),  # both fit
        (CUBE, np.moveaxis(np.eye(8)[CUBE_LABELS], -1, 1), None, 1),
        (CUBE, np.eye(8)[CUBE_LABELS], -1, -1),
        (DENSE, DENSE_LABELS, -1, -1),
        (np.moveaxis(DENSE, -1, 1), DENSE_LABELS, 1, 1),
        (LOGITS, INDICES, -1, -1),
    ],
)
def test_where_classes_lie(output: Any, labels: Any, axis: int | None, first: int) -> None:
    """As the framework has it, where shapes leave that open; as labels have it, where not."""
    last = chosen(output, labels)
    assert (None if last.kind == "values" else last.axis) == axis
    made = choose_objective((output,), labels, EdgeTraining(), channels_first=True)
    assert (made.kind, made.axis) == ("classes", first)
    assert made.targets(labels, output.shape).shape == output.shape[:1] + tuple(
        size for at, size in enumerate(output.shape[1:], 1) if at != first % output.ndim
    )


def test_a_name_goes_before_the_labels() -> None:
    assert chosen(LOGITS, ONE_HOT, loss="mse") == Objective("values")
    assert chosen(LOGITS, ONE_HOT, loss="mae") == Objective("values", absolute=True)
    assert chosen(LOGITS, ONE_HOT, loss="binary_crossentropy").kind == "binary"
    assert chosen(LOGITS[:, :1], BOTH.astype(np.float32), loss="binary_crossentropy").kind == (
        "binary"
    )


def test_a_loss_of_ones_own_needs_no_labels_and_takes_any_outputs() -> None:
    def own(outputs: Any, labels: Any) -> int:
        return 0

    settings = EdgeTraining(loss=own, version="1")
    found = choose_objective((LOGITS, SHARES), None, settings)
    assert (found.kind, found.loss) == ("own", own)
    assert found.targets(INDICES, (12, 5)) is INDICES


@pytest.mark.parametrize(
    ("outputs", "labels", "words"),
    [
        ((LOGITS,), None, "edge_data.train has no labels"),
        ((LOGITS, LOGITS), INDICES, "the model has 2 outputs"),
        ((LOGITS,), INDICES + 1, "labels go from 1 to 5, but the model has 5 classes"),
        ((LOGITS,), INDICES - 1, "labels go from -1 to 3"),
        ((LOGITS,), INDICES * np.nan, "the labels hold NaN or Inf"),
        ((LOGITS,), np.zeros((12, 4)), "labels of shape (12, 4) do not fit outputs"),
        ((LOGITS,), INDICES + 0.5, "labels of shape (12,) do not fit outputs"),
        ((LOGITS[:, :1],), np.zeros((12, 2)), "do not fit outputs of shape"),
    ],
)
def test_what_does_not_fit_is_told(outputs: Any, labels: Any, words: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        choose_objective(outputs, labels, EdgeTraining())
    assert words in str(raised.value)


def test_labels_become_what_losses_take() -> None:
    classes = Objective("classes")
    for labels in (INDICES, INDICES[:, None], ONE_HOT, INDICES.astype(float)):
        made = classes.targets(labels, (12, 5))
        assert made.dtype == np.int64
        np.testing.assert_array_equal(made, INDICES)
    mixed = 0.5 * ONE_HOT + 0.1
    made = classes.targets(mixed, (12, 5))
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, mixed, rtol=1e-6)
    binary = Objective("binary").targets(BOTH, (12, 1))
    assert (binary.dtype, binary.shape) == (np.float32, (12, 1))
    assert Objective("classes", axis=1).targets(DENSE_LABELS, (12, 5, 4, 3)).shape == (12, 4, 3)


def test_one_score_is_of_two_classes() -> None:
    with pytest.raises(ConfigurationError, match="labels go from 0 to 7, and one score is that"):
        Objective("binary").targets(np.array([0, 7]), (2, 1))


@pytest.mark.parametrize(
    ("output", "logits"),
    [
        (LOGITS, LOGITS),
        (SHARES, log_softmax(LOGITS, axis=1)),
        (LOGITS[:, :1] * 9, np.stack([np.zeros(12), LOGITS[:, 0] * 9], 1)),
    ],
)
def test_an_output_as_logits(output: Any, logits: Any) -> None:
    made = as_logits(output)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, logits, rtol=1e-5, atol=1e-6)


def test_one_probability_becomes_two_classes() -> None:
    made = as_logits(SHARES[:, :1])
    np.testing.assert_allclose(made[:, 1] - made[:, 0], logit(SHARES[:, 0]), rtol=1e-4)
    np.testing.assert_allclose(as_logits(SHARES[:, 0]), made)


def test_a_probability_of_zero_has_a_logarithm() -> None:
    assert np.isfinite(as_logits(np.eye(5, dtype=np.float32))).all()


def test_classes_on_another_axis_end_up_last() -> None:
    np.testing.assert_array_equal(as_logits(np.moveaxis(DENSE, -1, 1), axis=1), DENSE)


def test_a_student_has_the_classes_of_its_teacher() -> None:
    check_teacher(LOGITS, SHARES)
    with pytest.raises(ConfigurationError, match="the student gives 4 classes and its teacher 5"):
        check_teacher(LOGITS, SHARES[:, :4])
