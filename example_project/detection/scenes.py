"""Scenes for a detector: real handwritten digits at random places of a larger image, with boxes.

Scenes to train on have digits of the training part of ``digits.py`` only, scenes to evaluate on
those of the evaluation part.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from digits import load_digits

SIDE = 96
CELL = 8
CELLS = SIDE // CELL
"""A side of the grid of the detector: each cell answers with one box."""
REACH = 32.0
"""The largest width and height of a box, in pixels."""
_MOST = 3
_GAP = 2
_INK = 0.3


class Scenes(NamedTuple):
    """Images, (n, 96, 96, 1) float32 in [0, 1], and for each a pair of boxes and classes."""

    images: npt.NDArray[np.float32]
    labels: list[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]]
    """Boxes of shape (k, 4), x1 y1 x2 y2 in pixels, and digits of shape (k,)."""


def scenes(count: int, *, evaluate: bool, seed: int = 0) -> Scenes:
    """Scenes with one to three digits each, the same for the same arguments."""
    digits = load_digits()
    drawings = digits.x_evaluate if evaluate else digits.x_train
    numbers = digits.y_evaluate if evaluate else digits.y_train
    random = np.random.default_rng([seed, int(evaluate)])
    images = np.zeros((count, SIDE, SIDE, 1), np.float32)
    labels = []
    for image in images:
        boxes: list[tuple[int, int, int, int]] = []
        classes: list[int] = []
        for _ in range(random.integers(1, _MOST + 1)):
            chosen = int(random.integers(len(drawings)))
            drawing = _cut(drawings[chosen, :, :, 0])
            height, width = drawing.shape
            y, x = (int(random.integers(SIDE - each)) for each in (height, width))
            box = (x, y, x + width, y + height)
            if any(_overlap(box, other) for other in boxes):
                continue
            image[y : y + height, x : x + width, 0] = drawing
            boxes.append(box)
            classes.append(int(numbers[chosen]))
        labels.append((np.array(boxes, np.float32), np.array(classes, np.int64)))
    return Scenes(images, labels)


def decode(
    outputs: dict[str, npt.NDArray[np.float32]],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Boxes, scores and classes of one image from the heads of the detector.

    A cell answers with the place of the centre in it, the size, whether there is a digit, and
    logits of the ten digits.
    """
    at = np.arange(CELLS * CELLS)
    cells = np.stack([at % CELLS, at // CELLS], axis=1)
    centres = (cells + outputs["offsets"][:, :2]) * CELL
    halves = outputs["offsets"][:, 2:] * REACH / 2
    boxes = np.concatenate([centres - halves, centres + halves], axis=1)
    scores, logits = outputs["objectness"], outputs["logits"]
    found = scores > 0.1
    return boxes[found], scores[found], logits[found].argmax(axis=1)


def _cut(drawing: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    rows, columns = np.nonzero(drawing > _INK)
    return drawing[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def _overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return (
        one[0] < other[2] + _GAP
        and other[0] < one[2] + _GAP
        and one[1] < other[3] + _GAP
        and other[1] < one[3] + _GAP
    )
