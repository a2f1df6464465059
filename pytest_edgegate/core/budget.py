"""Budgets: what may be asked of an artifact. All that is known of one is its row here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Rule = Literal["interval", "exact", "latency"]
Direction = Literal["at most", "at least"]
Unit = Literal[
    "points", "ratio", "metric", "bytes", "count", "s", "steps", "value", "dB", "offenders"
]

_RAISE_IT = "make the artifact better in this respect, or raise the budget knowingly"
_FEWER_FILTERS = "give the model fewer filters, or raise the budget knowingly"
_CALIBRATE = (
    "look at the samples above; calibrate on more samples, and on ones that are like them: "
    "edge_recipe(PTQ(500))"
)
_ROUNDING = (
    "the runtimes round differently: run the deployed one on the samples above, and gate accuracy "
    "in that one"
)
_PROFILE = (
    "profile the operators of the file: a layer in float, or one without a fast kernel, takes the "
    "time; int8 is not faster on every processor"
)
_PAIRED = "every evaluation sample in {runtime}, paired with the reference; policy {policy}"
_IN_RUNTIMES = "every evaluation sample in {runtimes}"
_TIMED = "single inferences in {runtime}, until it is decided"


@dataclass(frozen=True)
class BudgetKind:
    """One budget, wherever it is read, planned, measured, judged or told."""

    name: str
    unit: Unit
    direction: Direction
    rule: Rule
    measure: str = ""
    """``module:function`` in ``pytest_edgegate.measures``; nothing where nothing measures it."""
    explanation: str = ""
    """How it is measured, for --edge-explain, with {runtime}, {runtimes}, {form} and {policy}."""
    remedy: str = _RAISE_IT
    """What to do about a figure over the budget, where its measurement does not know better."""
    signed: bool = False
    """Whether a limit below 0 can be meant."""
    most: float | None = None
    """The largest limit that can be meant."""
    doubtful_from: float | None = None
    """A limit that can't be meant where the metric lies between 0 and 1: percent for points."""
    every_sample: bool = False
    """Whether the whole evaluation set is needed: no pass may end early then."""
    in_every_runtime: bool = False
    """Whether all runtimes of the target are compared."""
    on_host_only: bool = False
    """Of a latency: whether it compares two files, of which a device or a tool has only one."""
    is_factor: bool = False
    """Spelled as ``3.96x``."""


CONTRACT = BudgetKind(
    "contract",
    "offenders",
    "at most",
    "exact",
    "contract:contract",
    remedy="let edge_ptq make the file",
)
"""What every artifact has to be, budget or not: the target's dtypes, I/O and operators."""

_ROWS = (
    BudgetKind(
        "accuracy_drop",
        "points",
        "at most",
        "interval",
        "accuracy:accuracy_drop",
        _PAIRED,
        _CALIBRATE,
        doubtful_from=0.5,
    ),
    BudgetKind(
        "accuracy_drop_relative",
        "ratio",
        "at most",
        "interval",
        "accuracy:accuracy_drop_relative",
        _PAIRED,
        _CALIBRATE,
        every_sample=True,
    ),
    BudgetKind(
        "accuracy_min",
        "metric",
        "at least",
        "interval",
        "accuracy:accuracy_min",
        "every evaluation sample in {runtime}; policy {policy}",
        _CALIBRATE,
        signed=True,
        every_sample=True,
    ),
    BudgetKind(
        "size",
        "bytes",
        "at most",
        "exact",
        "size:size",
        "bytes of the files that ship",
        _FEWER_FILTERS,
    ),
    BudgetKind(
        "compression",
        "ratio",
        "at least",
        "exact",
        "size:compression",
        "against a float export of the reference",
        "check that weights are int8; a small model's graph does not shrink",
        is_factor=True,
    ),
    BudgetKind(
        "parameters",
        "count",
        "at most",
        "exact",
        "size:parameters",
        "read off the file",
        _FEWER_FILTERS,
    ),
    BudgetKind(
        "macs",
        "count",
        "at most",
        "exact",
        "size:macs",
        "read off the file",
        "give the model fewer filters or smaller inputs, or raise the budget knowingly",
    ),
    *(
        BudgetKind(each, "s", "at most", "latency", f"latency:{each}", _TIMED, _PROFILE)
        for each in ("latency_p50", "latency_p95", "latency_p99")
    ),
    BudgetKind(
        "latency_first",
        "s",
        "at most",
        "latency",
        "latency:latency_first",
        "the first inference in {runtime}, in fresh processes",
        _PROFILE,
    ),
    BudgetKind(
        "latency_ratio",
        "ratio",
        "at most",
        "latency",
        "latency_ratio:latency_ratio",
        "interleaved with the float export in {runtime}, until it is decided",
        _PROFILE,
        on_host_only=True,
    ),
    BudgetKind(
        "parity_agreement",
        "ratio",
        "at least",
        "interval",
        "parity:parity_agreement",
        _IN_RUNTIMES,
        _ROUNDING,
        most=1,
        every_sample=True,
        in_every_runtime=True,
    ),
    BudgetKind(
        "parity_within_lsb",
        "ratio",
        "at least",
        "exact",
        "parity:parity_within_lsb",
        _IN_RUNTIMES,
        _ROUNDING,
        most=1,
        every_sample=True,
        in_every_runtime=True,
    ),
    BudgetKind(
        "parity_lsb",
        "steps",
        "at most",
        "exact",
        "parity:parity_lsb",
        _IN_RUNTIMES,
        _ROUNDING,
        every_sample=True,
        in_every_runtime=True,
    ),
    BudgetKind(
        "parity_abs",
        "value",
        "at most",
        "exact",
        "parity:parity_abs",
        _IN_RUNTIMES,
        _ROUNDING,
        every_sample=True,
        in_every_runtime=True,
    ),
    BudgetKind(
        "export_error",
        "value",
        "at most",
        "exact",
        "comparison:export_error",
        "up to 1,000 evaluation samples, the float export in {runtime} against the reference",
    ),
    BudgetKind(
        "sqnr_db",
        "dB",
        "at least",
        "exact",
        "comparison:sqnr_db",
        "up to 1,000 evaluation samples in {runtime} against the reference",
        signed=True,
    ),
    BudgetKind("memory", "bytes", "at most", "exact"),
    BudgetKind("flash", "bytes", "at most", "exact"),
    BudgetKind("mapped_ops", "ratio", "at least", "exact", most=1),
    BudgetKind("streamed_bytes", "bytes", "at most", "exact"),
    BudgetKind(
        "accuracy_regression", "points", "at most", "interval", remedy=_CALIBRATE, every_sample=True
    ),
    BudgetKind("size_regression", "ratio", "at most", "exact", remedy=_FEWER_FILTERS),
    BudgetKind(
        "latency_regression", "ratio", "at most", "latency", remedy=_PROFILE, on_host_only=True
    ),
)

BUDGETS: dict[str, BudgetKind] = {each.name: each for each in _ROWS}
"""Every budget that a marker accepts, also those that nothing can measure yet."""


def kind_of(metric: str) -> BudgetKind:
    """The row of a budget, or of the contract."""
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
