"""Compares the outputs of a file with those of its model on a few samples, for a diagnosis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pytest_edgegate.data.feeding import arrange, bare_name
from pytest_edgegate.data.splits import ArraySplit, Batch, Split
from pytest_edgegate.measures.activations import Activation, activation_between
from pytest_edgegate.measures.comparison import matched
from pytest_edgegate.session.measuring.opening import Opener
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.storage.cache import Cache, Entry, key_of

_VERSION = 1
_SAMPLES = 32
_SEED = 0
_KINDS = {"name": str, "added": bool, "proven": bool, "same_highest": float}
"""The fields of an activation in the cache."""


@dataclass(frozen=True)
class LastActivations:
    """Finds the activations by which the outputs of two models differ."""

    opener: Opener
    cache: Cache

    def between(self, model: Specimen, file: Specimen, split: Split) -> dict[str, Activation]:
        """By the output's name in the model."""

        def look(folder: Path) -> Mapping[str, Any]:
            found = self._looked(model, file, split)
            return {"outputs": {name: asdict(each) for name, each in found.items()}}

        if not model.lasting:
            return self._looked(model, file, split)
        key = key_of(
            kind="activations",
            version=_VERSION,
            models=[self.opener.identity(each) for each in (model, file)],
            data=split.digest(),
        )
        return self.cache.fetch(key, look, _read)

    def _looked(self, model: Specimen, file: Specimen, split: Split) -> dict[str, Activation]:
        batch = _some(split)
        with self.opener.open(model) as one, self.opener.open(file) as other:
            order = matched(one, other)
            own, theirs = (
                each.infer(arrange(batch.inputs, split.names, each.inputs, split.name))
                for each in (one, other)
            )
            found = {
                bare_name(tensor.name): activation_between(own[at], theirs[to])
                for at, (tensor, to) in enumerate(zip(one.outputs, order, strict=True))
            }
        return {name: each for name, each in found.items() if each is not None}


def _some(split: Split) -> Batch:
    """A few samples at random; of a stream those of its first batch."""
    if not isinstance(split, ArraySplit):
        return next(iter(split.batches())).first(_SAMPLES)
    drawn = np.random.default_rng(_SEED).permutation(split.size)[:_SAMPLES]
    return split.take(drawn)


def _read(entry: Entry) -> dict[str, Activation]:
    """Raises ValueError, KeyError, TypeError or AttributeError for an invalid entry."""
    found = entry.info["outputs"]
    for each in found.values():
        if {name: type(value) for name, value in each.items()} != _KINDS:
            raise ValueError("its activations are malformed")
    return {str(name): Activation(**each) for name, each in found.items()}
