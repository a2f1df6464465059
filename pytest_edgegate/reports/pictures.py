"""Keeps the pictures of samples in a report within a size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pytest_edgegate.core.artifact_record import SeenRecord
from pytest_edgegate.core.shown_record import FlipRecord

MOST_BYTES = 1_000_000
"""Of all pictures of a run, as they are in the JSON report."""


def with_few_pictures(
    artifacts: Iterable[SeenRecord], most: int = MOST_BYTES
) -> tuple[SeenRecord, ...]:
    """The same records, without the pictures that follow the first *most* bytes of them."""
    left = [most]
    return tuple(
        each
        if each.answers is None
        else replace(
            each, answers=replace(each.answers, flips=tuple(_fitting(each.answers.flips, left)))
        )
        for each in artifacts
    )


def _fitting(flips: Iterable[FlipRecord], left: list[int]) -> Iterator[FlipRecord]:
    """*left*: how many bytes are left, for the next ones too."""
    for each in flips:
        left[0] -= len(each.picture)
        yield each if left[0] >= 0 else replace(each, picture="")
