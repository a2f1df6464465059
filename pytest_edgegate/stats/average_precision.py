"""Average precision of detections, as COCO defines it.

Source: T.-Y. Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014, and the evaluation
that its authors publish (pycocotools), for all areas and 100 detections per image and class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10)
"""The overlaps from which on a detection finds an object."""
MOST = 100
"""The detections of one image and class that count, those of the highest scores."""
_RECALLS = np.linspace(0.0, 1.0, 101)
_NEARLY_1 = 1 - 1e-10


def overlaps(boxes: Floats, objects: Floats, crowds: Bools) -> Floats:
    """Intersection over union of each pair: shape (boxes, objects), from 0 to 1.

    *boxes* and *objects* have shapes (n, 4) and (m, 4), as x1 y1 x2 y2; *crowds* is of shape (m,).
    With a crowd the intersection is divided by the area of the box alone.
    """
    # by width and height, as the files of COCO have them: equal to the last bit at a threshold
    corner, size = boxes[:, None, :2], boxes[:, None, 2:] - boxes[:, None, :2]
    other, other_size = objects[None, :, :2], objects[None, :, 2:] - objects[None, :, :2]
    common = np.minimum(corner + size, other + other_size) - np.maximum(corner, other)
    shared = np.where((common > 0).all(axis=2), common.prod(axis=2), 0.0)
    area = size.prod(axis=2)
    either = np.where(crowds, area, area + other_size.prod(axis=2) - shared)
    return np.asarray(np.divide(shared, either, out=np.zeros_like(shared), where=shared > 0))


def matched(found: Floats, crowds: Bools) -> tuple[Bools, Bools]:
    """Which detections find an object, and which are left out as parts of a crowd.

    *found*: the overlaps of the detections of one image and class, the highest score first, with
    its objects. Both results have shape (detections, thresholds).
    """
    limits = np.minimum(THRESHOLDS, _NEARLY_1)
    single, crowd = found[:, ~crowds], found[:, crowds]
    hits = np.zeros((len(found), len(limits)), bool)
    if single.shape[1]:
        free, each = np.ones((len(limits), single.shape[1]), bool), np.arange(len(limits))
        for row in np.flatnonzero(single.max(axis=1) >= limits[0]):
            open_ = np.where(free, single[row], -1.0)
            # of equal overlaps the last one, as in the published evaluation
            best = single.shape[1] - 1 - open_[:, ::-1].argmax(axis=1)
            hits[row] = open_[each, best] >= limits
            free[each[hits[row]], best[hits[row]]] = False
    in_crowd = crowd.max(axis=1, initial=-1.0)
    return hits, ~hits & (in_crowd[:, None] >= limits)


def highest(scores: Floats) -> Array:
    """The positions of the detections that count, the highest score first; ties keep order."""
    return np.argsort(-scores, kind="stable")[:MOST]


@dataclass(frozen=True)
class Matches:
    """The matched detections of a set of images.

    ``image``, ``label`` and ``score``: of each detection, shape (d,), images in order and those of
    one image and class as ``highest`` orders them. ``hits`` and ``skipped`` as ``matched`` returns
    them, shape (d, thresholds). ``objects``: how many objects that are no crowds an image has of a
    class, shape (images, classes).
    """

    image: Array
    label: Array
    score: Floats
    hits: Bools
    skipped: Bools
    objects: Array


class MeanAveragePrecision:
    """The mean over classes and thresholds, of any images of a set, each any number of times.

    Between two hits, precision falls and recall stays, so only the hits are looked at, those of all
    thresholds and classes at once: a bootstrap asks for the figure thousands of times.
    """

    def __init__(self, of: Matches, thresholds: int = len(THRESHOLDS)) -> None:
        """*thresholds*: how many of them count, the lowest first."""
        self._shape = (thresholds, of.objects.shape[1])
        self._objects = of.objects.astype(np.float64)
        order = np.lexsort((-of.score, of.label))  # stable: of equal scores the first image wins
        self._image, label = of.image[order], of.label[order]
        threshold, self._hit = np.nonzero(of.hits[order, :thresholds].T)
        skipped = of.skipped[order, :thresholds].T
        self._skipped = skipped[skipped.any(axis=1)]
        self._skips_of = np.flatnonzero(skipped.any(axis=1))
        self._threshold = threshold
        self._first_of_class = np.searchsorted(label, label[self._hit], side="left")
        # a row is one class at one threshold
        self._class = label[self._hit]
        self._row = threshold * self._shape[1] + self._class
        rows = np.arange(thresholds * self._shape[1])
        self._starts = np.searchsorted(self._row, rows, side="left")
        self._firsts = np.unique(self._row, return_index=True)[1]

    def of_classes(self, times: Floats) -> Floats:
        """The average precision of each class, NaN for one without objects: shape (classes,).

        *times*: how often each image counts, whole numbers of shape (images,).
        """
        weights, objects = times[self._image], times @ self._objects
        right = np.cumsum(weights[self._hit])
        before = np.concatenate([[0.0], right])[self._starts]
        right -= before[self._row]
        precision = right / (self._counted(weights) + np.spacing(1))
        # the best precision at this recall or a higher one, in each row by itself: rows that come
        # later are far below
        far = 2.0 * self._row
        best = np.maximum.accumulate((precision - far)[::-1])[::-1] + far
        reached = _recalls(objects, self._class, right)
        first_with_it = np.diff(reached, prepend=0)
        first_with_it[self._firsts] = reached[self._firsts]
        of_rows = np.bincount(self._row, best * first_with_it, len(self._starts))
        of_classes = of_rows.reshape(self._shape).mean(axis=0) / len(_RECALLS)
        return np.where(objects > 0, of_classes, np.nan)

    def of_set(self, times: Floats) -> float:
        """The mean of the classes that have objects; NaN without any."""
        classes = self.of_classes(times)
        known = classes[~np.isnan(classes)]
        return float(known.mean()) if len(known) else float("nan")

    def _counted(self, weights: Floats) -> Floats:
        """How many detections of its class count down to each hit, the hit among them."""
        seen = np.concatenate([[0.0], np.cumsum(weights)])
        made = seen[self._hit + 1] - seen[self._first_of_class]
        for threshold, skipped in zip(self._skips_of, self._skipped, strict=True):
            chosen = self._threshold == threshold
            left_out = np.concatenate([[0.0], np.cumsum(weights * skipped)])
            first = self._first_of_class[chosen]
            made[chosen] -= left_out[self._hit[chosen] + 1] - left_out[first]
        return np.asarray(made)


def _recalls(objects: Floats, of_class: Array, hits: Floats) -> Array:
    """How many of the recalls are reached by these hits of these classes, by hits / objects in
    floats: looked up, as there are far fewer counts of objects than hits."""
    count = objects.astype(np.int64)
    ends = np.cumsum(count + 1)
    starts = ends - count - 1
    each = np.repeat(np.arange(len(count)), count + 1)
    recalls = (np.arange(len(each)) - starts[each]) / np.maximum(count, 1)[each]
    table = np.searchsorted(_RECALLS, recalls, side="right")
    return np.asarray(table[starts[of_class] + np.minimum(hits.astype(np.int64), count[of_class])])
