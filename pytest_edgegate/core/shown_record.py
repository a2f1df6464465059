"""Records of what pictures of a run are drawn from: distributions, classes, flipped samples.

All are bounded: quantiles instead of times, and the worst classes and first samples with the number
of the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.json_object import JsonObject
from pytest_edgegate.core.json_values import where_given

SHARES = (0.0, 0.01, *(at / 20 for at in range(1, 20)), 0.99, 1.0)
"""The quantiles of a distribution of times, from the smallest to the largest time."""
MOST_CLASSES = 40
MOST_FLIPS = 24


@dataclass(frozen=True)
class TimesRecord:
    """Distributions of single inferences, as quantiles in seconds at ``SHARES``."""

    n: int
    """The number of times of the artifact."""
    artifact: tuple[float, ...]
    other: tuple[float, ...] = ()
    """Of the file that it was compared with, in turns; empty without one. The budget says which
    file that is."""

    def to_json(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "shares": list(SHARES),
            "artifact": list(self.artifact),
            **where_given(other=list(self.other)),
        }

    @classmethod
    def from_json(cls, given: JsonObject) -> TimesRecord:
        shares = given.numbers("shares")
        found = cls(given.count("n"), given.numbers("artifact"), given.numbers("other", ()))
        for name, each in (("artifact", found.artifact), ("other", found.other)):
            if shares != SHARES or len(each) not in (0, len(SHARES)) or sorted(each) != [*each]:
                raise ConfigurationError(
                    f"this JSON can't be read as a report: {name} of times holds no quantiles at "
                    "the shares of schema 1",
                    "give a file that --edge-report-json has written, unchanged",
                )
        return found


@dataclass(frozen=True)
class ClassRecord:
    """The samples of one class, and how many of them each side has right."""

    label: int
    n: int
    reference: int
    artifact: int

    def to_json(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "n": self.n,
            "reference": self.reference,
            "artifact": self.artifact,
        }

    @classmethod
    def from_json(cls, value: object, place: str) -> ClassRecord:
        given = JsonObject(value, place)
        return cls(*(given.count(each) for each in ("label", "n", "reference", "artifact")))


@dataclass(frozen=True)
class FlipRecord:
    """A sample that the model under test has right and the artifact has wrong."""

    sample: int
    """Its position among the evaluation samples."""
    label: int
    reference: int
    """The answer of the model under test."""
    artifact: int
    picture: str = ""
    """A PNG of at most 96 pixels a side, in base64; empty unless ``edge_report_samples`` is set."""

    def to_json(self) -> dict[str, Any]:
        return {
            "sample": self.sample,
            "label": self.label,
            "reference": self.reference,
            "artifact": self.artifact,
            **where_given(picture=self.picture),
        }

    @classmethod
    def from_json(cls, value: object, place: str) -> FlipRecord:
        given = JsonObject(value, place)
        return cls(
            sample=given.count("sample"),
            label=given.count("label"),
            reference=given.count("reference"),
            artifact=given.count("artifact"),
            picture=given.text("picture", ""),
        )


@dataclass(frozen=True)
class AnswersRecord:
    """The classes of the model under test and of its artifact, on the same samples."""

    n: int
    classes: tuple[ClassRecord, ...]
    """Those that lost most come first."""
    more_classes: int
    """How many classes are not listed."""
    lost: int
    """The samples that only the model under test has right."""
    gained: int
    """The samples that only the artifact has right."""
    flips: tuple[FlipRecord, ...] = ()
    """The first of the lost samples."""

    def to_json(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "classes": [each.to_json() for each in self.classes],
            "more_classes": self.more_classes,
            "lost": self.lost,
            "gained": self.gained,
            "flips": [each.to_json() for each in self.flips],
        }

    @classmethod
    def from_json(cls, given: JsonObject) -> AnswersRecord:
        classes = enumerate(given.items("classes"))
        flips = enumerate(given.items("flips"))
        return cls(
            n=given.count("n"),
            classes=tuple(ClassRecord.from_json(each, f"classes[{at}]") for at, each in classes),
            more_classes=given.count("more_classes"),
            lost=given.count("lost"),
            gained=given.count("gained"),
            flips=tuple(FlipRecord.from_json(each, f"flips[{at}]") for at, each in flips),
        )


@dataclass(frozen=True)
class StageRecord:
    """One conversion of a plan."""

    transform: str
    step: str
    """The step of the recipe that it performs; empty for a plain export."""
    cached: bool

    def to_json(self) -> dict[str, Any]:
        return {"transform": self.transform, "step": self.step, "cached": self.cached}

    @classmethod
    def from_json(cls, value: object, place: str) -> StageRecord:
        given = JsonObject(value, place)
        return cls(given.text("transform"), given.text("step"), given.flag("cached"))


@dataclass(frozen=True)
class MakingRecord:
    """How an artifact of the gate was made."""

    model: str
    """The name of the model under test."""
    dtype: str
    stages: tuple[StageRecord, ...]
    plan: str = ""
    """Why the recipe was completed, and the like."""
    tools: Mapping[str, str] = field(default_factory=dict)
    """The versions of the converters, by package."""
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "dtype": self.dtype,
            "stages": [each.to_json() for each in self.stages],
            **where_given(plan=self.plan, tools=dict(self.tools), notes=list(self.notes)),
        }

    @classmethod
    def from_json(cls, given: JsonObject) -> MakingRecord:
        stages = enumerate(given.items("stages"))
        return cls(
            model=given.text("model"),
            dtype=given.text("dtype"),
            stages=tuple(StageRecord.from_json(each, f"stages[{at}]") for at, each in stages),
            plan=given.text("plan", ""),
            tools=given.mapping("tools", {}),
            notes=given.texts("notes", ()),
        )


@dataclass(frozen=True)
class PartRecord:
    """A layer or an output of a model, with the error that the artifact makes there."""

    name: str
    error: float | int
    unit: str
    """``dB`` (signal to noise: lower is worse) or ``value`` (a difference: higher is worse)."""

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "error": self.error, "unit": self.unit}

    @classmethod
    def from_json(cls, value: object, place: str) -> PartRecord:
        given = JsonObject(value, place)
        return cls(given.text("name"), given.number("error"), given.choice("unit", UNITS))


UNITS = ("dB", "value")
