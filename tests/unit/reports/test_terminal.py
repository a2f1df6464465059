"""The table at the end of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from pytest_edgegate.core.artifact_record import ArtifactRecord, ScoreRecord, SeenRecord
from pytest_edgegate.core.record import ErrorRecord, VerdictRecord
from pytest_edgegate.reports.terminal import summary

Make = Callable[..., VerdictRecord]


def summed(*verdicts: VerdictRecord, verbosity: int = 0, width: int = 80) -> tuple[str, list[str]]:
    title, lines = summary(verdicts, verbosity=verbosity, width=width)
    return title, [each.text for each in lines]


def told(*verdicts: VerdictRecord, verbosity: int = 0, width: int = 80) -> list[str]:
    return summed(*verdicts, verbosity=verbosity, width=width)[1]


def test_the_title_counts(make: Make) -> None:
    green, red = make("size", 1, 2), make("macs", 3, 2, "fail")
    allowed = make("latency_p95", None, 1, "not_measured", allowed=True)
    expected = replace(red, xfailed=True)
    assert summed(green)[0] == "edge gate: 1 verdict, 0 red"
    assert summed(green, red)[0] == "edge gate: 2 verdicts, 1 red"
    assert summed(green, red, allowed)[0] == "edge gate: 3 verdicts, 1 red, 1 allowed"
    assert summed(green, expected)[0] == "edge gate: 2 verdicts, 0 red, 1 xfailed"
    assert summed(replace(green, xfailed=True))[0] == "edge gate: 1 verdict, 0 red"


def test_the_title_counts_errors_that_nobody_expected() -> None:
    error = ErrorRecord("test_a", "coral", "broken", "mend it")
    assert summary([], errors=[error])[0] == "edge gate: 0 verdicts, 0 red, 1 error"
    assert summary([], errors=[replace(error, xfailed=True)])[0] == "edge gate: 0 verdicts, 0 red"


def drop(make: Make, **more: object) -> VerdictRecord:
    values = {"scored_by": "top1", "reference_value": 0.941, "artifact_value": 0.939}
    return make("accuracy_drop", 0.002, 0.01, **values | more)


def test_an_artifact_is_one_line_and_plain_passes_are_none(make: Make) -> None:
    size, ratio = make("size", 1, 2), make("compression", 3.29, 3)
    assert told(size, drop(make), ratio) == [
        "coral: PTQ(samples=200): 0 B (3.3x), top1 0.941 -> 0.939",
        "3 of 3 verdicts pass, 1 artifact; 3 more rows: -v",
    ]
    assert told(size, verbosity=-1) == ["1 of 1 verdict pass, 1 artifact; 1 more row: -v"]


def test_what_is_known_of_an_artifact_is_told(make: Make) -> None:
    assert told(make("size", 1, 2))[0] == "coral: PTQ(samples=200): 0 B"
    floor = make("accuracy_min", 0.939, 0.9, scored_by="top1", artifact_value=0.939)
    assert told(floor)[0] == "coral: PTQ(samples=200): 0 B, top1 0.939"
    assert told(floor, drop(make))[0].endswith("0 B, top1 0.941 -> 0.939")
    early = drop(make, decided_early=True, n=50, n_total=100)
    assert told(early)[0].endswith("top1 about 0.941 -> 0.939")
    shown = replace(make("contract", 0, 0), agreement=0.998)
    assert told(shown)[0].endswith("0 B, parity 0.998")
    tiny = drop(make, scored_by="mse", reference_value=0.00012, artifact_value=0.0)
    assert told(tiny)[0].endswith("mse 0.00012 -> 0.000")


def score(reference: float | None, artifact: float, n: int = 100) -> ScoreRecord:
    return ScoreRecord("top1", reference, artifact, n, 100)


def test_what_no_budget_asks_for_is_told(make: Make) -> None:
    size = make("size", 1, 2)
    assert size.artifact is not None
    found = SeenRecord(size.test, "coral", size.artifact, 3.29, score(0.941, 0.939))

    def line(figures: SeenRecord, *verdicts: VerdictRecord) -> str:
        return summary(verdicts, [figures])[1][0].text

    assert line(found, size) == "coral: PTQ(samples=200): 0 B (3.3x), top1 0.941 -> 0.939"
    part = replace(found, score=score(0.941, 0.939, 64))
    assert line(part, size).endswith("top1 about 0.941 -> 0.939")
    assert line(part, drop(make, artifact_value=0.93)).endswith("top1 0.941 -> 0.930")
    alone = replace(found, compression=None, score=score(None, 0.939))
    assert line(alone, size) == "coral: PTQ(samples=200): 0 B, top1 0.939"
    assert line(replace(found, compression=None, score=None), size).endswith("0 B")


def test_an_artifact_without_verdicts_is_told(make: Make) -> None:
    size = make("size", 1, 2)
    assert size.artifact is not None
    other = replace(size.artifact, sha256="other", recipe=("PTQ(samples=50)",))
    found = SeenRecord("test_b.py::test_it[coral]", "coral", other)
    title, lines = summary([size], [found, found])
    assert title == "edge gate: 1 verdict, 0 red"
    assert [each.text for each in lines] == [
        "coral: PTQ(samples=200): 0 B",
        "coral: PTQ(samples=50): 0 B",
        "1 of 1 verdict pass, 2 artifacts; 1 more row: -v",
    ]
    assert [each.text for each in summary([], [found])[1]] == [
        "coral: PTQ(samples=50): 0 B",
        "0 of 0 verdicts pass, 1 artifact",
    ]


def test_a_long_recipe_stands_above_its_figures(make: Make) -> None:
    steps = ("Distill(epochs=10, lr=0.001)", "Prune(amount=0.3, epochs=4)", "PTQ(samples=200)")
    size = drop(make)
    assert size.artifact is not None
    long = replace(size, artifact=replace(size.artifact, recipe=steps))
    assert told(long)[:3] == [
        "coral: Distill(epochs=10, lr=0.001), Prune(amount=0.3, epochs=4),",
        "    PTQ(samples=200):",
        "    0 B, top1 0.941 -> 0.939",
    ]


def other(verdict: VerdictRecord, test: str, sha256: str) -> VerdictRecord:
    assert verdict.artifact is not None
    return replace(verdict, test=test, artifact=replace(verdict.artifact, sha256=sha256))


def test_an_artifact_of_several_tests_is_told_once(make: Make) -> None:
    one = make("size", 1, 2)
    again = replace(one, test="test_b.py::test_b[coral]")
    assert [line for line in told(one, again) if line.startswith("coral: ")] == [
        "coral: PTQ(samples=200): 0 B"
    ]
    two = other(one, "test_b.py::test_b[coral]", "12")
    assert told(one, two)[:2] == [
        "coral: PTQ(samples=200) (test_a[coral]): 0 B",
        "coral: PTQ(samples=200) (test_b[coral]): 0 B",
    ]


def test_a_row_stands_under_its_test_with_the_artifact_beside_it(make: Make) -> None:
    one, two = make("size", 3, 2, "fail"), make("macs", 1, 2)
    last = replace(make("accuracy_drop", 0, 1, proven=False, n=9), test="test_b.py::test_b[coral]")
    assert told(one, two, last, verbosity=-1) == [
        "  budget         measured  limit   verdict",
        "test_a.py::test_a[coral]  PTQ(samples=200)",
        "  size           3 B       <= 2 B  FAIL",
        "test_b.py::test_b[coral]  PTQ(samples=200)",
        "  accuracy_drop  0.0       <= 1.0  pass, not proven",
        "    by file, n 9",
        "2 of 3 verdicts pass (1 not proven), 1 artifact; 1 more row: -v",
    ]
    rows = told(one, two, last, verbosity=1)
    assert any(line.startswith("  macs ") for line in rows)
    assert rows[-1] == "2 of 3 verdicts pass (1 not proven), 1 artifact"


def test_what_is_red_is_red_and_what_is_doubtful_is_yellow(make: Make) -> None:
    red = make("size", 3, 2, "fail")
    unproven = make("accuracy_drop", 0, 1, proven=False)
    expected = replace(make("macs", 3, 2, "fail"), xfailed=True)
    _, lines = summary([red, unproven, expected, make("parameters", 1, 2)], verbosity=1)
    colours = {each.text.split()[0]: each.colour for each in lines if each.text.startswith("  ")}
    assert colours == {
        "budget": "",
        "size": "red",
        "accuracy_drop": "yellow",
        "macs": "yellow",
        "parameters": "",
    }


@pytest.mark.parametrize("width", [80, 120])
def test_everything_fits(make: Make, width: int) -> None:
    long = {"low": -0.0017, "high": 0.0045, "level": 0.9, "n": 1000, "proven": False}
    note = "1,000 samples can't prove it; about 1,400 would, " * 4
    given = [
        make("accuracy_drop_relative", 0.00123, 0.0125, "fail", note=note, **long),
        make("latency_p95", None, 1, "not_measured", allowed=True, reason="no board here " * 9),
        drop(make, note=note, **long),
    ]
    for verbosity in (-1, 0, 1):
        lines = told(*given, verbosity=verbosity, width=width)
        assert max(map(len, lines)) <= width
        assert "1,000 samples" in " ".join(lines)


def test_what_is_not_plain_says_why(make: Make) -> None:
    unproven = make("accuracy_drop", 0, 1, proven=False, note="9 samples can't prove it")
    allowed = make("latency_p95", None, 1, "not_measured", allowed=True, reason="no board")
    lines = told(unproven, allowed)
    assert "    accuracy_drop: 9 samples can't prove it" in lines
    assert "    latency_p95: no board" in lines


def test_a_contract_that_holds_is_not_shown(make: Make) -> None:
    contract, size = make("contract", 0, 0), make("size", 1, 2)
    assert not any("contract" in line for line in told(contract, size))
    assert any("contract" in line for line in told(contract, size, verbosity=1))


def test_a_caution_is_shown_with_its_row(make: Make) -> None:
    careful = make("contract", 0, 0, note="caution: left to the CPU")
    lines = told(careful)
    assert any(line.startswith("  contract ") for line in lines)
    assert "    caution: left to the CPU" in lines


def test_what_a_runtime_made_of_a_file_is_told_once_a_file(make: Make) -> None:
    ran = "onnx runs the file's 9 operators as 4 on CPU: 4 QLinearConv"
    one = make("contract", 0, 0, note=f"no budgets; {ran}", no_budgets=True, about_file=(ran,))
    two = replace(one, test="test_b.py::test_b[coral]", note=ran, no_budgets=False)
    assert ran not in "\n".join(told(one, two))
    assert told(one, two, verbosity=1).count(f"  {ran}") == 1
    assert one.own_note == "no budgets"
    assert two.own_note == ""


def test_sentences_of_a_log_are_not_broken(make: Make) -> None:
    note = "caution: " + "word " * 40 + "end"
    given = [make("contract", 0, 0, note=note)]
    for wraps in (True, False):
        lines = [each.text for each in summary(given, wraps=wraps)[1]]
        assert (f"    {note}" in lines) is not wraps


def test_a_test_without_budgets_says_so(make: Make) -> None:
    alone = make("contract", 0, 0, note="no budgets", no_budgets=True)
    assert "    no budgets" in told(alone)


def test_an_allowed_verdict_names_its_metric_once(make: Make) -> None:
    noisy = make("latency_p50", 2, 1, "inconclusive", allowed=True, note="two runs")
    assert "    latency_p50: 2 against 1; two runs" in told(noisy)


def test_what_is_red(make: Make) -> None:
    for outcome in ("fail", "inconclusive", "not_measured"):
        assert make("size", 1, 2, outcome).red
    assert not make("size", 1, 2).red
    assert not make("size", 1, 2, "not_measured", allowed=True).red


def test_nothing_was_gated() -> None:
    assert summed() == ("edge gate: 0 verdicts, 0 red", [])


@pytest.mark.parametrize("width", [20, 80, 300])
def test_text_of_others_is_nothing_that_a_terminal_or_a_ci_server_obeys(
    make: Make, width: int
) -> None:
    evil = "\x1b[31m\n ::add-mask::x ##[debug]y </script> [a](http://b) \u202e \ud800 ::error::z"
    artifact = ArtifactRecord("litert", "0" * 64, 10, (evil,), cached=False, path=evil)
    told = {"note": evil, "reason": evil, "test": evil, "target": evil}
    verdicts = [
        replace(make("size", 9, 5, "fail"), artifact=artifact, about_file=(evil,), **told),
        replace(make("macs", None, 5, "not_measured"), artifact=artifact, allowed=True, **told),
    ]
    seen = SeenRecord(evil, evil, artifact, 2.0, ScoreRecord(evil, 0.9, 0.8, 1, 1))
    _, lines = summary(verdicts, [seen], verbosity=1, width=width, lost=[evil])
    for line in lines:
        assert not set(line.text) & {"\x1b", "\n", "\u202e", "\ud800"}
        assert "##[" not in line.text
        assert not line.text.lstrip().startswith("::")
    assert any("</script> [a](http://b)" in line.text for line in lines) or width == 20
