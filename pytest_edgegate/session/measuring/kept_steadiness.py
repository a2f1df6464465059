"""Whether models answer alike, kept in the cache beside their predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pytest_edgegate.core.errors import ConfigurationError, EdgeGateError, InferenceError
from pytest_edgegate.core.ports import Runner
from pytest_edgegate.data.lone_runner import one_at_a_time
from pytest_edgegate.data.splits import Split
from pytest_edgegate.measures.steadiness import Conduct, Steadiness, examine, is_alone, takes_one
from pytest_edgegate.session.measuring.opening import Opener
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.session.measuring.watching import WatchedRunner
from pytest_edgegate.storage.cache import Cache, Entry, key_of

_VERSION = 2
"""Incremented whenever a model would have to be looked at again."""
_FIELDS = {"conduct": str, "output": str, "apart": float, "batch": int}


class KeptSteadiness:
    """Each model on each set of samples is looked at once."""

    def __init__(self, opener: Opener, cache: Cache) -> None:
        self._opener = opener
        self._cache = cache
        self._seen: dict[str, Steadiness] = {}

    def known(self, specimen: Specimen, split: Split, *, repeats: bool = True) -> Steadiness | None:
        """What was found earlier, in this run or in another."""
        found = self._find(self._key(specimen, split, repeats=repeats))
        if found is None or found.conduct is not Conduct.STEADY:
            return found
        return self.known_in_use(specimen, split, repeats=repeats) or found

    def known_in_use(self, specimen: Specimen, split: Split, *, repeats: bool) -> Steadiness | None:
        """What an earlier pass has found in the batches that it used."""
        return self._find(self._key(specimen, split, repeats=repeats, used=True))

    def keep_in_use(
        self, specimen: Specimen, split: Split, found: Steadiness, *, repeats: bool
    ) -> None:
        """Keeps what a pass has found in the batches that it used."""
        key = self._key(specimen, split, repeats=repeats, used=True)
        self._seen[key] = self._through_cache(key, lambda: found) if specimen.lasting else found

    def _find(self, key: str) -> Steadiness | None:
        if key not in self._seen:
            kept = self._cache.find(key, read)
            if kept is None:
                return None
            self._seen[key] = kept
        return self._seen[key]

    def of(
        self, runner: Runner, specimen: Specimen, split: Split, *, repeats: bool = True
    ) -> Steadiness:
        """What was found earlier, or is found now, of a specimen opened as *runner*.

        *repeats*: whether answers at random are looked for.
        """

        def look() -> Steadiness:
            return examine(
                runner,
                split,
                repeats=repeats,
                by_range=lambda: bool(self._opener.by_range(specimen)),
            )

        found = self.known(specimen, split, repeats=repeats)
        if found is None:
            key = self._key(specimen, split, repeats=repeats)
            found = self._through_cache(key, look) if specimen.lasting else look()
            self._seen[key] = found
        return found

    def _through_cache(self, key: str, look: Callable[[], Steadiness]) -> Steadiness:
        def work(folder: Path) -> Mapping[str, Any]:
            return asdict(look())

        return self._cache.fetch(key, work, read)

    def _key(self, specimen: Specimen, split: Split, *, repeats: bool, used: bool = False) -> str:
        return key_of(
            kind="steadiness in use" if used else "steadiness",
            version=_VERSION,
            model=self._opener.identity(specimen),
            data=split.digest(),
            repeats=repeats,
        )


@dataclass(frozen=True)
class FittingOpener:
    """Opens models as they have to be measured on a split: one sample at a time, or in batches
    that have been shown to give the same answers."""

    opener: Opener
    kept: KeptSteadiness
    split: Split

    def identity(self, specimen: Specimen) -> dict[str, object]:
        return self.opener.identity(specimen)

    def is_examined(self, specimen: Specimen, *, repeats: bool = True) -> bool:
        """Whether the answers of the specimen to these samples have been examined.

        Raises ConfigurationError or InferenceError where no figure could be trusted.
        """
        found = self.kept.known(specimen, self.split, repeats=repeats)
        refuse_unsteady(specimen, found)
        return found is not None

    @contextmanager
    def open(self, specimen: Specimen, *, repeats: bool = True) -> Iterator[Runner]:
        """*repeats*: whether answers at random are looked for.

        Raises ConfigurationError or InferenceError where no figure could be trusted.
        """
        self.is_examined(specimen, repeats=repeats)
        with self.opener.open(specimen) as runner:
            found = self.kept.of(runner, specimen, self.split, repeats=repeats)
            refuse_unsteady(specimen, found)
            known = self.kept.known_in_use(specimen, self.split, repeats=repeats)
            if found.alone:
                yield one_at_a_time(runner)
            elif known is not None or takes_one(runner) or is_alone(runner):
                yield runner
            else:
                watched = self._watched(runner, specimen, repeats=repeats)
                yield watched
                watched.settle()

    def _watched(self, runner: Runner, specimen: Specimen, *, repeats: bool) -> WatchedRunner:
        def found(seen: Steadiness) -> None:
            self.kept.keep_in_use(specimen, self.split, seen, repeats=repeats)
            refuse_unsteady(specimen, seen)

        return WatchedRunner(
            runner, found, lambda: bool(self.opener.by_range(specimen)), repeats=repeats
        )


def refuse_unsteady(specimen: Specimen, found: Steadiness | None) -> None:
    """Raises ConfigurationError or InferenceError for answers that nothing can be measured by.

    These are answers at random, and of a model under test, answers that depend on the batch.
    """
    fault = None if found is None else _fault(specimen, found)
    if fault is not None:
        raise fault


def _fault(specimen: Specimen, found: Steadiness) -> EdgeGateError | None:
    is_file = isinstance(specimen.model, Path)
    if found.conduct is Conduct.RANDOM:
        name = specimen.name if is_file else "the model under test"
        return (InferenceError if is_file else ConfigurationError)(
            f"{name} answers at random, or keeps state between calls: between two passes over the "
            f"same samples, {found.difference}",
            "switch off what draws random numbers when the model is called (dropout and noise "
            "with training=True, random operators), and what it remembers of earlier calls"
            + (", and make the file again" if is_file else ""),
        )
    if found.conduct is Conduct.BY_BATCH and not is_file:
        return ConfigurationError(
            "the answers of the model under test depend on the batch: of the same samples in two "
            f"batches of {found.batch}, {found.difference}; a device runs one sample at a time",
            "let batch normalisation use its stored statistics (model.eval(), training=False), "
            "and take maxima, means and softmax over each sample, not over the batch (axis 0)",
        )
    return None


def read(entry: Entry) -> Steadiness:
    """Raises ValueError for an invalid entry."""
    info = entry.info
    if {name: type(value) for name, value in info.items()} != _FIELDS:
        raise ValueError("what it says of the answers is malformed")
    found = Steadiness(**{**info, "conduct": Conduct(info["conduct"])})
    if found.conduct is Conduct.STEADY and found != Steadiness():
        raise ValueError("it says that answers differ which do not")
    if not (found.apart >= 0 and found.batch >= 0):
        raise ValueError("the difference between the answers is malformed")
    return found
