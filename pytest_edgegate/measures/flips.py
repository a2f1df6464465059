"""What a classifier and its artifact have answered, by class and by sample, for reports."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pytest_edgegate.core.shown_record import (
    MOST_CLASSES,
    MOST_FLIPS,
    AnswersRecord,
    ClassRecord,
    FlipRecord,
)
from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import TopN

Draw = Callable[[Array], tuple[str, ...]]
"""Pictures of samples, by their positions; an empty text where there is none."""


def answers_of(
    scoring: TopN, reference: Evidence, artifact: Evidence, draw: Draw | None = None
) -> AnswersRecord:
    """*reference* and *artifact*: of the same samples. *draw*: where pictures are wanted."""
    right = scoring.correct(reference), scoring.correct(artifact)
    lost = np.flatnonzero(right[0] & ~right[1])
    classes = _by_class(artifact.arrays["label"], *right)
    return AnswersRecord(
        n=artifact.n,
        classes=classes[:MOST_CLASSES],
        more_classes=max(len(classes) - MOST_CLASSES, 0),
        lost=len(lost),
        gained=int((right[1] & ~right[0]).sum()),
        flips=_flips(reference, artifact, lost[:MOST_FLIPS], draw),
    )


def _by_class(labels: Array, reference: Array, artifact: Array) -> tuple[ClassRecord, ...]:
    """Those that lost most first, of equal ones the lowest."""
    classes, place = np.unique(labels, return_inverse=True)
    place = place.reshape(-1)
    columns = (np.ones(len(labels)), reference, artifact)
    n, before, after = (
        np.bincount(place, weights=each, minlength=len(classes)).astype(int) for each in columns
    )
    order = np.argsort(after - before, kind="stable")
    return tuple(
        ClassRecord(int(classes[at]), int(n[at]), int(before[at]), int(after[at])) for at in order
    )


def _flips(
    reference: Evidence, artifact: Evidence, rows: Array, draw: Draw | None
) -> tuple[FlipRecord, ...]:
    numbers = [artifact.number(int(at)) for at in rows]
    pictures = ("",) * len(rows)
    if draw is not None and numbers:
        pictures = draw(np.asarray(numbers))
    answers = reference.arrays["predicted"], artifact.arrays["predicted"]
    return tuple(
        FlipRecord(
            sample=number,
            label=int(artifact.arrays["label"][row]),
            reference=int(answers[0][row]),
            artifact=int(answers[1][row]),
            picture=picture,
        )
        for row, number, picture in zip(rows, numbers, pictures, strict=True)
    )
