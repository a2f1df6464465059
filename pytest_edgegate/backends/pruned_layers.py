"""Notes and errors about layers that pruning leaves unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.recipe import Prune

_NAMED = 5
"""The number of layers that a note or an error names; the facts list all."""


@dataclass(frozen=True)
class KeptLayers:
    """The reasons why layers of the model *name* lost no filter in *step*, by their path."""

    step: Prune
    name: str
    reasons: Mapping[str, str]

    def refused(self, nothing: str) -> UnsupportedError:
        """The error if no layer lost a filter; *nothing* describes a model without such layers."""
        found = [f"{path}: {why}" for path, why in self.reasons.items()]
        return UnsupportedError(
            f"{self.step} finds no filter to remove in {self.name} "
            f"({'; '.join(found[:_NAMED]) or nothing})",
            "leave Prune out of the recipe, or give a larger amount where layers are too small",
        )

    def notes(self, outputs: str) -> tuple[str, ...]:
        """Names the layers, except those with the expected reason *outputs*."""
        found = [f"{path}: {why}" for path, why in self.reasons.items() if why != outputs]
        if not found:
            return ()
        more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        return (
            f"{self.step} removed no filter from these layers of {self.name}: "
            f"{'; '.join(found[:_NAMED])}{more}",
        )
