"""The text of a red test."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_edgegate.core.record import VerdictRecord
from pytest_edgegate.reports.failure import LINES, explain, worst_first

Make = Callable[..., VerdictRecord]


def test_the_worst_comes_first(make: Make) -> None:
    passed = make("macs", 1, 2)
    allowed = make("latency_p50", None, 1, "not_measured", proven=False, allowed=True)
    missing = make("latency_p95", None, 1, "not_measured", proven=False)
    noisy = make("latency_ratio", 1, 1, "inconclusive", proven=False)
    unproven = make("accuracy_drop", 0.02, 0.01, "fail", proven=False)
    proven = make("size", 2, 1, "fail")
    given = [passed, allowed, missing, noisy, unproven, proven]
    wanted = [proven, unproven, noisy, missing, allowed, passed]
    assert worst_first(given) == wanted
    assert worst_first(given[::-1]) == wanted


def test_equals_keep_their_order(make: Make) -> None:
    one, other = make("size", 2, 1, "fail"), make("macs", 2, 1, "fail")
    assert worst_first([one, other]) == [one, other]
    assert worst_first([other, one]) == [other, one]


def test_a_whole_failure(make: Make) -> None:
    drop = make(
        "accuracy_drop",
        0.827,
        0.01,
        "fail",
        low=0.8063,
        high=0.8459,
        level=0.9,
        n=1000,
        method="Tango's paired score interval",
        reason="0.827 > 0.01",
        details=("classes that lost most: class 9: 105 of 109",),
        cause="pixels nobody normalised",
        remedy="normalise them",
    )
    size = make("size", 56_448, 60_000)
    assert explain([size, drop], "The end.").splitlines() == [
        "accuracy_drop 0.827 > 0.01 [0.8063, 0.8459] (coral, PTQ(samples=200))",
        "",
        "  budget         measured  interval          limit       verdict",
        "  accuracy_drop  0.827     [0.8063, 0.8459]  <= 0.01     FAIL, proven",
        "  size           56.4 kB                     <= 60.0 kB  pass",
        "  by file, n 1,000: accuracy_drop",
        "",
        "accuracy_drop: 0.827 > 0.01",
        "  proven by Tango's paired score interval at 90 %",
        "  classes that lost most: class 9: 105 of 109",
        "  probably: pixels nobody normalised",
        "  next: normalise them",
        "",
        "The end.",
    ]


def test_the_sources_of_figures_are_wrapped(make: Make) -> None:
    metrics = ("accuracy_drop", "accuracy_min", "parity_agreement")
    given = [make(name, 2, 1, "fail", n=1000 + at) for at, name in enumerate(metrics)]
    lines = explain(given).splitlines()
    at = next(at for at, each in enumerate(lines) if each.startswith("  by "))
    assert lines[at : at + 3] == [
        "  by file, n 1,000: accuracy_drop; file, n 1,001: accuracy_min; file, n 1,002:",
        "      parity_agreement",
        "",
    ]


def test_the_headline_counts_the_others(make: Make) -> None:
    given = [make("macs", 2, 1, "fail"), make("size", 2, 1, "fail"), make("parameters", 1, 1)]
    first = explain(given).splitlines()[0]
    assert first.startswith("macs 2 against 1")
    assert first.endswith("(and 1 more)")


def test_headlines_of_other_findings(make: Make) -> None:
    missing = make("latency_p95", None, 1, "not_measured", proven=False)
    assert explain([missing]).startswith("latency_p95 not measured (coral")
    nan = make("parity_abs", float("nan"), 1, "fail", nonfinite="NaN on sample 3")
    assert explain([nan]).startswith("parity_abs: NaN or Inf (coral, ")
    broken = make("contract", 2, 0, "fail", details=("input x: float32", "ADD #1: runs in float"))
    assert explain([broken]).startswith("contract broken: input x: float32 (coral, ")


def test_only_what_is_red_is_told_in_full(make: Make) -> None:
    red = make("size", 2, 1, "fail", remedy="fewer filters")
    green = make("macs", 1, 1, remedy="not for you")
    text = explain([green, red])
    assert text.count("next: ") == 1
    assert "next: fewer filters" in text


def test_notes_are_told(make: Make) -> None:
    text = explain([make("accuracy_drop", 1, 0, "fail", proven=False, note="9 samples can't")])
    assert "  9 samples can't" in text


def test_long_lists_are_cut(make: Make) -> None:
    many = tuple(f"offender {at}" for at in range(25))
    text = explain([make("contract", 25, 0, "fail", details=many)])
    assert len(text.splitlines()) == LINES
    assert "offender 6" in text
    assert "offender 7" not in text
    assert "  and 18 more" in text


def test_what_broke_is_kept_before_green_rows(make: Make) -> None:
    """What the headline says already goes first: the interval and how it is proven."""
    wide = {"low": -0.00123, "high": 0.00456, "level": 0.9, "method": "a bootstrap", "n": 1000}
    red = make(
        "accuracy_drop_relative",
        0.0123,
        0.0102,
        "fail",
        details=("5 samples", "another file"),
        note="another processor",
        cause="a cause",
        remedy="mend it",
        **wide,
    )
    green = [make(each, 1, 2, **wide) for each in ("accuracy_drop", "parity_agreement")]
    lines = explain([*green, red], "The end.").splitlines()
    assert len(lines) <= LINES
    assert lines[0].endswith("[-0.0012, 0.0046] (coral, PTQ(samples=200))")
    assert sum("[" in each for each in lines) == 1
    assert "  and 2 more: accuracy_drop, parity_agreement" in lines
    assert lines[-8:-2] == [
        "accuracy_drop_relative: 0.0123 against 0.0102",
        "  another processor",
        "  5 samples",
        "  another file",
        "  probably: a cause",
        "  next: mend it",
    ]


def test_the_last_detail_takes_the_line_that_would_count_it(make: Make) -> None:
    many = tuple(f"offender {at}" for at in range(8))
    text = explain([make("contract", 25, 0, "fail", details=many)])
    assert "  offender 7" in text
    assert "and 1 more" not in text


METRICS = ("accuracy_drop", "size", "macs", "parameters", "parity_abs", "memory", "flash")


@pytest.mark.parametrize("red", range(1, len(METRICS) + 1))
@pytest.mark.parametrize("details", [0, 3, 25])
@pytest.mark.parametrize("words", [{}, {"opening": "One.\nTwo.", "closing": "The end."}], ids=len)
def test_a_failure_has_at_most_fifteen_lines(
    make: Make, red: int, details: int, words: dict[str, str]
) -> None:
    more = {
        "details": tuple(f"detail {at}" for at in range(details)),
        "cause": "a cause",
        "note": "a note",
        "remedy": "mend it",
    }
    given = [
        make(each, 3, 2, "fail" if at < red else "pass", method="a bootstrap", level=0.9, **more)
        for at, each in enumerate(METRICS)
    ]
    lines = explain(given, **words).splitlines()
    assert len(lines) <= LINES
    assert lines[0].startswith("accuracy_drop 3 against 2")
    assert lines.count("  next: mend it") >= 1
    for each in METRICS[:red]:
        assert any(each in line for line in lines)
    if words:
        assert lines[2:4] == ["One.", "Two."]
        assert lines[-1] == "The end."


def test_text_of_others_is_nothing_that_a_terminal_or_a_ci_server_obeys(make: Make) -> None:
    evil = "\x1b[31m\n::add-mask::x ##[debug]y </script> [a](http://b) \u202e \ud800"
    told = {"reason": evil, "cause": evil, "remedy": evil, "note": evil, "target": evil}
    red = make("size", 9, 5, "fail", details=("::error::x", evil), **told)
    text = explain([red, make("macs", 9, 5, "fail", **told)], evil.replace("\n", " "))
    assert not set(text) & {"\x1b", "\u202e", "\ud800"}
    assert "##[" not in text
    lines = text.splitlines()
    assert len(lines) <= LINES
    assert not any(line.lstrip().startswith("::") for line in lines)
    assert "  \\::error::x" in lines
