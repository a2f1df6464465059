"""Two kinds of damage that are recognisable by the predictions alone."""

from __future__ import annotations

import numpy as np

from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.measures.evidence import Evidence


def by_confusion(reference: Evidence, artifact: Evidence) -> Diagnosis:
    """Detects answers that have collapsed into one class, and permuted classes."""
    before, after = reference.arrays["predicted"], artifact.arrays["predicted"]
    counts = np.bincount(after)
    if counts.max() > 0.8 * len(after) and np.bincount(before).max() < 0.6 * len(before):
        return Diagnosis(
            cause=f"the outputs have collapsed: the artifact answers class {counts.argmax()} on "
            f"{counts.max()} of {len(after)} samples",
            remedy="look for a broken scale or a saturated layer; check the calibration samples",
        )
    pairs = [
        (int(each), int(np.bincount(after[before == each]).argmax())) for each in np.unique(before)
    ]
    images = {image for _, image in pairs}
    moved = [(each, image) for each, image in pairs if each != image]
    agree = sum(int((after[before == each] == image).sum()) for each, image in pairs) / len(after)
    if len(moved) >= 2 and len(images) == len(pairs) and agree > 0.5:
        shown = ", ".join(f"{each} -> {image}" for each, image in moved[:4])
        return Diagnosis(
            cause=f"the classes look permuted: {shown}",
            remedy="compare the order of the outputs with that of the labels",
        )
    return Diagnosis()
