"""The model under test on a few evaluation samples: whether data, metric and labels fit it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_edgegate.core.by_value import as_plain, from_plain
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.ports import Runner
from pytest_edgegate.data.splits import Array, ArraySplit, Split, as_given
from pytest_edgegate.measures.evidence import fed_batches
from pytest_edgegate.measures.metrics import Scoring
from pytest_edgegate.session.measuring.observing import Observer
from pytest_edgegate.session.measuring.scored_pass import choice, unlabelled
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.storage.cache import Cache, Entry, key_of

_SAMPLES = 8
_VERSION = 4
"""Incremented whenever a model that was tried before has to be tried again."""


Inputs = tuple[TensorInfo, ...]


class Trials:
    """Tries each model, data and metric once; what fitted is remembered by content."""

    def __init__(self, observer: Observer, cache: Cache) -> None:
        self._observer = observer
        self._cache = cache
        self._seen: dict[str, Inputs] = {}

    def passed(self, specimen: Specimen, split: Split, scoring: Scoring | None) -> Inputs | None:
        """The inputs of a model that has fitted before; None if it was not tried."""
        key = self._key(specimen, split, scoring)
        if key not in self._seen:
            found = self._cache.find(key, _read)
            if found is None:
                return None
            self._seen[key] = found
        return self._seen[key]

    def run(self, specimen: Specimen, split: Split, scoring: Scoring | None) -> Inputs:
        """The inputs of the model, once a few samples have fitted.

        *scoring*: the metric, if it is judged. Raises ConfigurationError if data, labels, outputs
        or metric do not fit, InferenceError.
        """
        with self._observer.opener.open(specimen) as runner:
            try_on(runner, split, scoring)
            inputs = tuple(runner.inputs)
        key = self._key(specimen, split, scoring)
        self._seen[key] = inputs
        if specimen.lasting and (scoring is None or scoring.key is not None):
            self._cache.fetch(key, lambda folder: _written(inputs), _read)
        return inputs

    def _key(self, specimen: Specimen, split: Split, scoring: Scoring | None) -> str:
        return key_of(
            kind="tried",
            version=_VERSION,
            model=self._observer.opener.identity(specimen),
            data=split.digest(),
            metric=None if scoring is None else [scoring.name, scoring.key, scoring.output],
        )


def try_on(runner: Runner, split: Split, scoring: Scoring | None) -> None:
    """Runs the model on the first samples of the split, and its answers through the metric."""
    pick = None if scoring is None else choice(scoring, runner.outputs)[0]
    batch, inputs = next(fed_batches(runner, split, _SAMPLES))
    if scoring is not None and batch.labels is None:
        raise unlabelled(split, scoring)
    outputs = runner.infer(inputs)
    if scoring is not None and pick is not None:
        assert batch.labels is not None  # see above
        given = as_given(batch.inputs, split.names)
        scoring.try_on(pick(outputs), batch.labels, given, _every_label(split))


def _every_label(split: Split) -> Array | None:
    return split.labels if isinstance(split, ArraySplit) else None


def _written(inputs: Inputs) -> Mapping[str, Any]:
    return {"inputs": as_plain(inputs)}


def _read(entry: Entry) -> Inputs:
    """Raises ValueError, KeyError or TypeError for an invalid entry."""
    found = tuple(from_plain(TensorInfo, each) for each in entry.info["inputs"])
    if not all(isinstance(text, str) for each in found for text in (each.name, each.dtype)):
        raise ValueError("the inputs of the model are malformed")
    return found
