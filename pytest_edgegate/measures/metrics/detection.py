"""The metric of detectors: mean average precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.boxes import (
    CLASS,
    CORNERS,
    CROWD,
    NO_OBJECT,
    PAIRS,
    check_objects,
    objects_of,
    samples_of,
)
from pytest_edgegate.data.feeding import looked_at
from pytest_edgegate.data.splits import Array, Split
from pytest_edgegate.measures.evidence import NONFINITE, Column, Columns, Evidence, joined
from pytest_edgegate.measures.metrics.chance import (
    Chance,
    Unchecked,
    is_better,
    without_interval,
)
from pytest_edgegate.measures.metrics.detections import (
    Decode,
    Detections,
    Reader,
    refuse_fractions,
)
from pytest_edgegate.measures.metrics.estimates import Estimate, of_set
from pytest_edgegate.measures.metrics.identity import identity_of
from pytest_edgegate.measures.metrics.odd_boxes import INVERTED, UNCLASSED
from pytest_edgegate.measures.metrics.other_forms import refuse_other_forms
from pytest_edgegate.measures.metrics.other_images import OtherImages
from pytest_edgegate.measures.metrics.resampling import ALL, Resampling
from pytest_edgegate.measures.metrics.scoring import Keeper
from pytest_edgegate.stats.average_precision import (
    THRESHOLDS,
    Matches,
    MeanAveragePrecision,
    highest,
    matched,
    overlaps,
)

_BITS = np.left_shift(1, np.arange(len(THRESHOLDS))).astype(np.uint16)
_NONE = NO_OBJECT
_WHOLE = slice(None)
_FIGURES = MappingProxyType(
    {
        "score": Column("f", shape=None, padding=0.0),
        "class": Column("i", _NONE, shape=None, padding=_NONE),
        "hits": Column("u", shape=None, padding=0),
        "skipped": Column("u", shape=None, padding=0),
        "objects": Column("i", _NONE, shape=None, padding=_NONE),
    }
)
_COUNTS = MappingProxyType(
    {
        NONFINITE: Column("b"),
        INVERTED: Column("i", 0),
        UNCLASSED: Column("i", 0),
    }
)
_DTYPES = MappingProxyType(
    {
        "score": np.float64,
        "class": np.int32,
        "hits": np.uint16,
        "skipped": np.uint16,
        "objects": np.int32,
    }
)
_OTHER = MappingProxyType({name: f"other {name}" for name in ("hits", "skipped", "objects")})


class MeanAP:
    """Mean average precision as COCO defines it: over overlaps from 0.5 to 0.95, or at 0.5.

    Kept of an image are its detections with the thresholds at which each finds an object, as bits,
    and the classes of its objects, so that any resample of images is scored without a box.
    """

    higher_is_better = True
    bounded = True
    of_nothing: float | None = 0.0
    output: int | str | None = None
    reads_all_outputs = True
    wants_names = True
    figures: Columns = MappingProxyType({**_FIGURES, **_COUNTS})

    def __init__(self, name: str, decode: Decode | None = None) -> None:
        self.name = name
        self.title = {"map": "mAP", "map50": "mAP at 0.5"}[name]
        self._thresholds = 1 if name == "map50" else len(THRESHOLDS)
        self._reader = Reader(decode)
        self.key: str | None = "map, odd boxes counted" if decode is None else None
        self.identity = "" if decode is None else identity_of(decode)

    def reads_classes(self, rows: int) -> bool:
        return False

    def observe(self, output: Any, labels: Array, inputs: Any = None) -> dict[str, Array]:
        objects = _objects(labels)
        found = self._found(output, len(objects))
        check_objects(objects, " of a batch")  # of a stream the first one alone was tried
        rows = [_row(*pair) for pair in zip(found, samples_of(objects), strict=True)]
        figures = {name: _padded(name, [each[name] for each in rows]) for name in _FIGURES}
        return {**figures, **_counted(found)}

    def try_on(self, output: Any, labels: Array, inputs: Any, every: Array | None) -> None:
        objects = _objects(labels)
        check_objects(objects, looked_at(len(objects)))
        if every is not None:
            check_objects(_objects(every))
        found = self._found(output, len(objects))
        for each in found:
            refuse_fractions(each)
        wanted = list(samples_of(objects))
        _refuse_other_units(found, wanted)
        refuse_other_forms(found, wanted, _found_at_half)

    def _found(self, output: Any, images: int) -> list[Detections]:
        found = self._reader.read(output)
        if len(found) != images:
            raise ConfigurationError(
                f"the outputs hold {len(found)} images, and the batch has {images}",
                "give a model whose outputs have the images on their first axis",
            )
        return found

    def keeper(self, split: Split) -> Keeper:
        return OtherImages(self._against, _objects, _joined)

    def _against(self, output: Any, objects: Sequence[Array]) -> dict[str, Array]:
        """The answers of a batch with these objects, which are of other images."""
        rows = [_row(*pair) for pair in zip(self._reader.read(output), objects, strict=True)]
        return {_OTHER[name]: _padded(name, [each[name] for each in rows]) for name in _OTHER}

    def kept(self, evidence: Evidence) -> None:
        return None

    def restored(self, kept: Mapping[str, Array]) -> dict[str, Array]:
        return dict(kept)

    def value(self, evidence: Evidence) -> float:
        return self._statistic(evidence)(_WHOLE)

    def estimate(self, evidence: Evidence, resampling: Resampling = ALL) -> Estimate:
        return of_set(self._statistic(evidence), evidence.n, resampling, "figure")

    def worse_by(
        self, reference: Evidence, artifact: Evidence, resampling: Resampling = ALL
    ) -> Estimate:
        before, after = self._statistic(reference), self._statistic(artifact)
        return of_set(lambda drawn: before(drawn) - after(drawn), reference.n, resampling, "drop")

    def chance(
        self, reference: Evidence, resampling: Resampling = ALL
    ) -> Chance | Unchecked | None:
        """Chance is the figure of the same answers with the objects of other images."""
        arrays = reference.arrays
        if not set(_OTHER.values()) <= arrays.keys():
            return Unchecked("one image can't be compared with another")
        own = self._statistic(reference)
        others = self._statistic(reference, _OTHER)
        if not np.isfinite(own(_WHOLE)):
            raise ConfigurationError(
                "the labels have no box in any image, so map is no number",
                f"{PAIRS}; crowds do not count",
            )
        drop = of_set(
            lambda drawn: others(drawn) - own(drawn), reference.n, resampling, "reference"
        )
        telling = int((arrays["objects"] != _NONE).any(axis=1).sum())
        return without_interval(drop) or Chance(
            "the same boxes with the labels of other images",
            others(_WHOLE),
            is_better(drop),
            reference.n,
            telling,
        )

    def _statistic(
        self, evidence: Evidence, names: Mapping[str, str] = MappingProxyType({})
    ) -> Callable[[Array | slice], float]:
        """The figure of some images, given as indices or a slice; NaN without objects."""
        arrays = {name: evidence.arrays[names.get(name, name)] for name in _FIGURES}
        made = MeanAveragePrecision(_matches(arrays), self._thresholds)
        n = evidence.n

        def statistic(drawn: Array | slice) -> float:
            times = np.ones(n) if isinstance(drawn, slice) else np.bincount(drawn, minlength=n)
            return made.of_set(times.astype(np.float64))

        return statistic


def _objects(labels: Array) -> Array:
    """Raises ConfigurationError for labels that are no boxes."""
    objects = objects_of(labels)
    if objects is None:
        raise ConfigurationError(
            f"map compares boxes with boxes, and the labels have the shape {labels.shape}", PAIRS
        )
    return objects


def _row(found: Detections, objects: Array) -> dict[str, Array]:
    """What is kept of one image; *objects* of shape (m, 6)."""
    ids, classes = found.ids, objects[:, CLASS].astype(np.int64)
    crowds = objects[:, CROWD] != 0
    chosen: list[Array] = []
    bits: dict[str, list[Array]] = {"hits": [], "skipped": []}
    for label in np.unique(ids):
        of_label = np.flatnonzero(ids == label)
        of_label = of_label[highest(found.scores[of_label])]
        same = classes == label
        shares = overlaps(found.boxes[of_label], objects[same][:, CORNERS], crowds[same])
        chosen.append(of_label)
        for name, flags in zip(bits, matched(shares, crowds[same]), strict=True):
            bits[name].append((flags * _BITS).sum(axis=1))
    order = np.concatenate(chosen) if chosen else np.zeros(0, np.int64)
    return {
        "score": found.scores[order],
        "class": ids[order].astype(np.int32),
        "objects": classes[~crowds].astype(np.int32),
        **{
            name: np.concatenate(each).astype(np.uint16) if each else np.zeros(0, np.uint16)
            for name, each in bits.items()
        },
    }


def _counted(found: Sequence[Detections]) -> dict[str, Array]:
    """What can't be among the detections of each image."""
    return {
        NONFINITE: np.array([each.nonfinite > 0 for each in found], bool),
        INVERTED: np.array([each.inverted for each in found], np.int64),
        UNCLASSED: np.array([len(each.unclassed) for each in found], np.int64),
    }


def _padded(name: str, rows: list[Array]) -> Array:
    """Rows of several lengths as one array."""
    longest = max(map(len, rows), default=0)
    made = np.full((len(rows), longest), _FIGURES[name].padding, _DTYPES[name])
    for at, each in enumerate(rows):
        made[at, : len(each)] = each
    return made


def _joined(parts: list[dict[str, Array]]) -> dict[str, Array]:
    """The figures with the objects of other images, of all batches."""
    return {
        other: joined(other, [each[other] for each in parts], _FIGURES[name].padding)
        for name, other in _OTHER.items()
    }


def _found_at_half(found: Sequence[Detections], objects: Sequence[Array]) -> float:
    """The mean average precision of some images at an overlap of 0.5."""
    rows = [_row(*pair) for pair in zip(found, objects, strict=True)]
    arrays = {name: _padded(name, [each[name] for each in rows]) for name in _FIGURES}
    return MeanAveragePrecision(_matches(arrays), 1).of_set(np.ones(len(rows)))


def _matches(arrays: Mapping[str, Array]) -> Matches:
    score, label, hits, skipped, objects = (arrays[name] for name in _FIGURES)
    image, at = np.nonzero(label != _NONE)
    classes = np.unique(np.concatenate([label[image, at], objects[objects != _NONE]]))
    owner, place = np.nonzero(objects != _NONE)
    counts = np.zeros((len(objects), len(classes)))
    np.add.at(counts, (owner, np.searchsorted(classes, objects[owner, place])), 1)
    return Matches(
        image,
        np.searchsorted(classes, label[image, at]),
        score[image, at],
        (hits[image, at][:, None] & _BITS) > 0,
        (skipped[image, at][:, None] & _BITS) > 0,
        counts,
    )


def _refuse_other_units(found: list[Detections], objects: list[Array]) -> None:
    """Raises ConfigurationError where one side counts from 0 to 1 and the other in pixels."""
    ours = max((float(np.abs(each.boxes).max(initial=0)) for each in found), default=0.0)
    theirs = max((float(np.abs(each[:, CORNERS]).max(initial=0)) for each in objects), default=0.0)
    if min(ours, theirs) == 0 or (ours <= _SHARES) == (theirs <= _SHARES):
        return
    if max(ours, theirs) < _PIXELS:
        return
    sides = ("the model", "the labels")
    small, large = sides if ours < theirs else sides[::-1]
    raise ConfigurationError(
        f"the boxes of {small} go up to {min(ours, theirs):.3g}, those of {large} up to "
        f"{max(ours, theirs):.4g}: shares of the image against pixels",
        "give labels in the unit of the model's boxes: divide by the width and the height of the "
        "image, or multiply",
    )


_SHARES, _PIXELS = 2.0, 8.0
"""Boxes from 0 to 1 may leave the image a little; no box in pixels is so small."""
