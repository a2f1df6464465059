"""The pictures of a run stay within a size."""

from __future__ import annotations

from pytest_edgegate.core.artifact_record import ArtifactRecord, SeenRecord
from pytest_edgegate.core.shown_record import AnswersRecord, FlipRecord
from pytest_edgegate.reports.pictures import with_few_pictures

BARE = SeenRecord("test_a", "coral", ArtifactRecord("litert", "ab", 5, (), cached=False))


def seen(*pictures: str) -> SeenRecord:
    flips = tuple(FlipRecord(at, 1, 1, 2, each) for at, each in enumerate(pictures))
    answers = AnswersRecord(9, (), 0, len(flips), 0, flips)
    return SeenRecord("test_b", "coral", BARE.artifact, answers=answers)


def pictures(found: tuple[SeenRecord, ...]) -> list[str]:
    return [flip.picture for each in found if each.answers for flip in each.answers.flips]


def test_what_fits_stays_and_what_follows_is_left_out() -> None:
    given = (BARE, seen("aaaa", "bb"), BARE, seen("ccc", "", "d"))
    assert with_few_pictures(given) == given
    assert pictures(with_few_pictures(given, 9)) == ["aaaa", "bb", "ccc", "", ""]
    assert pictures(with_few_pictures(given, 6)) == ["aaaa", "bb", "", "", ""]
    assert with_few_pictures(given, 0)[0] is BARE
