"""Records: the content of a report as JSON values, with a round trip to JSON.

``from_json(x.to_json()) == x`` holds for each of them. Unknown keys are skipped, so that a later
report of schema 1 can be read; keys that schema 1 has gained (``path``, ``details``, ``cause``,
``errors``, ``artifacts`` and optional ones) may be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from pytest_edgegate.core.accepted_record import AcceptedRecord
from pytest_edgegate.core.artifact_record import ArtifactRecord, SeenRecord
from pytest_edgegate.core.budget import BUDGETS, CONTRACT, BudgetKind, Direction, kind_of
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.json_object import JsonObject
from pytest_edgegate.core.json_values import where_given, where_known
from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.shown_record import PartRecord, TimesRecord

SCHEMA = 1
_DIRECTIONS = ("at most", "at least")


@dataclass(frozen=True)
class BudgetRecord:
    """The limit, in the unit of its metric."""

    metric: str
    limit: float | int
    unit: str

    @property
    def kind(self) -> BudgetKind:
        """Its row."""
        return kind_of(self.metric)

    def to_json(self) -> dict[str, Any]:
        return {"metric": self.metric, "limit": self.limit, "unit": self.unit}

    @classmethod
    def from_json(cls, given: JsonObject) -> BudgetRecord:
        metric = given.choice("metric", (CONTRACT.name, *BUDGETS))
        return cls(metric, given.number("limit"), given.text("unit"))


@dataclass(frozen=True)
class MeasuredRecord:
    """The figure, in the unit of the budget. ``value`` is None if it is NaN or Inf."""

    value: float | int | None
    source: str
    low: float | int | None = None
    high: float | int | None = None
    level: float | None = None
    n: int | None = None
    n_total: int | None = None
    decided_early: bool = False
    cached: bool = False
    conditions: Mapping[str, Any] = field(default_factory=dict)
    """Conditions that affect a time: threads, governor, load."""
    method: str = ""
    """The name of the interval."""
    direction: Direction | None = None
    """Whether higher is better, if that differs from the kind of the budget."""
    groups: int | None = None
    """The number of groups of samples, if the interval was drawn by groups."""
    scored_by: str = ""
    """The name of the metric of the values below; empty if the figure is no accuracy."""
    reference_value: float | None = None
    """The metric of the model under test, on the samples of this figure."""
    artifact_value: float | None = None
    """The metric of the artifact, on the same samples."""
    times: TimesRecord | None = None
    """The distributions that a latency was read from."""

    def to_json(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "level": self.level,
            "n": self.n,
            "n_total": self.n_total,
            "decided_early": self.decided_early,
            "source": self.source,
            "cached": self.cached,
            **where_given(
                conditions=dict(self.conditions),
                method=self.method,
                direction=self.direction,
                groups=self.groups,
                scored_by=self.scored_by,
            ),
            **where_known(
                reference_value=self.reference_value,
                artifact_value=self.artifact_value,
                times=None if self.times is None else self.times.to_json(),
            ),
        }

    @classmethod
    def from_json(cls, given: JsonObject) -> MeasuredRecord:
        direction = given.choice("direction", _DIRECTIONS, "")
        times = given.inner_if_given("times")
        return cls(
            value=given.optional_number("value"),
            source=given.text("source"),
            low=given.optional_number("low"),
            high=given.optional_number("high"),
            level=given.optional_number("level"),
            n=given.optional_count("n"),
            n_total=given.optional_count("n_total"),
            decided_early=given.flag("decided_early"),
            cached=given.flag("cached"),
            conditions=given.mapping("conditions", {}),
            method=given.text("method", ""),
            direction=cast("Direction", direction) if direction else None,
            groups=given.count("groups", 0) or None,
            scored_by=given.text("scored_by", ""),
            reference_value=given.number_if_given("reference_value"),
            artifact_value=given.number_if_given("artifact_value"),
            times=None if times is None else TimesRecord.from_json(times),
        )


@dataclass(frozen=True)
class VerdictRecord:
    """One judged budget. The JSON key ``reason`` holds the reason followed by the note."""

    test: str
    target: str
    artifact: ArtifactRecord | None
    budget: BudgetRecord
    measured: MeasuredRecord | None
    outcome: Outcome
    allowed: bool
    proven: bool
    reason: str
    remedy: str
    details: tuple[str, ...] = ()
    cause: str = ""
    note: str = ""
    no_budgets: bool = False
    """Whether only the contract of the artifact was judged."""
    about_file: tuple[str, ...] = ()
    """The parts of the note that say what a runtime made of the file, the same in every test."""
    agreement: float | None = None
    """The share of equal answers of the target's runtimes, if no budget is about it."""
    xfailed: bool = False
    """Whether its test was expected to fail, and did."""
    accepted: AcceptedRecord | None = None
    """What was accepted of this artifact before, if anything was."""
    parts: tuple[PartRecord, ...] = ()
    """Layers and outputs by their error, the worst first, where a diagnosis has compared them."""
    place: str = ""
    """``file:line`` of the marker or the test, if it did not pass; relative to pytest's root."""

    @property
    def red(self) -> bool:
        return self.outcome is not Outcome.PASS and not self.allowed and not self.xfailed

    @property
    def own_note(self) -> str:
        """The note without its parts about the file."""
        left = f"; {self.note}; "
        for each in self.about_file:
            left = left.replace(f"; {each}; ", "; ", 1)
        return left.strip("; ")

    @property
    def full_reason(self) -> str:
        """The reason with the note."""
        return "; ".join(filter(None, (self.reason, self.note)))

    def to_json(self) -> dict[str, Any]:
        return {
            "test": self.test,
            "target": self.target,
            "artifact": None if self.artifact is None else self.artifact.to_json(),
            "budget": self.budget.to_json(),
            "measured": None if self.measured is None else self.measured.to_json(),
            "outcome": str(self.outcome),
            "allowed": self.allowed,
            "proven": self.proven,
            "reason": self.full_reason,
            "remedy": self.remedy,
            "details": list(self.details),
            "cause": self.cause,
            **where_given(
                note=self.note,
                no_budgets=self.no_budgets,
                about_file=list(self.about_file),
                xfailed=self.xfailed,
                parts=[each.to_json() for each in self.parts],
                place=self.place,
            ),
            **where_known(
                agreement=self.agreement,
                accepted=None if self.accepted is None else self.accepted.to_json(),
            ),
        }

    @classmethod
    def from_json(cls, value: object, place: str = "verdict") -> VerdictRecord:
        """Raises ConfigurationError, with the *place* in the document, for an invalid value."""
        given = JsonObject(value, place)
        artifact, measured = given.optional_inner("artifact"), given.optional_inner("measured")
        accepted = given.inner_if_given("accepted")
        note = given.text("note", "")
        parts = enumerate(given.items("parts", []))
        return cls(
            test=given.text("test"),
            target=given.text("target"),
            artifact=None if artifact is None else ArtifactRecord.from_json(artifact),
            budget=BudgetRecord.from_json(given.inner("budget")),
            measured=None if measured is None else MeasuredRecord.from_json(measured),
            outcome=Outcome(given.choice("outcome", [str(each) for each in Outcome])),
            allowed=given.flag("allowed"),
            proven=given.flag("proven"),
            reason=given.text_before(note, "reason").removesuffix("; " if note else ""),
            remedy=given.text("remedy"),
            details=given.texts("details", ()),
            cause=given.text("cause", ""),
            note=note,
            no_budgets=given.flag("no_budgets", False),
            about_file=given.texts("about_file", ()),
            agreement=given.number_if_given("agreement"),
            xfailed=given.flag("xfailed", False),
            accepted=None if accepted is None else AcceptedRecord.from_json(accepted),
            parts=tuple(PartRecord.from_json(each, f"{place}.parts[{at}]") for at, each in parts),
            place=given.text("place", ""),
        )


@dataclass(frozen=True)
class ErrorRecord:
    """A test, or a file that could not be collected, that ended in an ``edgegate error``."""

    test: str
    """As pytest names it."""
    target: str | None
    """None where the error is not about one target, for example in collection."""
    message: str
    remedy: str
    xfailed: bool = False
    """Whether its test was expected to fail, and did."""
    place: str = ""
    """``file:line`` of the test, if it is known; relative to pytest's root."""

    @property
    def red(self) -> bool:
        return not self.xfailed

    def to_json(self) -> dict[str, Any]:
        return {
            "test": self.test,
            "target": self.target,
            "message": self.message,
            "remedy": self.remedy,
            **where_given(xfailed=self.xfailed, place=self.place),
        }

    @classmethod
    def from_json(cls, value: object, place: str = "error") -> ErrorRecord:
        """Raises ConfigurationError, with the *place* in the document, for an invalid value."""
        given = JsonObject(value, place)
        return cls(
            test=given.text("test"),
            target=given.optional_text("target"),
            message=given.text("message"),
            remedy=given.text("remedy"),
            xfailed=given.flag("xfailed", False),
            place=given.text("place", ""),
        )


@dataclass(frozen=True)
class MergedReport:
    """One of the reports that a report was merged from, with its machine and packages."""

    report: str
    """Its name, as typed."""
    environment: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {"report": self.report, "environment": dict(self.environment)}

    @classmethod
    def from_json(cls, value: object, place: str = "part") -> MergedReport:
        """Raises ConfigurationError, with the *place* in the document, for an invalid value."""
        given = JsonObject(value, place)
        return cls(given.text("report"), given.mapping("environment"))


@dataclass(frozen=True)
class RunRecord:
    """A whole run: every verdict, error and artifact, the machine and the packages.

    Of a test that was run again, ``verdicts`` and ``errors`` hold the last attempt, which is the
    one that counts, and ``superseded_verdicts`` and ``superseded_errors`` the earlier ones. In JSON
    all are in one list, the earlier ones with the mark ``superseded``. ``artifacts`` are of the
    attempts that count.

    A report that was merged from several names them as ``merged_from``, and ``disagreements`` says
    where they differ; its ``environment`` holds what is the same in all of them.
    """

    environment: Mapping[str, Any]
    verdicts: tuple[VerdictRecord, ...] = ()
    errors: tuple[ErrorRecord, ...] = ()
    superseded_verdicts: tuple[VerdictRecord, ...] = ()
    superseded_errors: tuple[ErrorRecord, ...] = ()
    artifacts: tuple[SeenRecord, ...] = ()
    merged_from: tuple[MergedReport, ...] = ()
    disagreements: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "environment": dict(self.environment),
            "verdicts": _with_superseded(self.verdicts, self.superseded_verdicts),
            "errors": _with_superseded(self.errors, self.superseded_errors),
            "artifacts": [each.to_json() for each in self.artifacts],
            **where_given(
                merged_from=[each.to_json() for each in self.merged_from],
                disagreements=list(self.disagreements),
            ),
        }

    @classmethod
    def from_json(cls, value: object) -> RunRecord:
        """From the result of ``json.load``. Raises ConfigurationError for an invalid document."""
        given = JsonObject(value, "the report")
        schema = given.count("schema")
        if schema != SCHEMA:
            raise ConfigurationError(
                f"the report is of schema {schema}, and this version reads schema {SCHEMA}",
                "read it with the version of pytest-edgegate that wrote it",
            )
        verdicts, superseded_verdicts = _by_attempt(
            given.items("verdicts"), "verdicts", VerdictRecord.from_json
        )
        errors, superseded_errors = _by_attempt(
            given.items("errors", []), "errors", ErrorRecord.from_json
        )
        artifacts = enumerate(given.items("artifacts", []))
        parts = enumerate(given.items("merged_from", []))
        return cls(
            given.mapping("environment"),
            verdicts,
            errors,
            superseded_verdicts,
            superseded_errors,
            tuple(SeenRecord.from_json(each, f"artifacts[{at}]") for at, each in artifacts),
            tuple(MergedReport.from_json(each, f"merged_from[{at}]") for at, each in parts),
            given.texts("disagreements", ()),
        )


_Record = TypeVar("_Record", VerdictRecord, ErrorRecord)
_SUPERSEDED = "superseded"


def _with_superseded(
    counting: Iterable[VerdictRecord | ErrorRecord], earlier: Iterable[VerdictRecord | ErrorRecord]
) -> list[dict[str, Any]]:
    return [
        *(each.to_json() for each in counting),
        *(each.to_json() | {_SUPERSEDED: True} for each in earlier),
    ]


def _by_attempt(
    values: Iterable[object], key: str, read: Callable[[object, str], _Record]
) -> tuple[tuple[_Record, ...], tuple[_Record, ...]]:
    """The records of last attempts, and those of earlier ones."""
    counting: list[_Record] = []
    earlier: list[_Record] = []
    for at, value in enumerate(values):
        place = f"{key}[{at}]"
        marked = JsonObject(value, place).flag(_SUPERSEDED, False)
        (earlier if marked else counting).append(read(value, place))
    return tuple(counting), tuple(earlier)
