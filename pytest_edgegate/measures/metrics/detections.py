"""Reads boxes, scores and classes from the outputs of a detector."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pytest_edgegate.core.errors import ConfigurationError, EdgeGateError
from pytest_edgegate.core.user_code import ends_more, told
from pytest_edgegate.data.boxes import NO_OBJECT
from pytest_edgegate.data.splits import Array

_Rows = Array | list[Array]
_Columns = tuple[_Rows, _Rows, _Rows]
Decode = Callable[[dict[str, Array]], Any]
_NAMES = ("boxes", "scores", "classes")
_POST_PROCESS = "TFLite_Detection_PostProcess"
_FOUR = (_POST_PROCESS, *(f"{_POST_PROCESS}:{at}" for at in (1, 2, 3)))
"""Boxes, classes, scores and the number of detections, in the order of the operator."""
DECODE = (
    'return Metric("map", decode=fn) from edge_metric: fn takes the outputs of one image by name '
    "and returns its boxes (k, 4) as x1 y1 x2 y2, scores (k,) and classes (k,)"
)


@dataclass(frozen=True)
class Detections:
    """What was found in one image: float64 of shape (k, 4), (k,) and (k,); and what can't be."""

    boxes: Array
    scores: Array
    classes: Array
    nonfinite: int = 0
    """How many were left out because of NaN or Inf."""
    inverted: int = 0
    """How many end before they begin; they are kept, and find nothing."""
    unclassed: Array = field(default_factory=lambda: np.zeros(0))
    """The classes that are no whole numbers from 0 on, nor near one."""

    @classmethod
    def sifted(cls, boxes: Array, scores: Array, classes: Array) -> Detections:
        """Without rows that hold no detection; of the others, those that can't be are counted."""
        rows = np.concatenate([boxes, scores[:, None], classes[:, None]], axis=1)
        finite = np.isfinite(rows).all(axis=1)
        broken = ~finite & (scores != 0) & (scores != -np.inf) & (classes != NO_OBJECT)
        boxes, scores, classes = boxes[finite], scores[finite], classes[finite]
        whole = np.rint(classes)
        kept = (whole >= 0) & (whole <= _LARGEST)
        filling = np.abs(classes - NO_OBJECT) <= _NEAR
        odd = ~filling & (~kept | (np.abs(classes - whole) > _NEAR))
        inverted = (boxes[:, 2:] < boxes[:, :2]).any(axis=1) & ~filling & (scores != 0)
        return cls(
            boxes[kept],
            scores[kept],
            classes[kept],
            int(broken.sum()),
            int(inverted.sum()),
            classes[odd],
        )

    @property
    def ids(self) -> Array:
        """The nearest whole numbers to the classes: an output that was quantised is a bit off."""
        return np.rint(self.classes).astype(np.int64)


_NEAR = 0.25
"""An int8 output of 128 classes is off by no more."""
_LARGEST = np.iinfo(np.int32).max


class Reader:
    """Reads a batch, by the names of the outputs or by a function of the user's."""

    def __init__(self, decode: Decode | None = None) -> None:
        self._decode = decode
        self._name = str(getattr(decode, "__name__", type(decode).__name__))
        self._latest: tuple[Mapping[str, Array], list[Detections]] | None = None
        """A batch is read twice in a pass: with its own labels, and with those of other images."""

    def read(self, outputs: Mapping[str, Array]) -> list[Detections]:
        """*outputs* by name, each of shape (n, ...). Raises ConfigurationError."""
        if self._latest is None or self._latest[0] is not outputs:
            self._latest = (outputs, self._read(outputs))
        return self._latest[1]

    def _read(self, outputs: Mapping[str, Array]) -> list[Detections]:
        _refuse_other_lengths(outputs)
        if self._decode is not None:
            images = range(len(next(iter(outputs.values()))))
            # copies, since the function may write to them
            return [self._decoded({k: v[at].copy() for k, v in outputs.items()}) for at in images]
        columns = zip(*_by_names(outputs), strict=True)
        return [_checked(*each, "the outputs give") for each in columns]

    def _decoded(self, outputs: dict[str, Array]) -> Detections:
        """The detections of one image."""
        shapes = ", ".join(f"{name!r} of shape {each.shape}" for name, each in outputs.items())
        try:
            made = self._decode(outputs) if self._decode is not None else ()
            boxes, scores, classes = (np.asarray(each) for each in _in_order(made))
        except EdgeGateError:
            raise
        except BaseException as error:  # the user's own code may raise anything, and leave or skip
            if ends_more(error):
                raise
            raise ConfigurationError(
                f"{self._name}, the function decode of edge_metric, gave no boxes, scores and "
                f"classes: {told(error)}; it was given {shapes}",
                "correct the function: it returns boxes (k, 4), scores (k,) and classes (k,) of "
                "one image; --tb=long shows its own traceback",
            ) from error
        return _checked(boxes, scores, classes, f"{self._name} gives")


def _in_order(made: Any) -> Any:
    """Boxes, scores and classes, which may be given by name."""
    if not isinstance(made, Mapping):
        return made
    ids = "labels" if "labels" in made and "classes" not in made else "classes"
    if missing := [name for name in ("boxes", "scores", ids) if name not in made]:
        given = ", ".join(map(repr, made))
        raise KeyError(f"there is no {' and no '.join(missing)} among {given}")
    return made["boxes"], made["scores"], made[ids]


def _by_names(outputs: Mapping[str, Array]) -> _Columns:
    """Boxes, scores and classes of each image."""
    if set(_NAMES) <= outputs.keys():
        return outputs["boxes"], outputs["scores"], outputs["classes"]
    if set(_FOUR) <= outputs.keys():
        return _of_post_process(*(outputs[name] for name in _FOUR))
    raise ConfigurationError(
        f"map reads outputs named boxes, scores and classes, or the four of {_POST_PROCESS}; "
        f"the model has {_shown(outputs)}",
        f"name the outputs so; or {DECODE}",
    )


def _of_post_process(corners: Array, classes: Array, scores: Array, counts: Array) -> _Columns:
    """The boxes, scores and classes that count: the operator fills up to its maximum."""
    n, most = corners.shape[:2] if corners.ndim == 3 else (len(corners), -1)
    others = (corners.shape[2:], classes.shape, scores.shape)
    if others != ((4,), (n, most), (n, most)) or counts.shape not in ((n,), (n, 1)):
        given = dict(zip(_FOUR, (corners, classes, scores, counts), strict=True))
        raise ConfigurationError(
            f"the outputs of {_POST_PROCESS} are boxes (n, k, 4), classes (n, k), scores (n, k) "
            f"and the number of detections (n,); the model has {_shown(given)}",
            f"give the operator's own four outputs under these names; or {DECODE}",
        )
    ends = np.rint(counts.reshape(-1).astype(np.float64))
    wrong = ~((ends >= 0) & (ends <= most))  # NaN, too
    if wrong.any():
        raise ConfigurationError(
            f"{_FOUR[3]!r}, the number of detections, is {ends[wrong][0]:g} for an image, and the "
            f"model has room for {most}",
            f"the operator gives 0 to {most}: check what the model was made of, and that its "
            f"outputs have these names in the operator's order; or {DECODE}",
        )

    def counted(rows: Array) -> _Rows:
        return [row[:end] for row, end in zip(rows, ends.astype(np.int64), strict=True)]

    return counted(corners[..., [1, 0, 3, 2]]), counted(scores), counted(classes)


def _shown(outputs: Mapping[str, Array]) -> str:
    return ", ".join(f"{name!r} {each.shape}" for name, each in outputs.items())


def _refuse_other_lengths(outputs: Mapping[str, Array]) -> None:
    """Raises ConfigurationError for outputs that do not have the same images."""
    lengths = {each.shape[:1] for each in outputs.values()}
    if () in lengths or len(lengths) > 1:
        raise ConfigurationError(
            f"the outputs hold different numbers of images: {_shown(outputs)}",
            "give a model whose outputs all have the images on their first axis",
        )


def _checked(boxes: Array, scores: Array, classes: Array, who: str) -> Detections:
    """Raises ConfigurationError for arrays that do not belong together."""
    for name, each in zip(_NAMES, (boxes, scores, classes), strict=True):
        if each.size and each.dtype.kind not in "biuf" and each.dtype.name != "bfloat16":
            raise ConfigurationError(
                f"{who} {name} of dtype {each.dtype}, which are no real numbers",
                _IDS if each.dtype.kind in "USO" else f"wanted are real numbers; {DECODE}",
            )
    scores, classes = _flat(scores), _flat(classes)
    count = len(boxes) if boxes.ndim and boxes.size else 0
    if not boxes.size and not scores.size and not classes.size:
        return Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0))
    if boxes.shape != (count, 4) or scores.shape != (count,) or classes.shape != (count,):
        raise ConfigurationError(
            f"{who} boxes of shape {boxes.shape}, scores of shape {scores.shape} and classes of "
            f"shape {classes.shape} for one image",
            f"wanted are (k, 4), (k,) and (k,); {DECODE}",
        )
    wide = (each.astype(np.float64) for each in (boxes, scores, classes))
    return Detections.sifted(*wide)


_IDS = (
    "give numbers: of names of classes their ids from 0 on, as the labels count them "
    "(names.index(name)), and arrays of one length"
)


def refuse_fractions(detections: Detections) -> None:
    """Raises ConfigurationError for classes that are no whole numbers, such as scores."""
    off = np.abs(detections.classes - detections.ids) > _OFF
    odd = np.concatenate([detections.unclassed, detections.classes[off]])
    if len(odd):
        raise ConfigurationError(
            f"the classes of the boxes are no whole numbers, such as {odd[0]:g}, or below 0",
            "the class of a box is its number from 0 on; of scores of all classes take the "
            f"highest: {DECODE}",
        )


_OFF = 1e-3
"""Classes of an output may be floats."""


def _flat(array: Array) -> Array:
    """Without a last axis of one entry."""
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
