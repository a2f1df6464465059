"""The page on messages has messages that the package really gives."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
HEADINGS = re.findall(r"^### (.*)$", PAGE, re.M)


def texts(path: Path) -> Iterator[str]:
    """Every text of a module; what is filled in is a NUL."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(
                str(each.value) if isinstance(each, ast.Constant) else "\0" for each in node.values
            )


@pytest.fixture(scope="module")
def messages() -> list[str]:
    package = ROOT / "pytest_edgegate"
    found = (text for path in sorted(package.rglob("*.py")) for text in texts(path))
    return [text for text in found if " " in text]


def pattern_of(heading: str) -> re.Pattern[str]:
    """The parts of a heading in their order, with something of the user's between them."""
    parts = [re.escape(part) for part in heading.strip("`").split("...")]
    return re.compile(".+".join(parts).removeprefix(".+").removesuffix(".+"), re.DOTALL)


@pytest.mark.parametrize("heading", HEADINGS)
def test_the_message_is_in_the_code(heading: str, messages: list[str]) -> None:
    assert re.fullmatch(r"`[^`]+`", heading)
    pattern = pattern_of(heading)
    assert any(pattern.search(each) for each in messages), heading


def test_the_headings_differ_and_a_message_that_is_gone_is_noticed(messages: list[str]) -> None:
    assert len(set(HEADINGS)) == len(HEADINGS) > 30
    gone = pattern_of("`... was never said of ...`")
    assert not any(gone.search(each) for each in messages)
