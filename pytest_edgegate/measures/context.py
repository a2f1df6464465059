"""What a measure may ask for. The session answers, from the cache where it can."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.description import ExecutedOperator, ModelDescription
from pytest_edgegate.core.measurement import NotMeasured
from pytest_edgegate.core.ports import Stopwatch
from pytest_edgegate.core.progress import Tell
from pytest_edgegate.core.target import Target
from pytest_edgegate.measures.evidence import Evidence, Paired
from pytest_edgegate.measures.metrics import Scoring

if TYPE_CHECKING:
    from pytest_edgegate.measures.latency_percentiles import Times


class MeasureContext(Protocol):
    """One artifact, the model and data it is judged against, and the target."""

    @property
    def artifact(self) -> Artifact: ...

    @property
    def target(self) -> Target: ...

    @property
    def scoring(self) -> Scoring: ...

    @property
    def asked(self) -> Mapping[str, Budget]:
        """The budgets that are judged together, by metric: what a sequential measure ends by."""

    @property
    def patience(self) -> float:
        """Seconds that a latency may be measured for."""

    @property
    def floor(self) -> float:
        """Seconds of slow-down that are none."""

    @property
    def samples(self) -> int | None:
        """How many evaluation samples there are, where that is known without a pass."""

    def description(self) -> ModelDescription:
        """What is in the artifact's file."""

    def float_export(self) -> Artifact | NotMeasured:
        """The float export of the model under test in the artifact's format."""

    def reference(self) -> Evidence | NotMeasured:
        """The model under test on the evaluation data."""

    def predictions(self) -> Evidence:
        """The artifact on the evaluation data."""

    def paired(self) -> Paired | NotMeasured:
        """Reference and artifact on the same samples; on some, where these decide the drop."""

    def parity(self) -> Evidence | NotMeasured:
        """The artifact in every runtime of the target, on the same bytes."""

    def probe(self) -> str:
        """Runs the artifact once; what went wrong with its outputs, or nothing."""

    def executed(self) -> tuple[ExecutedOperator, ...] | None:
        """What the runtime that measures accuracy really runs, where it tells."""

    def misplaced_outputs(self) -> tuple[str, ...]:
        """Outputs that hold what the model calls another one, told by their values."""

    def compared(self) -> Evidence | NotMeasured:
        """The artifact against the model under test, output by output, in real values."""

    def export_compared(self) -> Evidence | NotMeasured:
        """The float export in the artifact's format against the model under test."""

    def range_note(self) -> str:
        """What sets the calibration samples apart from the evaluation samples, or nothing."""

    def stopwatch(self, metric: str) -> Stopwatch | NotMeasured:
        """The artifact about to be timed in a fresh process; with its float export for a ratio."""

    def times(self) -> Times | NotMeasured:
        """Single inferences, timed until every percentile that is asked is decided."""

    @property
    def tell(self) -> Tell:
        """Takes how far a long measurement is, for whoever is waiting."""
