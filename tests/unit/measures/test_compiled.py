"""How the inputs and outputs of a compiled file differ from those of another file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_edgegate.core.description import ModelDescription, TensorInfo
from pytest_edgegate.measures.compiled import differing_ends

INPUT = TensorInfo("image", (1, 8, 8, 3), "uint8", scales=(0.5,), zero_points=(128,))


def described(*inputs: TensorInfo) -> ModelDescription:
    return ModelDescription(inputs, (), (), 0, 0)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"scales": (0.25,)}, "image has scale 0.5, and image has scale 0.25"),
        ({"zero_points": (0,)}, "image has zero point 128, and image has zero point 0"),
        (
            {"name": "x", "dtype": "int8", "scales": (), "zero_points": (0,)},
            "image has dtype uint8 and scale 0.5 and zero point 128, and x has dtype int8 "
            "and no scale and zero point 0",
        ),
        (
            {"shape": (1, 4, 4, 3)},
            "image has shape (1, 8, 8, 3), and image has shape (1, 4, 4, 3)",
        ),
    ],
)
def test_what_differs_is_named(change: dict[str, Any], told: str) -> None:
    other = replace(INPUT, **change)
    found = differing_ends(described(INPUT, INPUT), described(INPUT, other))
    assert found == f"their inputs differ: {told} where it is compiled"


def test_names_alone_do_not_tell_two_files_apart() -> None:
    assert differing_ends(described(INPUT), described(replace(INPUT, name="x"))) == ""


def test_the_number_of_inputs() -> None:
    assert differing_ends(described(INPUT), described(INPUT, INPUT)) == (
        "their inputs differ: 1, and 2 where it is compiled"
    )
