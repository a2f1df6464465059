"""Counting samples while they are used."""

from __future__ import annotations

from pytest_edgegate.core.progress import counted, seldom


def test_a_sample_is_done_when_the_next_one_is_asked_for() -> None:
    told: list[tuple[str, float, float | None]] = []
    samples = counted("ab", lambda *each: told.append(each), "samples", 2)
    assert next(samples) == "a"
    assert told == []
    assert next(samples) == "b"
    assert told == [("samples", 1, 2)]
    assert next(samples, None) is None
    assert told[-1] == ("samples", 2, 2)


def test_fewer_samples_than_thought_end_the_count_too() -> None:
    told: list[tuple[str, float, float | None]] = []
    assert list(counted("ab", lambda *each: told.append(each), "samples", 200)) == ["a", "b"]
    assert told[-1] == ("samples", 2, 2)


def test_another_process_is_told_seldom_and_always_of_the_end() -> None:
    told: list[float] = []
    now = 10.0
    progress = seldom(lambda what, done, total: told.append(done), lambda: now)
    for done in range(1, 10):
        progress("samples", done, 100)
    assert told == [1]
    now = 10.6
    progress("samples", 50, 100)
    progress("samples", 100, 100)
    assert told == [1, 50, 100]
