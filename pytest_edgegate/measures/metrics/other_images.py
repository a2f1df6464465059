"""The answers of a detector with the objects of other images: what chance would find."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pytest_edgegate.data.boxes import samples_of
from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.metrics.answers import other_labels

Figures = dict[str, Array]
Against = Callable[[Any, Sequence[Array]], Figures]
"""The figures of a batch of outputs with these objects, an array of shape (m, 6) for each image."""
_POOL = 256
_SEED = 0


class OtherImages:
    """Gathers figures with the objects of another image of the pass for each image, at random.

    The images of the first batch take those of each other; later ones, those of earlier images, so
    that the order of a pass does not matter, and a stream is not held.
    """

    def __init__(
        self,
        against: Against,
        objects_of: Callable[[Array], Array],
        join: Callable[[list[Figures]], Figures],
    ) -> None:
        """*objects_of* brings labels into the form of ``data.boxes``; *join* joins batches."""
        self._against = against
        self._objects_of = objects_of
        self._join = join
        self._random = np.random.default_rng(_SEED)
        self._pool: list[Array] = []
        self._waiting: Any = None
        """The outputs of a first batch of one image, which has no other image yet."""
        self._parts: list[Figures] = []

    def add(self, output: Any, labels: Array, inputs: Any) -> None:
        own = list(samples_of(self._objects_of(labels)))
        if self._waiting is not None:
            self._parts.append(self._against(self._waiting, own[:1]))
            self._waiting = None
        if self._pool:
            drawn = self._random.integers(len(self._pool), size=len(own))
            self._parts.append(self._against(output, [self._pool[at] for at in drawn]))
        elif len(own) > 1:
            order = next(other_labels(len(own)))
            self._parts.append(self._against(output, [own[at] for at in order]))
        else:
            self._waiting = {name: each.copy() for name, each in output.items()}
        for each in own:
            self._remember(each.copy())

    def _remember(self, objects: Array) -> None:
        if len(self._pool) < _POOL:
            self._pool.append(objects)
        else:
            self._pool[int(self._random.integers(_POOL))] = objects

    def figures(self, n: int) -> Figures:
        """Nothing for a single image."""
        return self._join(self._parts) if self._parts and self._waiting is None else {}
