"""Compares the outputs of a file with those of its model on a few samples, for a diagnosis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pytest_edgegate.core.ports import Runner
from pytest_edgegate.data.feeding import arrange, bare_names
from pytest_edgegate.data.splits import Array, Batch, Split, drawn_batches
from pytest_edgegate.measures.activations import Activation, activation_between
from pytest_edgegate.session.measuring.kept_steadiness import FittingOpener
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.storage.cache import Cache, Entry, key_of

_VERSION = 1
_SAMPLES = 32
_KINDS = {"name": str, "added": bool, "proven": bool, "same_highest": float}
"""The fields of an activation in the cache."""


@dataclass(frozen=True)
class LastActivations:
    """Finds the activations by which the outputs of two models differ."""

    opener: FittingOpener
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
        batch = next(drawn_batches(split, _SAMPLES))
        with self.opener.open(model) as one, self.opener.open(file) as other:
            own, theirs = (_named(each, batch, split) for each in (one, other))
        if len(own) != len(theirs):
            return {}  # a verdict on the outputs says so
        if set(own) != set(theirs):
            theirs = dict(zip(own, theirs.values(), strict=True))
        found = {name: activation_between(own[name], theirs[name]) for name in own}
        return {name: each for name, each in found.items() if each is not None}


def _named(runner: Runner, batch: Batch, split: Split) -> dict[str, Array]:
    """The outputs by name, in the runner's order."""
    inputs = arrange(batch.inputs, split.names, runner.inputs, split.name)
    return dict(zip(bare_names(runner.outputs), runner.infer(inputs), strict=True))


def _read(entry: Entry) -> dict[str, Activation]:
    """Raises ValueError, KeyError, TypeError or AttributeError for an invalid entry."""
    found = entry.info["outputs"]
    for each in found.values():
        if {name: type(value) for name, value in each.items()} != _KINDS:
            raise ValueError("its activations are malformed")
    return {str(name): Activation(**each) for name, each in found.items()}
