"""The page about architectures: cells, their groups of targets, and the tables of the results."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_edgegate.core.target import Target
from pytest_edgegate.registry import Registry

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SCRIPTS = ("architectures", "architecture_page", "architecture_models", "real_size")


@pytest.fixture(scope="module")
def architectures() -> Iterator[ModuleType]:
    """The script, as it is run: with its folder on the path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield import_module("architectures")
    for name in SCRIPTS:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def page(architectures: ModuleType) -> ModuleType:
    return sys.modules["architecture_page"]


def built_in(name: str) -> Target:
    target: Target = Registry().get("target", name)
    return target


def made(**more: Any) -> dict[str, Any]:
    row = {"status": "made", "form": "litert", "bytes": 2_883_520, "red": {}, "notes": {}}
    measured = {"sqnr_db": 6.69, "parity_abs": 0.5, "parameters": 2_536_803}
    return {**row, "measured": measured, "cpu_s": 33.3, "peak_mb": 1311, **more}


DETAIL = "19 x HARD_SWISH (first: #4 (a/mul;...)): not an operator of coral; rebuild with ReLU6"
RED = {
    "outcome": "fail",
    "reason": "19 things in the file that the target does not take",
    "remedy": "rebuild with ReLU6",
    "cause": "",
    "details": [DETAIL],
}


@pytest.mark.parametrize("framework", ["keras", "torch"])
def test_every_target_is_in_one_group(page: ModuleType, framework: str) -> None:
    names = [name for group in page.built_in_groups(framework) for name in group.targets]
    assert sorted(names) == Registry().names("target")


def test_targets_of_one_format_and_the_same_constraints_share_a_cell(page: ModuleType) -> None:
    orin = built_in("jetson-orin-nano")
    other = replace(orin, name="camera", activations="uint8")
    groups = page.grouped([orin, built_in("jetson-nano"), other], "keras")
    assert [each.targets for each in groups] == [("jetson-orin-nano", "jetson-nano"), ("camera",)]


def test_a_host_takes_the_format_of_the_framework(page: ModuleType) -> None:
    host = built_in("host")
    assert [page.grouped([host], each)[0].form for each in ("keras", "torch")] == ["litert", "onnx"]


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        (made(), "| a, b | litert | made | 2.88 | 6.7 | 0.5 | 33 | 1,311 |"),
        (
            made(
                red={"contract": RED},
                measured={"parity_lsb": 2.0, "parity_within_lsb": 0.99, "parity_abs": 0.5},
            ),
            "| a, b | litert | made, red: 19 x HARD_SWISH | 2.88 | - | 2 steps; 99.0 % within one "
            "| 33 | 1,311 |",
        ),
        (made(measured={}), "| a, b | litert | made | 2.88 | - | one runtime | 33 | 1,311 |"),
        (
            {"status": "refused", "message": "no", "remedy": "do", "cpu_s": 9.6, "peak_mb": 800},
            "| a, b | litert | refused | - | - | - | 10 | 800 |",
        ),
    ],
    ids=["made", "red", "one runtime", "refused"],
)
def test_the_line_of_a_cell(page: ModuleType, row: dict[str, Any], shown: str) -> None:
    group = page.Group(("a", "b"), "litert")
    assert page.drawn_row(page.ARCHITECTURES[0], group, row) == shown


def test_what_a_tool_tells_has_a_line_of_its_own(page: ModuleType) -> None:
    first = page.ARCHITECTURES[0]
    told = {"memory": 123_456.0, "mapped_ops": 0.875, "parity_abs": 1.0}
    lines = list(page.results_region({(first.key, "coral"): made(measured=told)}))
    assert "On coral: 123,456 bytes of memory, 87.5% of the operators mapped.\n" in lines


def test_files_of_one_format_may_differ_in_size(page: ModuleType) -> None:
    assert page.spelt_sizes([]) == "-"
    assert page.spelt_sizes([2_900_000, 2_910_000]) == "2.9"
    assert page.spelt_sizes([9_900_000, 10_400_000]) == "9.9 to 10.4"


def test_cells_that_were_not_run_are_named_by_their_targets(page: ModuleType) -> None:
    first, second = page.ARCHITECTURES[:2]
    lines = list(page.results_region({(first.key, "coral"): made()}))
    start = lines.index(f"### {page.spell_architecture(second)}\n")
    assert sum(each.startswith("| coral |") for each in lines) == 1
    assert lines[start - 1].startswith("Not run: ")
    assert "host, " in lines[start - 1]
    assert "coral" not in lines[start - 1]
    assert lines[start + 1].startswith("Not run: coral, ")
    names = [name for group in page.built_in_groups(second.framework) for name in group.targets]
    assert lines[start + 1] == f"Not run: {', '.join(names)}.\n"


def test_cells_that_are_alike_share_a_reason(page: ModuleType) -> None:
    one, other = page.ARCHITECTURES[0].key, page.ARCHITECTURES[1].key
    fewer = {**RED, "details": [DETAIL.replace("19 x", "7 x").replace("#4", "#9")]}
    rows = {(one, "coral"): made(red={"contract": RED}), (other, "coral"): made()}
    rows[other, "coral"]["red"] = {"contract": fewer}
    why = ("HARD_SWISH: not an operator of coral; rebuild with ReLU6", "rebuild with ReLU6")
    assert page.reasons(rows) == {why: [f"{one} on coral", f"{other} on coral"]}


def test_the_last_result_of_a_cell_counts(architectures: ModuleType, tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    assert architectures.read(results) == {}
    rows = [{"architecture": "a", "group": "coral", "bytes": each} for each in (1, 2)]
    results.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert architectures.read(results) == {("a", "coral"): rows[1]}


def test_a_run_with_every_result_starts_nothing(
    architectures: ModuleType, page: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    results, folder = tmp_path / "results.jsonl", tmp_path / "models"
    cells = page.wanted_cells(["resnet-50"], ["coral"])
    rows = [{"architecture": each.key, "group": group.name} for each, group in cells]
    assert len(rows) == 2  # of Keras and of torch
    text = "".join(json.dumps(row) + "\n" for row in rows)
    results.write_text(text)
    architectures.main(
        ["--only=resnet-50", "--target=coral", f"--results={results}", f"--folder={folder}"]
    )
    assert results.read_text() == text
    assert not folder.exists()


def test_a_command_is_measured(architectures: ModuleType, tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [
        sys.executable,
        "-c",
        "x = bytearray(60_000_000); print('here'); raise SystemExit(3)",
    ]
    cost = architectures.measured(command, log)
    assert cost["exit"] == 3
    assert cost["peak_mb"] > 60
    assert cost["cpu_s"] >= 0
    assert architectures.tail(log) == "here"


def test_the_page_is_as_its_results(architectures: ModuleType, page: ModuleType) -> None:
    text = architectures.PAGE.read_text("utf-8")
    drawn = page.with_regions(text, architectures.read(architectures.RESULTS))
    assert drawn == text, "python benchmarks/architectures.py --page"
    assert all(text.count(f"<!-- measured: {name} -->") == 1 for name in page.REGIONS)
