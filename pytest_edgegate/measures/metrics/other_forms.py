"""Boxes and classes in another form than that of the labels: corners in another order, classes from
another number on. Such a reference finds next to nothing, and so every file loses next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.boxes import CLASS, CORNERS
from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.metrics.detections import Detections

Figure = Callable[[Sequence[Detections], Sequence[Array]], float]
"""The metric of some images: of detections, and of objects of shape (m, 6)."""


@dataclass(frozen=True)
class _Form:
    """How boxes (k, 4) and classes (k,) may be written."""

    name: str
    read: Callable[[Array], Array] = np.asarray
    shift: int = 0
    """What is added to classes."""
    remedy: str = ""


def _swapped(boxes: Array) -> Array:
    return boxes[:, [1, 0, 3, 2]]


def _of_sizes(boxes: Array) -> Array:
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def _of_centres(boxes: Array) -> Array:
    middle, half = boxes[:, :2], boxes[:, 2:] / 2
    return np.concatenate([middle - half, middle + half], axis=1)


_FORMS = (
    _Form("y before x", _swapped, remedy="boxes[:, [1, 0, 3, 2]]"),
    _Form(
        "x y width height",
        _of_sizes,
        remedy="np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)",
    ),
    _Form(
        "centre x, centre y, width, height",
        _of_centres,
        remedy="np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, "
        "boxes[:, :2] + boxes[:, 2:] / 2], 1)",
    ),
    _Form("classes that are 1 too low", shift=1, remedy="classes + 1"),
    _Form("classes that are 1 too high", shift=-1, remedy="classes - 1"),
)
_LEAST, _TIMES = 0.2, 3.0
"""The figure of another form that is no accident, and the times that it has to be the model's own:
a poor detector is poor in every form."""


def refuse_other_forms(
    found: Sequence[Detections], objects: Sequence[Array], figure: Figure
) -> None:
    """Raises ConfigurationError where one side fits the other far better in another form."""
    own = figure(found, objects)
    if not own < 1 / _TIMES:  # NaN without objects; else no form can be so much better
        return
    tried = [
        (value, at == 0, form)
        for form in _FORMS
        for at, value in enumerate(_of_both_sides(form, found, objects, figure))
    ]
    # where either side may be the wrong one, what the user may change more easily: the model's
    best, of_model, form = max(tried, key=lambda each: each[:2])
    if best < _LEAST or best <= _TIMES * own:
        return
    either = [value for value, _, other in tried if other is form].count(best) > 1
    side = "the model or the labels" if either else "the model" if of_model else "the labels"
    raise ConfigurationError(
        f"the boxes of {side} seem to be in another form, {form.name}: the mean average precision "
        f"at an overlap of 0.5 of {len(found)} images is {best:.3g} if they are read so, and "
        f"{own:.3g} as they are",
        "boxes are x1 y1 x2 y2 and classes count alike on both sides: convert that side by "
        f"{form.remedy}, in decode or where the labels are made",
    )


def _of_both_sides(
    form: _Form, found: Sequence[Detections], objects: Sequence[Array], figure: Figure
) -> tuple[float, float]:
    """The figures with the detections read in that form, and with the objects."""
    detections = [_converted(form, each) for each in found]
    labels = [_converted_objects(form, each) for each in objects]
    return figure(detections, objects), figure(found, labels)


def _converted(form: _Form, each: Detections) -> Detections:
    return Detections.sifted(form.read(each.boxes), each.scores, each.classes + form.shift)


def _converted_objects(form: _Form, objects: Array) -> Array:
    made = objects.copy()
    made[:, CORNERS] = form.read(objects[:, CORNERS])
    made[:, CLASS] += form.shift
    return made[made[:, CLASS] > -0.5]
