"""What passes over the evaluation data have found, kept in a session and in the cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pytest_edgegate.data.splits import Split
from pytest_edgegate.measures.evidence import Evidence, check_figures
from pytest_edgegate.measures.metrics import Scoring
from pytest_edgegate.session.measuring.kept_evidence import Fits, read, write
from pytest_edgegate.session.measuring.opening import Opener
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.storage.cache import Cache, Entry, key_of

VERSION = 11
"""Incremented whenever a pass over the same samples would record different results."""


class KeptPasses:
    """The evidence of passes by the content of the model, the samples and what is read off them."""

    def __init__(self, opener: Opener, cache: Cache) -> None:
        self._opener = opener
        self.cache = cache
        self._seen: dict[str, Evidence] = {}

    def key(self, specimen: Specimen, split: Split, scoring: Scoring) -> str:
        """Of the per-sample figures of *scoring* for one model in one runtime."""
        return key_of(
            kind="predictions",
            version=VERSION,
            model=self._opener.identity(specimen),
            data=split.digest(),
            metric=scoring.key,
            output=scoring.output,
            called=names_called(specimen, scoring) or None,
        )

    def key_between(
        self, kind: str, specimens: tuple[Specimen, ...], split: Split, **rest: object
    ) -> str:
        """Of what a pass of several models over the same samples finds."""
        return key_of(
            kind=kind,
            version=VERSION,
            data=split.digest(),
            models=[self._opener.identity(each) for each in specimens],
            **rest,
        )

    def seen(self, key: str) -> Evidence | None:
        """What a pass of this session has found; nothing is read."""
        return self._seen.get(key)

    def known(self, key: str, scoring: Scoring) -> Evidence | None:
        """The results of an earlier pass, in this session or in the cache."""
        if key not in self._seen:
            kept = self.cache.find(key, partial(read, fits=fits(scoring)))
            if kept is None:
                return None
            self._seen[key] = kept
        return self._seen[key]

    def keep(self, key: str, found: Evidence, scoring: Scoring, specimen: Specimen) -> None:
        self.remembered(key, lambda: found, fits(scoring), lasting=specimen.lasting)

    def remembered(
        self, key: str, look: Callable[[], Evidence], fits: Fits, *, lasting: bool = True
    ) -> Evidence:
        """The results of an earlier pass, or those of *look*, which are kept.

        *lasting*: also for later runs.
        """
        if key not in self._seen:
            self._seen[key] = self._through_cache(key, look, fits) if lasting else look()
        return self._seen[key]

    def _through_cache(self, key: str, look: Callable[[], Evidence], fits: Fits) -> Evidence:
        def work(folder: Path) -> Mapping[str, Any]:
            return write(folder, look())

        return self.cache.fetch(key, work, partial(read, fits=fits))

    def is_noted(self, key: str, note: Mapping[str, bool]) -> bool:
        """Whether an earlier run has noted this of a pass that kept no evidence."""
        return bool(self.cache.find(key, partial(_read_note, note)))

    def note(self, key: str, note: Mapping[str, bool]) -> None:
        self.cache.fetch(key, lambda folder: note, partial(_read_note, note))


def names_called(specimen: Specimen, scoring: Scoring) -> tuple[str, ...]:
    """The names for a metric that reads outputs by name during the pass; one whose whole outputs
    are kept matches them afterwards."""
    at_once = scoring.wants_names or scoring.key is None
    return specimen.called() if scoring.reads_all_outputs and at_once else ()


def shown_key(of: str) -> str:
    """Of what is shown of a pass, on all samples or on a part of them."""
    return key_of(kind="shown", of=of)


def fits(scoring: Scoring) -> Fits:
    return partial(check_figures, figures=scoring.figures)


def _read_note(note: Mapping[str, bool], entry: Entry) -> bool:
    if entry.info != note:
        raise ValueError("the entry is no such note of a pass")
    return True
