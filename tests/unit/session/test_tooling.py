"""What tools tell of an artifact: figures, reasons, the file that they compile, each kept."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import BUDGETS, PROFILE, Budget
from pytest_edgegate.core.errors import (
    CompressionError,
    ConfigurationError,
    EdgeGateWarning,
    StorageError,
)
from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.core.target import OperatorRule, Program, Target
from pytest_edgegate.core.tools import Compiled, Figure, LeftOut, Placed
from pytest_edgegate.core.verdict import Outcome, Verdict
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.session.tooling.kept_answer import KeptAnswer
from pytest_edgegate.session.tooling.tooling import Tooling
from pytest_edgegate.storage.cache import Entry
from pytest_edgegate.testing.fake_tool import FakeTool
from pytest_edgegate.testing.fakes import FAKE_CHIP, FORMAT, fake_model

Starter = Callable[..., EdgeSession]
Maker = Callable[..., Given]
TOLD = {"memory": 43_000, "latency_p95": 0.004}


class Run:
    """One session that has the tool, and an artifact for a target that names it."""

    def __init__(
        self, start: Starter, subject: Given, tool: object, target: Target = FAKE_CHIP
    ) -> None:
        self.session, self.subject, self.target = start(), subject, target
        self.session.registry.add("tool", "fake-tool", tool)

    def artifact(self) -> Artifact:
        return self.session.compress(self.session.case(self.subject, self.target), None)

    def finding(self, metric: str) -> Finding | None:
        return self.session.tooling.finding(metric, self.artifact(), self.target)

    def measured(self, metric: str) -> Measurement:
        found = self.finding(metric)
        assert isinstance(found, Measurement)
        return found

    def reason(self, metric: str = "memory") -> tuple[str, str]:
        found = self.finding(metric)
        assert isinstance(found, NotMeasured)
        return found.reason, found.remedy

    def verdict(self, metric: str, limit: float) -> Verdict:
        asked = (Budget(metric, limit),)
        case = self.session.case(self.subject, self.target)
        [found] = self.session.judge(case, self.artifact(), asked)
        return found

    def contract(self, *budgets: Budget) -> Verdict:
        case = self.session.case(self.subject, self.target, budgets)
        return self.session.judge(case, self.artifact(), budgets, contract=True)[0]


@pytest.fixture
def run(start: Starter, subject: Maker) -> Callable[..., Run]:
    """Each call is another run of pytest on the same cache."""

    def make(tool: object = None, target: Target = FAKE_CHIP, **what: Any) -> Run:
        made = subject(**({"figures": TOLD} | what))
        return Run(start, made, FakeTool() if tool is None else tool, target)

    return make


def test_what_no_tool_is_named_for_is_left_to_the_measures(run: Any) -> None:
    assert run().finding("size") is None
    assert run().finding("contract") is None


def test_a_figure_with_its_source(run: Any) -> None:
    assert run().finding("memory") == Measurement(
        43_000,
        "vendor:fake-tool",
        computed=True,
        remark="a guess",
    )


def test_a_tool_is_asked_once_for_all_of_its_figures(run: Any) -> None:
    tool = FakeTool()
    one = run(tool)
    assert [one.measured(metric).value for metric in TOLD] == [43_000, 0.004]
    assert len(tool.runs) == 1
    assert not one.measured("memory").cached


def test_a_second_run_starts_no_program(run: Any) -> None:
    compiled = run().artifact().compiled
    tool = FakeTool()
    later = run(tool)
    assert later.measured("memory") == replace(run().measured("memory"), cached=True)
    assert later.measured("memory").cached
    assert later.artifact().compiled == compiled
    assert tool.runs == []


@pytest.mark.parametrize("change", ["version", "options", "file", "name"])
def test_another_version_option_file_or_name_is_asked_anew(run: Any, change: str) -> None:
    run().artifact()
    tool = FakeTool(installed="2.0") if change == "version" else FakeTool()
    target = replace(FAKE_CHIP, machine="another") if change == "options" else FAKE_CHIP
    what = {"bytes": 8_000} if change == "file" else {}
    if change == "name":
        target = replace(FAKE_CHIP, tools={"memory": "other"})
    later = run(tool, target, **what)
    later.session.registry.add("tool", "other", tool)
    later.artifact()
    assert len(tool.runs) == 1


def test_a_reason_is_kept_as_a_figure_is(run: Any) -> None:
    told = {"memory": "the file has an operator that it does not know"}
    expected = (told["memory"], "make the fake without it")
    assert run(figures=told).reason() == expected
    tool = FakeTool()
    assert run(tool, figures=told).reason() == expected
    assert tool.runs == []


def test_a_figure_that_is_left_out(run: Any) -> None:
    reason, remedy = run(figures={}).reason()
    assert reason == "fake-tool reports no memory for this file"
    assert remedy.endswith("--edge-allow-unmeasured=fake-chip:memory")


def test_a_tool_that_is_not_installed(run: Any) -> None:
    tool = FakeTool(installed=None)
    missing = run(tool)
    assert missing.reason() == (
        "fake-tool, which reports it for a chip that a tool knows, is not installed",
        "pip install fake-tool",
    )
    assert missing.artifact().compiled is None
    assert tool.runs == []


def test_a_tool_that_nothing_brings(run: Any) -> None:
    target = replace(FAKE_CHIP, tools={"memory": "fake-tol"})
    reason, remedy = run(target=target).reason()
    assert "fake-chip names the tool 'fake-tol', did you mean 'fake-tool'?" in reason
    assert "install the package that brings it" in remedy
    assert run(target=target).artifact().compiled is None


def test_a_tool_whose_package_can_not_be_imported(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib.metadata import EntryPoint

    target = replace(FAKE_CHIP, tools={"memory": "broken"})
    broken = run(target=target)
    registry = broken.session.registry
    registry.names("tool")
    entry = EntryPoint("broken", "no_such_package.tool:TOOL", "pytest_edgegate.tools")
    monkeypatch.setitem(registry._entries, "tool", {"broken": entry})
    assert "the tool broken needs the package no_such_package" in broken.reason()[0]


def test_a_format_that_it_does_not_read(run: Any) -> None:
    reason, remedy = run(FakeTool(formats=("onnx",))).reason()
    assert reason == f"fake-tool reads onnx files, not {FORMAT}"
    assert remedy.endswith("in tools of the target fake-chip")


def test_a_metric_that_it_does_not_tell(run: Any) -> None:
    reason, remedy = run(FakeTool(metrics=("flash", "latency_p95")), figures={}).reason()
    assert reason == "fake-tool does not report memory for a chip that a tool knows"
    assert remedy == "gate one of flash, latency_p95 instead"


def test_a_failure_is_not_measured_and_not_kept(run: Any) -> None:
    with pytest.warns(EdgeGateWarning, match="fake-tool was ended: a time limit"):
        reason = run(broken="a time limit").reason()
    assert reason == ("fake-tool was ended: a time limit", "make the fake without it")
    tool = FakeTool()
    failing = run(tool, broken="a time limit")
    with pytest.warns(EdgeGateWarning):
        failing.artifact()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        failing.artifact()
    assert len(tool.runs) == 1, "one session asks once"


class Raising(FakeTool):
    def compile(self, path: Path, target: Target, out: Path) -> Compiled:
        raise KeyError("tensor 7")


@pytest.mark.filterwarnings("ignore::pytest_edgegate.core.errors.EdgeGateWarning")
def test_what_a_tool_raises_of_its_own_is_not_measured(run: Any) -> None:
    reason, remedy = run(Raising()).reason()
    assert reason == "fake-tool on m.fake failed: KeyError: 'tensor 7'"
    assert remedy


class Full(FakeTool):
    def compile(self, path: Path, target: Target, out: Path) -> Compiled:
        raise OSError(28, "No space left on device")


def test_a_full_disk_is_the_caches_error(run: Any) -> None:
    with pytest.raises(StorageError, match="No space left"):
        run(Full()).artifact()


class Answering(FakeTool):
    """Gives an answer that no tool may give."""

    def __init__(self, figures: Mapping[str, Figure], file: str = "") -> None:
        super().__init__()
        self.figures, self.file = figures, file

    def compile(self, path: Path, target: Target, out: Path) -> Compiled:
        return Compiled((out / self.file,) if self.file else (), self.figures)


class Wavering(FakeTool):
    """Refuses a file now, and may take it at another time."""

    def compile(self, path: Path, target: Target, out: Path) -> Compiled:
        return replace(super().compile(path, target, out), settled=False)


MEMORY, EMULATED = Figure(1, "vendor:x"), Figure(0.1, "emulator:x")


@pytest.mark.filterwarnings("ignore::pytest_edgegate.core.errors.EdgeGateWarning")
@pytest.mark.parametrize(
    ("tool", "said"),
    [
        (Answering({"size": MEMORY}), "reports size, which is not among its metrics"),
        (Answering({"latency_p95": EMULATED}), "whose times are not the device's"),
        (Answering({}, "never-written"), "names never-written, which it has not written"),
        (Answering({}, "../entry"), "names entry, which it has not written"),
        (Wavering(), "has written files into an answer that is not settled"),
    ],
)
def test_an_answer_that_no_tool_may_give(run: Any, tool: FakeTool, said: str) -> None:
    reason, remedy = run(tool).reason()
    assert reason.startswith("the tool fake-tool ")
    assert said in reason
    assert remedy == "fix the tool fake-tool"


@pytest.mark.parametrize(
    ("value", "source"),
    [
        (float("nan"), "vendor:x"),
        (float("inf"), "vendor:x"),
        (True, "vendor:x"),
        (1, "host:x"),
        (1, "vendor:"),
        (1, "vendor"),
    ],
)
def test_what_is_no_figure(value: float, source: str) -> None:
    with pytest.raises(ValueError, match="is no "):
        Figure(value, source)


def test_the_compiled_file_lies_in_the_cache_and_in_the_report(run: Any, tmp_path: Path) -> None:
    one = run()
    artifact = one.artifact()
    assert artifact.compiled is not None
    assert artifact.compiled.name == "m-compiled.fake"
    assert tmp_path / "cache" in artifact.compiled.parents
    assert artifact.compiled.read_bytes() == artifact.path.read_bytes()
    report = one.verdict("size", 10_000).as_dict()
    assert report["artifact"]["compiled"] == str(artifact.compiled)


def test_a_given_file_is_compiled_too(run: Any, tmp_path: Path) -> None:
    one = run()
    given = one.session.adopt(one.artifact().path, FAKE_CHIP)
    assert given.compiled is not None
    assert given.path.parent != given.compiled.parent


def test_a_refused_file_and_a_tool_that_only_tells_have_none(run: Any) -> None:
    refused = run(refused="an operator")
    assert refused.artifact().compiled is None
    assert refused.reason()[0] == "fake-tool refuses the file: an operator"
    only = run(FakeTool(installed="3", compiles=False))
    assert only.artifact().compiled is None
    assert only.measured("memory").value == 43_000


def test_the_first_tool_that_makes_a_file_counts(run: Any) -> None:
    target = replace(FAKE_CHIP, tools={"flash": "telling", "memory": "fake-tool"})
    one = run(target=target)
    one.session.registry.add("tool", "telling", FakeTool(compiles=False))
    assert one.artifact().compiled is not None


def test_a_target_without_tools_compiles_nothing(run: Any) -> None:
    assert run(target=replace(FAKE_CHIP, tools={})).artifact().compiled is None


@pytest.mark.parametrize(
    ("metric", "limit", "outcome"),
    [
        ("memory", 43_000, Outcome.PASS),
        ("memory", 42_999, Outcome.FAIL),
        ("latency_p95", 0.004, Outcome.PASS),
        ("latency_p95", 0.003, Outcome.FAIL),
    ],
)
def test_a_figure_is_judged_as_it_is(run: Any, metric: str, limit: float, outcome: Outcome) -> None:
    found = run().verdict(metric, limit)
    proven = metric == "memory"  # a time that nothing has run is an estimate
    assert (found.outcome, found.proven) == (outcome, proven)
    assert found.measured is not None
    assert found.measured.source == "vendor:fake-tool"
    assert "a guess" in found.note
    assert bool(found.details) is (outcome is Outcome.FAIL)


def test_the_remedy_of_a_figure_goes_before_that_of_its_budget(run: Any) -> None:
    figures = {
        "memory": Figure(43_000, "vendor:x", remedy="a smaller first layer"),
        "latency_p95": Figure(0.004, "vendor:x"),
    }
    found = run(Answering(figures)).verdict("memory", 42_999)
    assert found.remedy == "a smaller first layer"
    assert run(Answering(figures)).verdict("latency_p95", 0.001).remedy == PROFILE


def test_a_latency_that_rules_predict_is_judged_as_it_is(run: Any) -> None:
    predicting = Answering({"latency_p95": Figure(0.004, "predicted:rules")})
    found = run(predicting).verdict("latency_p95", 0.004)
    assert (found.outcome, found.proven) == (Outcome.PASS, False)


def test_a_tool_stands_in_the_place_of_the_measure_of_a_row(run: Any) -> None:
    target = replace(FAKE_CHIP, tools={"size": "sizer"})
    one = run(target=target, figures={"size": 7})
    one.session.registry.add("tool", "sizer", FakeTool(metrics=("size",)))
    found = one.verdict("size", 10)
    assert found.measured is not None
    assert (found.measured.value, found.outcome) == (7, Outcome.PASS)


FIGURE = {"value": 1, "source": "vendor:x", "details": ["a"], "remark": "", "remedy": ""}
ODD = [None, 5, "x", [], [1], {"memory": 5}, {"memory": {"value": "many"}}, {"no_budget": FIGURE}]


def forge(cache: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes what the tools have left, and gives it the digest that belongs to it."""
    import hashlib

    for path in cache.rglob("entry.json"):
        manifest = json.loads(path.read_text())
        if "figures" in manifest["info"]:
            change(manifest["info"])
            kept = {name: manifest[name] for name in ("key", "info", "files")}
            digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
            path.write_text(json.dumps({**manifest, "digest": digest}))


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("part", ["files", "figures"])
def test_an_entry_of_another_shape_is_told_and_asked_anew(
    run: Any, tmp_path: Path, part: str, odd: object
) -> None:
    if part == "files" and odd == []:
        return  # a tool may have left that
    run().artifact()
    forge(tmp_path / "cache", lambda info: info.update({part: odd}))
    tool = FakeTool()
    with pytest.warns(EdgeGateWarning, match="is damaged"):
        found = run(tool).measured("memory")
    assert found.value == 43_000
    assert len(tool.runs) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"value": float("nan")},
        {"value": True},
        {"value": None},
        {"source": "host:x"},
        {"source": 1},
        {"details": [1]},
        {"details": "a"},
        {"remark": 1},
        {"remedy": 1},
        {"more": 1},
        {"reason": "r"},
        {"reason": "r", "remedy": 1},
    ],
    ids=repr,
)
def test_each_part_of_a_kept_figure_is_checked(
    run: Any, tmp_path: Path, changed: dict[str, object]
) -> None:
    run().artifact()
    forged = {"memory": changed if "reason" in changed else {**FIGURE, **changed}}
    forge(tmp_path / "cache", lambda info: info.update(figures=forged))
    with pytest.warns(EdgeGateWarning, match="is damaged"):
        assert run().measured("memory").value == 43_000


def test_a_compiled_file_that_was_changed_is_made_anew(run: Any) -> None:
    compiled = run().artifact().compiled
    before = compiled.read_bytes()
    compiled.write_bytes(b"anything")
    with pytest.warns(EdgeGateWarning, match="is damaged"):
        assert run().artifact().compiled == compiled
    assert compiled.read_bytes() == before


def test_every_metric_of_the_fake_is_a_budget() -> None:
    assert set(FakeTool().metrics) <= set(BUDGETS)


def test_what_is_asked_is_told_before_it_may_take_long(start: Starter, subject: Maker) -> None:
    told: list[tuple[str, float, float | None]] = []
    session, given = start(), subject(figures=TOLD)
    artifact = session.compress(session.case(given, session.target("fake-board")), None)
    tooling = Tooling(session.registry, session.cache, Path(), lambda *each: told.append(each))
    for _ in range(2):
        tooling.finding("memory", artifact, FAKE_CHIP)
    assert told == [("fake-tool on m.fake", 0, None)]


class Asked(FakeTool):
    """Counts how often it is asked for its version, which may take a run of the program."""

    versions = 0

    def version(self) -> str | None:
        self.versions += 1
        return super().version()


def test_a_version_is_asked_for_once_a_run(run: Any) -> None:
    tool = Asked()
    one = run(tool)
    for metric in TOLD:
        one.finding(metric)
    assert tool.versions == 1


class Speechless(FakeTool):
    """Can't say one of the things that are in the key."""

    def __init__(self, about: str) -> None:
        super().__init__()
        self.about = about

    def version(self) -> str | None:
        return str(1 // (self.about != "version"))

    def options(self, target: Target) -> Mapping[str, object]:
        return {"scale": 1 // (self.about != "options")}


@pytest.mark.parametrize("about", ["version", "options"])
def test_a_tool_that_can_not_be_keyed_is_an_error_of_ours(run: Any, about: str) -> None:
    with pytest.raises(CompressionError, match=f"asking fake-tool for its {about} failed"):
        run(Speechless(about)).artifact()


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        ((), True),
        (((None, "vendor"),), False),
        ((("fake-chip", "vendor"),), False),
        ((("another", "vendor"),), True),
        (((None, "vendor"), ("fake-chip", "predicted")), True),
    ],
)
def test_a_prediction_is_not_measured_where_the_vendor_is_asked_for(
    start: Starter, subject: Maker, asked: Any, taken: bool
) -> None:
    given = subject(figures=TOLD)
    one = Run(lambda: start(evidence=asked), given, FakeTool(source="predicted:rules"))
    if taken:
        assert one.measured("memory").source == "predicted:rules"
        return
    reason, remedy = one.reason()
    assert reason == (
        "fake-tool only predicts it here (43000 by predicted:rules), and edge_evidence asks for "
        "the vendor's own figure"
    )
    assert remedy == "pip install fake-tool"


def test_the_vendors_figure_is_evidence(start: Starter, subject: Maker) -> None:
    one = Run(lambda: start(evidence=((None, "vendor"),)), subject(figures=TOLD), FakeTool())
    assert one.measured("memory").value == 43_000


def test_what_a_compiler_leaves_to_the_cpu_is_kept(run: Any) -> None:
    expected = Placed("fake-tool", (LeftOut("LSTM", "y", "it is too new"),))
    for tool in (FakeTool(), FakeTool()):
        one = run(tool, left=["LSTM"])
        assert one.session.tooling.placed(one.artifact(), FAKE_CHIP) == expected
    assert tool.runs == []
    assert run().session.tooling.placed(run().artifact(), FAKE_CHIP) is None


def test_what_a_compiler_refuses_is_red_in_the_contract(run: Any) -> None:
    found = run(refused="an operator").contract()
    assert found.outcome is Outcome.FAIL
    assert found.details == ("fake-tool refuses the file: an operator",)
    left = run(left=["LSTM"]).contract()
    assert left.details == ('LSTM (y): left to the CPU by fake-tool ("it is too new")',)


def test_an_answer_that_is_not_settled_is_kept_for_this_run_only(run: Any) -> None:
    for _ in range(2):
        tool = Wavering()
        one = run(tool, refused="an operator")
        assert one.contract().details == ("fake-tool refuses the file: an operator",)
        assert one.reason()[0] == "fake-tool refuses the file: an operator"
        assert len(tool.runs) == 1
    settled = FakeTool()
    run(settled, refused="an operator").contract()
    assert len(settled.runs) == 1, "nothing of the others is in the cache"


def test_what_the_runtime_of_the_target_does_not_load_is_kept(run: Any) -> None:
    class Newer(FakeTool):
        def compile(self, path: Path, target: Target, out: Path) -> Compiled:
            placed = Placed("fake-tool", not_loaded="it needs a newer runtime")
            return replace(super().compile(path, target, out), placed=placed)

    for tool in (Newer(), Newer()):
        assert run(tool).contract().details == ("it needs a newer runtime",)
    assert tool.runs == []


def test_what_a_compiler_leaves_to_the_cpu_is_for_a_budget_on_mapped_ops(run: Any) -> None:
    target = replace(FAKE_CHIP, tools={"mapped_ops": "fake-tool"})
    one = run(target=target, left=["LSTM"], figures={"mapped_ops": 0.75})
    assert one.contract(Budget("mapped_ops", 0.7)).outcome is Outcome.PASS
    assert one.contract().outcome is Outcome.FAIL


MAPPING = replace(FAKE_CHIP, tools={"mapped_ops": "fake-tool"})
RULED = replace(MAPPING, operators={"CONV": OperatorRule()})


@pytest.mark.filterwarnings("ignore::pytest_edgegate.core.errors.EdgeGateWarning")
def test_a_tool_that_fails_leaves_no_green_contract(run: Any) -> None:
    one = run(target=MAPPING, broken="a time limit")
    found = one.contract()
    assert (found.outcome, found.red) == (Outcome.NOT_MEASURED, True)
    assert found.reason == (
        "which operators run on the chip is not known: fake-tool was ended: a time limit"
    )
    assert found.remedy == "make the fake without it"
    assert "caution" not in found.note


@pytest.mark.filterwarnings("ignore::pytest_edgegate.core.errors.EdgeGateWarning")
def test_a_tool_that_fails_leaves_the_contract_to_rules_and_to_no_budget(run: Any) -> None:
    ruled = run(target=RULED, broken="a time limit").contract()
    assert "predicted by the rules of the target alone: fake-tool was ended" in ruled.note
    asked = run(target=MAPPING, broken="a time limit").contract(Budget("mapped_ops", 1))
    assert asked.outcome is Outcome.NOT_MEASURED


@pytest.mark.filterwarnings("ignore::pytest_edgegate.core.errors.EdgeGateWarning")
def test_what_breaks_the_contract_stays_named_where_a_tool_fails(run: Any) -> None:
    target = replace(MAPPING, io_dtypes=("int16",))
    found = run(target=target, broken="a time limit").contract()
    assert found.outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("tool", "figures", "said"),
    [
        (FakeTool(installed=None), {}, "is not looked at: fake-tool, which reports it for a chip"),
        (FakeTool(), {"mapped_ops": "too old"}, "is not looked at: too old"),
        (FakeTool(), {}, "is not looked at: fake-tool reports no mapped_ops for this file"),
        (FakeTool(), {"mapped_ops": 1}, ""),
    ],
)
def test_a_tool_that_says_nothing_of_operators_is_a_caution(
    run: Any, tool: FakeTool, figures: Mapping[str, Any], said: str
) -> None:
    found = run(tool, target=MAPPING, figures=figures).contract()
    assert found.outcome is Outcome.PASS
    assert said in found.note
    assert ("caution" in found.note) is bool(said)


OWN = MappingProxyType({"mine": Program((sys.executable, "-c", "open('ran', 'w')"))})
"""Names a command of the user's own, whose run would leave a file."""
BESIDE = replace(FAKE_CHIP, tools={"mapped_ops": "mine", "memory": "fake-tool"}, programs=OWN)
ALONE = replace(FAKE_CHIP, tools={"mapped_ops": "mine"}, programs=OWN)


@pytest.mark.filterwarnings("ignore::pytest_edgegate.core.errors.EdgeGateWarning")
@pytest.mark.parametrize(
    ("tool", "what", "outcome", "said"),
    [
        (FakeTool(), {"broken": "a time limit"}, Outcome.NOT_MEASURED, "is not known: fake-tool"),
        (FakeTool(installed=None), {}, Outcome.PASS, "not looked at: fake-tool, which reports it"),
        (FakeTool(metrics=("memory",)), {}, Outcome.PASS, "not looked at: mine tells their share"),
        (FakeTool(), {"figures": {"mapped_ops": "too old"}}, Outcome.PASS, "at: too old"),
        (FakeTool(), {"figures": {"mapped_ops": 1}}, Outcome.PASS, ""),
        (FakeTool(), {"left": ["LSTM"]}, Outcome.FAIL, ""),
    ],
)
def test_a_command_of_ones_own_leaves_the_operators_to_the_other_tools(
    run: Any, tmp_path: Path, tool: FakeTool, what: dict[str, Any], outcome: Outcome, said: str
) -> None:
    found = run(tool, target=BESIDE, **what).contract()
    assert found.outcome is outcome
    assert said in found.reason + found.note
    assert ("not looked at" in found.note) is (bool(said) and outcome is Outcome.PASS)
    assert not (tmp_path / "ran").exists()


def test_a_command_of_ones_own_alone_looks_at_no_operator(run: Any, tmp_path: Path) -> None:
    found = run(target=ALONE).contract()
    assert found.outcome is Outcome.PASS
    assert "caution: which operators run on the chip is not looked at: mine tells" in found.note
    assert "caution" not in run(target=replace(ALONE, operators=RULED.operators)).contract().note
    assert not (tmp_path / "ran").exists()
    prints = Program((sys.executable, "-c", "print('{\"mapped_ops\": 1}')"))
    gated = run(target=replace(ALONE, programs={"mine": prints}))
    assert "caution" not in gated.contract(Budget("mapped_ops", 1)).note


class Misled(FakeTool):
    """Takes no table of the target."""

    def options(self, target: Target) -> Mapping[str, object]:
        raise ConfigurationError("no such board", "write another")


def test_a_wrong_table_is_an_error_before_any_work(run: Any) -> None:
    one = run(Misled())
    with pytest.raises(ConfigurationError, match="no such board"):
        one.session.tooling.check(FAKE_CHIP)
    case = one.session.case(one.subject, FAKE_CHIP)
    with pytest.raises(ConfigurationError, match="no such board"):
        one.session.look_ahead(case, one.session.plan(case, None))
    with pytest.raises(ConfigurationError, match="no such board"):
        one.session.look_at_body(case, compresses=False)
    run(Misled(installed=None)).session.tooling.check(FAKE_CHIP)
    run().session.tooling.check(FAKE_CHIP)


def test_what_a_tool_found_in_a_file_is_told_with_its_name(run: Any) -> None:
    one = run(remark="it has a program")
    artifact = one.artifact()
    assert one.session.tooling.remarks(artifact, FAKE_CHIP) == ("fake-tool: it has a program",)
    assert run().session.tooling.remarks(artifact, replace(FAKE_CHIP, tools={})) == ()


class Comparing(FakeTool):
    """Says what the file was compiled from."""

    def compare(self, path: Path, source: Path, target: Target, out: Path) -> Compiled:
        self.runs.append(source)
        return Compiled((), {"memory": Figure(source.stat().st_size, "vendor:fake-tool")})


def test_a_source_is_for_the_tools_that_compare_with_it(run: Any, tmp_path: Path) -> None:
    tool = Comparing()
    one = run(tool)
    artifact = one.artifact()
    before = one.session.adopt(fake_model(tmp_path / "before.fake", bytes=5_000), FAKE_CHIP)
    other = one.session.adopt(fake_model(tmp_path / "other.fake", bytes=6_000), FAKE_CHIP)
    tool.runs.clear()
    tooling = one.session.tooling
    sizes = [
        tooling.finding("memory", artifact, FAKE_CHIP, source).value
        for source in (before, other, before)
    ]
    assert sizes == [5_000, 6_000, 5_000]
    assert len(tool.runs) == 2, "each source once"
    plain = run(FakeTool(installed="plain"))
    assert plain.session.tooling.finding("memory", artifact, FAKE_CHIP, before).value == 43_000


@pytest.mark.parametrize(
    "forged",
    [
        {"placed": {"by": "x"}},
        {"placed": {"by": "x", "left": [{"kind": "x"}], "refusal": ""}},
        {"placed": {"by": 1, "left": [], "refusal": ""}},
        {"remark": 7},
    ],
)
def test_what_is_no_answer_of_a_tool_is_not_read_from_a_cache(
    tmp_path: Path, forged: dict[str, Any]
) -> None:
    info = {"files": [], "figures": {}, "placed": None, "remark": ""}
    assert KeptAnswer.read(Entry(tmp_path, info, frozenset(), cached=True)).placed is None
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        KeptAnswer.read(Entry(tmp_path, {**info, **forged}, frozenset(), cached=True))
