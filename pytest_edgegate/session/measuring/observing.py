"""Passes over the evaluation data, cached by content. Latencies are never cached."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from pytest_edgegate.core.errors import BackendUnavailableError, EdgeGateError, InferenceError
from pytest_edgegate.core.progress import StagedProgress, silent
from pytest_edgegate.data.feeding import arrange
from pytest_edgegate.data.splits import ArraySplit, Split, drawn_batches
from pytest_edgegate.measures.activations import Activation
from pytest_edgegate.measures.comparison import check_compared, compare_models
from pytest_edgegate.measures.dead_channels import channel_ranges, check_ranges
from pytest_edgegate.measures.evidence import Collector, Evidence, check_figures
from pytest_edgegate.measures.metrics import Scoring
from pytest_edgegate.measures.parity import SHOWN_SECONDS
from pytest_edgegate.measures.steadiness import Steadiness
from pytest_edgegate.measures.tries import Aim, Tries
from pytest_edgegate.session.measuring.kept_passes import KeptPasses, fits, names_called, shown_key
from pytest_edgegate.session.measuring.kept_steadiness import refuse_unsteady
from pytest_edgegate.session.measuring.last_activations import LastActivations
from pytest_edgegate.session.measuring.openers import Openers
from pytest_edgegate.session.measuring.opening import Opener
from pytest_edgegate.session.measuring.pair_passes import PairPasses
from pytest_edgegate.session.measuring.resample_counts import ResampleCounts
from pytest_edgegate.session.measuring.runtime_passes import RuntimePasses
from pytest_edgegate.session.measuring.sample_digests import SampleDigests
from pytest_edgegate.session.measuring.scored_pass import observe
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.session.measuring.trying import Scored, Trier
from pytest_edgegate.storage.cache import Cache, key_of

_NO_USE = {"shown": False}
"""The note of a model that can't be scored so."""


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
        self._openers = Openers(opener, cache)
        self._kept = KeptPasses(opener, cache)
        self.kept_steadiness = self._openers.steadiness
        self.samples = SampleDigests(cache)
        self.pairs = PairPasses(self._openers, self._kept, progress, early_after)
        self.runtimes = RuntimePasses(self._openers, self._kept, progress, clock)

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

    def predictions(self, specimen: Specimen, split: Split, scoring: Scoring) -> Evidence:
        """The per-sample figures of *scoring* for one model in one runtime."""

        def look() -> Evidence:
            with (
                self._progress.stage(f"evaluation of {specimen.title}"),
                self._openers.remembering(split).open(specimen) as runner,
            ):
                progress = partial(self._progress, f"{specimen.title}, samples")
                source = f"host:{specimen.runtime}"
                gathering = self.samples.gathering(split)
                held, called = specimen.held(), names_called(specimen, scoring)
                return observe(runner, gathering, scoring, source, progress, held, called=called)

        if scoring.key is None:
            return look()
        key = self._kept.key(specimen, split, scoring)
        return self._kept.remembered(key, look, fits(scoring), lasting=specimen.lasting)

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
        key = shown_key(self._kept.key(specimen, split, scoring))
        lasting = specimen.lasting and scoring.key is not None
        failed = key_of(kind="not shown", of=key)
        if lasting and self._kept.is_noted(failed, _NO_USE):
            return None

        def look() -> Evidence:
            with (
                self._progress.stage(f"accuracy of {specimen.title}, not gated"),
                self._openers.remembering(split).open(specimen) as runner,
            ):
                progress = partial(self._progress, f"{specimen.title}, samples")
                end = self._clock() + SHOWN_SECONDS
                source, held = f"host:{specimen.runtime}", specimen.held()

                def enough() -> bool:
                    late = self._clock() > end
                    if late and not isinstance(split, ArraySplit):
                        raise InferenceError("the stream takes longer than is shown", "")
                    return late

                called = names_called(specimen, scoring)
                return observe(runner, split, scoring, source, progress, held, enough, called)

        try:
            return self._kept.remembered(key, look, fits(scoring), lasting=lasting)
        except BackendUnavailableError:
            return None
        except EdgeGateError:
            if lasting:
                self._kept.note(failed, _NO_USE)
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
        looking = LastActivations(self._openers.fitting(split), self._cache)
        return looking.between(model, file, split)

    def tried(
        self, specimen: Specimen, split: Split, scored: Scored, as_fed: Evidence, aim: Aim
    ) -> Tries:
        """The model with some of the samples fed otherwise; *as_fed*: its results on them."""
        trier = Trier(self._openers.fitting(split), self._cache, observe, self._progress)
        return trier.tried(specimen, split, scored, as_fed, aim)

    def known(self, specimen: Specimen, split: Split, scoring: Scoring) -> Evidence | None:
        """The results of an earlier pass; nothing is run."""
        if scoring.key is None:
            return None
        return self._kept.known(self._kept.key(specimen, split, scoring), scoring)

    def known_of_all(self, specimen: Specimen, split: Split, scoring: Scoring) -> Evidence | None:
        """The same, or what was shown without a budget, if that was of all samples."""
        found = self.known(specimen, split, scoring)
        if found is not None or scoring.key is None:
            return found
        shown = self._kept.known(shown_key(self._kept.key(specimen, split, scoring)), scoring)
        if shown is None or shown.n != split.size:
            return None
        if shown.positions is None:
            return shown
        return replace(shown.at(np.argsort(shown.positions)), positions=None)

    def compared(self, reference: Specimen, other: Specimen, split: Split, limit: int) -> Evidence:
        """Differences between a model and its reference, output by output."""

        def look() -> Evidence:
            opener = self._openers.remembering(split)
            with (
                self._progress.stage(f"{other.title} against the model"),
                opener.open(reference) as one,
                opener.open(other) as two,
            ):
                source = f"host:{reference.runtime},{other.runtime}"
                progress = partial(self._progress, f"{other.title} against the model, samples")
                return compare_models(one, two, split, source, limit, progress)

        key = self._kept.key_between("compared", (reference, other), split, limit=limit)
        return self._kept.remembered(key, look, check_compared, lasting=reference.lasting)

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

        key = self._kept.key_between("ranges", (reference, other), split, limit=limit)
        return self._kept.remembered(key, look, check_ranges, lasting=reference.lasting)

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

        key = self._kept.key_between("fed", (specimen,), split, limit=limit)
        return self._kept.remembered(key, look, partial(check_figures, figures={}))
