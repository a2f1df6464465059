"""Moves and plans: the conversions from a model to an artifact that a target takes."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_edgegate.core.recipe import Recipe, Step


@dataclass(frozen=True)
class Move:
    """One conversion that a backend offers: from a format and dtype, by a step, to another.

    ``step`` is the class of the recipe step that the move performs, or None for a plain export.
    """

    source: tuple[str, str]
    step: type[Step] | None
    result: tuple[str, str]


@dataclass(frozen=True)
class Leg:
    """A move of a plan, with the transform and the recipe step that it performs."""

    transform: str
    move: Move
    step: Step | None


@dataclass(frozen=True)
class Plan:
    """The legs from the model under test to an artifact of the target."""

    legs: tuple[Leg, ...]
    recipe: Recipe
    target: str
    format: str
    dtype: str
    note: str = ""
    """Notes for the report: why the recipe was completed, and the like."""
