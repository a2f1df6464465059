"""Kinds of damage that are recognisable by the predictions alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.data.splits import Array
from pytest_edgegate.diagnosis.making import AGAIN
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import Auc

_SEED = 0
_MOST_SHOWN = 4


@dataclass(frozen=True)
class Renamed:
    """Answers that are right under other names."""

    moved: tuple[tuple[int, int], ...]
    """(class, answer in its place), without those that are right as they are."""
    by: int
    """1 or -1 if every answer is that much above its class, else 0: a permutation."""
    regained: float
    """The share of right answers with the names put back."""

    def __str__(self) -> str:
        shown = ", ".join(f"{each} -> {image}" for each, image in self.moved[:_MOST_SHOWN])
        more = len(self.moved) - _MOST_SHOWN
        return f"{shown} and {more} more" if more > 0 else shown


def by_collapse(reference: Evidence, artifact: Evidence, *, in_integers: bool) -> Diagnosis:
    """Detects answers that have collapsed into one class.

    *in_integers*: whether the file has scales, which may be wrong.
    """
    before, after = reference.arrays["predicted"], artifact.arrays["predicted"]
    counts = np.bincount(after)
    if counts.max() > 0.8 * len(after) and np.bincount(before).max() < 0.6 * len(before):
        return Diagnosis(
            cause=f"the outputs have collapsed: the artifact answers class {counts.argmax()} on "
            f"{counts.max()} of {len(after)} samples",
            remedy="look for a broken scale or a saturated layer; check the calibration samples"
            if in_integers
            else AGAIN,
        )
    return Diagnosis()


def by_renaming(reference: Evidence, artifact: Evidence) -> Diagnosis:
    """Detects permuted or shifted classes."""
    before, after = reference.arrays["predicted"], artifact.arrays["predicted"]
    labels = artifact.arrays["label"]
    found = renamed(before, after, labels)
    if found is None:
        return Diagnosis()
    was, model = float((after == labels).mean()), float((before == labels).mean())
    told = (
        f"with them put back the file reaches {found.regained:.3g} (it has {was:.3g}, the model "
        f"{model:.3g})"
    )
    if found.by:
        return Diagnosis(
            cause=f"the classes of the file lie one {_where(found.by)} than those of the model "
            f"({found}){_sizes(reference, artifact)}; {told}",
            remedy="a class for the background was added or removed: give both the same classes",
        )
    return Diagnosis(
        cause=f"the classes look permuted: {found}; {told}",
        remedy="compare the order of the outputs with that of the labels",
    )


def by_labels(evidence: Evidence, who: str) -> Diagnosis:
    """Detects answers that are right under other names: *who* gives them ("the model")."""
    labels, answers = evidence.arrays["label"], evidence.arrays["predicted"]
    found = renamed(labels, answers, labels)
    if found is None or not _are_classes(labels + found.by, evidence):
        return Diagnosis()
    told = f"{who} reaches {found.regained:.3g} (it has {(answers == labels).mean():.3g})"
    if found.by:
        code = f"labels {'+' if found.by > 0 else '-'} 1"
        return Diagnosis(
            cause=f"its answers lie one {_where(found.by)} than the labels: with {code} {told}",
            remedy=f"give {code}: they and the outputs begin at different classes",
        )
    return Diagnosis(
        cause=f"its classes are in another order than the labels ({found}): put back, {told}",
        remedy="give the labels in the order of the outputs",
    )


def by_reversal(scoring: Auc, evidence: Evidence, who: str) -> Diagnosis:
    """Detects scores of the other class: an AUC that is proven to lie below a half."""
    if not scoring.estimate(evidence).interval.high < 0.5:
        return Diagnosis()
    was = scoring.value(evidence)
    return Diagnosis(
        cause=f"the scores are those of the other class: reversed, {who} reaches {1 - was:.3g} (it "
        f"has {was:.3g})",
        remedy="exchange the two outputs, or the labels 0 and 1",
    )


def renamed(before: Array, after: Array, labels: Array) -> Renamed | None:
    """Whether the answers *after* are those *before* under other names; all of shape (n,).

    The names are read off a half of the samples that is drawn at random, and have to hold on the
    other half, since any names fit a class with one sample.
    """
    if len(after) < 2:
        return None
    known = np.random.default_rng(_SEED).permutation(len(after)) < (len(after) + 1) // 2
    names = _names(before[known], after[known])
    images = set(names.values())
    moved = tuple((each, image) for each, image in names.items() if each != image)
    holds = len(moved) >= 2 and len(images) == len(names)
    shift = _shift(before, after, closed=holds and images == set(names))
    if shift:
        shown = tuple((each, each + shift) for each in sorted(names)[:_MOST_SHOWN])
        return Renamed(shown, shift, float((after - shift == labels).mean()))
    if not holds:
        return None
    back = {image: each for each, image in names.items()}
    put = np.array([back.get(each, -1) for each in after.tolist()], np.int64)
    if not (put == before)[~known].mean() > 0.5:
        return None
    return Renamed(moved, 0, float((put == labels).mean()))


def _names(before: Array, after: Array) -> dict[int, int]:
    """The commonest answer in the place of each class."""
    return {
        int(each): int(np.bincount(after[before == each]).argmax()) for each in np.unique(before)
    }


def _shift(before: Array, after: Array, *, closed: bool) -> int:
    """1 or -1 if most answers are that much above what they were; a rotation is none."""
    if closed:
        return 0
    return next((by for by in (1, -1) if (after == before + by).mean() > 0.5), 0)


def _are_classes(labels: Array, evidence: Evidence) -> bool:
    """Whether an output has a score for each of them; any are, if the outputs are not known."""
    counts = [each.shape[1] for each in evidence.channels.values()]
    return not counts or (labels.min() >= 0 and bool(labels.max() < max(counts)))


def _where(by: int) -> str:
    return "higher" if by > 0 else "lower"


def _sizes(reference: Evidence, artifact: Evidence) -> str:
    """The numbers of classes, if both are known and differ."""
    counts = [
        {each.shape[1] for each in evidence.channels.values()} for evidence in (artifact, reference)
    ]
    if any(len(each) != 1 for each in counts) or counts[0] == counts[1]:
        return ""
    own, others = (each.pop() for each in counts)
    return f": it has {own:,} classes, the model {others:,}"
