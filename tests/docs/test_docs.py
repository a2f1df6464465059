"""The documentation says what is so: links, code, options, targets and budgets."""

from __future__ import annotations

import csv
import json
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_schema import check_report

from pytest_edgegate.core.artifact_record import ArtifactRecord
from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.record import (
    BudgetRecord,
    MeasuredRecord,
    RunRecord,
    VerdictRecord,
)
from pytest_edgegate.registry import KINDS, Registry
from pytest_edgegate.settings.options import MARKERS
from pytest_edgegate.targets.operators import LIMITS, REFUSALS
from pytest_edgegate.targets.parse import target_from_table
from pytest_edgegate.testing.example import Example
from pytest_edgegate.testing.fakes import fake_model, fake_samples

pytestmark = pytest.mark.usefixtures("no_other_plugins")

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "SECURITY")),
    *sorted((ROOT / "docs").glob("*.md")),
]
TEXT = "\n".join(page.read_text("utf-8") for page in PAGES)
INDEX = ROOT / "docs" / "index.md"


def blocks(language: str, pages: list[Path]) -> Iterator[tuple[str, str]]:
    """(page and number, content) of each fenced block."""
    for page in pages:
        found = re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
        for number, content in enumerate(found, start=1):
            yield f"{page.name}-{number}", content


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    without_blocks = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.*)$", without_blocks, re.M)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


PYTHON = dict(blocks("python", PAGES))
TOML = dict(blocks("toml", PAGES))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_resolves(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    for link in links:
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), link
        if anchor:
            assert anchor in anchors(linked), link


def test_every_page_can_be_reached_from_the_index() -> None:
    index = INDEX.read_text("utf-8")
    for page in PAGES[1:]:
        if page != INDEX:
            assert f"({os.path.relpath(page, INDEX.parent)}" in index, page.name
    assert "(docs/index.md)" in PAGES[0].read_text("utf-8")


def test_fences_are_closed_and_name_their_language() -> None:
    for page in PAGES:
        fences = re.findall(r"^```(.*)$", page.read_text("utf-8"), re.M)
        assert len(fences) % 2 == 0, page
        assert all(fences[::2]), page
        assert not any(fences[1::2]), page


@pytest.mark.parametrize("name", PYTHON)
def test_every_python_block_compiles(name: str) -> None:
    compile(PYTHON[name], name, "exec")


@pytest.mark.parametrize("name", TOML)
def test_every_toml_block_is_a_table_that_is_taken(name: str) -> None:
    tables = tomllib.loads(TOML[name])["tool"]["edgegate"]["targets"]
    for board, table in tables.items():
        start = table.pop("from", None)
        base = None if start is None else Registry().get("target", start)
        target_from_table(board, table, base=base)


FAKES = """
import pytest
from pytest_edgegate.testing.fakes import fake_data, fake_model

pytest_plugins = ["pytest_edgegate.testing.fakes"]

@pytest.fixture(scope="session")
def edge_model(tmp_path_factory):
    return fake_model(tmp_path_factory.mktemp("model") / "m.fake", bytes=40_000)

@pytest.fixture(scope="session")
def edge_data():
    return fake_data(500)
"""
OFF_LINE = ("-q", "-p", "no:randomly", "-p", "no:cov")


def guide_block(containing: str) -> str:
    return next(
        each
        for name, each in PYTHON.items()
        if name.startswith("getting-started") and containing in each
    )


def test_the_tests_of_the_guide_run_against_fakes(tmp_path: Path) -> None:
    # fakes have one board, and their own sizes: what is left is what the page teaches
    source = guide_block("def test_by_hand").replace('"coral"', '"fake-host"')
    example = Example({"conftest.py": FAKES, "test_edge.py": source})
    ran = example.run_pytest(tmp_path, "--edge-target=fake-board", *OFF_LINE)
    assert ran.status == 0, ran.output
    assert "3 passed" in ran.output


def test_the_fixtures_of_the_guide_are_found(tmp_path: Path) -> None:
    fixtures, metric = guide_block("def edge_model"), guide_block("def edge_metric")
    example = Example(
        {"conftest.py": f"{fixtures}\n\n{metric}", "test_edge.py": PYTHON["README.md-1"]}
    )
    ran = example.run_pytest(tmp_path, "--collect-only", "--edge-target=coral,host", *OFF_LINE)
    assert ran.status == 0, ran.output
    assert "test_edge.py::test_ptq[coral]" in ran.output
    assert "test_edge.py::test_ptq[host]" in ran.output


HOW_TO = [ROOT / "docs" / f"{name}.md" for name in ("how-do-i", "own-metric", "streams")]


def how_to_files() -> Iterator[tuple[str, str, str]]:
    """(section, path, content) of each block of the how-to pages."""
    for page in HOW_TO:
        top, *sections = re.split(r"^## (.*)$", page.read_text("utf-8"), flags=re.M)
        shared = re.findall(r"^```python\n(.*?)^```", top, re.M | re.S)
        if not sections:
            sections = ["", ""]
        for title, body in zip(sections[::2], sections[1::2], strict=True):
            blocks_in = re.findall(r"^```python\n(.*?)^```", body, re.M | re.S)
            assert blocks_in or not title, title
            for content in (*shared, *blocks_in):
                path = re.match(r"# (\S+\.py)\n", content)
                assert path, content
                yield re.sub(r"\W+", "_", f"{page.stem} {title}".lower()), path[1], content


STANDS_FOR = {".keras": ".fake", '"coral"': '"fake-board"', '"litert"': '"edgegate-fake"'}
ON_SPEECH = "own_metric_speech"
"""It has a test of its own, with a model of speech."""


def test_every_block_of_the_how_to_pages_runs_against_fakes(tmp_path: Path) -> None:
    x, y = fake_samples(700)
    (tmp_path / "models").mkdir()
    # what is made of letters is larger than the budget for digits
    for name, size in (("digits", 40_000), ("letters", 400_000)):
        fake_model(tmp_path / "models" / f"{name}.fake", bytes=size)
    np.savez(tmp_path / "digits.npz", x_train=x[:200], x_test=x[200:], y_test=y[200:])
    for split, part in (("train", slice(200)), ("test", slice(200, 700))):
        folder = tmp_path / "batches" / split
        folder.mkdir(parents=True)
        for number, numbers in enumerate(np.array_split(np.arange(700)[part], 3)):
            np.savez(folder / f"{number}.npz", x=x[numbers], y=y[numbers])
    files = {"conftest.py": 'pytest_plugins = ["pytest_edgegate.testing.fakes"]\n'}
    for section, path, content in how_to_files():
        if not section.startswith(ON_SPEECH):
            names = re.compile("|".join(map(re.escape, STANDS_FOR)))
            files[f"{section}/{path}"] = names.sub(lambda found: STANDS_FOR[found[0]], content)
    options = "--import-mode=importlib", "--edge-report-json=report.json", *OFF_LINE[1:]
    ran = Example(files).run_pytest(tmp_path, "--edge-target=fake-board", *options)
    assert ran.status == 0, ran.output
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    check_report(report)
    judged = {each["test"].partition("::")[0] for each in report["verdicts"]}
    assert judged == {name for name in files if name.rpartition("/")[2].startswith("test_")}
    sizes = {each["artifact"]["size_bytes"] for each in report["verdicts"]}
    assert max(sizes) > 60_000 > min(sizes)  # both models were gated


def test_the_comparison_of_the_upgrade_page_runs(tmp_path: Path) -> None:
    def record(value: float, digest: str) -> RunRecord:
        artifact = ArtifactRecord("litert", digest, 1, (), cached=False)
        budget, measured = BudgetRecord("size", 9, "bytes"), MeasuredRecord(value, "file")
        verdict = VerdictRecord(
            "test_a", "coral", artifact, budget, measured, Outcome.PASS, False, True, "", ""
        )
        return RunRecord({}, (verdict,))

    def written(name: str, run: RunRecord) -> Path:
        path = tmp_path / name
        path.write_text(json.dumps(run.to_json()), "utf-8")
        return path

    names: dict[str, Any] = {}
    exec(next(each for name, each in PYTHON.items() if name.startswith("after-a-tool")), names)
    before = written("before", record(1, "a"))
    for value, digest, told in (
        (1, "b", []),
        (2, "a", ["test_a size: 1 -> 2, the same file"]),
        (2, "b", ["test_a size: 1 -> 2, another file"]),
    ):
        assert names["changes"](before, written("after", record(value, digest))) == told


def reports_block(containing: str) -> str:
    return next(
        each for name, each in PYTHON.items() if name.startswith("reports") and containing in each
    )


def test_the_reporter_and_the_reader_of_the_guide_run(tmp_path: Path) -> None:
    gates = """
import pytest

@pytest.mark.edge_budget(size="20 kB")
def test_green(edge_ptq): ...

@pytest.mark.edge_budget(size="1 kB")
def test_red(edge_ptq): ...
"""
    plugin = reports_block("CsvReporter")
    example = Example({"conftest.py": FAKES, "test_edge.py": gates, "verdicts_csv.py": plugin})
    options = "--verdicts-csv=verdicts.csv", "--edge-report-json=report.json"
    path = {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    ran = example.run_pytest(
        tmp_path, "-p", "verdicts_csv", "--edge-target=fake-board", *options, *OFF_LINE, env=path
    )
    assert ran.status == 1, ran.output
    with (tmp_path / "verdicts.csv").open() as opened:
        rows = {(row["test"], row["budget"]): row for row in csv.DictReader(opened)}
    assert rows["test_edge.py::test_green[fake-board]", "size"]["outcome"] == "pass"
    assert rows["test_edge.py::test_red[fake-board]", "size"]["limit"] == "1000"
    names: dict[str, Any] = {}
    exec(reports_block("def red_tests"), names)
    assert names["red_tests"](tmp_path / "report.json") == {"test_edge.py::test_red[fake-board]"}


@pytest.fixture(scope="module")
def told_options(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("help")
    ran = Example().run_pytest(folder, "--help")
    assert ran.status == 0
    return set(re.findall(r"^\s+(--edge-[a-z-]+)", ran.output, re.M))


def test_options_in_the_docs_exist(told_options: set[str]) -> None:
    assert set(re.findall(r"--edge-[a-z]+(?:-[a-z]+)*", TEXT)) <= told_options


def test_ini_keys_in_the_docs_exist(pytestconfig: pytest.Config) -> None:
    keys = set(re.findall(r"`(edge_[a-z_]+) = ", TEXT))
    assert {"edge_target", "edge_budgets", "edge_reference_check"} <= keys
    for key in keys:
        pytestconfig.getini(key)


def test_markers_of_the_plugin_are_in_the_docs() -> None:
    for name in MARKERS:
        assert re.search(rf"\b{name}\b", TEXT)


def test_every_built_in_target_is_described() -> None:
    page = (ROOT / "docs" / "targets.md").read_text("utf-8")
    names = [path.stem for path in (ROOT / "pytest_edgegate" / "targets").glob("*.toml")]
    assert names
    for name in names:
        assert f"`{name}`" in page
    for rule in (*LIMITS, *REFUSALS):
        assert f"`{rule}`" in page


def test_every_port_that_a_backend_fills_is_named() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    for kind in ("model reader", "transform", "runtime", "inspector", "tool"):
        assert KINDS[kind].removeprefix("pytest_edgegate") in page


def test_the_policies_and_outcomes_are_told() -> None:
    page = (ROOT / "docs" / "verdicts.md").read_text("utf-8")
    for name in ("point", "lenient", "strict", "pass", "fail", "inconclusive", "not_measured"):
        assert f"`{name}`" in page
