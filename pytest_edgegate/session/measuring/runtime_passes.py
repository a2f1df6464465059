"""Passes of one file in several runtimes over the same samples."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial

from pytest_edgegate.core.ports import Runner
from pytest_edgegate.core.progress import StagedProgress
from pytest_edgegate.core.rules import EMULATED, EMULATED_SECONDS
from pytest_edgegate.data.lone_runner import one_at_a_time
from pytest_edgegate.data.splits import Split
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import Scoring
from pytest_edgegate.measures.parity import SHOWN_SECONDS, check_parity, compare
from pytest_edgegate.session.measuring.kept_passes import KeptPasses, fits, names_called
from pytest_edgegate.session.measuring.openers import Openers
from pytest_edgegate.session.measuring.scored_pass import observe
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.storage.cache import key_of


class RuntimePasses:
    """Runs a file in the runtimes of a target, those of an emulator included."""

    def __init__(
        self,
        openers: Openers,
        kept: KeptPasses,
        progress: StagedProgress,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._openers = openers
        self._kept = kept
        self._progress = progress
        self._clock = clock

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
        elsewhere = [self._openers.plain.runs_elsewhere(each.runtime) for each in others]

        def look() -> Evidence:
            with ExitStack() as stack:
                where = f" ({self._sources(runtimes)})" if any(elsewhere) else ""
                stack.enter_context(self._progress.stage(f"parity of {specimen.title}{where}"))
                runners: list[Runner] = [
                    stack.enter_context(self._openers.remembering(split).open(first)),
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

        compared = (first, *others)
        late = {"seconds": seconds} if any(elsewhere) else {}
        key = self._kept.key_between("parity", compared, split, limit=limit, **late)
        return self._kept.remembered(key, look, check_parity)

    def _other(
        self, split: Split, first: Specimen, other: Specimen, emulated: bool
    ) -> AbstractContextManager[Runner]:
        """A runtime that is compared with the *first* one.

        One of an emulator is given the samples as the first one is: what is known of the file by
        that is not found out again there.
        """
        if not emulated:
            return self._openers.fitting(split).open(other, repeats=False)
        found = self._openers.steadiness.known(first, split)
        runner = self._openers.plain.open(other)
        return one_at_a_time(runner) if found is not None and found.alone else runner

    def _sources(self, runtimes: tuple[str, ...]) -> str:
        """The emulators among the runtimes, or else all of them: what the figures rest on."""
        elsewhere = [each for each in runtimes if self._openers.plain.runs_elsewhere(each)]
        if not elsewhere:
            return f"host:{','.join(runtimes)}"
        return ",".join(dict.fromkeys(map(self._openers.plain.source, elsewhere)))

    def emulated(self, specimen: Specimen, split: Split, scoring: Scoring, count: int) -> Evidence:
        """As ``predictions`` of a runtime elsewhere, on the same *count* samples, drawn at random,
        that ``parity`` has compared."""

        def look() -> Evidence:
            title = f"accuracy of {specimen.title} ({self._openers.plain.source(specimen.runtime)})"
            with self._progress.stage(title), self._openers.plain.open(specimen) as runner:
                return observe(
                    runner,
                    split,
                    scoring,
                    self._openers.plain.source(specimen.runtime),
                    partial(self._progress, f"{title}, samples"),
                    specimen.held(),
                    called=names_called(specimen, scoring),
                    most=count,
                )

        key = key_of(kind="emulated", of=self._kept.key(specimen, split, scoring), count=count)
        lasting = specimen.lasting and scoring.key is not None
        return self._kept.remembered(key, look, fits(scoring), lasting=lasting)
