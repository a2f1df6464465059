"""What is carried over from an accepted entry, and what is a change of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_edgegate.core.accepted import AcceptedArtifact, AcceptedFigure, Entry
from pytest_edgegate.core.entry_changes import carried_over, changes

TOP1 = AcceptedFigure(0.99, "host:fake", 100, {"fake": "1"}, ("avx2",), "a metric")


def artifact(
    figure: AcceptedFigure = TOP1, *, sha256: str = "ab", scores: str = ""
) -> AcceptedArtifact:
    named = {"acc": scores} if scores else {}
    return AcceptedArtifact(
        ("PTQ()",), "", "m", "d", "fake", sha256, 1000, {}, {"acc": figure}, named
    )


def changed(before: AcceptedArtifact, after: AcceptedArtifact) -> int:
    entries = [Entry("t", "board", (each,)) for each in (before, after)]
    return len(changes(*entries))


def test_rounding_of_an_unchanged_file_changes_no_figure() -> None:
    now = artifact(replace(TOP1, value=0.99 + 1e-9))
    assert carried_over(artifact(), now).figures["acc"] == TOP1


@pytest.mark.parametrize(
    "more", [{"scoring": "an edited metric"}, {"isa": ("neon",)}, {"packages": {"fake": "2"}}]
)
def test_what_a_figure_rests_on_now_is_what_is_accepted(more: dict[str, object]) -> None:
    now = artifact(replace(TOP1, **more))  # type: ignore[arg-type]
    assert carried_over(artifact(), now).figures["acc"] == now.figures["acc"]


def test_nothing_is_carried_over_from_another_file() -> None:
    now = replace(artifact(sha256="cd"), figures={})
    assert carried_over(artifact(), now).figures == {}
    assert carried_over(artifact(), replace(now, sha256="ab")).figures == {"acc": TOP1}


def test_other_samples_that_are_right_are_a_change() -> None:
    assert changed(artifact(scores="bits-1"), artifact(scores="bits-2")) == 1
    assert changed(artifact(scores="bits-1"), artifact(scores="bits-1")) == 0
    assert changed(artifact(scores="scores-1"), artifact(scores="scores-2")) == 0
