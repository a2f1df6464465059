"""What measures ask: passes over the samples, the file, the clock. The session provides them.

A measure names the providers that it asks by its parameters: ``def size(file: File)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.description import ExecutedOperator, ModelDescription
from pytest_edgegate.core.measurement import NotMeasured
from pytest_edgegate.core.ports import Stopwatch
from pytest_edgegate.core.progress import Progress
from pytest_edgegate.core.recipe import Recipe
from pytest_edgegate.core.target import Target
from pytest_edgegate.measures.evidence import Evidence, Paired
from pytest_edgegate.measures.metrics import Scoring

if TYPE_CHECKING:
    from pytest_edgegate.measures.latency_percentiles import Times


class Passes(Protocol):
    """Models over the evaluation samples."""

    @property
    def scoring(self) -> Scoring: ...

    @property
    def samples(self) -> int | None:
        """How many evaluation samples there are, where that is known without a pass."""

    def reference(self) -> Evidence | NotMeasured:
        """The model under test."""

    def predictions(self) -> Evidence:
        """The artifact."""

    def paired(self) -> Paired | NotMeasured:
        """Both on the same samples; on some of them, where these decide the drop."""

    def compared(self) -> Evidence | NotMeasured:
        """The artifact against the model under test, output by output, in real values."""

    def export_compared(self) -> Evidence | NotMeasured:
        """The float export in the artifact's format against the model under test."""

    def parity(self, limit: int | None = None) -> Evidence | NotMeasured:
        """The artifact in every runtime of the target, on the same bytes."""

    def misplaced_outputs(self) -> tuple[str, ...]:
        """Outputs that hold what the model calls another one, known by their values."""


class File(Protocol):
    """The artifact as it lies on the disk, and what a runtime makes of it."""

    @property
    def artifact(self) -> Artifact: ...

    @property
    def target(self) -> Target: ...

    def description(self) -> ModelDescription:
        """What is in it."""

    def described(self, export: Artifact) -> ModelDescription:
        """What is in a float export."""

    def executed(self) -> tuple[ExecutedOperator, ...] | None:
        """What the runtime that measures accuracy really runs; None where it does not say."""

    def probe(self) -> str:
        """Runs it once; what is wrong with its outputs, or nothing."""

    def float_export(self, steps: Recipe = ()) -> Artifact | NotMeasured:
        """The model under test in float, in the artifact's format, after *steps*."""


class Clock(Protocol):
    """The artifact where it is timed."""

    @property
    def limits(self) -> Mapping[str, float]:
        """Of the latencies that are judged together, by metric: what the timing ends by."""

    @property
    def patience(self) -> float:
        """Seconds that a latency may be measured for."""

    @property
    def floor(self) -> float:
        """Slow-downs below as many seconds are ignored."""

    @property
    def progress(self) -> Progress:
        """Takes how far a long measurement is."""

    def stopwatch(self, metric: str) -> Stopwatch | NotMeasured:
        """The artifact about to be timed in a fresh process; with its float export for a ratio."""

    def between(self, before: Artifact, after: Artifact) -> Stopwatch | None:
        """Two float exports about to be timed; None where nothing here times them."""

    def times(self) -> Times | NotMeasured:
        """Single inferences, timed until every percentile that is asked is decided."""


@dataclass(frozen=True)
class Providers:
    """All three, for one artifact."""

    passes: Passes
    file: File
    clock: Clock
