"""The table at the end of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pytest_edgegate.core.record import VerdictRecord
from pytest_edgegate.reports.terminal import MANY, summary

Make = Callable[..., VerdictRecord]


def summed(*verdicts: VerdictRecord, verbose: bool = False) -> tuple[str, str]:
    title, lines = summary(verdicts, verbose=verbose)
    return title, "\n".join(lines)


def test_the_title_counts(make: Make) -> None:
    green, red = make("size", 1, 2), make("macs", 3, 2, "fail")
    allowed = make("latency_p95", None, 1, "not_measured", allowed=True)
    assert summed(green)[0] == "edge gate: 1 verdict, 0 red"
    assert summed(green, red)[0] == "edge gate: 2 verdicts, 1 red"
    assert summed(green, red, allowed)[0] == "edge gate: 3 verdicts, 1 red, 1 allowed"


def test_rows_stand_under_their_tests(make: Make) -> None:
    one, two = make("size", 1, 2), make("macs", 1, 2)
    other = replace(two, test="test_b.py::test_b[host]")
    text = summed(one, two, other)[1]
    lines = text.splitlines()
    assert lines[0].split() == [
        "artifact",
        "budget",
        "measured",
        "limit",
        "verdict",
        "by",
    ]
    assert [at for at, line in enumerate(lines) if line.startswith("test_")] == [1, 4]
    assert lines[1] == "test_a.py::test_a[coral]"


def test_what_is_not_plain_says_why(make: Make) -> None:
    unproven = make("accuracy_drop", 0, 1, proven=False, note="9 samples can't prove it")
    allowed = make("latency_p95", None, 1, "not_measured", allowed=True, reason="no board")
    text = summed(unproven, allowed)[1]
    assert "9 samples can't prove it" in text
    assert "no board" in text


def test_a_contract_that_holds_is_not_shown(make: Make) -> None:
    contract, size = make("contract", 0, 0), make("size", 1, 2)
    text = summed(contract, size)[1]
    assert "contract" not in text
    assert "(1 passing verdict not shown: -v shows all)" in text
    assert "contract" in summed(contract, size, verbose=True)[1]


def test_a_test_without_budgets_says_so(make: Make) -> None:
    alone = make("contract", 0, 0, note="nothing else was judged", no_budgets=True)
    assert "contract" in summed(alone)[1]
    assert "    nothing else was judged" in summed(alone)[1].splitlines()
    gated = make("contract", 0, 0, note="no budgets were raised")
    assert "contract" not in summed(gated)[1]


def test_an_allowed_verdict_names_its_metric_once(make: Make) -> None:
    noisy = make("latency_p50", 2, 1, "inconclusive", allowed=True, note="two runs")
    assert "    latency_p50: 2 against 1; two runs" in summed(noisy)[1].splitlines()


def test_of_many_verdicts_the_red_ones_are_shown(make: Make) -> None:
    many = [make("size", 1, 2) for _ in range(MANY)]
    unproven = make("accuracy_drop", 0, 1, proven=False)
    text = summed(*many, make("macs", 3, 2, "fail"), unproven)[1]
    assert "FAIL" in text
    assert "pass, not proven" in text
    assert f"({MANY} passing verdicts not shown" in text
    assert "not shown" not in summed(*many, verbose=True)[1]


def test_what_is_red(make: Make) -> None:
    for outcome in ("fail", "inconclusive", "not_measured"):
        assert make("size", 1, 2, outcome).red
    assert not make("size", 1, 2).red
    assert not make("size", 1, 2, "not_measured", allowed=True).red


def test_nothing_was_gated() -> None:
    assert summed() == ("edge gate: 0 verdicts, 0 red", "")
