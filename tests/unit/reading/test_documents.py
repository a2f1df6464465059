"""JSON of others: no deeper than the code that walks it can go."""

from __future__ import annotations

import pytest

from pytest_edgegate.reading.documents import DEEPEST, parse_json


def nested(depth: int, opening: str = "[", closing: str = "]") -> str:
    return opening * depth + "1" + closing * depth


def test_a_document() -> None:
    assert parse_json(b'{"a": [1, {"b": null}]}') == {"a": [1, {"b": None}]}
    assert parse_json(nested(DEEPEST)) is not None


@pytest.mark.parametrize("depth", [DEEPEST + 1, 500, 100_000])
@pytest.mark.parametrize("signs", [("[", "]"), ('{"a":', "}")])
def test_one_that_is_too_deep(depth: int, signs: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="nested"):
        parse_json(nested(depth, *signs))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xff", b"9" * 5_000])
def test_what_is_none(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(content)
