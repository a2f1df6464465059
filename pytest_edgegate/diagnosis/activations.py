"""Names a last activation that a file has and its model has not, or the other way."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.measures.activations import Activation


def by_activations(found: Mapping[str, Activation]) -> Diagnosis:
    """*found*: by the names of the model's outputs."""
    if not found:
        return Diagnosis()
    added = any(each.added for each in found.values())
    other = "without" if added else "with"
    name = next(iter(found.values())).name
    return Diagnosis(
        tuple(line for output, each in found.items() if (line := _highest(output, each))),
        "; ".join(_cause(output, each) for output, each in found.items()),
        f"make the file {other} the {name}, or give an edge_model that ends as the file does",
    )


def _cause(output: str, found: Activation) -> str:
    if not found.proven:
        own, theirs = ("the file", "the model") if found.added else ("the model", "the file")
        done = "added" if found.added else "removed"
        return (
            f"each row of the output {output} sums to 1 in {own} and not in {theirs}: a softmax "
            f"may have been {done} when the file was made"
        )
    if found.added:
        return (
            f"the file ends the output {output} in a {found.name}, which the model does not have: "
            "with it the values agree"
        )
    return (
        f"the output {output} of the file lacks the {found.name} that the model ends in: with it "
        "the values agree"
    )


def _highest(output: str, found: Activation) -> str:
    """Whether classes change with it."""
    if math.isnan(found.same_highest):
        return ""
    return (
        f"the highest score of the output {output} is that of the same class in "
        f"{found.same_highest:.0%} of the rows"
    )
