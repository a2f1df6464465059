"""The reference pages say what the code says."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from pytest_edgegate import __all__ as public
from pytest_edgegate.core.budget import BUDGETS
from pytest_edgegate.testing.example import Example

pytestmark = pytest.mark.usefixtures("no_other_plugins")

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def text_of(name: str) -> str:
    return (DOCS / f"{name}.md").read_text("utf-8")


def test_no_page_is_stale(reference: ModuleType) -> None:
    for page in reference.pages():
        assert reference.written(page) == page.read_text("utf-8"), (
            f"docs/{page.name} is not what the code says: {reference.COMMAND}"
        )


def test_every_region_is_on_one_page(reference: ModuleType) -> None:
    everything = "".join(map(Path.read_text, sorted(DOCS.glob("*.md"))))
    for name in reference.REGIONS:
        assert everything.count(f"<!-- made: {name} -->") == 1, name
    assert everything.count("<!-- made: ") == everything.count("<!-- end -->")


def test_what_pytest_helps_with_is_on_the_page(tmp_path: Path) -> None:
    """Against pytest itself: the page is made by a parser of its own."""
    ran = Example().run_pytest(tmp_path, "--help")
    told = {word.rstrip(":") for word in ran.output.split() if word.startswith(("--edge", "edge_"))}
    options = {each.partition("=")[0].partition("[")[0] for each in told if each.startswith("--")}
    assert {"--edge-target", "--edge-explain"} <= options
    page = text_of("options")
    for each in options:
        assert f"`{each}" in page, each


def test_ini_keys_are_on_the_page(pytestconfig: pytest.Config) -> None:
    page = text_of("options")
    keys = [each for each in pytestconfig._parser._inidict if each.startswith("edge_")]
    assert len(keys) > 10
    for each in keys:
        assert f"`{each}`" in page, each


def test_every_budget_and_public_name_is_there() -> None:
    budgets, names = text_of("budgets"), text_of("api")
    for metric in BUDGETS:
        assert f"| `{metric}` |" in budgets, metric
    for each in public:
        assert f"`{each}`" in names or f"{each}(" in names, each


def test_a_stale_page_is_told_with_what_to_type(
    reference: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = tmp_path / "options.md"
    page.write_text("before\n<!-- made: marks -->\nstale\n<!-- end -->\nafter\n", "utf-8")
    monkeypatch.setattr(reference, "DOCS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["make_reference.py", "--check"])
    assert reference.main() == 1
    assert "python docs/make_reference.py" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["make_reference.py"])
    assert reference.main() == 0
    text = page.read_text("utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "edge_budget(*targets" in text
    assert "stale" not in text
