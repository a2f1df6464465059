"""Regressions against what was accepted: docs/verdicts.md, case by case, in whole runs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Played = Callable[..., Any]
TEST = """
import pytest


@pytest.mark.model({model})
@pytest.mark.samples({samples})
@pytest.mark.edge_budget({budgets})
def test_it(edge_ptq):
    {body}
"""
LOST = "accuracy_regression=0.01"
ALL = "accuracy_regression=0.01, size_regression=1.05"
BOARD = "--edge-target=fake-board"


def written(
    model: str = "ptq_wrong=[1, 2]", budgets: str = ALL, samples: int = 200, body: str = "pass"
) -> dict[str, str]:
    text = TEST.format(model=model, budgets=budgets, samples=samples, body=body)
    return {"test_it.py": text}


class Gate:
    """A project whose runs follow each other."""

    def __init__(self, again: Played, folder: Path) -> None:
        self._again = again
        self.folder = folder

    def run(self, *arguments: str, ini: str = "", **what: Any) -> Any:
        return self._again(written(**what), BOARD, *arguments, ini=ini)

    def accept(self, *arguments: str, ini: str = "", **what: Any) -> Any:
        return self._again(written(**what), *(arguments or ("--edge-accept",)), ini=ini)

    @property
    def entries(self) -> list[Path]:
        return sorted((self.folder / "edge-baseline").rglob("*.json"))

    @property
    def entry(self) -> dict[str, Any]:
        [only] = self.entries
        found: dict[str, Any] = json.loads(only.read_text("utf-8"))
        return found


@pytest.fixture
def gate(again: Played, tmp_path: Path) -> Gate:
    return Gate(again, tmp_path)


@pytest.fixture
def accepted(gate: Gate) -> Gate:
    """Two wrong answers of 200, and 1,000 bytes."""
    gate.run()
    assert gate.accept().status == 0
    return gate


def test_without_an_entry_nothing_is_measured(gate: Gate) -> None:
    ran = gate.run()
    assert ran.letter("test_it") == "F"
    for verdict in (ran.verdicts("test_it")[each] for each in ALL.replace("=", " ").split()[::2]):
        assert verdict["outcome"] == "not_measured"
        assert "nothing is accepted for PTQ(samples=200) on fake-board" in verdict["reason"]
        assert "pytest --edge-accept" in verdict["remedy"]
        assert verdict["measured"] is None


def test_what_is_not_measured_may_be_allowed(gate: Gate) -> None:
    ran = gate.run("--edge-allow-unmeasured=accuracy_regression,size_regression")
    assert ran.letter("test_it") == "."


@pytest.mark.workers
def test_the_same_file_passes_and_nothing_is_run_for_it(accepted: Gate) -> None:
    ran = accepted.run()
    assert ran.letter("test_it") == "."
    verdict = ran.verdicts("test_it")["accuracy_regression"]
    assert (verdict["outcome"], verdict["proven"]) == ("pass", True)
    assert (verdict["measured"]["source"], verdict["measured"]["cached"]) == ("host:fake", True)
    assert verdict["measured"]["n"] == 200
    assert verdict["accepted"]["value"] == 0.99
    assert "0.99" in ran.output
    size = ran.verdicts("test_it")["size_regression"]
    assert (size["outcome"], size["measured"]["value"], size["accepted"]["value"]) == (
        "pass",
        1.0,
        1000,
    )
    assert "would change" not in ran.output


def test_a_loss_is_paired_and_told(accepted: Gate) -> None:
    ran = accepted.run(model="ptq_wrong=range(2, 12)")
    verdict = ran.verdicts("test_it")["accuracy_regression"]
    assert verdict["outcome"] == "fail"
    assert verdict["measured"]["value"] == pytest.approx(0.04)
    assert verdict["measured"]["low"] > 0.01
    assert "1 entry would change, 1 for the worse: pytest --edge-accept" in ran.output
    text = ran.text("test_it")
    assert "9 samples that were right when it was accepted are wrong now, 1 the other" in text
    assert "pytest --edge-accept" in text
    assert len(text.splitlines()) <= 15


def test_accepting_is_not_advised_where_it_would_refuse(accepted: Gate) -> None:
    worse = accepted.run(model="ptq_wrong=range(30)")
    assert "if it is meant, accept it" in worse.verdicts("test_it")["accuracy_regression"]["remedy"]
    both = accepted.run(model="ptq_wrong=range(30)", budgets=f"{ALL}, accuracy_drop=0.01")
    found = both.verdicts("test_it")
    assert found["accuracy_drop"]["outcome"] == "fail"
    assert found["accuracy_regression"]["remedy"] == "undo what made it worse"


def test_a_larger_file_is_a_loss(accepted: Gate) -> None:
    ran = accepted.run(model="ptq_wrong=[1, 2], bytes=4400")
    verdict = ran.verdicts("test_it")["size_regression"]
    assert (verdict["outcome"], verdict["measured"]["value"]) == ("fail", 1.1)
    assert ran.verdicts("test_it")["accuracy_regression"]["outcome"] == "pass"


def test_better_passes_and_says_how_to_accept(accepted: Gate) -> None:
    ran = accepted.run(model="ptq_wrong=[1]")
    assert ran.letter("test_it") == "."
    assert ran.verdicts("test_it")["accuracy_regression"]["measured"]["value"] < 0
    assert "1 entry would change: pytest --edge-accept" in ran.output
    assert accepted.accept().status == 0
    assert "would change" not in accepted.run(model="ptq_wrong=[1]").output


def test_another_digest_alone_would_change_nothing(accepted: Gate) -> None:
    ran = accepted.run(model="ptq_wrong=[1, 2], note='other bytes'")
    assert (
        ran.verdicts("test_it")["size_regression"]["artifact"]["sha256"]
        != (accepted.entry["artifacts"][0]["sha256"])
    )
    assert ran.letter("test_it") == "."
    assert "would change" not in ran.output


def test_other_samples_where_the_accepted_file_is_found(accepted: Gate) -> None:
    """It is in the cache of the run that built it: both files are run on the new samples."""
    ran = accepted.run(model="ptq_wrong=range(2, 12)", samples=300)
    verdict = ran.verdicts("test_it")["accuracy_regression"]
    assert verdict["measured"]["n"] == 300
    assert verdict["measured"]["value"] == pytest.approx(8 / 300)
    assert "both files were run here" in verdict["reason"]


def test_other_samples_where_it_is_not(accepted: Gate) -> None:
    ran = accepted.run("--edge-cache=empty", model="ptq_wrong=range(2, 12)", samples=300)
    verdict = ran.verdicts("test_it")["accuracy_regression"]
    assert verdict["outcome"] == "not_measured"
    assert "200 then, 300 now" in verdict["reason"]
    assert "edge_accepted" in verdict["reason"]
    assert "--edge-update-baseline" in verdict["remedy"]
    assert ran.verdicts("test_it")["size_regression"]["outcome"] == "pass"


def test_the_accepted_file_itself_is_kept_where_it_is_asked_for(gate: Gate) -> None:
    ini = "edge_accepted = accepted-files"
    gate.run(ini=ini)
    assert gate.accept(ini=ini).status == 0
    changed = {"model": "ptq_wrong=range(2, 12)", "samples": 300, "ini": ini}
    verdict = gate.run("--edge-cache=empty", **changed).verdicts("test_it")["accuracy_regression"]
    assert verdict["measured"]["n"] == 300
    [kept] = (each for each in (gate.folder / "accepted-files").rglob("*") if each.is_file())
    kept.write_text(kept.read_text().replace("[1, 2]", "[1, 3]"))
    ran = gate.run("--edge-cache=empty2", **changed)
    assert ran.letter("test_it") == "F"
    assert "is not the file that was accepted" in ran.everything


def test_another_metric_is_not_compared(accepted: Gate) -> None:
    ran = accepted.run("--edge-metric=top5", "--edge-cache=empty", model="ptq_wrong=[1, 3]")
    verdict = ran.verdicts("test_it")["accuracy_regression"]
    assert verdict["outcome"] == "not_measured"
    assert "has no top5" in verdict["reason"]


def test_without_the_side_file_the_values_are_compared(accepted: Gate) -> None:
    [side] = (accepted.folder / "edge-baseline").rglob("*.npz")
    side.unlink()
    ran = accepted.run(model="ptq_wrong=range(2, 12)")
    verdict = ran.verdicts("test_it")["accuracy_regression"]
    assert (verdict["outcome"], verdict["proven"]) == ("fail", False)
    assert verdict["measured"]["low"] is None
    assert "by value: the scores of the samples are missing (git checkout '" in verdict["reason"]
    assert side.name in verdict["reason"]


@pytest.mark.parametrize("side", [True, False])
def test_another_runtime_makes_red_only_what_is_proven(accepted: Gate, side: bool) -> None:
    """The file is the accepted one; its accuracy was accepted with another version."""
    [at] = accepted.entries
    if not side:
        next(iter((accepted.folder / "edge-baseline").rglob("*.npz"))).unlink()
    forge(at, isa=["another"], value=1.09)
    verdict = accepted.run(budgets="accuracy_regression=0.05").verdicts("test_it")[
        "accuracy_regression"
    ]
    assert verdict["outcome"] == "pass"
    assert "the runtime, not the file: measured with" in verdict["reason"]
    assert "accepted with" in verdict["reason"]
    assert verdict["proven"] is side


def forge(at: Path, **figure: Any) -> None:
    """Another accuracy in an entry, whose digest is made to fit."""
    from pytest_edgegate.core.accepted import Entry, _digest, _text

    content = json.loads(at.read_text("utf-8"))
    content["artifacts"][0]["figures"]["top1"] |= figure
    content["artifacts"][0]["figures"]["top1"]["packages"] = {"numpy": "0.1"}
    content["digest"] = _digest({key: content[key] for key in content if key != "digest"})
    at.write_text(_text(content) + "\n")
    assert Entry.parsed(at.read_text("utf-8"), str(at))


DAMAGE = {
    "conflict markers": lambda text: f"<<<<<<< ours\n{text}=======\n{text}>>>>>>> theirs\n",
    "newer schema": lambda text: text.replace('"schema": 1', '"schema": 9'),
    "edited by hand": lambda text: re.sub(r'"value": 0.99', '"value": 0.5', text),
    "damaged": lambda text: text[: len(text) // 2],
    "of another test": lambda text: text.replace("test_it.py::", "test_old.py::"),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_bad_entry_is_an_error_of_its_test(accepted: Gate, how: str) -> None:
    [at] = accepted.entries
    at.write_text(DAMAGE[how](at.read_text("utf-8")))
    ran = accepted.run(budgets=f"{LOST}, size='1 kB'")
    assert ran.letter("test_it") == "F"
    ran.assert_fault(ran.text("test_it"), "test_it[fake-board].json")
    assert ran.verdicts("test_it")["size"]["outcome"] == "pass", "all else is judged"
    again = accepted.accept()
    assert again.status == 0, again.output
    assert accepted.run(budgets=f"{LOST}, size='1 kB'").letter("test_it") == "."


def test_the_ini_asks_every_artifact(gate: Gate) -> None:
    ini = "edge_regressions =\n  accuracy = 0.01\n  fake-board:size = 1.05\n  latency = 1.1"
    what = {"budgets": "accuracy_drop=0.4", "ini": ini}
    first = gate.run(**what)
    assert set(first.verdicts("test_it")) >= {"accuracy_regression", "size_regression"}
    assert "latency_regression" not in first.verdicts("test_it"), "nothing times the board here"
    assert gate.accept(ini=ini).status == 0
    assert gate.run(**what).letter("test_it") == "."
    assert gate.run(**what, model="ptq_wrong=range(2, 12)").letter("test_it") == "F"


def test_a_marker_replaces_the_ini(accepted: Gate) -> None:
    ran = accepted.run(
        ini="edge_regressions = accuracy = 0.001", model="ptq_wrong=range(2, 5)", budgets=LOST
    )
    assert ran.verdicts("test_it")["accuracy_regression"]["budget"]["limit"] == 0.01
    assert ran.letter("test_it") == "."


@pytest.mark.parametrize(
    "line", ["speed = 1", "accuracy", "nowhere:size = 1.1", "size = 0.1", "accuracy = much"]
)
def test_a_line_of_the_ini_that_is_none(gate: Gate, line: str) -> None:
    ran = gate.run(ini=f"edge_regressions = {line}")
    assert ran.status == 4
    assert "Traceback" not in ran.everything


def test_a_limit_in_percent_is_doubted(gate: Gate) -> None:
    ran = gate.run(ini="edge_regressions = accuracy = 5")
    ran.assert_fault(ran.text("test_it"), "accuracy_regression=5", "did you mean 0.05?")


def test_by_hand(accepted: Gate) -> None:
    body = "gate.regression(edge_ptq, accuracy=0.01, size=1.05)"
    test = {
        "test_it.py": written(budgets="size='1 kB'")["test_it.py"]
        .replace("(edge_ptq)", "(edge_ptq, edge_gate)")
        .replace("pass", body.replace("gate.", "edge_gate."))
    }
    ran = accepted._again(test, BOARD)
    assert ran.letter("test_it") == "."
    assert set(ran.verdicts("test_it")) >= {"accuracy_regression", "size_regression"}


def test_latency_is_timed_beside_the_accepted_file(gate: Gate) -> None:
    def run(seconds: float, *more: str) -> Any:
        model = f"seconds=0.001, ptq_seconds={seconds}, noise=0.01"
        return gate._again(
            written(model, "latency_regression=1.1"), "--edge-target=fake-host", *more
        )

    def verdict(ran: Any) -> dict[str, Any]:
        found: dict[str, Any] = ran.verdicts("test_it", "fake-host")["latency_regression"]
        return found

    run(0.001)
    assert gate.accept().status == 0
    same = verdict(run(0.001))
    assert (same["outcome"], same["measured"]["source"]) == ("pass", "file")
    slow, small = verdict(run(0.0015)), verdict(run(0.00101))
    assert (slow["outcome"], slow["proven"]) == ("fail", True)
    assert slow["measured"]["value"] == pytest.approx(1.5, rel=0.05)
    assert small["outcome"] == "pass"
    lost = verdict(run(0.0015, "--edge-cache=empty"))
    assert lost["outcome"] == "not_measured"
    assert "looked for in the cache" in lost["reason"]


def test_passes_are_full_where_something_is_accepted(accepted: Gate) -> None:
    """Without an entry such a drop of top-1 is decided from a part of the samples."""
    ini = "edge_early_after = 0 s"
    what = {"budgets": "accuracy_drop=0.3", "samples": 20_000, "ini": ini, "model": "wrong=[1]"}
    with_entry = accepted.run(**what).verdicts("test_it")["accuracy_drop"]
    assert not with_entry["measured"]["decided_early"]
    without = accepted.run("--edge-baseline=none", **what).verdicts("test_it")["accuracy_drop"]
    assert without["measured"]["decided_early"] or without["measured"]["n"] == 20_000


DROP = "accuracy_drop=0.09"


@pytest.mark.parametrize(
    ("budgets", "now", "drop"),
    [
        (DROP, "wrong=range(50, 56), ptq_wrong=[1, 2]", 0.01),
        (LOST, "ptq_wrong=[1, 2]", 0.01),
        (LOST, "wrong=range(50, 56), ptq_wrong=[1, 2]", None),
    ],
    ids=["as the entry has it", "of the same model", "of another model"],
)
def test_the_accepted_drop_is_beside_the_model_of_then(
    gate: Gate, budgets: str, now: str, drop: float | None
) -> None:
    gate.run("--edge-update-baseline", budgets=budgets)
    ran = gate.run("--edge-report-html=report.html", model=now, budgets=budgets)
    [seen] = ran.report["artifacts"]
    assert seen["accepted"]["value"] == 0.99
    assert seen["accepted"].get("accuracy_drop") == (drop and pytest.approx(drop))
    page = (gate.folder / "report.html").read_text("utf-8")
    assert ('class="accepted"' in page) == (drop is not None)
    assert ("accuracy not known" in page) == (drop is None)
