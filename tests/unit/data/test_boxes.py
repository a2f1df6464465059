"""Labels of detectors: the forms that are taken, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.boxes import (
    are_objects,
    box_labels,
    check_objects,
    objects_of,
    samples_of,
)
from pytest_edgegate.data.dataset import EdgeData
from pytest_edgegate.data.splits import make_split

TWO = np.array([[0, 0, 4, 4], [1, 2, 8, 9]], np.float32)
X = np.zeros((2, 8, 8, 3), np.float32)


class TorchLike:
    """A tensor as torch's: numpy takes it by its own method."""

    def __init__(self, values: Any) -> None:
        self._values = np.asarray(values)
        self.shape, self.dtype = self._values.shape, self._values.dtype

    def numpy(self) -> Any:
        return self._values


FORMS = {
    "pairs": [(TWO, [3, 5]), (TWO[:0], [])],
    "a tuple of pairs": ((TWO, [3, 5]), ([], [])),
    "lists": [[[[0, 0, 4, 4], [1, 2, 8, 9]], [3, 5]], [[], []]],
    "torchvision": [
        {"boxes": TorchLike(TWO), "labels": TorchLike([3, 5])},
        {"boxes": TorchLike(TWO[:0]), "labels": TorchLike(np.zeros(0, np.int64))},
    ],
    "columns": {"boxes": [TWO, TWO[:0]], "classes": [[3, 5], []]},
    "an empty list": [(TWO, [3, 5]), []],
    "triples": [(TWO, [3, 5], [0, 0]), (TWO[:0], [], [])],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_becomes_one_array(form: str) -> None:
    made = box_labels("y", FORMS[form])
    assert made is not None
    assert made.shape == (2, 2, 6)
    first, second = samples_of(made)
    np.testing.assert_array_equal(first, [[0, 0, 4, 4, 3, 0], [1, 2, 8, 9, 5, 0]])
    assert not len(second)


def test_an_array_of_objects_is_a_list_of_images() -> None:
    given = np.empty(2, object)
    given[:] = FORMS["pairs"]
    made = make_split("evaluation", (X, given), None)
    assert made.labels.shape == (2, 2, 6)  # type: ignore[attr-defined]


def test_images_without_any_box_are_taken() -> None:
    for none in ([([], []), ([], [])], [[], []]):
        made = box_labels("y", none)
        assert made is not None
        assert made.shape == (2, 0, 6)


ANNOTATION = {"bbox": [1, 2, 3, 4], "category_id": 1}
OTHER_FORMS = {
    "COCO, a list each": ([[ANNOTATION, ANNOTATION], []], "image #0 has annotations as COCO's"),
    "COCO, one each": ([ANNOTATION], "image #0 has annotations as COCO's"),
    "COCO, columns each": ([{"bbox": TWO, "category_id": [3, 5]}], "image #0 has annotations as"),
    "COCO, among pairs": ([(TWO, [3, 5]), [ANNOTATION, ANNOTATION]], "image #1 has annotations"),
    "COCO, columns": ({"bbox": [TWO], "category_id": [[3, 5]]}, "^y has annotations as COCO's"),
    "rows": ([[], [[0, 0, 9, 9, 1]]], "image #1 has rows of five numbers"),
    "arrays of rows": ([np.zeros((2, 5)), np.zeros((1, 5))], "image #0 has rows of five numbers"),
    "two rows": ([[[0, 0, 9, 9, 1], [0, 0, 9, 9, 1]]], "image #0 has rows of five numbers"),
    "flat": ([([0, 0, 9, 9], [1])], "image #0 has a single box that is in no list"),
    "flat, among pairs": ([(TWO, [3, 5]), ([0, 0, 9, 9], 1)], "image #1 has a single box that is"),
}


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_forms_of_other_tools_are_told_with_what_to_write(form: str) -> None:
    given, told = OTHER_FORMS[form]
    with pytest.raises(ConfigurationError) as raised:
        box_labels("y", given)
    assert re.search(told, raised.value.message)
    assert "x1 y1 x2 y2" in raised.value.remedy


def test_what_the_remedies_write_is_taken() -> None:
    labels: Any = [[ANNOTATION, ANNOTATION], []]
    pairs = [
        (
            [[x, y, x + w, y + h] for x, y, w, h in (a["bbox"] for a in image)],
            [a["category_id"] for a in image],
        )
        for image in labels
    ]
    made = box_labels("y", pairs)
    assert made is not None
    assert made[0, 1].tolist() == [1, 2, 4, 6, 1, 0]
    labels = [[], [[0, 0, 9, 9, 1]]]
    reshaped = [np.reshape(rows, (-1, 5)) for rows in labels]
    made = box_labels("y", [(rows[:, :4], rows[:, 4]) for rows in reshaped])
    assert made is not None
    assert made[1].tolist() == [[0, 0, 9, 9, 1, 0]]


def test_crowds_are_kept() -> None:
    for crowds in ([0, 1], np.array([False, True])):
        made = box_labels("y", [{"boxes": TWO, "classes": [3, 5], "iscrowd": crowds}])
        assert made is not None
        assert made[0, :, 5].tolist() == [0, 1]


def test_an_array_whose_last_column_marks_no_crowds_is_told_from_boxes() -> None:
    rows = np.array([[[0, 0, 4, 4, 1, 0], [1, 2, 8, 9, 2, 1]]], np.float32)
    assert are_objects(rows)
    rows[0, 1, 5] = 3
    assert not are_objects(rows)


@pytest.mark.parametrize(
    "given",
    [
        [1, 2],
        [[1.0, 0.0], [0.0, 1.0]],
        (np.zeros(4), np.zeros(4)),
        np.zeros((2, 8, 8)),
        [np.zeros((3, 4)), np.zeros((3, 4))],
        (np.zeros((3, 5)), np.zeros((3, 2))),
        [],
        {"left": [1, 2], "right": [3, 4]},
        "names",
    ],
)
def test_other_labels_are_left_alone(given: Any) -> None:
    assert box_labels("y", given) is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([(TWO, [3, 5]), (TWO, [3])], r"image #1 has boxes and classes of shapes \(2, 4\), \(1,\)"),
        ([(TWO, [3, 5]), None], "image #1 has a builtins.NoneType for a label"),
        ([(TWO, [3, 5]), (TWO[:, :3], [3, 5])], r"image #1 has boxes of shape \(2, 3\)"),
        (
            [(TWO, [3, 5]), ([[1, 2, 3, 4], [1]], [0, 1])],
            "image #1 has boxes or classes of several",
        ),
        ([(TWO, [3, 5]), (TWO, ["cat", "dog"])], "dtype <U3"),
        ([(TWO, [3, 5]), (TWO, [3, -1])], "image #1 has a box of class -1"),
        ([{"boxes": TWO, "labels": [-1, 0]}], "image #0 has a box of class -1"),
        ({"boxes": [TWO], "classes": [[3, -2]]}, "image #0 has a box of class -2"),
        ([(TWO, [3, 5], [0.0, 0.7])], r"image #0 has 0\.7 in the third member of its label"),
        ([(TWO, [3, 5], [16.0, 56.0])], "has 16 in the third member of its label, which marks cr"),
        ([{"boxes": TWO, "labels": [3, 5], "iscrowd": [0, np.nan]}], "has nan in the third"),
    ],
)
def test_an_image_that_does_not_fit_is_named(given: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        box_labels("edge_data.evaluation", given)


def test_padded_arrays_are_taken_as_they_are() -> None:
    padded = np.array([[[0, 0, 4, 4, 3], [0, 0, 0, 0, -1]]], np.float32)
    made = objects_of(padded)
    assert made is not None
    assert made.shape == (1, 2, 6)
    assert objects_of(np.zeros((3, 10))) is None
    assert objects_of(np.zeros((3, 8, 8))) is None


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ([0, 0, np.nan, 4, 1, 0], "holds NaN or Inf"),
        ([0, 0, 4, 4, 1.5, 0], "has a class that is no whole number"),
        ([0, 0, 4, 4, -2, 0], "has a class that is no whole number"),
        ([50, 60, 20, 30, 1, 0], "ends before it begins"),
        ([0, 0, 4, 4, 1, 0.9], r"is marked by neither 0 nor 1.*1\.  0\.9"),
        ([0, 0, 4, 4, 1, 16], "is marked by neither 0 nor 1, and the last number of a row of six"),
    ],
)
def test_an_object_that_cannot_be_is_named(row: list[float], told: str) -> None:
    good = [0.0, 0, 4, 4, 1, 0]
    with pytest.raises(ConfigurationError, match=rf"box #1 of image #0 {told}"):
        check_objects(np.array([[good, row]]))


def test_streams_and_arrays_take_them(recwarn: Any) -> None:
    labels = FORMS["pairs"]
    data = EdgeData(calibration=X, evaluation=(X, labels))
    stream = EdgeData(
        calibration=X, evaluation=[(X, labels), (X, [(TWO, [3, 5])] * 2)], version="1"
    )
    from pytest_edgegate.data.dataset import Dataset

    (batch,) = Dataset(data).evaluation.batches()
    first, _ = Dataset(stream).evaluation.batches()
    np.testing.assert_array_equal(batch.labels, first.labels)
    assert (
        Dataset(data).evaluation.digest()
        != Dataset(
            EdgeData(calibration=X, evaluation=(X, [(TWO, [3, 6]), ([], [])]))
        ).evaluation.digest()
    )
