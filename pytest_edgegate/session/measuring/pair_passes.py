"""Passes of a model and its file over the same samples, which may end early."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial

from pytest_edgegate.core.ports import Runner
from pytest_edgegate.core.progress import StagedProgress
from pytest_edgegate.data.splits import Array, ArraySplit, Split
from pytest_edgegate.measures.evidence import Evidence, Paired, on_both
from pytest_edgegate.measures.metrics import Scoring, TopN
from pytest_edgegate.session.measuring import early
from pytest_edgegate.session.measuring.kept_evidence import read_paired, write_paired
from pytest_edgegate.session.measuring.kept_passes import KeptPasses, fits, shown_key
from pytest_edgegate.session.measuring.openers import Openers
from pytest_edgegate.session.measuring.scored_pass import index_of, observe
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.storage.cache import key_of

_ENOUGH = {"enough": True}
"""The note of a reference of which a part of the samples was looked at."""


class PairPasses:
    """Runs the reference and the file over a split, and keeps what a part of it has decided."""

    def __init__(
        self, openers: Openers, kept: KeptPasses, progress: StagedProgress, early_after: float
    ) -> None:
        """*early_after*: a pass may end early if its rest would take longer, in seconds."""
        self._openers = openers
        self._kept = kept
        self._progress = progress
        self._early_after = early_after
        self._early: dict[tuple[str, str], Paired] = {}
        self._trusted: set[str] = set()

    def paired(
        self,
        reference: Specimen,
        artifact: Specimen,
        split: ArraySplit,
        scoring: TopN,
        budget: Fraction,
        trusted: Callable[[Evidence], bool],
    ) -> Paired:
        """Both models on the same samples; may end early once the budget is decided.

        For a pass that ended early, now or in an earlier run, *trusted* holds for the reference.
        """
        found = self._paired(reference, artifact, split, scoring, budget, trusted)
        if found.total is not None:
            self._early[self._pair_key(reference, artifact, split, scoring)] = found
        return found

    def _paired(
        self,
        reference: Specimen,
        artifact: Specimen,
        split: ArraySplit,
        scoring: TopN,
        budget: Fraction,
        trusted: Callable[[Evidence], bool],
    ) -> Paired:
        keys = self._pair_key(reference, artifact, split, scoring)
        known = [self._kept.known(key, scoring) for key in keys]
        if known[0] is not None and known[1] is not None:
            return Paired(known[0], known[1])
        clear = early.clear(known, split.size)
        if clear is not None:
            return clear
        key = key_of(kind="early", of=keys, budget=str(budget), after=self._early_after)
        stored = self._kept.cache.find(key, partial(read_paired, fits=fits(scoring)))
        if stored is not None and _is_valid(stored, trusted):
            return stored
        pair = (reference, artifact)
        sides = [self._side(model, split, found) for model, found in zip(pair, known, strict=True)]
        bet = self._bet(split, scoring, budget, trusted)
        with self._progress.stage(f"evaluation of {artifact.title} against the model"):
            found = early.run(bet, sides[0], sides[1], self._progress)
        if found.total is not None:
            if stored is None and reference.lasting:
                again = partial(read_paired, fits=fits(scoring))
                self._kept.cache.fetch(key, lambda folder: write_paired(folder, found), again)
            return found
        for name, specimen, evidence in zip(
            keys, pair, (found.reference, found.artifact), strict=True
        ):
            self._kept.keep(name, evidence, scoring, specimen)
        return found

    def _pair_key(
        self, reference: Specimen, artifact: Specimen, split: Split, scoring: Scoring
    ) -> tuple[str, str]:
        one, other = (self._kept.key(each, split, scoring) for each in (reference, artifact))
        return one, other

    def seen_so_far(
        self, reference: Specimen, artifact: Specimen, split: Split, scoring: Scoring
    ) -> Paired | None:
        """What both have answered in this run, on all samples or on a part of them. Nothing is run
        or read."""
        if scoring.key is None:
            return None
        keys = self._pair_key(reference, artifact, split, scoring)
        whole = [self._kept.seen(each) for each in keys]
        part = [self._kept.seen(shown_key(each)) for each in keys]
        one, other = whole[0] or part[0], whole[1] or part[1]
        if keys in self._early and not (whole[0] and whole[1]):
            return self._early[keys]
        if one is None or other is None:
            return None
        return Paired(*on_both(one, other))

    def look_at(
        self,
        reference: Specimen,
        split: ArraySplit,
        scoring: TopN,
        trusted: Callable[[Evidence], bool],
    ) -> Evidence | None:
        """The results of the reference on all samples; None if a part of them shows that *trusted*
        holds for it, now or in an earlier run."""
        key = self._kept.key(reference, split, scoring)
        known = self._kept.known(key, scoring)
        if known is not None:
            return known
        enough = key_of(kind="trusted", of=key, after=self._early_after)
        if enough in self._trusted or self._kept.is_noted(enough, _ENOUGH):
            return None
        bet = self._bet(split, scoring, Fraction(0), trusted)
        with self._progress.stage(f"evaluation of {reference.title}"):
            found = early.until_trusted(bet, self._side(reference, split, None), self._progress)
        if found is not None:
            self._kept.keep(key, found, scoring, reference)
            return found
        self._trusted.add(enough)
        if reference.lasting:
            self._kept.note(enough, _ENOUGH)
        return None

    def _side(
        self, specimen: Specimen, split: ArraySplit, known: Evidence | None
    ) -> early.ComparedModel:
        opened = partial(self._openers.remembering(split).open, specimen, timed=True)
        return early.ComparedModel(known, opened, f"host:{specimen.runtime}", specimen.held)

    def _bet(
        self,
        split: ArraySplit,
        scoring: TopN,
        budget: Fraction,
        trusted: Callable[[Evidence], bool],
    ) -> early.Bet:
        def in_full(side: early.ComparedModel, runner: Runner) -> Evidence:
            progress = partial(self._progress, "samples")
            return observe(runner, split, scoring, side.source, progress, side.held())

        def pick(runner: Runner, outputs: tuple[Array, ...]) -> Array:
            return outputs[index_of(scoring.output, runner.outputs)]

        return early.Bet(split, scoring, budget, self._early_after, trusted, pick, in_full)


def _is_valid(kept: Paired, trusted: Callable[[Evidence], bool]) -> bool:
    """Whether a cached pass may be used: an earlier run may not have checked the reference."""
    broken = kept.reference.nonfinite or kept.artifact.nonfinite
    return bool(broken) or trusted(kept.reference)
