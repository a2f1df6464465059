"""Labels of detectors: the boxes and classes of an image, of which there may be any number.

They are held as one array, so that everything that reads labels by sample reads these, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.arrays import Array, as_array, is_tensor, kind_of

CORNERS, CLASS, CROWD, WIDTH = slice(0, 4), 4, 5, 6
"""The columns of an object: x1 y1 x2 y2, its class, whether it is a crowd; and their number."""
NO_OBJECT = -1
"""The class of a row that only fills up the array."""
PAIRS = (
    "give a pair (boxes, classes) for each image: EdgeData(..., evaluation=(x, [(boxes, classes), "
    "...])), boxes of shape (k, 4) as x1 y1 x2 y2, classes of shape (k,)"
)
_MARKS = (
    "mark crowds by 1 and other boxes by 0, as in (boxes, classes, iscrowd); leave out what marks "
    "no crowd, such as scores or areas: (boxes, classes)"
)
_BOXES, _CLASSES, _CROWDS = ("boxes", "bboxes"), ("classes", "labels"), ("crowd", "iscrowd")
"""Keys of an image's labels; those of torchvision are among them."""


def box_labels(where: str, given: Any) -> Array | None:
    """Labels of shape (n, most objects, 6) and of float64; None for labels of another kind.

    Taken is a list of n images, each a pair (boxes, classes), a triple with crowds, or a dict of
    them. Raises ConfigurationError for images that do not fit.
    """
    images = _images(given)
    if images is None or not len(images):
        _refuse_other_forms(where, given)
        return None
    forms = [_members(each) for each in images]
    if not any(form is not None and _are_boxes(form) for form in forms):
        _refuse_other_forms(where, images)
        return None
    rows = [
        _row(f"{where}: image #{at}", *pair)
        for at, pair in enumerate(zip(images, forms, strict=True))
    ]
    return _packed(rows)


def _refuse_other_forms(where: str, given: Any) -> None:
    """Raises ConfigurationError for boxes in a form that is known, but not taken."""
    if isinstance(given, Mapping):
        _refuse_other_form(where, given)
    elif isinstance(given, list | tuple):
        if not all(map(_has_rows, given)) and all(map(is_tensor, given)):
            return  # labels of several tasks, one of which has five numbers
        for at, image in enumerate(given):
            _refuse_other_form(f"{where}: image #{at}", image)


def _refuse_other_form(where: str, image: Any) -> None:
    for is_it, told, remedy in _OTHER_FORMS:
        if is_it(image):
            raise ConfigurationError(f"{where} has {told}", remedy)


def _is_of_coco(image: Any) -> bool:
    if isinstance(image, list | tuple) and len(image):
        image = image[0]
    return isinstance(image, Mapping) and ("bbox" in image or "category_id" in image)


def _has_rows(image: Any) -> bool:
    if isinstance(image, list | tuple):
        return len(image) > 0 and all(_shape(row) == (CROWD,) for row in image)
    return is_tensor(image) and len(image.shape) == 2 and image.shape[1] == CROWD


def _has_a_bare_box(image: Any) -> bool:
    members = _members(image)
    if members is None:
        return False
    boxes, classes = (_shape(each) for each in members[:2])
    return boxes == (4,) and classes in ((), (1,))


_OTHER_FORMS = (
    (
        _is_of_coco,
        "annotations as COCO's files have them (bbox, category_id)",
        "bbox is x, y, width and height, and a label is a pair (boxes, classes) with boxes as "
        "x1 y1 x2 y2; with the annotations of each image in a list: "
        '[([[x, y, x + w, y + h] for x, y, w, h in (a["bbox"] for a in image)], '
        '[a["category_id"] for a in image]) for image in labels]; '
        "classes are numbered as the model's outputs number them",
    ),
    (
        _has_rows,
        "rows of five numbers for a label",
        f"{PAIRS}; of rows x1 y1 x2 y2 class: [(np.reshape(rows, (-1, 5))[:, :4], "
        "np.reshape(rows, (-1, 5))[:, 4]) for rows in labels]",
    ),
    (
        _has_a_bare_box,
        "a single box that is in no list",
        f"{PAIRS}; a single box is ([[x1, y1, x2, y2]], [class])",
    ),
)
"""Labels that other tools write: whether a label is one, what it is, and what to write."""


def _packed(rows: Sequence[Array]) -> Array:
    """Objects of some images, each of shape (k, 6), as one array."""
    made = np.zeros((len(rows), max(map(len, rows)), WIDTH))
    made[:, :, CLASS] = NO_OBJECT
    for at, each in enumerate(rows):
        made[at, : len(each)] = each
    return made


def objects_of(labels: Array) -> Array | None:
    """Labels of shape (n, most, 6) with the column of crowds; None if these are no boxes.

    Taken as they are: arrays of shape (n, most, 5 or 6) whose rows end in a class.
    """
    if labels.ndim != 3 or labels.shape[2] not in (CROWD, WIDTH) or labels.dtype.kind not in "iuf":
        return None
    if labels.shape[2] == WIDTH:
        return labels.astype(np.float64)
    return np.concatenate([labels.astype(np.float64), np.zeros((*labels.shape[:2], 1))], axis=2)


def are_objects(labels: Array) -> bool:
    """Whether an array can hold boxes: nothing else has its form and such values by chance."""
    objects = objects_of(labels)
    if objects is None or not (objects[:, :, CLASS] != NO_OBJECT).any():
        return False
    try:
        check_objects(objects)
    except ConfigurationError:
        return False
    return bool((objects[:, :, CLASS:] == np.rint(objects[:, :, CLASS:])).all())


def check_objects(labels: Array, since: str = "") -> None:
    """Raises ConfigurationError for objects that can't be. *labels* as ``objects_of`` returns."""
    numbers, at = np.nonzero(labels[:, :, CLASS] != NO_OBJECT)
    objects = labels[numbers, at]
    corners, classes = objects[:, CORNERS], objects[:, CLASS]
    checks = (
        (~np.isfinite(objects).all(axis=1), "holds NaN or Inf", "drop the box, or mend it"),
        (
            (classes < 0) | (classes != np.rint(classes)),
            "has a class that is no whole number from 0 on",
            "give class ids from 0 on, as the model's outputs count them",
        ),
        (
            (corners[:, 2] < corners[:, 0]) | (corners[:, 3] < corners[:, 1]),
            "ends before it begins",
            "give boxes as x1 y1 x2 y2; those of COCO's files are x, y, width and height: "
            "np.hstack([b[:, :2], b[:, :2] + b[:, 2:]])",
        ),
        (
            _no_marks(objects),
            "is marked by neither 0 nor 1, and the last number of a row of six marks crowds",
            _MARKS,
        ),
    )
    for bad, what, remedy in checks:
        if bad.any():
            first = int(bad.argmax())
            shown = objects[first] if objects[first, CROWD] else objects[first, :CROWD]
            raise ConfigurationError(
                f"the labels: box #{int(at[first])} of image #{int(numbers[first])}{since} "
                f"{what}: {np.array2string(shown, separator=' ')}",
                remedy,
            )


def _images(given: Any) -> Sequence[Any] | None:
    if isinstance(given, Mapping):
        return _by_image(given)
    if isinstance(given, np.ndarray) and given.dtype == object and given.ndim == 1:
        return list(given)
    if isinstance(given, list | tuple) and not all(map(is_tensor, given)):
        return given
    return None


def _by_image(given: Mapping[Any, Any]) -> Sequence[Any] | None:
    """A dict of boxes and classes of all images, as a dict for each of them."""
    found = [_named(given, keys) for keys in (_BOXES, _CLASSES, _CROWDS)]
    columns = [each for each in found if each is not None]
    lengths = {len(each) for each in columns if hasattr(each, "__len__")}
    if len(columns) < 2 or found[0] is None or len(lengths) != 1:
        return None
    return list(zip(*columns, strict=True))


def _members(image: Any) -> tuple[Any, ...] | None:
    """Boxes, classes and perhaps crowds of an image."""
    if isinstance(image, Mapping):
        boxes, classes, crowds = (_named(image, keys) for keys in (_BOXES, _CLASSES, _CROWDS))
        if boxes is None or classes is None:
            return None
        return (boxes, classes) if crowds is None else (boxes, classes, crowds)
    if isinstance(image, tuple | list) and len(image) in (2, 3):
        return tuple(image)
    if isinstance(image, tuple | list) and not len(image):  # an image without objects
        return [], []
    return None


def _named(image: Mapping[Any, Any], keys: tuple[str, ...]) -> Any:
    return next((image[key] for key in keys if key in image), None)


def _are_boxes(members: tuple[Any, ...]) -> bool:
    """Whether the first member has a row of four numbers for each entry of the second."""
    boxes, classes = (_shape(each) for each in members[:2])
    if 0 in classes:
        return 0 in boxes
    return len(boxes) == 2 and boxes[1] == 4 and len(classes) == 1


def _shape(value: Any) -> tuple[int, ...]:
    if hasattr(value, "shape"):
        return tuple(value.shape)
    try:
        return np.shape(value)
    except ValueError:  # its parts differ in their lengths
        return ()


def _row(where: str, image: Any, members: tuple[Any, ...] | None) -> Array:
    """The objects of one image, shape (k, 6)."""
    if members is None or not _are_boxes(members):
        _refuse_other_form(where, image)
    if members is None:
        raise ConfigurationError(f"{where} has {kind_of(image)} for a label", PAIRS)
    boxes, *others = (_column(where, each) for each in members)
    count = len(boxes) if boxes.size else 0
    if boxes.size and (boxes.ndim != 2 or boxes.shape[1] != 4):
        raise ConfigurationError(f"{where} has boxes of shape {boxes.shape}", PAIRS)
    if any(each.shape not in ((count,), (count, 1)) and each.size + count for each in others):
        shapes = ", ".join(str(each.shape) for each in (boxes, *others))
        raise ConfigurationError(f"{where} has boxes and classes of shapes {shapes}", PAIRS)
    row = np.zeros((count, WIDTH))
    if count:
        row[:, CORNERS] = boxes
        for column, each in zip((CLASS, CROWD), others, strict=False):
            row[:, column] = each.reshape(count)
    _refuse_fillers(where, row)
    _refuse_scores(where, row)
    return row


def _refuse_fillers(where: str, row: Array) -> None:
    """Raises ConfigurationError for a class that would delete its box: only arrays are filled."""
    below = row[row[:, CLASS] < 0]
    if len(below):
        raise ConfigurationError(
            f"{where} has a box of class {below[0, CLASS]:g}",
            "give class ids from 0 on, as the model's outputs count them, and leave out what is "
            f"no object; only rows of an array (n, most, 5) are filled up with class {NO_OBJECT}",
        )


def _refuse_scores(where: str, row: Array) -> None:
    """Raises ConfigurationError for marks of crowds that are something else."""
    others = row[_no_marks(row)]
    if len(others):
        raise ConfigurationError(
            f"{where} has {others[0, CROWD]:g} in the third member of its label, which marks "
            "crowds",
            _MARKS,
        )


def _no_marks(objects: Array) -> Array:
    """Which objects are marked neither as a crowd nor as none: they would not be counted."""
    return ~np.isin(objects[:, CROWD], (0, 1))


def _column(where: str, value: Any) -> Array:
    try:
        return as_array(where, value if is_tensor(value) else np.asarray(value))
    except ValueError as error:
        raise ConfigurationError(
            f"{where} has boxes or classes of several lengths", PAIRS
        ) from error


def samples_of(labels: Array) -> Iterator[Array]:
    """The objects of each image, without the rows that fill up the array."""
    for each in labels:
        yield each[each[:, CLASS] != NO_OBJECT]
