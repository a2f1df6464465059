"""Average precision against pycocotools, the evaluation that COCO publishes."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pytest_edgegate.data.boxes import box_labels
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import Metric, as_scoring
from pytest_edgegate.stats.average_precision import (
    THRESHOLDS,
    Matches,
    MeanAveragePrecision,
    highest,
    matched,
    overlaps,
)

Array = npt.NDArray[Any]
Objects = Array
"""Of one image: x1 y1 x2 y2, class, crowd."""
Found = tuple[Array, Array, Array]
"""Of one image: boxes, scores, classes."""
DIGITS = 1e-8


def by_pycocotools(objects: Sequence[Objects], found: Sequence[Found]) -> tuple[float, float]:
    """mAP from 0.5 to 0.95, and at 0.5."""
    rows = [(image, *row) for image, each in enumerate(objects) for row in each.tolist()]
    annotations = [
        {
            "id": number,
            "image_id": image,
            "category_id": int(label),
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": (x2 - x1) * (y2 - y1),
            "iscrowd": int(crowd),
        }
        for number, (image, x1, y1, x2, y2, label, crowd) in enumerate(rows, 1)
    ]
    results = [
        {
            "image_id": image,
            "category_id": int(label),
            "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            "score": float(score),
        }
        for image, each in enumerate(found)
        for box, score, label in zip(*each, strict=True)
    ]
    labels = {each["category_id"] for each in (*annotations, *results)}
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": image} for image in range(len(objects))],
            "annotations": annotations,
            "categories": [{"id": label} for label in sorted(labels)],
        }
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats[0], evaluation.stats[1]


def by_us(objects: Sequence[Objects], found: Sequence[Found]) -> tuple[float, float]:
    labels = box_labels("y", [(each[:, :4], each[:, 4], each[:, 5]) for each in objects])
    assert labels is not None
    answers = iter(found)
    scoring = as_scoring(Metric("map", decode=lambda _: next(answers)), indexable=True)
    figures = scoring.observe({"image": np.zeros((len(found), 1))}, labels)
    evidence = Evidence(figures, len(found), "", "")
    return scoring.value(evidence), as_scoring("map50", indexable=True).value(evidence)


def scenes(count: int, seed: int) -> tuple[list[Objects], list[Found]]:
    """Images with up to 11 objects of 20 classes, and detections that are right to some degree.

    Coordinates and scores are rounded, so that there are ties and overlaps right at a threshold.
    """
    random = np.random.default_rng(seed)
    objects, found = [], []
    for _ in range(count):
        number = random.integers(0, 12)
        corner, size = random.integers(0, 400, (number, 2)), random.integers(5, 120, (number, 2))
        labels, crowds = random.integers(0, 20, number), random.random(number) < 0.05
        each = np.column_stack([corner, corner + size, labels, crowds]).astype(np.float64)
        hits = each[random.integers(0, number, random.integers(0, 2 * number))] if number else each
        boxes = hits[:, :4] + random.normal(0, 6, (len(hits), 4)).round()
        wrong = random.random(len(hits)) < 0.15
        classes = np.where(wrong, random.integers(0, 20, len(hits)), hits[:, 4])
        strays = random.integers(0, 400, (random.integers(0, 5), 2))
        boxes = np.concatenate([boxes, np.hstack([strays, strays + 50])])
        classes = np.concatenate([classes, random.integers(0, 20, len(strays))])
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        objects.append(each)
        found.append((boxes, random.random(len(boxes)).round(2), classes))
    return objects, found


def image(*objects: tuple[float, ...]) -> Objects:
    return np.array([(*each, 0.0)[:6] for each in objects], np.float64).reshape(-1, 6)


def answers(*found: tuple[float, ...]) -> Found:
    rows = np.array(found, np.float64).reshape(-1, 6)
    return rows[:, :4], rows[:, 4], rows[:, 5]


BOX, NEAR, FAR = (0.0, 0.0, 10.0, 10.0), (0.0, 0.0, 10.0, 8.0), (50.0, 50.0, 60.0, 60.0)
NONE: tuple[tuple[float, ...], ...] = ()
MANY = tuple((*FAR, 0.5 + at / 1000, 1.0) for at in range(130))
CASES = {
    "all right": ([image((*BOX, 1))], [answers((*BOX, 0.9, 1))]),
    "no boxes in an image": (
        [image((*BOX, 1)), image((*BOX, 1))],
        [answers((*BOX, 0.9, 1)), answers()],
    ),
    "no labels in an image": (
        [image((*BOX, 1)), image(*NONE)],
        [answers((*BOX, 0.9, 1)), answers((*FAR, 0.95, 1))],
    ),
    "equal scores in one image": (
        [image((*BOX, 1), (*FAR, 1))],
        [answers((*FAR, 0.5, 1), (20, 20, 30, 30, 0.5, 1), (*BOX, 0.5, 1))],
    ),
    "equal scores in two images": (
        [image((*BOX, 1)), image((*BOX, 1))],
        [answers((*FAR, 0.5, 1)), answers((*BOX, 0.5, 1))],
    ),
    "a crowd takes any number": (
        [image((0.0, 0.0, 100.0, 100.0, 1, 1.0), (*FAR, 1))],
        [answers((*BOX, 0.9, 1), (*NEAR, 0.8, 1), (*FAR, 0.7, 1))],
    ),
    "a crowd gives way to an object": (
        [image((*BOX, 1, 1.0), (*NEAR, 1))],
        [answers((*BOX, 0.9, 1), (*BOX, 0.8, 1))],
    ),
    "only a crowd of a class": (
        [image((*BOX, 1, 1.0), (*BOX, 2))],
        [answers((*BOX, 0.9, 1), (*BOX, 0.9, 2))],
    ),
    "a class without detections": ([image((*BOX, 1), (*FAR, 2))], [answers((*BOX, 0.9, 1))]),
    "a class without objects": (
        [image((*BOX, 1))],
        [answers((*BOX, 0.5, 1), (*BOX, 0.9, 7))],
    ),
    "two detections of one object": (
        [image((*BOX, 1))],
        [answers((*NEAR, 0.9, 1), (*BOX, 0.8, 1))],
    ),
    "one detection of two objects": (
        [image((*BOX, 1), (*NEAR, 1))],
        [answers((*BOX, 0.9, 1))],
    ),
    "an overlap right at a threshold": (
        [image((0.0, 0.0, 10.0, 10.0, 1))],
        [answers((0.0, 0.0, 10.0, 5.0, 0.9, 1))],
    ),
    "more detections than count": (
        [image((*BOX, 1), (*FAR, 1))],
        [answers(*MANY, (*BOX, 0.4, 1))],
    ),
    "boxes without an area": (
        [image((5.0, 5.0, 5.0, 5.0, 1), (*BOX, 1))],
        [answers((5.0, 5.0, 5.0, 5.0, 0.9, 1), (*BOX, 0.8, 1))],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_edge_cases_are_as_in_pycocotools(name: str) -> None:
    objects, found = CASES[name]
    assert by_us(objects, found) == pytest.approx(by_pycocotools(objects, found), abs=DIGITS)


def test_a_thousand_images_are_as_in_pycocotools() -> None:
    objects, found = scenes(1_000, seed=0)
    wanted = by_pycocotools(objects, found)
    assert 0.05 < wanted[0] < wanted[1] < 0.9
    assert by_us(objects, found) == pytest.approx(wanted, abs=DIGITS)


@pytest.mark.parametrize("seed", range(4))
def test_a_resample_is_the_set_with_its_images_repeated(seed: int) -> None:
    objects, found = scenes(12, seed)
    drawn = np.random.default_rng(seed).integers(0, 12, 12)
    wanted = by_pycocotools([objects[at] for at in drawn], [found[at] for at in drawn])
    random = np.random.default_rng(seed)
    for each in found:  # without ties, whose order is that of the images
        each[1][:] = random.permutation(1_000)[: len(each[1])] / 1_000 + random.random() / 1e6
    wanted = by_pycocotools([objects[at] for at in drawn], [found[at] for at in drawn])
    labels = box_labels("y", [(each[:, :4], each[:, 4], each[:, 5]) for each in objects])
    assert labels is not None
    taken = iter(found)
    scoring: Any = as_scoring(Metric("map", decode=lambda _: next(taken)), indexable=True)
    figures = scoring.observe({"image": np.zeros((12, 1))}, labels)
    statistic = scoring._statistic(Evidence(figures, 12, "", ""))
    assert statistic(drawn) == pytest.approx(wanted[0], abs=DIGITS)


def test_overlaps_are_shares_of_the_union_or_of_the_box_in_a_crowd() -> None:
    boxes = np.array([[0.0, 0.0, 10.0, 10.0], [20.0, 20.0, 30.0, 30.0]])
    objects = np.array([[0.0, 0.0, 10.0, 5.0], [0.0, 0.0, 40.0, 40.0]])
    crowds = np.array([False, True])
    np.testing.assert_allclose(overlaps(boxes, objects, crowds), [[0.5, 1.0], [0.0, 1.0]])


def test_a_better_score_takes_the_object_first() -> None:
    hits, skipped = matched(np.array([[0.6], [0.9]]), np.array([False]))
    assert hits[:, 0].tolist() == [True, False]
    assert hits[:, 5].tolist() == [False, True]  # 0.75
    assert not skipped.any()


def test_of_one_class_the_hundred_highest_scores_count() -> None:
    scores = np.arange(150) / 150
    assert highest(scores).tolist() == list(range(149, 49, -1))


def test_images_without_objects_have_no_figure() -> None:
    empty = np.zeros(0)
    none = np.zeros((0, len(THRESHOLDS)), bool)
    at = np.zeros(0, np.int64)
    made = MeanAveragePrecision(Matches(at, at, empty, none, none, np.zeros((3, 0))))
    assert np.isnan(made.of_set(np.ones(3)))
