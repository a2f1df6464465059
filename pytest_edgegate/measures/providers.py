"""The providers that measures use: passes, file and clock. The session implements them.

A measure declares the providers that it needs by its parameters: ``def size(file: File)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pytest_edgegate.core.accepted import AcceptedArtifact
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.description import ExecutedOperator, HeldTwice, ModelDescription
from pytest_edgegate.core.layout import Layout
from pytest_edgegate.core.measurement import NotMeasured
from pytest_edgegate.core.ports import Stopwatch
from pytest_edgegate.core.progress import Progress
from pytest_edgegate.core.recipe import Recipe
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import Placed
from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.activations import Activation
from pytest_edgegate.measures.evidence import Evidence, Paired
from pytest_edgegate.measures.fed_inputs import FedInput
from pytest_edgegate.measures.metrics import Resampling, Scoring
from pytest_edgegate.measures.steadiness import Steadiness
from pytest_edgegate.measures.tries import Aim, Tries

if TYPE_CHECKING:
    from pytest_edgegate.measures.dead_channels import DeadChannels
    from pytest_edgegate.measures.latency_percentiles import Times


@dataclass(frozen=True)
class TriedSignature:
    """A signature that is not gated, and what one run on zeros came to."""

    name: str
    crashed: str = ""
    """How the process that ran it ended."""
    caution: str = ""
    """What else is wrong with it, or why it was not run."""


@dataclass(frozen=True)
class Shown:
    """The metric of a model and its artifact, without an interval."""

    reference: float | None
    """None without a model to compare with."""
    artifact: float
    n: int


class Emulated(NamedTuple):
    """An accuracy in an emulator, and in the runtime that measures accuracy on the same samples."""

    runtime: str
    source: str
    here: float | None
    there: float
    samples: int


class Passes(Protocol):
    """Models over the evaluation samples."""

    @property
    def scoring(self) -> Scoring: ...

    @property
    def resampling(self) -> Resampling:
        """How intervals are drawn for these samples."""

    @property
    def samples(self) -> int | None:
        """The number of evaluation samples, if that is known without a pass."""

    def reads_classes(self, outputs: Sequence[str], at: int, rows: int) -> bool:
        """Whether the metric reads an output with so many rows of channels as class scores."""

    def reference(self) -> Evidence | NotMeasured:
        """Results of the model under test."""

    def cautions(self) -> tuple[str, ...]:
        """What the check of the reference found that is no fault; known once it was run."""

    def dead_channels(self, *, look: bool = False) -> tuple[DeadChannels, ...]:
        """What varies in the model under test and not in the artifact, in the passes so far.

        *look*: also where there was none for the budgets, on a few samples.
        """

    def predictions(self) -> Evidence:
        """The artifact."""

    def exported(self, steps: Recipe) -> Evidence | NotMeasured:
        """The float export after *steps*, in the artifact's format."""

    def shown(self) -> Shown | None:
        """The metric of model and artifact on the same samples, as many as a short time allows.

        For show, where no budget asks for it: None where anything is in its way.
        """

    def seen_so_far(self) -> Paired | None:
        """Results of both on the same samples, from passes of this run; nothing is run."""

    def samples_at(self, numbers: Array) -> tuple[Array, ...]:
        """The inputs of samples by their positions; none of a stream."""

    def paired(self) -> Paired | NotMeasured:
        """Results of both on the same samples; on a part of them if that decides the drop."""

    def compared(self) -> Evidence | NotMeasured:
        """Differences between artifact and model under test, output by output, in real values."""

    def export_compared(self) -> Evidence | NotMeasured:
        """Differences between the model's float export in the artifact's format and the model."""

    def parity(self) -> tuple[Evidence, ...] | NotMeasured:
        """Differences between the target's runtimes on the same file: between those of this host
        on all samples, and then with those of an emulator on some."""

    def shown_parity(self) -> Evidence | NotMeasured:
        """Those between all runtimes that are here, on some samples."""

    def lacking_emulator(self) -> str:
        """The line that makes the emulator of the target's runtimes; empty if it is here, or the
        target lists none."""

    def other_versions(self) -> str:
        """The packages of the emulator that are of other versions than those here; empty if none
        is, or there is no emulator."""

    def broken_elsewhere(self, found: Evidence) -> Mapping[str, int]:
        """The number of samples on which runtimes of an emulator gave NaN or Inf, by their names;
        *found*: the ``shown_parity``."""

    def emulated(self, count: int) -> tuple[Emulated, ...]:
        """The accuracy in the target's runtimes of an emulator, on *count* samples of which the
        answers are compared; none where the metric can't score the file so."""

    def fed(self) -> tuple[FedInput, ...]:
        """The evaluation values of the artifact's inputs: those of its pass if there was one, else
        of up to 200 samples drawn at random; empty without evaluation samples."""

    def misplaced_outputs(self) -> tuple[str, ...]:
        """Swapped outputs, recognised by their values."""

    def steadiness(self) -> Steadiness:
        """How the artifact answers the same samples again, in other batches, and alone."""

    def activations(self, *, of_export: bool = False) -> Mapping[str, Activation]:
        """The last activations by which the artifact, or the float export, differs from the model.

        By the names of the model's outputs; none if there is no model to compare with.
        """

    def tried(self, as_fed: Evidence, aim: Aim) -> Tries:
        """The artifact with some of the samples fed otherwise, for the diagnosis of lost accuracy.

        *as_fed*: its results; those of *aim* are of the same samples.
        """


class File(Protocol):
    """The artifact on disk, and how a runtime executes it."""

    @property
    def artifact(self) -> Artifact: ...

    @property
    def target(self) -> Target: ...

    def description(self) -> ModelDescription:
        """The content of the artifact."""

    def described(self, export: Artifact) -> ModelDescription:
        """The content of a float export."""

    def held_twice(self, export: Artifact) -> HeldTwice:
        """The weights that a float export holds more than once."""

    def placed(self) -> Placed | None:
        """Where a vendor's compiler puts the operators; None where none is asked."""

    @property
    def gates_mapping(self) -> bool:
        """Whether a budget on mapped_ops decides how many operators may stay on the CPU."""

    def executed(self) -> tuple[ExecutedOperator, ...] | None:
        """Operators as the runtime that measures accuracy runs them; None if it hides them."""

    def kernels(self) -> str:
        """What the runtime that measures accuracy remarks on its kernels on this processor."""

    def probe(self) -> str:
        """Runs one inference and returns the fault in its outputs, or nothing."""

    def layout(self) -> Layout:
        """The order of its axes, relative to the samples and to the model under test."""

    def runs_alone(self) -> bool:
        """Whether it declares a free batch and runs with one sample at a time only."""

    def other_signatures(self) -> tuple[TriedSignature, ...]:
        """The signatures of the file that are not gated, each run once on zeros where that can be
        done."""

    def float_export(self, steps: Recipe = ()) -> Artifact | NotMeasured:
        """The model under test in float, in the artifact's format, after *steps*."""


class Clock(Protocol):
    """The artifact where it is timed."""

    @property
    def limits(self) -> Mapping[str, float]:
        """The limits of the latencies that are judged together, by metric: they end the timing."""

    @property
    def patience(self) -> float:
        """The longest time that a latency may be measured for, in seconds."""

    @property
    def floor(self) -> float:
        """Slow-downs below this are ignored; in seconds."""

    @property
    def progress(self) -> Progress:
        """Receives the progress of a long measurement."""

    def stopwatch(self, metric: str) -> Stopwatch | NotMeasured:
        """A stopwatch in a fresh process for the artifact; for a ratio, also its float export."""

    def between(self, before: Artifact, after: Artifact) -> Stopwatch | None:
        """A stopwatch for two float exports; None if nothing here can time them."""

    def times(self, metric: str) -> Times | NotMeasured:
        """Times of single inferences, taken until every requested percentile is decided."""


class Accepted(Protocol):
    """What was accepted of the artifact before, under its recipe or its path."""

    def artifact(self) -> AcceptedArtifact | NotMeasured:
        """Its entry. Raises ConfigurationError for one that can't be trusted."""

    def is_same_file(self) -> bool:
        """Whether the artifact has the bytes of the accepted one."""

    def has_same_samples(self) -> bool:
        """Whether the evaluation samples, their labels and the metric are those of the entry."""

    def other_samples(self) -> str:
        """What of them has changed, in words."""

    def changed(self, metric: str) -> str:
        """Which version of the runtime and which instruction set have changed since the figure of
        *metric* was accepted, in words; empty if none has."""

    def scores(self, metric: str) -> Evidence | None:
        """The accepted scores of the samples; None where they are not stored."""

    def why_no_scores(self, metric: str) -> str:
        """Why there are none of the samples of this run, in words."""

    def rerun(self) -> Evidence | None:
        """The accepted file on the samples of this run; None where the file is not found."""

    def searched(self) -> str:
        """Where the accepted file is looked for, in words."""


@dataclass(frozen=True)
class Providers:
    """The providers of one artifact."""

    passes: Passes
    file: File
    clock: Clock
    accepted: Accepted | None = None
    """None where no budget compares with what was accepted."""
