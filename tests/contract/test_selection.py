"""Which tests are gated, and for which targets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BOARD, HOST = "fake-board", "fake-host"
BOTH = "--edge-target=fake-board,fake-host"
METRICS = {
    "accuracy_drop": "0.01",
    "accuracy_drop_relative": "0.01",
    "accuracy_min": "0.9",
    "size": "'120 kB'",
    "compression": "1.5",
    "parameters": "'1.2 M'",
    "macs": "'1.2 M'",
    "latency_p50": "'6 ms'",
    "latency_p95": "'6 ms'",
    "latency_p99": "'6 ms'",
    "latency_first": "'1_900 us'",
    "latency_ratio": "1.2",
    "parity_agreement": "0.99",
    "parity_within_lsb": "0.99",
    "parity_lsb": "1",
    "parity_abs": "0.1",
    "export_error": "0.001",
    "max_error": "0.1",
    "sqnr_db": "30",
    "memory": "'256 kB'",
    "flash": "'1 MB'",
    "mapped_ops": "0.95",
    "streamed_bytes": "0",
    "accuracy_regression": "0.005",
    "size_regression": "1.05",
    "latency_regression": "1.1",
}
MEASURED = {
    "accuracy_drop",
    "accuracy_drop_relative",
    "accuracy_min",
    "size",
    "compression",
    "parameters",
    "macs",
    "parity_agreement",
    "parity_within_lsb",
    "parity_lsb",
    "parity_abs",
    "export_error",
    "max_error",
    "sqnr_db",
}
ON_HOSTS = {"latency_p50", "latency_p95", "latency_p99", "latency_first", "latency_ratio"}

SELECTION = {
    "test_selection.py": """
import pytest

budget, targets = pytest.mark.edge_budget, pytest.mark.edge_targets


def test_plain():
    pass


@pytest.mark.edge
def test_marked_edge_by_the_user():
    pass


def test_by_fixture(edge_ptq):
    pass


def test_fixture_only(edge_target):
    assert edge_target.name in ("fake-board", "fake-host")


def test_through_another_fixture(mine):
    pass


@pytest.fixture
def mine(edge_gate):
    return edge_gate


@targets("fake-board")
def test_by_marker_only():
    pass


@budget(size=1000)
@pytest.mark.parametrize("number", [1, 2])
def test_with_parameters(edge_ptq, number):
    pass


@budget(size=1000)
class TestClass:
    def test_in_a_class(self, edge_ptq):
        pass


@budget(size=1)
@budget("fake-host", size=5000)
def test_named_budget_beats_unnamed_there(edge_ptq):
    pass


@budget("fake-host", size=5000)
@budget(size=1)
def test_named_budget_written_first(edge_ptq):
    pass


@budget(size=1, parameters=20)
class TestNearest:
    @budget(size=1000)
    def test_nearest_wins_per_budget(self, edge_ptq):
        pass

    @budget("fake-host", size=1000)
    def test_nearest_wins_per_target(self, edge_ptq):
        pass


@budget("fake-board", size=1)
def test_budget_on_one_target(edge_ptq):
    pass


@targets("fake-board", "coral")
def test_targets_intersect(edge_ptq):
    pass


@targets("fake-board", "fake-host")
class TestTwice:
    @targets("fake-host", "coral")
    def test_targets_intersect_with_the_class(self, edge_ptq):
        pass


@targets("coral")
def test_targets_add_none(edge_ptq):
    raise AssertionError("runs for no target")


@budget("coral", size=1)
def test_every_budget_elsewhere(edge_ptq):
    raise AssertionError("runs for no target")


@budget("coral", size=1)
@budget("host", size=1)
@targets("coral", "host")
def test_everything_elsewhere(edge_ptq):
    raise AssertionError("runs for no target")


@budget("coral", size=1)
@budget(parameters=20)
def test_some_budget_elsewhere(edge_ptq):
    pass


@budget(size=1)
def test_markers_without_artifact(edge_gate):
    pass


@budget(size=1)
def test_markers_with_nothing():
    pass


@budget(size=999)
def test_given_by_hand(edge_gate, edge_compress):
    from pytest_edgegate import PTQ

    edge_gate.accuracy(edge_compress(PTQ()), drop=0.01)


@budget(size=999, parameters=20)
def test_helper_already_judged(edge_gate, edge_compress):
    from pytest_edgegate import PTQ

    edge_gate.size(edge_compress(PTQ()), 1000)


@budget(size=999)
def test_every_given_artifact(edge_gate, edge_compress):
    from pytest_edgegate import PTQ

    edge_gate.size(edge_compress(PTQ()), 1000)
    edge_gate.accuracy(edge_compress(PTQ(100)), drop=0.01)


@budget(size=999)
def test_the_requested_is_gated_not_the_given(edge_ptq, edge_gate, tmp_path):
    from pytest_edgegate.testing.fakes import fake_model

    edge_gate.check(fake_model(tmp_path / "other.fake", dtype="int8", bytes=10), size=5000)


def test_no_budget(edge_ptq):
    pass


@budget("coral", size=1)
@targets("fake-board")
def test_no_budget_that_holds(edge_ptq):
    pass


def test_no_budget_but_a_call(edge_ptq, edge_gate):
    edge_gate.size(edge_ptq, 1000)


def test_recipe_default_is_ptq(edge_artifact):
    assert [str(step) for step in edge_artifact.recipe] == ["PTQ(samples=200)"]


def by_recipe():
    from pytest_edgegate import PTQ

    return pytest.mark.edge_recipe("fake-board", PTQ(20)), pytest.mark.edge_recipe(PTQ(30))


@by_recipe()[0]
@by_recipe()[1]
def test_recipe_by_target(edge_artifact, edge_target):
    samples = 20 if edge_target.name == "fake-board" else 30
    assert edge_artifact.recipe[0].samples == samples


@pytest.mark.edge_recipe(*by_recipe()[1].args)
def test_recipe_without_budget(edge_artifact):
    assert edge_artifact.recipe[0].samples == 30
""",
    "test_module.py": """
import pytest

pytestmark = pytest.mark.edge_budget(size=1000)


@pytest.fixture
def own():
    return 1


def helper():
    return 2


def test_of_the_module(own, edge_ptq):
    assert own + helper() == 3
""",
    "test_shared.py": """
import pytest


class Base:
    def test_shared(self, request):
        pass


@pytest.mark.edge_targets("fake-board")
class TestMarked(Base):
    pass


class TestUnmarked(Base):
    pass
""",
}


@pytest.fixture
def selected(play: Any) -> Any:
    return play(SELECTION, BOTH)


def test_two_workers_find_the_same(same_with_workers: Any) -> None:
    same_with_workers(SELECTION, BOTH)


def test_fixture_or_marker_parametrises_by_target(selected: Any) -> None:
    for name in ("test_by_fixture", "test_fixture_only", "test_through_another_fixture"):
        assert selected.letter(name, BOARD) == "."
        assert selected.letter(name, HOST) == "."
    assert selected.letter("test_by_marker_only", BOARD) == "."
    assert "TestClass::test_in_a_class[fake-board]" in selected.tests
    with_parameters = [name for name in selected.tests if name.startswith("test_with_parameters")]
    assert len(with_parameters) == 4
    assert all("fake-" in name for name in with_parameters)


def test_the_run_says_why_tests_were_deselected(selected: Any) -> None:
    """Where pytest says how many, right below."""
    run = "the run is for fake-board or fake-host"
    for count, named in ((4, "coral"), (2, "coral or host")):
        line = f"edge gate: {count} deselected: their markers name only {named}; {run}"
        assert line in selected.output


def test_other_tests_are_left_alone(selected: Any) -> None:
    assert selected.tests["test_plain"] == "."
    assert selected.tests["test_marked_edge_by_the_user"] == "."


def test_a_function_shared_with_a_marked_class_is_left_alone(selected: Any) -> None:
    assert selected.tests["TestMarked::test_shared[fake-board]"] == "."
    assert "TestUnmarked::test_shared" in selected.tests


def test_budgets_of_a_module_hold_and_its_fixtures_are_left_alone(selected: Any) -> None:
    assert selected.letter("test_of_the_module", BOARD) == "."
    assert selected.letter("test_of_the_module", HOST) == "."
    assert selected.verdicts("test_of_the_module")["size"]["outcome"] == "pass"


def test_a_named_budget_beats_an_unnamed_one_on_its_target(selected: Any) -> None:
    for name in ("test_named_budget_beats_unnamed_there", "test_named_budget_written_first"):
        assert selected.letter(name, BOARD) == "F"
        assert selected.letter(name, HOST) == "."


def test_the_nearest_wins_per_budget_and_target(selected: Any) -> None:
    nearest = selected.verdicts("test_nearest_wins_per_budget")
    assert nearest["size"]["budget"]["limit"] == 1000
    assert nearest["parameters"]["budget"]["limit"] == 20
    assert selected.letter("test_nearest_wins_per_target", HOST) == "."
    assert selected.letter("test_nearest_wins_per_target", BOARD) == "F"


def test_a_named_budget_holds_only_there(selected: Any) -> None:
    assert selected.letter("test_budget_on_one_target", BOARD) == "F"
    assert selected.letter("test_budget_on_one_target", HOST) == "."
    found = selected.verdicts("test_budget_on_one_target", HOST)
    assert set(found) == {"contract"}
    assert "no budgets" in found["contract"]["reason"]


def test_edge_targets_intersects_and_adds_none(selected: Any) -> None:
    names = set(selected.tests)
    assert {name for name in names if "test_targets_intersect[" in name} == {
        "test_targets_intersect[fake-board]"
    }
    assert {name for name in names if "with_the_class" in name} == {
        "TestTwice::test_targets_intersect_with_the_class[fake-host]"
    }


def test_what_is_only_for_other_targets_is_deselected_and_counted(selected: Any) -> None:
    assert not [name for name in selected.tests if "elsewhere[" in name and "some" not in name]
    assert not [name for name in selected.tests if "add_none" in name]
    assert selected.letter("test_some_budget_elsewhere") == "."
    assert selected.seen["deselected"] == 6  # xdist's workers tell nobody
    assert "6 deselected" in selected.output


def test_a_marker_gates_what_was_given_to_the_gate(selected: Any) -> None:
    assert selected.letter("test_given_by_hand") == "F"
    assert "size 1,000 B > 999 B" in selected.text("test_given_by_hand")
    found = selected.verdicts("test_given_by_hand")
    assert found["accuracy_drop"]["outcome"] == "pass"
    assert found["size"]["outcome"] == "fail"


def test_a_marker_does_not_judge_again_what_a_helper_judged(selected: Any) -> None:
    assert selected.letter("test_helper_already_judged") == "."
    found = selected.verdicts("test_helper_already_judged")
    assert found["size"]["budget"]["limit"] == 1000
    assert found["parameters"]["outcome"] == "pass"


def test_a_marker_gates_every_artifact_that_was_given(selected: Any) -> None:
    """The two artifacts have other recipes, and the same bytes; the second was not judged."""
    ends = "::test_every_given_artifact[fake-board]"
    found = [
        (each["artifact"]["recipe"], each["budget"]["metric"], each["outcome"])
        for each in selected.report["verdicts"]
        if each["test"].endswith(ends)
    ]
    assert (["PTQ(samples=200)"], "size", "pass") in found


def test_a_marker_gates_the_artifact_that_was_requested(selected: Any) -> None:
    assert selected.letter("test_the_requested_is_gated_not_the_given") == "F"
    assert "1,000 B > 999 B" in selected.text("test_the_requested_is_gated_not_the_given")


@pytest.mark.parametrize("name", ["test_markers_without_artifact", "test_markers_with_nothing"])
def test_a_marker_with_nothing_to_gate_is_an_error(selected: Any, name: str) -> None:
    assert selected.letter(name) == "F"
    selected.assert_fault(selected.text(name), "nothing was gated")
    assert selected.verdicts(name) == {}


@pytest.mark.parametrize("name", ["test_no_budget", "test_no_budget_that_holds"])
def test_an_artifact_without_budgets_is_checked(selected: Any, name: str) -> None:
    assert selected.letter(name) == "."
    found = selected.verdicts(name)
    assert set(found) == {"contract"}
    assert "no budgets" in found["contract"]["reason"]
    assert "no budgets" in selected.output


def test_an_artifact_with_a_call_is_not_checked_again(selected: Any) -> None:
    found = selected.verdicts("test_no_budget_but_a_call")
    assert found["size"]["outcome"] == "pass"
    assert not any("no budgets" in each["reason"] for each in found.values())


@pytest.mark.parametrize(
    "name", ["test_recipe_default_is_ptq", "test_recipe_by_target", "test_recipe_without_budget"]
)
def test_edge_artifact_is_of_the_recipe(selected: Any, name: str) -> None:
    assert selected.letter(name, BOARD) == "."
    assert selected.letter(name, HOST) == "."


MISTAKES = {
    "test_two_artifacts.py": (
        "@pytest.mark.edge_budget(size=1)\ndef test_it(edge_ptq, edge_qat): ...",
        ("edge_ptq", "edge_qat", "which of them"),
    ),
    "test_ptq_and_recipe.py": (
        "from pytest_edgegate import PTQ\n@pytest.mark.edge_recipe(PTQ())\n"
        "def test_it(edge_ptq): ...",
        ("edge_recipe with edge_ptq", "edge_artifact"),
    ),
    "test_unittest.py": (
        "import unittest\nclass TestIt(unittest.TestCase):\n"
        "    @pytest.mark.edge_budget(size=1)\n    def test_it(self): ...",
        ("TestCase", "use a function or a plain class"),
    ),
    "test_unittest_class.py": (
        "import unittest\n@pytest.mark.edge_budget(size=1)\nclass TestIt(unittest.TestCase):\n"
        "    def test_it(self): ...",
        ("TestCase", "use a function or a plain class"),
    ),
    "test_unittest_module.py": (
        "import unittest\npytestmark = pytest.mark.edge_budget(size=1)\n"
        "class TestIt(unittest.TestCase):\n    def test_it(self): ...",
        ("TestCase", "use a function or a plain class"),
    ),
    "test_misspelt_target.py": (
        "@pytest.mark.edge_budget('fake-bord', size=1)\ndef test_it(edge_ptq): ...",
        ("unknown target 'fake-bord', did you mean 'fake-board'?",),
    ),
    "test_misspelt_targets.py": (
        "@pytest.mark.edge_targets('fake-bord')\ndef test_it(edge_ptq): ...",
        ("unknown target 'fake-bord', did you mean 'fake-board'?",),
    ),
    "test_misspelt_recipe_target.py": (
        "from pytest_edgegate import PTQ\n@pytest.mark.edge_recipe('fake-bord', PTQ())\n"
        "def test_it(edge_artifact): ...",
        ("unknown target 'fake-bord', did you mean 'fake-board'?",),
    ),
    "test_misspelt_elsewhere.py": (
        "@pytest.mark.edge_targets('coral')\n@pytest.mark.edge_budget('fake-bord', size=1)\n"
        "def test_it(edge_ptq): ...",
        ("unknown target 'fake-bord', did you mean 'fake-board'?",),
    ),
    "test_empty_budget.py": (
        "@pytest.mark.edge_budget('fake-board')\ndef test_it(edge_ptq): ...",
        ("edge_budget has no budget",),
    ),
    "test_empty_targets.py": (
        "@pytest.mark.edge_targets()\ndef test_it(edge_ptq): ...",
        ("edge_targets names no target",),
    ),
    "test_budget_not_text.py": (
        "@pytest.mark.edge_budget(0.01)\ndef test_it(edge_ptq): ...",
        ("edge_budget(0.01, ...)",),
    ),
}
SOUND = "def test_sound(edge_ptq): ..."
MIXIN = """
import unittest

import pytest


class Mixin:
    @pytest.mark.edge_budget(size=1)
    def test_mixed_in(self):
        pass


class TestMixed(Mixin, unittest.TestCase):
    pass
"""


@pytest.fixture
def mistaken(play: Any) -> Any:
    files = {name: f"import pytest\n{text}\n" for name, (text, _) in MISTAKES.items()}
    return play({**files, "test_sound.py": SOUND}, "--edge-target=fake-board")


@pytest.mark.parametrize("file", MISTAKES)
def test_a_mistake_in_a_marker_is_a_collection_error_of_its_file(mistaken: Any, file: str) -> None:
    found = {node.split("::")[0]: text for node, text in mistaken.collection.items()}
    assert file in found
    mistaken.assert_fault(found[file], *MISTAKES[file][1])


def test_a_marker_that_a_test_case_inherits_is_an_error(play: Any) -> None:
    ran = play({"test_mixin.py": MIXIN}, "--edge-target=fake-board")
    assert ran.status != 0
    told = [text for text in ran.collection.values() if "TestMixed" in text]
    ran.assert_fault((told or [ran.text("TestMixed::test_mixed_in")])[0], "plain class")


@pytest.mark.workers
def test_a_collection_error_is_red_and_told_once(mistaken: Any) -> None:
    assert mistaken.status == (1 if mistaken.in_parallel else 2)
    mistaken.result.assert_outcomes(
        errors=len(MISTAKES), **({"passed": 1} if mistaken.in_parallel else {})
    )
    told = mistaken.output.split("short test summary info")[0]
    assert told.count("edge_budget(0.01, ...)") == 1
    assert "INTERNALERROR" not in mistaken.everything
    assert "Traceback" not in mistaken.everything


ALL_BUDGETS = {
    "test_budgets.py": "import pytest\n\n\n"
    + "\n".join(
        f"@pytest.mark.edge_budget({name}={limit})\ndef test_{name}(edge_ptq): ...\n"
        for name, limit in METRICS.items()
    )
    + f"\n@pytest.mark.edge_budget({', '.join(f'{k}={v}' for k, v in METRICS.items())})\n"
    "def test_all_at_once(edge_ptq): ...\n"
}


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("target", [BOARD, HOST])
def test_every_budget_is_accepted(play: Any, metric: str, target: str) -> None:
    ran = play(ALL_BUDGETS, BOTH)
    verdict = ran.verdicts(f"test_{metric}", target)[metric]
    measured = metric in MEASURED or (target == HOST and metric in ON_HOSTS)
    assert verdict["outcome"] == ("pass" if measured else "not_measured")
    assert (verdict["measured"] is None) is not measured
    assert ran.letter(f"test_{metric}", target) == ("." if measured else "F")
    if not measured:
        first = ran.text(f"test_{metric}", target).splitlines()[0]
        assert first.startswith(f"{metric} not measured")
        assert verdict["remedy"]


def test_every_budget_at_once_is_judged_once(play: Any) -> None:
    missing = set(METRICS) - MEASURED
    ran = play(ALL_BUDGETS, BOTH, f"--edge-allow-unmeasured={','.join(missing)}", "-k", "all")
    assert set(ran.verdicts("test_all_at_once")) == {"contract", *METRICS}
    assert ran.status == 0
    stopped = play(ALL_BUDGETS, BOTH)
    known_late = {"accuracy_regression", "size_regression"}  # as nothing is accepted yet
    assert set(stopped.verdicts("test_all_at_once")) == missing - known_late
    assert stopped.status == 1


WHERE = {
    "test_where.py": """
def test_where(edge_target):
    print("target:", edge_target.name)
"""
}


@pytest.mark.parametrize(
    ("ini", "arguments", "targets"),
    [
        ("", (), ["host"]),
        ("edge_target = fake-board, fake-host", (), ["fake-board", "fake-host"]),
        ("edge_target = fake-board", ("--edge-target=fake-host,fake-host",), ["fake-host"]),
    ],
    ids=["host", "ini of two", "option beats ini"],
)
def test_the_targets_of_a_run(
    play: Any, ini: str, arguments: tuple[str, ...], targets: list[str]
) -> None:
    ran = play(WHERE, *arguments, ini=ini)
    assert ran.status == 0
    assert sorted(ran.tests) == sorted(f"test_where[{each}]" for each in targets)


def test_not_edge_leaves_the_gate_out(play: Any) -> None:
    ran = play(SELECTION, BOTH, "-m", "not edge")
    assert ran.status == 0
    assert set(ran.tests) == {"test_plain", "TestUnmarked::test_shared"}
    assert "edge gate" not in ran.output
    ran.result.assert_outcomes(passed=2)


PLAIN = {"conftest.py": "", "test_plain.py": "def test_plain(): ...\n"}
GATED = {**PLAIN, "test_gated.py": "def test_gated(edge_ptq): ...\n"}


def test_the_plugin_can_be_turned_off(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in GATED.items():
        (pytester.path / name).write_text(text)
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", raising=False)
    result = pytester.runpytest_subprocess("-p", "no:edgegate")
    result.assert_outcomes(passed=1, errors=1)
    assert "fixture 'edge_ptq' not found" in str(result.stdout)
    assert "edge gate" not in str(result.stdout)
    offered = pytester.runpytest_subprocess("-p", "no:edgegate", "--edge-target=coral")
    assert offered.ret == pytest.ExitCode.USAGE_ERROR


OWN_TARGETS = """
[tool.edgegate.targets.my-board]
from = "fake-board"
title = "a board of ours"
io_dtypes = ["int8", "float32"]
default_io = "int8"

[tool.edgegate.targets.my-other]
from = "my-board"
memory_bytes = 1000
"""
OWN = {
    "pyproject.toml": OWN_TARGETS,
    "test_own.py": """
import pytest


@pytest.mark.edge_targets("my-board", "my-other")
def test_own(edge_ptq, edge_target):
    assert edge_target.default_io == "int8"
    assert edge_target.formats == ("edgegate-fake",)
    assert edge_target.memory_bytes == (1000 if edge_target.name == "my-other" else None)
    assert edge_ptq.target == edge_target.name


@pytest.mark.model(io="uint8")
def test_its_contract(edge_ptq):
    pass
""",
}


def test_a_target_of_the_users_own(play: Any) -> None:
    ran = play(OWN, "--edge-target=my-board,my-other")
    for name in ("my-board", "my-other"):
        assert ran.letter("test_own", name) == "."
        assert ran.letter("test_its_contract", name) == "F"
        offender = f"output y: uint8, where {name} takes int8 or float32"
        assert offender in ran.text("test_its_contract", name)


WRONG_TARGETS = {
    "base": ("from = 'fake-bord'", "did you mean 'fake-board'?"),
    "key": ("from = 'fake-board'\nio_dtype = ['int8']", "did you mean 'io_dtypes'?"),
    "itself": ("from = 'itself'", "missing"),
    "circle": ("from = 'other'\n[tool.edgegate.targets.other]\nfrom = 'circle'", "circle -> other"),
    "dtype": ("from = 'fake-board'\ndtypes = ['int7']", "did you mean 'int8'?"),
    "list": ("from = 'fake-board'\ndtypes = 'int8'", "is not a list of names"),
    "flag": ("from = 'fake-board'\nstatic_shape = 'no'", "static_shape = 'no' is not a bool"),
    "runtimes": ("from = 'fake-board'\nruntimes = 'fake'", "runtimes is not a table"),
    "runtime": ("from = 'fake-board'\nruntimes = {edgegate-fake = 'fake'}", "runtimes"),
    "limit": (
        "from = 'fake-board'\noperators = {ADD = {limits = ['unit_stride']}}",
        "did you mean 'unit_strides'?",
    ),
    "rule": ("from = 'fake-board'\noperators = {ADD = 3}", "ADD"),
}


@pytest.mark.parametrize("name", WRONG_TARGETS)
def test_a_mistake_in_a_target_of_the_users_own(play: Any, name: str) -> None:
    tables = "\n".join(
        f"[tool.edgegate.targets.{each}]\n{table}" for each, (table, _) in WRONG_TARGETS.items()
    )
    ran = play({"pyproject.toml": tables, **WHERE}, f"--edge-target={','.join(WRONG_TARGETS)}")
    assert ran.status == 4
    assert ran.tests == {}
    told = next(each for each in ran.everything.splitlines() if _is_about(name, each))
    assert WRONG_TARGETS[name][1] in told


def _is_about(name: str, line: str) -> bool:
    return f"target {name!r}" in line or (name == "circle" and "start from each other" in line)


@pytest.mark.parametrize("table", ["[tool.edgegate]\ntargets = 3", "[tool]\nedgegate = 3"])
def test_targets_that_are_no_tables(play: Any, table: str) -> None:
    ran = play({"pyproject.toml": table, **WHERE}, "--edge-target=fake-board")
    assert ran.status == 4
    assert "edgegate error: " in ran.everything
    assert "Traceback" not in ran.everything


def test_listing_the_targets(play: Any) -> None:
    ran = play({"pyproject.toml": OWN_TARGETS}, "--edge-list-targets")
    assert ran.status == 0
    for name in ("coral: ", "fake-board: ", "fake-host: ", "host: ", "my-board: a board of ours"):
        assert f"\n{name}" in f"\n{ran.output}"
    assert "from pyproject.toml" in ran.output
    assert "test session starts" not in ran.output


EXPLAINED = {
    "test_explained.py": """
import pytest


def test_plain():
    raise AssertionError("bodies do not run")


@pytest.mark.edge_budget(accuracy_drop=0.01, size="120 kB", parity_lsb=1)
def test_markers(edge_ptq):
    raise AssertionError("bodies do not run")


@pytest.mark.edge_budget(latency_p95="6 ms", size=1)
def test_unmeasurable(edge_ptq):
    raise AssertionError("bodies do not run")


def test_by_hand(edge_gate, edge_compress):
    raise AssertionError("bodies do not run")


@pytest.mark.edge_budget(size=1)
def test_without_a_gate(tmp_path):
    raise AssertionError("bodies do not run")


@pytest.mark.edge_budget(size=1)
def test_without_a_judge(edge_compress):
    raise AssertionError("bodies do not run")


@pytest.mark.edge_budget(size=1)
def test_that_may_ask(request):
    raise AssertionError("bodies do not run")


def test_no_budget(edge_artifact):
    raise AssertionError("bodies do not run")


@pytest.mark.xfail(strict=True)
@pytest.mark.edge_budget(size=1)
def test_expected_to_fail(edge_ptq): ...


@pytest.mark.xfail
@pytest.mark.edge_budget(size=1)
def test_that_may_fail(edge_ptq): ...
""",
}


def test_explaining_builds_nothing_and_runs_no_body(play: Any) -> None:
    ran = play(EXPLAINED, "--edge-target=fake-board", "--edge-explain")
    # whether an xfail is right is known of a test that has run
    ran.result.assert_outcomes(passed=6, failed=3, deselected=1)
    for words in (
        "nothing was built",
        "test_explained.py::test_markers[fake-board]",
        "edge_ptq: PTQ(samples=200)",
        "to be built",
        "accuracy_drop <= 0.01: ",
        "size <= 120.0 kB: ",
        "latency_p95 <= 6 ms: ",
        "parity_lsb <= 1: ",
        "no budgets",
        "not known before it runs",
    ):
        assert words in ran.output
    assert not list((ran.folder / ".edgegate_cache").rglob("*.fake"))
    assert [each["outcome"] for each in ran.report["verdicts"]] == ["not_measured"]


def test_explaining_is_red_for_what_is_red_whatever_the_body_does(play: Any) -> None:
    ran = play(EXPLAINED, "--edge-target=fake-board", "--edge-explain")
    assert ran.text("test_unmeasurable").startswith("latency_p95 not measured (fake-board")
    for name in ("test_without_a_gate", "test_without_a_judge"):
        ran.assert_fault(ran.text(name), "nothing was gated")


def write_model_and_data(folder: Path, calibration: bool, **what: Any) -> None:
    numbers = np.arange(500)
    x = np.stack([numbers, numbers % 10], axis=1).astype(np.float32)
    more = {"x_calibration": x[:20] + np.float32(10_000)} if calibration else {}
    np.savez(folder / "eval.npz", x=x, y=numbers % 10, **more)
    content = {"format": "edgegate-fake", "dtype": "float32", "bytes": 4000, **what}
    (folder / "m.fake").write_text(json.dumps(content))


GATE_FILE = ("--edge-model=m.fake", "--edge-data=eval.npz")


@pytest.mark.parametrize(
    ("what", "calibration", "ini", "letter", "metrics"),
    [
        ({}, True, "", ".", {"contract", "accuracy_drop"}),
        ({"ptq_wrong": list(range(50))}, True, "", "F", {"contract", "accuracy_drop"}),
        (
            {"dtype": "int8"},
            False,
            "edge_budgets =\n    accuracy_min = 0.9\n    size = '4 kB'",
            ".",
            {"contract", "accuracy_min", "size"},
        ),
    ],
    ids=["default budget", "red", "finished file and ini"],
)
def test_a_model_and_data_need_no_test_file(
    again: Any,
    tmp_path: Path,
    what: dict[str, Any],
    calibration: bool,
    ini: str,
    letter: str,
    metrics: set[str],
) -> None:
    write_model_and_data(tmp_path, calibration, **what)
    ran = again({}, *GATE_FILE, "--edge-target=fake-board", ini=ini)
    assert ran.tests == {"m.fake[fake-board]": letter}
    assert ran.status == (1 if letter == "F" else 0)
    found = ran.report["verdicts"]
    assert {each["budget"]["metric"] for each in found} == metrics
    assert {each["test"] for each in found} == {"edgegate::m.fake[fake-board]"}
    recipes = {tuple(each["artifact"]["recipe"]) for each in found}
    assert recipes == {() if "dtype" in what else ("PTQ(samples=200)",)}
    counts = {each["measured"]["n"] for each in found if "accuracy" in each["budget"]["metric"]}
    assert counts == {500 if calibration else 400}


def test_a_model_beside_test_files_and_several_targets(again: Any, tmp_path: Path) -> None:
    write_model_and_data(tmp_path, calibration=False)
    plain = {"test_plain.py": "def test_plain(): ..."}
    ran = again(plain, *GATE_FILE, BOTH, ".")
    assert ran.status == 0
    assert set(ran.tests) == {"test_plain", "m.fake[fake-board]", "m.fake[fake-host]"}
    ungated = again(plain, *GATE_FILE, BOTH, ".", "-m", "not edge")
    assert set(ungated.tests) == {"test_plain"}


BESIDE = {
    "tests/conftest.py": """
import pytest
from pytest_edgegate import Metric


@pytest.fixture
def edge_metric():
    return Metric(by_hand)


def by_hand(outputs, labels):
    return outputs.argmax(1) == labels


@pytest.fixture(autouse=True)
def told():
    print("a fixture of the folder")
""",
    "tests/test_broken.py": "raise RuntimeError('this file is not even imported')",
    "elsewhere/conftest.py": "raise RuntimeError('nor is this one')",
}


@pytest.mark.workers
def test_the_other_tests_are_left_out_and_the_fixtures_of_their_folder_hold(
    again: Any, tmp_path: Path
) -> None:
    write_model_and_data(tmp_path, calibration=True)
    ran = again(BESIDE, *GATE_FILE, "--edge-target=fake-board", "-rP", ini="testpaths = tests")
    assert ran.tests == {"m.fake[fake-board]": "."}, ran.everything
    assert ran.status == 0
    if not ran.in_parallel:
        assert "collected 1 item" in ran.output
        assert "a fixture of the folder" in ran.output
    (drop,) = (each for each in ran.report["verdicts"] if "accuracy" in each["budget"]["metric"])
    assert drop["measured"]["n"] == 500


def test_a_metric_by_its_name_and_by_a_fixture(again: Any, tmp_path: Path) -> None:
    """By the order of the classes, 4 in 10 labels are among the 5 best of the wrong answers."""
    write_model_and_data(tmp_path, calibration=True, ptq_wrong=list(range(500)))
    board = (*GATE_FILE, "--edge-target=fake-board")

    def drop(*arguments: str, ini: str = "", files: Any = BESIDE) -> float:
        ran = again(files, *board, *arguments, ini=ini)
        figures = {each["budget"]["metric"]: each for each in ran.report["verdicts"]}
        return float(figures["accuracy_drop"]["measured"]["value"])

    assert drop(files={}) == 1.0
    assert drop("--edge-metric=top5", files={}) == 0.6
    assert drop(files={}, ini="edge_metric = top5") == 0.6
    lenient = BESIDE["tests/conftest.py"].replace("argmax(1) == labels", "sum(1) > -1e9")
    own = {"tests/conftest.py": lenient}
    assert drop(files=own, ini="testpaths = tests\nedge_metric = top1") == 0.0
    assert drop("--edge-metric=top1", files=own, ini="testpaths = tests") == 1.0


def test_the_data_of_a_fixture(again: Any, tmp_path: Path) -> None:
    write_model_and_data(tmp_path, calibration=True)
    ran = again({}, GATE_FILE[0], "--edge-target=fake-board")
    assert ran.tests == {"m.fake[fake-board]": "."}, ran.everything
    bare = 'pytest_plugins = ["pytest_edgegate.testing.fakes"]'
    missing = again({"conftest.py": bare}, GATE_FILE[0], "--edge-target=fake-board")
    missing.assert_fault(
        missing.text("m.fake"), "needs data to be gated on", "--edge-data=eval.npz"
    )
