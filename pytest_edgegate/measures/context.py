"""What a measure may ask for. The session answers, from the cache where it can."""

from __future__ import annotations

from typing import Protocol

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.description import ExecutedOperator, ModelDescription
from pytest_edgegate.core.measurement import NotMeasured
from pytest_edgegate.core.target import Target
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import Scoring


class MeasureContext(Protocol):
    """One artifact, the model and data it is judged against, and the target."""

    @property
    def artifact(self) -> Artifact: ...

    @property
    def target(self) -> Target: ...

    @property
    def scoring(self) -> Scoring: ...

    @property
    def samples(self) -> int | None:
        """How many evaluation samples there are, where that is known without a pass."""

    @property
    def machine(self) -> str:
        """This machine's type, for what only a host target's latency may say."""

    def description(self) -> ModelDescription:
        """What is in the artifact's file."""

    def float_export(self) -> Artifact | NotMeasured:
        """The float export of the model under test in the artifact's format."""

    def reference(self) -> Evidence | NotMeasured:
        """The model under test on the evaluation data."""

    def predictions(self) -> Evidence:
        """The artifact on the evaluation data."""

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
