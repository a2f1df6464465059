"""Moves and plans: how a model gets from what it is to what a target takes."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_edgegate.core.recipe import Recipe, Step


@dataclass(frozen=True)
class Move:
    """One thing that a backend can do: take a format and a dtype, do a step, give another.

    ``step`` is the class of the recipe step that the move does, or None for a plain export.
    """

    source: tuple[str, str]
    step: type[Step] | None
    result: tuple[str, str]


@dataclass(frozen=True)
class Leg:
    """A move of a plan with the transform that makes it and the very step that it does."""

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
    """Said in the report: why the recipe was completed, what else is worth knowing."""
