"""Detections that can't be: they find nothing, and a figure alone does not tell of them."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from pytest_edgegate.measures.evidence import Evidence

INVERTED, UNCLASSED = "inverted boxes", "boxes without a class"
"""The arrays of evidence that count them, by image."""
_TOLD = MappingProxyType(
    {
        INVERTED: "end before they begin (x2 < x1, or y2 < y1)",
        UNCLASSED: "have a class that is no whole number from 0 on",
    }
)


def of_boxes(artifact: Evidence, reference: Evidence | None = None) -> Iterator[str]:
    """Cautions with the number of such detections; none for evidence of another metric."""
    for name, told in _TOLD.items():
        for side, evidence in (("the model under test", reference), ("the artifact", artifact)):
            counts = None if evidence is None else evidence.arrays.get(name)
            if counts is not None and counts.any():
                yield (
                    f"caution: of the boxes of {side}, {int(counts.sum()):,} {told}, on "
                    f"{int((counts > 0).sum()):,} of {len(counts):,} images: check decode, or the "
                    "outputs of the model"
                )
