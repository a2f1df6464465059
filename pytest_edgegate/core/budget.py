"""Budgets: the limits that can be set on an artifact. Each kind is one row of the table here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Rule = Literal["interval", "exact", "latency"]
Direction = Literal["at most", "at least"]
Against = Literal["float export", "accepted file"]
Need = Literal["samples", "labels", "reference"]
Unit = Literal[
    "points", "ratio", "metric", "bytes", "count", "s", "steps", "value", "dB", "offenders"
]

_UNITS: dict[Unit, str] = {
    "points": "0.01 is one percentage point",
    "bytes": '"120 kB"',
    "s": '"6 ms"',
    "count": '"1.2 M"',
    "metric": "in the metric's unit",
    "steps": "steps of the output",
}
"""How the units are told to those who write a limit."""
_BETTER = "make the artifact better in this respect, or {loosen} the budget knowingly"
_FEWER_FILTERS = "give the model fewer filters, or {loosen} the budget knowingly"
_COMPARE = "gate sqnr_db, which compares the outputs, or {loosen} the budget knowingly"
_ROUNDING = (
    "the runtimes round differently: run such samples in the deployed runtime, and gate "
    "accuracy there"
)
PROFILE = (
    "profile the operators of the file: a layer in float, or one without a fast kernel, takes the "
    "time"
)
"""The remedy for a time, whatever made the file; a diagnosis adds what depends on that."""
_PAIRED = "every evaluation sample in {runtime}, paired with the reference; policy {policy}"
_PAIRED_EARLY = (
    "every evaluation sample in {runtime}, paired with the reference; top-1 and topN on arrays may "
    "end early; policy {policy}"
)
_IN_RUNTIMES = "every evaluation sample in {runtimes}"
_FED: tuple[Need, ...] = ("samples",)
_COMPARED: tuple[Need, ...] = ("samples", "reference")
_SCORED: tuple[Need, ...] = ("samples", "labels")
_SCORED_AGAINST: tuple[Need, ...] = ("samples", "labels", "reference")
_TIMED = "single inferences in {runtime}, until it is decided"
MAPPED_OPS = "mapped_ops"
"""The budget that decides, in place of the contract, how many operators may stay on the CPU."""
UNDO = "undo what made it worse"
ACCEPT = f"{UNDO}; if it is meant, accept it: pytest --edge-accept"


@dataclass(frozen=True)
class BudgetKind:
    """A kind of budget: everything needed to parse, plan, measure, judge and report it."""

    name: str
    unit: Unit
    direction: Direction
    rule: Rule
    measure: str = ""
    """``module:function`` in ``pytest_edgegate.measures``; empty if nothing measures it."""
    diagnoses: tuple[str, ...] = ()
    """``module:function`` in ``pytest_edgegate.diagnosis``: they explain a red verdict together."""
    explanation: str = ""
    """How it is measured, for --edge-explain; may use {runtime}, {runtimes}, {policy}."""
    early_explanation: str = ""
    """The same where a part of the samples may decide it; empty for a budget that needs all."""
    remedy: str = _BETTER
    """The remedy for a red figure, unless the measurement has a better one; ``{loosen}`` is what
    is done to the limit (``remedy_for``)."""
    signed: bool = False
    """Whether a limit below 0 makes sense."""
    most: float | None = None
    """The largest limit that makes sense."""
    least: float | None = None
    """The smallest limit that can be meant: one below it is gated by nothing."""
    doubtful_from: float | None = None
    """A limit that suggests percent instead of points, for a metric between 0 and 1."""
    most_of_a_share: float | None = None
    """The largest limit that makes sense for a metric between 0 and 1."""
    every_sample: bool = False
    """Whether the whole evaluation set is needed, so that no pass may stop early."""
    in_every_runtime: bool = False
    """Whether all runtimes of the target are compared."""
    of_compiled_files: bool = False
    """Whether a file that was compiled for a chip has it, which nothing here runs."""
    against: Against | None = None
    """For a latency: the second file that the artifact is timed against, if there is one."""
    is_factor: bool = False
    """Whether it is spelt as ``3.96x``."""
    of_accepted: bool = False
    """Whether it compares with what was accepted before."""
    needs: tuple[Need, ...] = ()
    """What is looked at before anything is built: the evaluation samples, their labels by the
    metric, the answers of the model under test."""
    in_steps: bool = False
    """Whether only integer outputs have it."""

    @property
    def spelt_unit(self) -> str:
        """The direction and the unit, for the list of ``pytest --markers``."""
        unit = "factor" if self.is_factor else _UNITS.get(self.unit, self.unit)
        return f"{self.direction}, {unit}"

    def remedy_for(self, direction: Direction | None = None) -> str:
        """The remedy of a red figure: a floor is lowered where a ceiling is raised.

        *direction*: that of the measured figure, where the metric decides it.
        """
        loosen = "raise" if (direction or self.direction) == "at most" else "lower"
        return self.remedy.replace("{loosen}", loosen)

    @property
    def of_source_files(self) -> bool:
        """Whether of a compiled file and the one it was compiled from, only the second has it."""
        return bool(self.measure) and not self.of_compiled_files

    @property
    def ends_early(self) -> bool:
        """Whether a part of the samples may decide it."""
        return bool(self.early_explanation)

    @property
    def is_accuracy(self) -> bool:
        """Whether it is about the metric of the evaluation samples, with an interval."""
        return self.rule == "interval" and not self.in_every_runtime

    @property
    def on_host_only(self) -> bool:
        """For a latency: whether it compares two files, which a device or a tool cannot do."""
        return self.against is not None


CONTRACT = BudgetKind(
    "contract",
    unit="offenders",
    direction="at most",
    rule="exact",
    measure="contract:contract",
    diagnoses=("contract:contract",),
    of_compiled_files=True,
    remedy="make the file as the target takes it (--edge-list-targets describes that)",
)
"""The contract that every artifact has to satisfy: the target's dtypes, I/O and operators."""

_OF_LOSSES = ("stretched:by_masks", "stages:of_recipe")
"""Diagnoses of every lost accuracy that go before its own."""

_ROWS = (
    BudgetKind(
        "accuracy_drop",
        unit="points",
        direction="at most",
        rule="interval",
        measure="accuracy:accuracy_drop",
        diagnoses=(*_OF_LOSSES, "accuracy:drop"),
        explanation=_PAIRED,
        early_explanation=_PAIRED_EARLY,
        remedy=_COMPARE,
        doubtful_from=0.5,
        needs=_SCORED_AGAINST,
    ),
    BudgetKind(
        "accuracy_drop_relative",
        unit="ratio",
        direction="at most",
        rule="interval",
        measure="accuracy:accuracy_drop_relative",
        diagnoses=(*_OF_LOSSES, "accuracy:relative_drop"),
        explanation=_PAIRED,
        remedy=_COMPARE,
        every_sample=True,
        needs=_SCORED_AGAINST,
    ),
    BudgetKind(
        "accuracy_min",
        unit="metric",
        direction="at least",
        rule="interval",
        measure="accuracy:accuracy_min",
        diagnoses=(*_OF_LOSSES, "accuracy:floor"),
        explanation="every evaluation sample in {runtime}; policy {policy}",
        remedy=_COMPARE,
        signed=True,
        most_of_a_share=1,
        every_sample=True,
        needs=_SCORED,
    ),
    BudgetKind(
        "size",
        unit="bytes",
        direction="at most",
        rule="exact",
        measure="size:size",
        diagnoses=(
            "files:in_kilobytes",
            "files:size",
        ),
        explanation="bytes of the files that ship",
        remedy=_FEWER_FILTERS,
        of_compiled_files=True,
    ),
    BudgetKind(
        "compression",
        unit="ratio",
        direction="at least",
        rule="exact",
        measure="size:compression",
        diagnoses=("files:compression",),
        explanation="against a float export of the reference",
        remedy="check that weights are int8; a small model's graph does not shrink",
        least=0.5,
        of_compiled_files=True,
        is_factor=True,
    ),
    BudgetKind(
        "parameters",
        unit="count",
        direction="at most",
        rule="exact",
        measure="size:parameters",
        diagnoses=("files:counts",),
        explanation="read off the file",
        remedy=_FEWER_FILTERS,
    ),
    BudgetKind(
        "macs",
        unit="count",
        direction="at most",
        rule="exact",
        measure="size:macs",
        diagnoses=("files:counts",),
        explanation="read off the file",
        remedy="give the model fewer filters or smaller inputs, or {loosen} the budget knowingly",
    ),
    *(
        BudgetKind(
            each,
            unit="s",
            direction="at most",
            rule="latency",
            measure=f"latency:{each}",
            diagnoses=("times:percentile", "times:slow"),
            explanation=_TIMED,
            remedy=PROFILE,
        )
        for each in ("latency_p50", "latency_p95", "latency_p99")
    ),
    BudgetKind(
        "latency_first",
        unit="s",
        direction="at most",
        rule="latency",
        measure="latency:latency_first",
        diagnoses=("times:slow",),
        explanation="the first inference in {runtime}, in fresh processes",
        remedy=PROFILE,
    ),
    BudgetKind(
        "latency_ratio",
        unit="ratio",
        direction="at most",
        rule="latency",
        measure="latency_ratio:latency_ratio",
        diagnoses=("times:ratio", "times:slow"),
        explanation="interleaved with the float export in {runtime}, until it is decided",
        remedy=PROFILE,
        against="float export",
    ),
    BudgetKind(
        "parity_agreement",
        unit="ratio",
        direction="at least",
        rule="interval",
        measure="parity:parity_agreement",
        diagnoses=("outputs:agreement", "outputs:rounding"),
        explanation=_IN_RUNTIMES,
        remedy=_ROUNDING,
        most=1,
        least=0.5,
        every_sample=True,
        in_every_runtime=True,
        needs=_FED,
    ),
    BudgetKind(
        "parity_within_lsb",
        unit="ratio",
        direction="at least",
        rule="exact",
        measure="parity:parity_within_lsb",
        diagnoses=("outputs:within_a_step", "outputs:rounding"),
        explanation=_IN_RUNTIMES,
        remedy=_ROUNDING,
        most=1,
        every_sample=True,
        in_every_runtime=True,
        needs=_FED,
        in_steps=True,
    ),
    BudgetKind(
        "parity_lsb",
        unit="steps",
        direction="at most",
        rule="exact",
        measure="parity:parity_lsb",
        diagnoses=("outputs:in_steps", "outputs:rounding"),
        explanation=_IN_RUNTIMES,
        remedy=_ROUNDING,
        every_sample=True,
        in_every_runtime=True,
        needs=_FED,
        in_steps=True,
    ),
    BudgetKind(
        "parity_abs",
        unit="value",
        direction="at most",
        rule="exact",
        measure="parity:parity_abs",
        diagnoses=("outputs:in_values", "outputs:rounding"),
        explanation=_IN_RUNTIMES,
        remedy=_ROUNDING,
        every_sample=True,
        in_every_runtime=True,
        needs=_FED,
    ),
    BudgetKind(
        "export_error",
        unit="value",
        direction="at most",
        rule="exact",
        measure="comparison:export_error",
        diagnoses=("outputs:of_export",),
        explanation="up to 1,000 evaluation samples in {runtime} against the reference: a float "
        "file itself, of an int8 artifact its float export",
        needs=_COMPARED,
    ),
    BudgetKind(
        "max_error",
        unit="value",
        direction="at most",
        rule="exact",
        measure="comparison:max_error",
        diagnoses=("channels:dead", "outputs:of_values"),
        explanation="up to 1,000 evaluation samples in {runtime} against the reference, whatever "
        "the dtype of the outputs",
        needs=_COMPARED,
    ),
    BudgetKind(
        "sqnr_db",
        unit="dB",
        direction="at least",
        rule="exact",
        measure="comparison:sqnr_db",
        diagnoses=(
            "stretched:by_masks",
            "channels:dead",
            "channels:unlike",
            "outputs:of_artifact",
        ),
        explanation="up to 1,000 evaluation samples in {runtime} against the reference",
        signed=True,
        needs=_COMPARED,
    ),
    BudgetKind(
        "memory",
        unit="bytes",
        direction="at most",
        rule="exact",
        remedy="give the model smaller inputs, or fewer filters where its tensors are largest, or "
        "{loosen} the budget knowingly",
    ),
    BudgetKind("flash", unit="bytes", direction="at most", rule="exact", remedy=_FEWER_FILTERS),
    BudgetKind(
        MAPPED_OPS,
        unit="ratio",
        direction="at least",
        rule="exact",
        most=1,
        remedy="replace those operators by ones that the chip takes (--edge-list-targets names "
        "them), first of all the one that the others depend on, or {loosen} the budget knowingly",
    ),
    BudgetKind(
        "streamed_bytes",
        unit="bytes",
        direction="at most",
        rule="exact",
        remedy="give the model fewer parameters, so that all stay on the chip, or {loosen} the "
        "budget knowingly",
    ),
    BudgetKind(
        "accuracy_regression",
        unit="points",
        direction="at most",
        rule="interval",
        measure="regression:accuracy_regression",
        diagnoses=("regression:lost", "regression:changed"),
        explanation="every evaluation sample in {runtime}, paired with what was accepted; policy "
        "{policy}",
        remedy=ACCEPT,
        doubtful_from=0.5,
        every_sample=True,
        needs=_SCORED,
        of_accepted=True,
    ),
    BudgetKind(
        "size_regression",
        unit="ratio",
        direction="at most",
        rule="exact",
        measure="regression:size_regression",
        diagnoses=("regression:changed",),
        explanation="bytes of the files that ship, divided by those accepted",
        remedy=ACCEPT,
        least=0.5,
        of_compiled_files=True,
        of_accepted=True,
    ),
    BudgetKind(
        "latency_regression",
        unit="ratio",
        direction="at most",
        rule="latency",
        measure="latency_ratio:latency_regression",
        diagnoses=("regression:changed", "times:slow"),
        explanation="interleaved with the accepted file in {runtime}, until it is decided",
        remedy=ACCEPT,
        against="accepted file",
        of_accepted=True,
    ),
)

BUDGETS: dict[str, BudgetKind] = {each.name: each for each in _ROWS}
"""Every budget that a marker accepts, including those that cannot be measured yet."""


def doubtful_bytes(metric: str, limit: float) -> str:
    """The doubt about a limit in bytes that no model file holds; empty without one."""
    if not 0 < limit < _FEWEST_BYTES:
        return ""
    return f'{metric}={limit:g} is {limit:g} bytes: did you mean {metric}="{limit:g} kB"?'


_FEWEST_BYTES = 1_000
"""Fewer bytes than a file with one operator has."""


def kind_of(metric: str) -> BudgetKind:
    """The kind of a budget by its name; also the contract's."""
    return CONTRACT if metric == CONTRACT.name else BUDGETS[metric]


@dataclass(frozen=True)
class Budget:
    """A limit on one metric, in the metric's own unit (bytes, seconds, points, ...)."""

    metric: str
    limit: float | int
    written: str = ""
    """The limit as the user wrote it, for messages."""

    @property
    def kind(self) -> BudgetKind:
        """Its row."""
        return kind_of(self.metric)

    @property
    def doubt(self) -> str:
        """What a limit is likely to have meant; empty for one that is likely as it is."""
        return doubtful_bytes(self.metric, self.limit) if self.kind.unit == "bytes" else ""
