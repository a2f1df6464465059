"""Why each operator stays on the CPU, where the log counts statuses by kind."""

from __future__ import annotations

import pytest

from pytest_edgegate.backends.litert.edgetpu.log import read_log
from pytest_edgegate.backends.litert.edgetpu.reasons import reasons
from pytest_edgegate.core.description import (
    CompiledFor,
    ModelDescription,
    OperatorInfo,
    TensorInfo,
)

CHIP = CompiledFor("the Edge TPU", "CUSTOM:edgetpu-custom-op", "edgetpu", "coral")
BEHIND = "More than one subgraph is not supported"
LIMIT = "Operation is otherwise supported, but not mapped due to some unspecified limitation"
DTYPE = "Operation is working on an unsupported data type"


def compiled(*links: tuple[str, str, str]) -> ModelDescription:
    """A file of operators, each with its kind, what it takes, and what it gives."""
    names = {name for _, taken, given in links for name in (*taken.split(), given)}
    tensors = {name: TensorInfo(name, (1, 4), "int8") for name in names}
    operators = tuple(
        OperatorInfo(at, kind, tuple(tensors[each] for each in taken.split()), (tensors[given],))
        for at, (kind, taken, given) in enumerate(links)
    )
    return ModelDescription((tensors["x"],), (), operators, 0, 0, compiled=CHIP)


def told(found: ModelDescription, *statuses: tuple[str, int, str]) -> list[str]:
    lines = (f"{kind}    {count}    {status}" for kind, count, status in statuses)
    why = reasons(read_log("\n".join(lines)), found)
    return [why[each.index] for each in found.beside_the_chip]


SPLIT = compiled(
    (CHIP.operator, "x", "a"),
    ("CONV_2D", "a", "b"),
    ("CONV_2D", "b", "c"),
    ("CONV_2D", "c", "d"),
)
"""The part of the chip ends at the first convolution, and two are behind it."""


def test_the_one_at_which_the_part_of_the_chip_ends_has_its_own_reason() -> None:
    counted = (("CONV_2D", 1, LIMIT), ("CONV_2D", 2, BEHIND), ("CONV_2D", 5, "Mapped to Edge TPU"))
    assert told(SPLIT, *counted) == [LIMIT, BEHIND, BEHIND]


def test_those_behind_it_may_have_reasons_of_their_own() -> None:
    assert told(SPLIT, ("CONV_2D", 2, LIMIT), ("CONV_2D", 1, BEHIND)) == [
        LIMIT,
        f"{LIMIT}; {BEHIND}",
        f"{LIMIT}; {BEHIND}",
    ]
    assert told(SPLIT, ("CONV_2D", 2, LIMIT), ("CONV_2D", 1, DTYPE)) == [f"{LIMIT}; {DTYPE}"] * 3


@pytest.mark.parametrize("count", [(1, 1), (0, 3), (1, 3)])
def test_counts_that_do_not_fit_tell_nothing(count: tuple[int, int]) -> None:
    own, behind = count
    both = ("CONV_2D", own, LIMIT), ("CONV_2D", behind, BEHIND)
    assert told(SPLIT, *both) == [f"{LIMIT}; {BEHIND}"] * 3


def test_one_before_the_chip_ends_nothing() -> None:
    found = compiled(
        ("QUANTIZE", "x", "q"),
        (CHIP.operator, "q", "a"),
        ("QUANTIZE", "a", "b"),
        ("QUANTIZE", "b", "c"),
    )
    assert told(found, ("QUANTIZE", 2, DTYPE), ("QUANTIZE", 1, BEHIND)) == [DTYPE, DTYPE, BEHIND]


def test_branches_beside_each_other_are_not_behind_each_other() -> None:
    found = compiled(
        (CHIP.operator, "x", "a"), ("RELU", "a", "b"), ("RELU", "a", "c"), ("RELU", "b c", "d")
    )
    assert told(found, ("RELU", 2, LIMIT), ("RELU", 1, BEHIND)) == [LIMIT, LIMIT, BEHIND]


def test_one_status_needs_no_places_and_custom_operators_have_one_name() -> None:
    found = compiled((CHIP.operator, "x", "a"), ("CUSTOM:One", "a", "b"), ("CUSTOM:Two", "b", "c"))
    assert told(found, ("CUSTOM", 2, DTYPE)) == [DTYPE, DTYPE]
    assert told(found, ("CUSTOM", 1, DTYPE), ("CUSTOM", 1, BEHIND)) == [DTYPE, BEHIND]
    assert told(found) == ["", ""]


def test_where_nothing_is_mapped_none_is_behind_another() -> None:
    found = compiled(("CONV_2D", "x", "a"), ("CONV_2D", "a", "b"))
    both = ("CONV_2D", 1, LIMIT), ("CONV_2D", 1, BEHIND)
    assert told(found, *both) == [f"{LIMIT}; {BEHIND}"] * 2
