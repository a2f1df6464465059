"""Labels against outputs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.measures.labels import (
    class_indices,
    class_scores,
    classes_last,
    positive_scores,
    refuse_ids_by_labels,
    refuse_integers,
    same_shape,
)

SCORES = np.eye(4)[[0, 1, 2]]


def refusal(call: Callable[[], object]) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as raised:
        call()
    assert raised.value.remedy
    return raised.value


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_a_probability_becomes_two_classes(shape: tuple[int, ...]) -> None:
    given = np.array([0.25, 0.5, 1.0]).reshape(shape)
    np.testing.assert_array_equal(class_scores(given), [[0.75, 0.25], [0.5, 0.5], [0, 1]])


def test_scores_stay_as_they_are() -> None:
    assert class_scores(SCORES) is SCORES


@pytest.mark.parametrize("given", [[-0.5, 0.2], [0.5, 7.0]])
def test_one_output_that_is_no_probability(given: list[float]) -> None:
    found = refusal(lambda: class_scores(np.array(given)))
    assert "neither a probability" in found.message
    assert "'mse', 'mae', 'auc'" in found.remedy


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "int8"])
@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_integers_are_class_ids_whatever_they_are(dtype: str, shape: tuple[int, ...]) -> None:
    for ids in (np.array([0, 1, 1, 0]), np.zeros(4), np.array([3, 1, 1, 0])):
        given = ids.astype(dtype).reshape(shape)
        found = refusal(lambda given=given: class_scores(given))  # type: ignore[misc]
        assert f"{dtype} integers: these are class ids, as an argmax gives them" in found.message
        assert "Metric(lambda ids, labels: ids.reshape(-1) == labels)" in found.remedy


def test_ids_as_floats_are_told_by_their_values_or_by_the_labels() -> None:
    found = refusal(lambda: class_scores(np.array([[0.0], [7.0]])))
    assert "whole numbers (0 to 7 in 2 samples): these are class ids" in found.message
    zeros = np.zeros((2, 1))  # the first samples of a set that is sorted by class
    found = refusal(lambda: refuse_ids_by_labels(zeros, np.arange(10)))
    assert "labels go up to 9: these are class ids" in found.message
    refuse_ids_by_labels(zeros, np.array([0, 1]))
    refuse_ids_by_labels(np.array([0.5, 0.2]), np.arange(10))  # told as labels beyond two classes
    refuse_ids_by_labels(np.eye(4), np.arange(4))
    refuse_ids_by_labels(zeros, np.eye(4))


@pytest.mark.parametrize("shape", [(-1,), (1,), (-1, 1), (1, 1, 1)])
def test_what_a_file_declares_is_enough(shape: tuple[int, ...]) -> None:
    found = refusal(lambda: refuse_integers(TensorInfo("ids:0", shape, "int64")))
    assert "the output 'ids' of the file has int64 integers" in found.message
    refuse_integers(TensorInfo("p", shape, "float32"))
    refuse_integers(TensorInfo("p", shape, "uint8", scales=(1 / 256,), zero_points=(0,)))
    refuse_integers(TensorInfo("votes", (*shape[:1], 10), "int32"))


def test_one_output_with_nan_is_left_to_who_counts_them() -> None:
    assert np.isnan(class_scores(np.array([0.5, np.nan]))[1]).all()


def test_top_n_reads_two_dimensions() -> None:
    found = refusal(lambda: class_scores(np.zeros((3, 4, 5))))
    assert "the output has (3, 4, 5)" in found.message
    assert "'miou'" in found.remedy


@pytest.mark.parametrize(
    "labels",
    [
        np.array([2, 0, 3]),
        np.array([2.0, 0.0, 3.0]),
        np.array([[2], [0], [3]]),
        np.array([2, 0, 3], np.uint8),
        np.eye(4)[[2, 0, 3]],
        np.eye(4, dtype=int)[[2, 0, 3]],
    ],
)
def test_indices_and_one_hot_rows(labels: np.ndarray) -> None:
    found = class_indices(labels, SCORES)
    assert found.tolist() == [2, 0, 3]


def test_binary_labels() -> None:
    two = class_scores(np.array([0.1, 0.9]))
    assert class_indices(np.array([True, False]), two).tolist() == [1, 0]
    assert class_indices(np.array([[0, 1], [1, 0]]), two).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.zeros((3, 5)), "labels of shape (3, 5) do not fit outputs of shape (3, 4)"),
        (np.zeros((3, 4, 1)), "do not fit outputs"),
        (np.array([0.5, 1, 2]), "labels are fractions"),
        (np.array([np.nan, 1, 2]), "1 of 3 samples hold NaN"),
        (
            np.array([0, 1, 4]),
            "labels go from 0 to 4, but the model has 4 classes (0 to 3); 3 samples ",
        ),
        (np.array([-1, 1, 2]), "labels go from -1 to 2"),
    ],
)
def test_labels_that_do_not_fit(labels: np.ndarray, said: str) -> None:
    assert said in refusal(lambda: class_indices(labels, SCORES)).message


def test_the_score_of_the_positive_class() -> None:
    assert positive_scores(np.array([[0.8, 0.2], [0.1, 0.9]])).tolist() == [0.2, 0.9]
    assert positive_scores(np.array([[0.2], [0.9]])).tolist() == [0.2, 0.9]
    assert positive_scores(np.array([-2.0, 5.0])).tolist() == [-2, 5]
    assert "auc needs one score" in refusal(lambda: positive_scores(np.zeros((2, 3)))).message


@pytest.mark.parametrize(
    ("labels", "output"),
    [((4,), (4, 1)), ((4, 1), (4,)), ((4, 2, 3), (4, 2, 3)), ((4, 2, 3, 1), (4, 2, 3))],
)
def test_dimensions_of_size_1_do_not_count(
    labels: tuple[int, ...], output: tuple[int, ...]
) -> None:
    assert same_shape(np.zeros(labels), np.zeros(output)).shape == output


@pytest.mark.parametrize(
    ("labels", "output"),
    [
        ((4,), (4, 2)),
        ((4, 2), (4,)),
        ((2, 3), (3, 2)),
        ((4, 3, 2), (4, 2, 3)),
        ((4, 6), (4, 2, 3)),
        ((4, 3, 8, 8), (4, 8, 8, 3)),
    ],
)
def test_other_shapes_do_not_fit(labels: tuple[int, ...], output: tuple[int, ...]) -> None:
    found = refusal(lambda: same_shape(np.zeros(labels), np.zeros(output)))
    assert f"labels of shape {labels} do not fit outputs of shape {output}" in found.message


@pytest.mark.parametrize(
    ("output", "labels", "made"),
    [
        ((4, 3, 5, 6), (4, 5, 6), (4, 5, 6, 3)),
        ((4, 3, 5, 6), (4, 5, 6, 1), (4, 5, 6, 3)),
        ((4, 3, 5, 6), (4, 1, 5, 6), (4, 5, 6, 3)),
        ((4, 1, 5, 6), (4, 5, 6), (4, 5, 6, 1)),
        ((4, 5, 6, 3), (4, 5, 6), (4, 5, 6, 3)),
        ((4, 3, 7), (4, 7), (4, 7, 3)),
        ((4, 3), (4,), (4, 3)),
        ((4, 3, 5, 6), (4,), (4, 3, 5, 6)),
        ((4, 5, 5, 5), (4, 5, 5), (4, 5, 5, 5)),
    ],
)
def test_classes_that_come_first_are_told_by_the_labels(
    output: tuple[int, ...], labels: tuple[int, ...], made: tuple[int, ...]
) -> None:
    assert classes_last(np.zeros(output), np.zeros(labels)).shape == made
    assert classes_last(np.zeros(output), None).shape == output


def test_labels_that_begin_at_one() -> None:
    found = refusal(lambda: class_indices(np.array([1, 2, 3]), np.zeros((3, 3))))
    assert found.remedy == "check the labels: they seem to begin at 1, so give labels - 1"
    found = refusal(lambda: class_indices(np.array([0, 3]), np.zeros((2, 3))))
    assert found.remedy.startswith("check the labels")
