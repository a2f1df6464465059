"""One line for each artifact of a run: what it is, how large, and how accurate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pytest_edgegate.core.artifact_record import ArtifactRecord, ScoreRecord, SeenRecord
from pytest_edgegate.core.record import VerdictRecord
from pytest_edgegate.reports.table import name_of
from pytest_edgegate.spelling import spell_bytes


@dataclass(frozen=True)
class Seen:
    """An artifact, for one target, with all of its verdicts in a run and its absolute values."""

    artifact: ArtifactRecord
    target: str
    test: str
    """The first one that has it."""
    verdicts: tuple[VerdictRecord, ...]
    figures: tuple[SeenRecord, ...]

    @property
    def label(self) -> str:
        """Its target and its recipe, or the name of a third-party file."""
        return f"{self.target}: {name_of(self.artifact)}"

    @property
    def about(self) -> tuple[str, ...]:
        """What a runtime made of the file."""
        return tuple(dict.fromkeys(text for each in self.verdicts for text in each.about_file))


def seen(verdicts: Iterable[VerdictRecord], figures: Iterable[SeenRecord] = ()) -> list[Seen]:
    """The artifacts of a run, each once for each of its targets, judged or not."""
    found: dict[tuple[str, str, str], Seen] = {}
    records: list[VerdictRecord | SeenRecord] = [*verdicts, *figures]
    for one in records:
        if (artifact := one.artifact) is None:
            continue
        key = (one.target, artifact.sha256, name_of(artifact))
        own = found.get(key) or Seen(artifact, one.target, one.test, (), ())
        if isinstance(one, SeenRecord):
            found[key] = replace(own, figures=(*own.figures, one))
        else:
            found[key] = replace(own, verdicts=(*own.verdicts, one))
    return list(found.values())


def lines_of(artifacts: Sequence[Seen]) -> Iterator[tuple[str, str, Seen]]:
    """(name, figures, artifact) of each; those of one label are told apart by their test."""
    labels = Counter(each.label for each in artifacts)
    for each in artifacts:
        test = each.test.partition("::")[2] or each.test
        named = f"{each.label} ({test})" if labels[each.label] > 1 else each.label
        yield named, ", ".join(_figures(each)), each


def _figures(of: Seen) -> Iterator[str]:
    ratio = next((f" ({each:.1f}x)" for each in _ratios(of)), "")
    yield spell_bytes(of.artifact.size_bytes) + ratio
    best = sorted(_scores(of), key=lambda each: (each.of_a_part, each.reference_value is None))
    for found in best[:1]:
        both = found.reference_value, found.artifact_value
        values = [spell_score(each) for each in both if each is not None]
        about = "about " if found.of_a_part else ""
        if values:
            yield f"{found.scored_by} {about}{' -> '.join(values)}"
    agreement = next((each for each in map(_agreement, of.verdicts) if each is not None), None)
    if agreement is not None:
        yield f"parity {spell_score(agreement)}"


def spell_score(value: float) -> str:
    """Three decimals; small values with three significant digits."""
    return f"{value:.3f}" if abs(value) >= 0.01 or not value else f"{value:.3g}"


def _ratios(of: Seen) -> Iterator[float]:
    for each in of.verdicts:
        if each.budget.metric == "compression" and each.measured and each.measured.value:
            yield each.measured.value
    yield from (each.compression for each in of.figures if each.compression)


def _scores(of: Seen) -> Iterator[ScoreRecord]:
    for each in of.verdicts:
        measured = each.measured
        if measured is not None and measured.scored_by:
            values = measured.reference_value, measured.artifact_value
            yield ScoreRecord(measured.scored_by, *values, measured.n, measured.n_total)
    yield from (each.score for each in of.figures if each.score is not None)


def _agreement(verdict: VerdictRecord) -> float | None:
    if verdict.budget.metric == "parity_agreement" and verdict.measured:
        return verdict.measured.value
    return verdict.agreement
