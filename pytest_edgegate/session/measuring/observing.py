"""Passes over the evaluation data, cached by content. Latencies are never cached."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pytest_edgegate.core.errors import BackendUnavailableError, EdgeGateError, InferenceError
from pytest_edgegate.core.ports import Runner
from pytest_edgegate.core.progress import StagedProgress, silent
from pytest_edgegate.core.rules import EMULATED, EMULATED_SECONDS
from pytest_edgegate.data.feeding import arrange
from pytest_edgegate.data.lone_runner import one_at_a_time
from pytest_edgegate.data.splits import Array, ArraySplit, Split, drawn_batches
from pytest_edgegate.measures.activations import Activation
from pytest_edgegate.measures.comparison import check_compared, compare_models
from pytest_edgegate.measures.dead_channels import channel_ranges, check_ranges
from pytest_edgegate.measures.evidence import (
    Collector,
    Evidence,
    Paired,
    check_figures,
    on_both,
)
from pytest_edgegate.measures.metrics import Scoring, TopN
from pytest_edgegate.measures.parity import SHOWN_SECONDS, check_parity, compare
from pytest_edgegate.measures.steadiness import Steadiness
from pytest_edgegate.measures.tries import Aim, Tries
from pytest_edgegate.session.measuring import early
from pytest_edgegate.session.measuring.kept_evidence import (
    Fits,
    read,
    read_paired,
    write,
    write_paired,
)
from pytest_edgegate.session.measuring.kept_steadiness import (
    FittingOpener,
    KeptSteadiness,
    refuse_unsteady,
)
from pytest_edgegate.session.measuring.last_activations import LastActivations
from pytest_edgegate.session.measuring.opening import Opener
from pytest_edgegate.session.measuring.remembered import AnswerMemory, RememberingOpener
from pytest_edgegate.session.measuring.resample_counts import ResampleCounts
from pytest_edgegate.session.measuring.sample_digests import SampleDigests
from pytest_edgegate.session.measuring.scored_pass import index_of, observe
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.session.measuring.trying import Scored, Trier
from pytest_edgegate.storage.cache import Cache, Entry, key_of

_VERSION = 10
"""Incremented whenever a pass over the same samples would record different results."""


class Observer:
    """Runs models over a split and keeps the results."""

    def __init__(
        self,
        opener: Opener,
        cache: Cache,
        progress: StagedProgress = silent,
        early_after: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*early_after*: a pass may end early if its rest would take longer, in seconds."""
        self._clock = clock
        self.opener = opener
        self._cache = cache
        self._progress = progress
        self._early_after = early_after
        self._seen: dict[str, Evidence] = {}
        self._early: dict[tuple[str, str], Paired] = {}
        self._memory = AnswerMemory()
        self.kept_steadiness = KeptSteadiness(opener, cache)
        self.samples = SampleDigests(cache)
        self._trusted: set[str] = set()

    def steadiness(self, specimen: Specimen, split: Split) -> Steadiness:
        """How a model answers the same samples again, in other batches, and alone.

        Raises ConfigurationError or InferenceError where no figure could be trusted.
        """
        found = self.kept_steadiness.known(specimen, split)
        if found is None:
            with (
                self._progress.stage(f"{specimen.title}: batches against single samples"),
                self.opener.open(specimen) as runner,
            ):
                found = self.kept_steadiness.of(runner, specimen, split)
        refuse_unsteady(specimen, found)
        return found

    def _fitting(self, split: Split) -> FittingOpener:
        return FittingOpener(self.opener, self.kept_steadiness, split)

    def _remembering(self, split: Split) -> RememberingOpener:
        return RememberingOpener(self._fitting(split), self._memory, split)

    def predictions(self, specimen: Specimen, split: Split, scoring: Scoring) -> Evidence:
        """The per-sample figures of *scoring* for one model in one runtime."""

        def look() -> Evidence:
            with (
                self._progress.stage(f"evaluation of {specimen.title}"),
                self._remembering(split).open(specimen) as runner,
            ):
                progress = partial(self._progress, f"{specimen.title}, samples")
                source = f"host:{specimen.runtime}"
                gathering = self.samples.gathering(split)
                held, called = specimen.held(), _called(specimen, scoring)
                return observe(runner, gathering, scoring, source, progress, held, called=called)

        keep = scoring.key is not None
        key = self._predictions_key(specimen, split, scoring)
        if not keep:
            return look()
        return self._remembered(key, look, _fits(scoring), lasting=specimen.lasting)

    def shown(self, specimen: Specimen, split: Split, scoring: Scoring) -> Evidence | None:
        """As ``predictions``, on the samples that ``SHOWN_SECONDS`` allow, drawn at random; on all
        of them if an earlier pass had them. A stream is shown as a whole or not at all: its first
        samples are no random ones.

        None for a model that can't be scored so, now or in an earlier run: a budget that asks for
        it would tell why.
        """
        known = self.known(specimen, split, scoring)
        if known is not None:
            return known
        key = _shown_key(self._predictions_key(specimen, split, scoring))
        lasting = specimen.lasting and scoring.key is not None
        failed = key_of(kind="not shown", of=key)
        if lasting and self._cache.find(failed, _was_no_use):
            return None

        def look() -> Evidence:
            with (
                self._progress.stage(f"accuracy of {specimen.title}, not gated"),
                self._remembering(split).open(specimen) as runner,
            ):
                progress = partial(self._progress, f"{specimen.title}, samples")
                end = self._clock() + SHOWN_SECONDS
                source, held = f"host:{specimen.runtime}", specimen.held()

                def enough() -> bool:
                    late = self._clock() > end
                    if late and not isinstance(split, ArraySplit):
                        raise InferenceError("the stream takes longer than is shown", "")
                    return late

                called = _called(specimen, scoring)
                return observe(runner, split, scoring, source, progress, held, enough, called)

        try:
            return self._remembered(key, look, _fits(scoring), lasting=lasting)
        except BackendUnavailableError:
            return None
        except EdgeGateError:
            if lasting:
                self._cache.fetch(failed, lambda folder: _NO_USE, _was_no_use)
            return None

    def resample_counts(
        self, limit: float, split: Split, metric: Callable[[], str]
    ) -> ResampleCounts:
        """The kept numbers of resamples for a metric, given by its name, on these samples."""
        return ResampleCounts(self._cache, limit, data=split.digest, metric=metric)

    def activations(
        self, model: Specimen, file: Specimen, split: Split
    ) -> Mapping[str, Activation]:
        """The last activations by which the outputs of a file differ from those of its model."""
        return LastActivations(self._fitting(split), self._cache).between(model, file, split)

    def tried(
        self, specimen: Specimen, split: Split, scored: Scored, as_fed: Evidence, aim: Aim
    ) -> Tries:
        """The model with some of the samples fed otherwise; *as_fed*: its results on them."""
        trier = Trier(self._fitting(split), self._cache, observe, self._progress)
        return trier.tried(specimen, split, scored, as_fed, aim)

    def _predictions_key(self, specimen: Specimen, split: Split, scoring: Scoring) -> str:
        return key_of(
            kind="predictions",
            version=_VERSION,
            model=self.opener.identity(specimen),
            data=split.digest(),
            metric=scoring.key,
            output=scoring.output,
            called=_called(specimen, scoring) or None,
        )

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
        known = [self._known(key, scoring) for key in keys]
        if known[0] is not None and known[1] is not None:
            return Paired(known[0], known[1])
        clear = early.clear(known, split.size)
        if clear is not None:
            return clear
        key = key_of(kind="early", of=keys, budget=str(budget), after=self._early_after)
        stored = self._cache.find(key, partial(read_paired, fits=_fits(scoring)))
        if stored is not None and _is_valid(stored, trusted):
            return stored
        pair = (reference, artifact)
        sides = [self._side(model, split, found) for model, found in zip(pair, known, strict=True)]
        bet = self._bet(split, scoring, budget, trusted)
        with self._progress.stage(f"evaluation of {artifact.title} against the model"):
            found = early.run(bet, sides[0], sides[1], self._progress)
        if found.total is not None:
            if stored is None and reference.lasting:
                again = partial(read_paired, fits=_fits(scoring))
                self._cache.fetch(key, lambda folder: write_paired(folder, found), again)
            return found
        for name, specimen, evidence in zip(
            keys, pair, (found.reference, found.artifact), strict=True
        ):
            self._keep(name, evidence, scoring, specimen)
        return found

    def _pair_key(
        self, reference: Specimen, artifact: Specimen, split: Split, scoring: Scoring
    ) -> tuple[str, str]:
        one, other = (self._predictions_key(each, split, scoring) for each in (reference, artifact))
        return one, other

    def seen_so_far(
        self, reference: Specimen, artifact: Specimen, split: Split, scoring: Scoring
    ) -> Paired | None:
        """What both have answered in this run, on all samples or on a part of them. Nothing is run
        or read."""
        if scoring.key is None:
            return None
        keys = self._pair_key(reference, artifact, split, scoring)
        whole = [self._seen.get(each) for each in keys]
        part = [self._seen.get(_shown_key(each)) for each in keys]
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
        key = self._predictions_key(reference, split, scoring)
        known = self._known(key, scoring)
        if known is not None:
            return known
        enough = key_of(kind="trusted", of=key, after=self._early_after)
        if enough in self._trusted or self._cache.find(enough, _was_enough):
            return None
        bet = self._bet(split, scoring, Fraction(0), trusted)
        with self._progress.stage(f"evaluation of {reference.title}"):
            found = early.until_trusted(bet, self._side(reference, split, None), self._progress)
        if found is not None:
            self._keep(key, found, scoring, reference)
            return found
        self._trusted.add(enough)
        if reference.lasting:
            self._cache.fetch(enough, lambda folder: _ENOUGH, _was_enough)
        return None

    def _side(
        self, specimen: Specimen, split: ArraySplit, known: Evidence | None
    ) -> early.ComparedModel:
        opened = partial(self._remembering(split).open, specimen, timed=True)
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

    def _keep(self, key: str, found: Evidence, scoring: Scoring, specimen: Specimen) -> None:
        self._remembered(key, partial(_given, found), _fits(scoring), lasting=specimen.lasting)

    def known(self, specimen: Specimen, split: Split, scoring: Scoring) -> Evidence | None:
        """The results of an earlier pass; nothing is run."""
        if scoring.key is None:
            return None
        return self._known(self._predictions_key(specimen, split, scoring), scoring)

    def known_of_all(self, specimen: Specimen, split: Split, scoring: Scoring) -> Evidence | None:
        """The same, or what was shown without a budget, if that was of all samples."""
        found = self.known(specimen, split, scoring)
        if found is not None or scoring.key is None:
            return found
        key = key_of(kind="shown", of=self._predictions_key(specimen, split, scoring))
        shown = self._known(key, scoring)
        if shown is None or shown.n != split.size:
            return None
        if shown.positions is None:
            return shown
        return replace(shown.at(np.argsort(shown.positions)), positions=None)

    def _known(self, key: str, scoring: Scoring) -> Evidence | None:
        """The results of an earlier pass, in this session or in the cache."""
        if key not in self._seen:
            kept = self._cache.find(key, partial(read, fits=_fits(scoring)))
            if kept is None:
                return None
            self._seen[key] = kept
        return self._seen[key]

    def parity(
        self, specimen: Specimen, runtimes: tuple[str, ...], split: Split, limit: int | None
    ) -> Evidence:
        """Differences between several runtimes on the same file.

        *limit*: on so many samples at most, and no more of them than ``SHOWN_SECONDS`` allow.
        """
        end = None if limit is None else SHOWN_SECONDS
        return self._parity(specimen, runtimes, split, limit, end)

    def parity_elsewhere(
        self, specimen: Specimen, runtimes: tuple[str, ...], split: Split
    ) -> Evidence:
        """The same between a runtime here, the first one, and those of an emulator, which is slow:
        on up to ``EMULATED`` samples drawn at random, and no more of them than
        ``EMULATED_SECONDS`` allow."""
        return self._parity(specimen, runtimes, split, EMULATED, EMULATED_SECONDS)

    def _parity(
        self,
        specimen: Specimen,
        runtimes: tuple[str, ...],
        split: Split,
        limit: int | None,
        seconds: float | None,
    ) -> Evidence:
        """*seconds*: the time for the samples; None: all of them are run."""
        first, *others = (specimen.in_runtime(name) for name in runtimes)
        elsewhere = [self.opener.runs_elsewhere(each.runtime) for each in others]

        def look() -> Evidence:
            with ExitStack() as stack:
                where = f" ({self._sources(runtimes)})" if any(elsewhere) else ""
                stack.enter_context(self._progress.stage(f"parity of {specimen.title}{where}"))
                runners: list[Runner] = [
                    stack.enter_context(self._remembering(split).open(first)),
                    *(
                        stack.enter_context(self._other(split, first, each, emulated))
                        for each, emulated in zip(others, elsewhere, strict=True)
                    ),
                ]
                progress = partial(self._progress, f"{specimen.title} and others{where}, samples")
                end = None if seconds is None else self._clock() + seconds
                enough = None if end is None else lambda: self._clock() > end
                source = self._sources(runtimes)
                return compare(runners, split, source, limit, progress, enough)

        key = key_of(
            kind="parity",
            version=_VERSION,
            data=split.digest(),
            limit=limit,
            models=[self.opener.identity(each) for each in (first, *others)],
            **({"seconds": seconds} if any(elsewhere) else {}),
        )
        return self._remembered(key, look, check_parity)

    def _other(
        self, split: Split, first: Specimen, other: Specimen, emulated: bool
    ) -> AbstractContextManager[Runner]:
        """A runtime that is compared with the *first* one.

        One of an emulator is given the samples as the first one is: what is known of the file by
        that is not found out again there.
        """
        if not emulated:
            return self._fitting(split).open(other, repeats=False)
        found = self.kept_steadiness.known(first, split)
        runner = self.opener.open(other)
        return one_at_a_time(runner) if found is not None and found.alone else runner

    def _sources(self, runtimes: tuple[str, ...]) -> str:
        """The emulators among the runtimes, or else all of them: what the figures rest on."""
        elsewhere = [each for each in runtimes if self.opener.runs_elsewhere(each)]
        if not elsewhere:
            return f"host:{','.join(runtimes)}"
        return ",".join(dict.fromkeys(map(self.opener.source, elsewhere)))

    def emulated(self, specimen: Specimen, split: Split, scoring: Scoring, count: int) -> Evidence:
        """As ``predictions`` of a runtime elsewhere, on the same *count* samples, drawn at random,
        that ``parity`` has compared."""

        def look() -> Evidence:
            title = f"accuracy of {specimen.title} ({self.opener.source(specimen.runtime)})"
            with self._progress.stage(title), self.opener.open(specimen) as runner:
                return observe(
                    runner,
                    split,
                    scoring,
                    self.opener.source(specimen.runtime),
                    partial(self._progress, f"{title}, samples"),
                    specimen.held(),
                    called=_called(specimen, scoring),
                    most=count,
                )

        key = key_of(
            kind="emulated", of=self._predictions_key(specimen, split, scoring), count=count
        )
        lasting = specimen.lasting and scoring.key is not None
        return self._remembered(key, look, _fits(scoring), lasting=lasting)

    def compared(self, reference: Specimen, other: Specimen, split: Split, limit: int) -> Evidence:
        """Differences between a model and its reference, output by output."""

        def look() -> Evidence:
            opener = self._remembering(split)
            with (
                self._progress.stage(f"{other.title} against the model"),
                opener.open(reference) as one,
                opener.open(other) as two,
            ):
                source = f"host:{reference.runtime},{other.runtime}"
                progress = partial(self._progress, f"{other.title} against the model, samples")
                return compare_models(one, two, split, source, limit, progress)

        key = key_of(
            kind="compared",
            version=_VERSION,
            data=split.digest(),
            limit=limit,
            models=[self.opener.identity(reference), self.opener.identity(other)],
        )
        return self._remembered(key, look, check_compared, lasting=reference.lasting)

    def ranges(self, reference: Specimen, other: Specimen, split: Split, limit: int) -> Evidence:
        """The ranges of the channels of both models on a part of the samples, drawn at random."""

        def look() -> Evidence:
            with (
                self._progress.stage(f"channels of {other.title}"),
                self.opener.open(reference) as one,
                self.opener.open(other) as two,
            ):
                source = f"host:{reference.runtime},{other.runtime}"
                return channel_ranges(one, two, split, source, limit)

        key = key_of(
            kind="ranges",
            version=_VERSION,
            data=split.digest(),
            limit=limit,
            models=[self.opener.identity(reference), self.opener.identity(other)],
        )
        return self._remembered(key, look, check_ranges, lasting=reference.lasting)

    def fed(self, specimen: Specimen, split: Split, limit: int) -> Evidence:
        """The values that a part of the samples, drawn at random, gives the inputs of a model."""

        def look() -> Evidence:
            with (
                self._progress.stage(f"inputs of {specimen.title}"),
                self.opener.open(specimen) as runner,
            ):
                collector = Collector(model=runner, held=specimen.held())
                for batch in drawn_batches(split, limit):
                    inputs = arrange(
                        batch.inputs, split.names, runner.inputs, split.name, batch.number
                    )
                    collector.add(batch, (), {}, inputs)
            return collector.evidence(f"host:{specimen.runtime}")

        key = key_of(
            kind="fed",
            version=_VERSION,
            data=split.digest(),
            limit=limit,
            model=self.opener.identity(specimen),
        )
        return self._remembered(key, look, partial(check_figures, figures={}))

    def _remembered(
        self, key: str, look: Callable[[], Evidence], fits: Fits, *, lasting: bool = True
    ) -> Evidence:
        """*lasting*: also for later runs."""
        if key not in self._seen:
            self._seen[key] = self._through_cache(key, look, fits) if lasting else look()
        return self._seen[key]

    def _through_cache(self, key: str, look: Callable[[], Evidence], fits: Fits) -> Evidence:
        def work(folder: Path) -> Mapping[str, Any]:
            return write(folder, look())

        return self._cache.fetch(key, work, partial(read, fits=fits))


def _called(specimen: Specimen, scoring: Scoring) -> tuple[str, ...]:
    """The names for a metric that reads outputs by name during the pass; one whose whole outputs
    are kept matches them afterwards."""
    at_once = scoring.wants_names or scoring.key is None
    return specimen.called() if scoring.reads_all_outputs and at_once else ()


def _shown_key(of: str) -> str:
    return key_of(kind="shown", of=of)


def _is_valid(kept: Paired, trusted: Callable[[Evidence], bool]) -> bool:
    """Whether a cached pass may be used: an earlier run may not have checked the reference."""
    broken = kept.reference.nonfinite or kept.artifact.nonfinite
    return bool(broken) or trusted(kept.reference)


def _fits(scoring: Scoring) -> Fits:
    return partial(check_figures, figures=scoring.figures)


_ENOUGH = {"enough": True}


def _was_enough(entry: Entry) -> bool:
    if entry.info != _ENOUGH:
        raise ValueError("it is not the entry of a reference that was looked at")
    return True


_NO_USE = {"shown": False}


def _was_no_use(entry: Entry) -> bool:
    if entry.info != _NO_USE:
        raise ValueError("it is not the entry of a model that can't be scored")
    return True


def _given(evidence: Evidence) -> Evidence:
    return evidence
