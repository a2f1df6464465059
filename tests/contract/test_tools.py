"""Figures that a tool tells: judged as they are, red where there is none, kept for the next run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

CHIP = "fake-chip"
FILES = {
    "test_tools.py": """
from pathlib import Path

import pytest

model, budget = pytest.mark.model, pytest.mark.edge_budget
TOLD = {"memory": 43_000, "latency_p95": 0.004}


@model(figures=TOLD)
@budget(memory="43 kB", latency_p95="4 ms")
def test_within(edge_ptq):
    assert Path(edge_ptq.compiled).read_bytes()


@model(figures=TOLD)
@budget(memory=42_999, latency_p95="3999 us")
def test_over(edge_ptq): ...


@model(figures={"memory": "LSTM is not among its operators"})
@budget(memory="43 kB")
def test_absent(edge_ptq): ...


@model(figures=TOLD)
@budget(latency_ratio=2)
def test_two_files(edge_ptq): ...


@model(figures=TOLD)
@budget(accuracy_drop=0.01)
def test_a_budget_of_ours(edge_ptq):
    assert edge_ptq.compiled


@model(figures=TOLD)
def test_by_hand(edge_gate, edge_compress):
    *_, verdict = edge_gate.check(edge_compress(), memory="43 kB")
    assert verdict.measured.source == "vendor:fake-tool"
""",
}
BROKEN = {
    "test_broken.py": """
import pytest


@pytest.mark.filterwarnings("ignore::pytest_edgegate.core.errors.EdgeGateWarning")
@pytest.mark.model(broken="no answer within 10 s")
@pytest.mark.edge_budget(memory="43 kB", accuracy_drop=0.01)
def test_ended(edge_ptq):
    assert edge_ptq.compiled is None
""",
}
MISSING = """

def pytest_edgegate_register(registry):
    from pytest_edgegate.testing.fake_tool import FakeTool
    from pytest_edgegate.testing.fakes import pytest_edgegate_register

    registry.add("tool", "fake-tool", FakeTool(installed=None))
"""


@pytest.fixture
def told(same_with_workers: Any) -> Any:
    return same_with_workers(FILES, f"--edge-target={CHIP}")


def test_a_figure_within_its_budget_is_proven_but_for_a_time(told: Any) -> None:
    assert told.letter("test_within", CHIP) == "."
    assert told.letter("test_by_hand", CHIP) == "."
    for metric, verdict in told.verdicts("test_within", CHIP).items():
        if metric != "contract":
            proven = metric == "memory"  # a time of a tool is an estimate
            assert (verdict["outcome"], verdict["proven"]) == ("pass", proven)
            assert verdict["measured"]["source"] == "vendor:fake-tool"
            assert verdict["measured"]["low"] is None


def test_a_figure_over_its_budget_fails(told: Any) -> None:
    assert told.letter("test_over", CHIP) == "F"
    verdicts = told.verdicts("test_over", CHIP)
    assert {verdicts[each]["outcome"] for each in ("memory", "latency_p95")} == {"fail"}
    assert "the first layer takes most" in told.text("test_over", CHIP)


def test_what_the_tool_does_not_know_is_red_with_its_reason(told: Any) -> None:
    assert told.letter("test_absent", CHIP) == "F"
    text = told.text("test_absent", CHIP)
    assert text.startswith("memory not measured")
    assert "memory: LSTM is not among its operators" in text
    assert text.splitlines()[-1].strip() == "next: make the fake without it"
    assert told.verdicts("test_absent", CHIP)["memory"]["outcome"] == "not_measured"


def test_a_ratio_stays_a_matter_of_hosts(told: Any) -> None:
    verdict = told.verdicts("test_two_files", CHIP)["latency_ratio"]
    assert verdict["outcome"] == "not_measured"
    assert "this host's latency says nothing about it" in verdict["reason"]


def test_the_compiled_file_is_in_the_report(told: Any) -> None:
    assert told.letter("test_a_budget_of_ours", CHIP) == "."
    for verdict in told.verdicts("test_a_budget_of_ours", CHIP).values():
        compiled = Path(verdict["artifact"]["compiled"])
        assert compiled.name == "m-compiled.fake"
        assert ".edgegate_cache" in compiled.parts
        assert compiled.is_file()


def test_a_second_run_asks_no_tool(again: Any) -> None:
    first = again(FILES, f"--edge-target={CHIP}")
    judged, memory = first.judged, first.verdicts("test_within", CHIP)["memory"]
    without = FILES["test_tools.py"].replace("import pytest\n", NO_TOOL, 1)
    second = again({"test_tools.py": without}, f"--edge-target={CHIP}")
    assert second.tests == first.tests
    assert second.judged == judged
    cached = second.verdicts("test_within", CHIP)["memory"]
    assert (memory["measured"]["cached"], cached["measured"]["cached"]) == (False, True)
    assert cached["artifact"]["compiled"] == memory["artifact"]["compiled"]


NO_TOOL = """import pytest
from pytest_edgegate.testing.fake_tool import FakeTool


def never(*given):
    raise AssertionError("the tool is asked again")


FakeTool.compile = never
"""


def test_a_tool_that_is_not_installed_is_red_with_the_line_that_installs_it(
    play: Any, inner_conftest: str
) -> None:
    files = {**FILES, "conftest.py": inner_conftest + MISSING}
    ran = play(files, f"--edge-target={CHIP}")
    text = ran.text("test_over", CHIP)
    assert ran.letter("test_over", CHIP) == "F"
    assert "fake-tool, which reports it for a chip that a tool knows, is not installed" in text
    assert text.splitlines()[-1].strip() == "next: pip install fake-tool"
    assert ran.verdicts("test_over", CHIP)["memory"]["outcome"] == "not_measured"


def test_what_is_not_told_may_be_allowed(play: Any, inner_conftest: str) -> None:
    files = {**FILES, "conftest.py": inner_conftest + MISSING}
    allowed = "--edge-allow-unmeasured=memory,fake-chip:latency_p95"
    ran = play(files, f"--edge-target={CHIP}", allowed)
    assert ran.letter("test_over", CHIP) == "."
    assert ran.verdicts("test_over", CHIP)["memory"]["allowed"] is True


def test_a_tool_that_fails_is_told_and_nothing_of_ours_is_lost(play: Any) -> None:
    ran = play(BROKEN, f"--edge-target={CHIP}")
    assert ran.letter("test_ended", CHIP) == "F"
    verdicts = ran.verdicts("test_ended", CHIP)
    assert verdicts["accuracy_drop"]["outcome"] == "pass"
    assert verdicts["memory"]["outcome"] == "not_measured"
    assert "fake-tool was ended: no answer within 10 s" in verdicts["memory"]["reason"]


PREDICTING = MISSING.replace("FakeTool(installed=None)", 'FakeTool(source="predicted:rules")')


def test_evidence_of_the_vendor_is_asked_for_by_target(play: Any, inner_conftest: str) -> None:
    files = {**FILES, "conftest.py": inner_conftest + PREDICTING}
    ran = play(files, f"--edge-target={CHIP}", "-o", f"edge_evidence={CHIP} = vendor")
    text = ran.text("test_over", CHIP)
    assert ran.verdicts("test_over", CHIP)["memory"]["outcome"] == "not_measured"
    assert "edge_evidence asks for the vendor's own figure" in text
    assert "Nothing was built, and the body of the test did not run." in text
    assert text.splitlines()[-1].strip().endswith("next: pip install fake-tool")
    other = play(files, f"--edge-target={CHIP}", "-o", "edge_evidence=fake-board = vendor")
    memory = other.verdicts("test_within", CHIP)["memory"]
    assert (memory["outcome"], memory["measured"]["source"]) == ("pass", "predicted:rules")
    assert "by predicted:rules: " in other.text("test_over", CHIP)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("vender", "unknown evidence 'vender', did you mean 'vendor'?"),
        ("fake-chp = vendor", "unknown target 'fake-chp', did you mean 'fake-chip'?"),
    ],
)
def test_evidence_that_is_misspelt_stops_the_run(play: Any, value: str, said: str) -> None:
    ran = play(FILES, f"--edge-target={CHIP}", "-o", f"edge_evidence={value}")
    assert ran.status == 4
    assert said in ran.everything


OWN = """
[tool.edgegate.targets.own]
from = "fake-board"
latency = {source = "vendor:fake-tool"}
tools = {memory = "fake-tol"}
"""
ALLOWED = "--edge-allow-unmeasured=own:memory"


def test_a_target_of_the_users_own_names_its_tools(play: Any) -> None:
    ran = play({**FILES, "pyproject.toml": OWN}, "--edge-target=own", ALLOWED)
    verdicts = ran.verdicts("test_over", "own")
    assert verdicts["latency_p95"]["measured"]["source"] == "vendor:fake-tool"
    assert "the tool 'fake-tol', did you mean 'fake-tool'?" in verdicts["memory"]["reason"]


def test_the_plan_names_the_tool(play: Any) -> None:
    ran = play(FILES, f"--edge-target={CHIP}", "--edge-explain")
    assert "memory <= 43.0 kB: reported by the tool fake-tool" in ran.output
    assert "latency_p95 <= 4 ms: reported by the tool fake-tool" in ran.output


BENCH = """
import json, sys

print("warming up")
print(json.dumps({"memory": "43 kB", "latency_p95": 0.004}))
"""
OWN_COMMAND = """
[tool.edgegate.targets.own]
from = "fake-board"
tools = {memory = "bench", latency_p95 = "bench"}

[tool.edgegate.targets.own.tool.bench]
command = [PYTHON, "bench.py", "{model}"]
version = [PYTHON, "--version"]
""".replace("PYTHON", json.dumps(sys.executable))


def test_a_command_of_the_users_own_is_a_tool(again: Any) -> None:
    files = {**FILES, "pyproject.toml": OWN_COMMAND, "bench.py": BENCH}
    ran = again(files, "--edge-target=own")
    assert ran.letter("test_over", "own") == "F"
    verdicts = ran.verdicts("test_over", "own")
    for metric, proven in (("memory", True), ("latency_p95", False)):
        measured = verdicts[metric]["measured"]
        assert (measured["source"], measured["cached"]) == ("tool:bench", False)
        assert (verdicts[metric]["outcome"], verdicts[metric]["proven"]) == ("fail", proven)
    ran = again(files, "--edge-target=own")
    assert ran.verdicts("test_over", "own")["memory"]["measured"]["cached"] is True
    ran = again({**files, "bench.py": BENCH.replace("43 kB", "42 kB")}, "--edge-target=own")
    memory = ran.verdicts("test_over", "own")["memory"]
    assert (memory["outcome"], memory["measured"]["cached"]) == ("pass", False)


SPOILING = """
import json, os, sys

target, *_ = sys.argv[1:]
with open(target, "w") as spoilt:
    spoilt.write(open("other.fake").read())
os.remove(target)
print(json.dumps({"memory": 1}))
"""
JUDGED = """
import pytest


@pytest.mark.model(figures={"memory": 7})
@pytest.mark.edge_budget(memory="43 kB", accuracy_drop=0.01, size=100_000)
def test_judged(edge_ptq): ...
"""


def test_a_command_that_spoils_its_file_spoils_nothing_else(again: Any) -> None:
    def judged(bench: str, target: str, cache: str, test: str = JUDGED) -> Any:
        files = {"test_judged.py": test, "pyproject.toml": OWN_COMMAND, "other.fake": "{}"}
        arguments = (f"--edge-target={target}", f"--edge-cache={cache}")
        ran = again({**files, "bench.py": bench}, *arguments)
        return ran.verdicts("test_judged", target)

    before = judged(BENCH, "own", "sound")
    during = judged(SPOILING, "own", "spoilt")
    after = judged(SPOILING, "fake-board", "spoilt", JUDGED.replace('memory="43 kB", ', ""))
    assert during["memory"]["outcome"] == "not_measured"
    assert "changed the file that it was given" in during["memory"]["reason"]
    for metric in ("contract", "accuracy_drop", "size"):
        assert before[metric]["outcome"] == "pass"
        for found in (during[metric], after[metric]):
            assert found["outcome"] == "pass"
            assert found["measured"]["value"] == before[metric]["measured"]["value"]
            assert found["artifact"]["sha256"] == before[metric]["artifact"]["sha256"]


@pytest.mark.parametrize("version", ['["no-such-adb"]', '[PYTHON, "-c", "raise SystemExit(1)"]'])
def test_a_version_that_is_not_told_costs_its_figures_only(play: Any, version: str) -> None:
    version = version.replace("PYTHON", json.dumps(sys.executable))
    table = OWN_COMMAND.partition("version")[0] + f"version = {version}\n"
    files = {"test_judged.py": JUDGED, "pyproject.toml": table, "bench.py": BENCH}
    verdicts = play(files, "--edge-target=own").verdicts("test_judged", "own")
    assert verdicts["memory"]["outcome"] == "not_measured"
    assert "tells the version of bench of the target own" in verdicts["memory"]["reason"]
    assert {verdicts[each]["outcome"] for each in ("accuracy_drop", "size")} == {"pass"}


ONE_MORE = """
[tool.edgegate.targets.own]
from = "fake-board"
tools = {memory = "bench"}
tool.bench.command = [PYTHON, "bench.py", "{model}"]
[tool.edgegate.targets.more]
from = "own"
tools.latency_p95 = "bench"
""".replace("PYTHON", json.dumps(sys.executable))


def test_a_metric_that_is_added_is_asked_for(again: Any) -> None:
    files = {**FILES, "pyproject.toml": ONE_MORE, "bench.py": BENCH}
    again(files, "--edge-target=own")
    verdicts = again(files, "--edge-target=more").verdicts("test_over", "more")
    assert verdicts["latency_p95"]["measured"]["value"] == 0.004


def test_a_command_that_fails_is_red_in_its_own_words(play: Any) -> None:
    files = {**FILES, "pyproject.toml": OWN_COMMAND, "bench.py": "raise SystemExit('no board')"}
    ran = play(files, "--edge-target=own")
    text = ran.text("test_over", "own")
    assert "memory: bench of the target own ended with exit status 1: no board" in text
    assert f"next: run it by hand: {sys.executable} bench.py" in text
