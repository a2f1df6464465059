"""What was accepted of a test on a target: the content of a file of ``edge-baseline/``.

An entry holds a digest over its own content, so that a wrongly resolved merge, which pairs one
test's name with another's figures, does not read as an entry. It has no time, commit or user:
accepting the same thing again changes no byte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.json_object import JsonObject
from pytest_edgegate.core.json_values import where_given

SCHEMA = 1
CONFLICT = "<<<<<<<"
"""How a conflict of git begins, at the beginning of a line."""


@dataclass(frozen=True)
class AcceptedFigure:
    """A figure of an artifact, with what it was measured with."""

    value: float | int
    source: str
    n: int | None = None
    """The number of samples; None for a figure of the file."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """The versions of the runtime's packages."""
    isa: tuple[str, ...] = ()
    """The instruction sets that the runtime chose its kernels by."""
    scoring: str = ""
    """What identifies the metric of an accuracy, beside its name."""

    def to_json(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "source": self.source,
            **where_given(
                n=self.n,
                packages=dict(self.packages),
                isa=list(self.isa),
                scoring=self.scoring,
            ),
        }

    @classmethod
    def from_json(cls, given: JsonObject) -> AcceptedFigure:
        packages = given.mapping("packages", {})
        return cls(
            value=given.number("value"),
            source=given.text("source"),
            n=given.count("n", 0) or None,
            packages={str(key): str(value) for key, value in packages.items()},
            isa=given.texts("isa", ()),
            scoring=given.text("scoring", ""),
        )


@dataclass(frozen=True)
class AcceptedArtifact:
    """An artifact of the test: one made by the gate is known by its recipe, any other by its path.

    Of ``--edge-model``, which gates any model of one name, both are there: the path is the model's.

    ``path`` is relative to the root of the project. ``scores`` are the names of the arrays of this
    artifact in the side file, by metric.
    """

    recipe: tuple[str, ...]
    path: str
    model: str
    """The digest of the model under test; empty without one."""
    data: str
    """The digest of the evaluation samples and labels; empty where none were read."""
    format: str
    sha256: str
    """The digest over all of its files."""
    size_bytes: int
    operators: Mapping[str, int]
    """How many operators of each kind are in the file."""
    figures: Mapping[str, AcceptedFigure]
    """By metric; accuracies are those of the artifact itself, under the name of the metric."""
    scores: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """By which it is found again in a later run."""
        return ": ".join(filter(None, (self.path, ", ".join(self.recipe))))

    def to_json(self) -> dict[str, Any]:
        return {
            **where_given(recipe=list(self.recipe), path=self.path),
            "model": self.model,
            "data": self.data,
            "format": self.format,
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "operators": dict(self.operators),
            "figures": {name: each.to_json() for name, each in self.figures.items()},
            **where_given(scores=dict(self.scores)),
        }

    @classmethod
    def from_json(cls, value: object, place: str) -> AcceptedArtifact:
        given = JsonObject(value, place)
        operators, scores = given.inner("operators"), given.mapping("scores", {})
        figures = given.inner("figures")
        return cls(
            recipe=given.texts("recipe", ()),
            path=given.text("path", ""),
            model=given.text("model"),
            data=given.text("data"),
            format=given.text("format"),
            sha256=given.text("sha256"),
            size_bytes=given.count("size_bytes"),
            operators={name: operators.count(name) for name in given.mapping("operators")},
            figures={
                name: AcceptedFigure.from_json(figures.inner(name))
                for name in given.mapping("figures")
            },
            scores={str(key): str(name) for key, name in scores.items()},
        )


@dataclass(frozen=True)
class Entry:
    """What was accepted of one test on one target."""

    test: str
    target: str
    artifacts: tuple[AcceptedArtifact, ...]
    side: str = ""
    """The SHA-256 of the side file with the scores of samples; empty without one."""

    def artifact(self, key: str) -> AcceptedArtifact | None:
        return next((each for each in self.artifacts if each.key == key), None)

    def spelt(self) -> str:
        """The text of its file: keys sorted, one value a line."""
        content = self._content()
        return _text({**content, "digest": _digest(content)}) + "\n"

    def with_side(self, sha256: str) -> Entry:
        return replace(self, side=sha256)

    def _content(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "test": self.test,
            "target": self.target,
            "artifacts": [
                each.to_json() for each in sorted(self.artifacts, key=lambda each: each.key)
            ],
            **where_given(side=self.side),
        }

    @classmethod
    def read(cls, text: str, test: str, target: str, place: str) -> Entry:
        """The entry in the file of a test.

        Raises ConfigurationError as ``parsed``, and for that of another test than the one whose
        name its file has.
        """
        found = cls.parsed(text, place)
        if (found.test, found.target) != (test, target):
            raise ConfigurationError(
                f"{place} is of {found.test} on {found.target}: it was moved, or its test renamed",
                "pytest --edge-accept accepts the run of the test under its own name",
            )
        return found

    @classmethod
    def parsed(cls, text: str, place: str) -> Entry:
        """The entry in a file.

        Raises ConfigurationError for one that is damaged, of a newer schema, edited by hand, or in
        conflict.
        """
        if any(line.startswith(CONFLICT) for line in text.splitlines()):
            raise ConfigurationError(
                f"{place} has conflict markers: both sides of a merge accepted this test",
                _TAKE.format(place=place),
            )
        document = _parsed(text, place)
        given = JsonObject(document, place)
        schema = given.count("schema")
        if schema > SCHEMA:
            raise ConfigurationError(
                f"{place} is of schema {schema}, and this version reads up to {SCHEMA}",
                "upgrade pytest-edgegate to the version that wrote it",
            )
        content = {key: value for key, value in document.items() if key != "digest"}
        if given.text("digest", "") != _digest(content):
            raise ConfigurationError(
                f"{place} is not what was accepted: its content does not fit its digest, as after "
                "an edit by hand or a merge of two entries",
                _TAKE.format(place=place),
            )
        return cls(
            test=given.text("test"),
            target=given.text("target"),
            artifacts=tuple(
                AcceptedArtifact.from_json(each, f"{place}: artifacts[{at}]")
                for at, each in enumerate(given.items("artifacts"))
            ),
            side=given.text("side", ""),
        )


_TAKE = "accept what this run has found in its place: pytest --edge-accept; or take one side of it "
_TAKE += "whole, with the .npz beside it: git checkout --ours (or --theirs) '{place}'"


def _parsed(text: str, place: str) -> dict[str, Any]:
    try:
        document = json.loads(text, object_pairs_hook=_without_twins)
        _text({"": document})  # that has limits, too: no NaN, and less depth
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"{place} can't be read: {error}", _TAKE.format(place=place)
        ) from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"{place} holds no entry", _TAKE.format(place=place))
    return document


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raises ValueError for a key that is there twice, as a merge may leave it."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=True)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(_text(content).encode()).hexdigest()
