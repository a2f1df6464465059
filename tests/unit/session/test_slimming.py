"""What pruning took off, beside the verdicts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_edgegate import PTQ, QAT, Distill, Prune
from pytest_edgegate.core.recipe import Recipe
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.session.slimming import Slimming, around_pruning
from pytest_edgegate.session.subject import Subject

Starter = Callable[..., EdgeSession]
Maker = Callable[..., Subject]


@pytest.mark.parametrize(
    ("recipe", "cut"),
    [
        ((), None),
        ((PTQ(),), None),
        ((Prune(), PTQ()), ((), (Prune(),))),
        ((Distill(), Prune(0.5), QAT()), ((Distill(),), (Distill(), Prune(0.5)))),
    ],
)
def test_a_recipe_is_cut_at_its_pruning(recipe: Recipe, cut: tuple[Recipe, Recipe] | None) -> None:
    assert around_pruning(recipe) == cut


def test_what_it_took_off_is_told() -> None:
    found = Slimming(Prune(0.5), (1000, 300), (5000, 1200), (40_000, 12_000))
    assert str(found) == (
        "Prune(amount=0.5): parameters 1,000 -> 300, MACs 5,000 -> 1,200, "
        "float file 40.0 kB -> 12.0 kB"
    )
    timed = Slimming(Prune(), (10, 3), None, (400, 120), (2e-3, 1e-3), "host:fake")
    assert str(timed) == (
        "Prune(amount=0.3): parameters 10 -> 3, float file 400 B -> 120 B, "
        "latency 2 ms -> 1 ms (host:fake)"
    )


@pytest.mark.parametrize("target", ["fake-board", "fake-host"])
def test_latencies_are_told_by_the_run_that_made_it_on_hosts(
    start: Starter, subject: Maker, target: str
) -> None:
    given = subject()
    for run in range(2):
        session = start()
        board = session.target(target)
        artifact = session.compress(given, (Prune(0.5, epochs=1), PTQ()), board)
        (verdict,) = session.judge(artifact, given, board, (), contract=True)
        assert "Prune(amount=0.5, epochs=1): parameters 20 -> 20" in verdict.note
        assert "float file 4,000 B -> 2,000 B" in verdict.note
        timed = run == 0 and target == "fake-host"
        assert ("latency" in verdict.note) is timed, verdict.note
        session.close()


def test_without_pruning_there_is_no_note(start: Starter, subject: Maker) -> None:
    session = start()
    board = session.target("fake-board")
    artifact = session.compress(subject(), (PTQ(),), board)
    (verdict,) = session.judge(artifact, subject(), board, (), contract=True)
    assert "float file" not in verdict.note
