"""What a classifier and its artifact have answered, by class and by sample."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_edgegate.core.shown_record import MOST_CLASSES, MOST_FLIPS, ClassRecord, FlipRecord
from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.flips import answers_of
from pytest_edgegate.measures.metrics import TopN

TOP1 = TopN(1)


def evidence(labels: Array, predicted: Array, positions: Array | None = None) -> Evidence:
    arrays = {"label": labels, "predicted": predicted, "rank": (labels != predicted).astype(int)}
    return Evidence(arrays, len(labels), "", "host:fake", positions=positions)


def test_classes_are_counted_and_those_that_lost_most_come_first() -> None:
    labels = np.array([0, 0, 0, 1, 1, 5, 5, 5, 5])
    before = np.array([0, 0, 1, 1, 0, 5, 5, 5, 5])
    after = np.array([0, 1, 0, 1, 1, 0, 0, 5, 5])
    found = answers_of(TOP1, evidence(labels, before), evidence(labels, after))
    assert found.classes == (
        ClassRecord(5, 4, 4, 2),
        ClassRecord(0, 3, 2, 2),
        ClassRecord(1, 2, 1, 2),
    )
    assert (found.n, found.lost, found.gained, found.more_classes) == (9, 3, 2, 0)
    assert found.flips == (
        FlipRecord(1, 0, 0, 1),
        FlipRecord(5, 5, 5, 0),
        FlipRecord(6, 5, 5, 0),
    )


def test_samples_of_a_part_have_their_places_in_the_whole() -> None:
    labels, positions = np.array([3, 4]), np.array([70, 20])
    before, after = evidence(labels, labels, positions), evidence(labels, labels + 1, positions)
    assert [each.sample for each in answers_of(TOP1, before, after).flips] == [70, 20]


@pytest.mark.parametrize("more", [0, 3])
def test_only_some_are_listed_and_the_others_counted(more: int) -> None:
    labels = np.arange(MOST_CLASSES + more)
    found = answers_of(TOP1, evidence(labels, labels), evidence(labels, labels + 1))
    assert (len(found.classes), found.more_classes) == (MOST_CLASSES, more)
    assert (len(found.flips), found.lost) == (MOST_FLIPS, MOST_CLASSES + more)


def test_pictures_are_asked_for_once_and_of_what_is_listed() -> None:
    labels, asked = np.arange(50), []

    def draw(numbers: Array) -> tuple[str, ...]:
        asked.append(numbers.tolist())
        return tuple(f"picture {each}" for each in numbers)

    found = answers_of(TOP1, evidence(labels, labels), evidence(labels, labels + 1), draw)
    assert asked == [list(range(MOST_FLIPS))]
    assert found.flips[7].picture == "picture 7"
    assert answers_of(TOP1, evidence(labels, labels), evidence(labels, labels), draw).flips == ()
    assert len(asked) == 1
