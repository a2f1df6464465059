"""One line for each artifact of a run: what it is, how large, and how accurate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_edgegate.core.record import ArtifactRecord, VerdictRecord
from pytest_edgegate.reports.table import artifact_of
from pytest_edgegate.spelling import spell_bytes


@dataclass(frozen=True)
class Seen:
    """An artifact, for one target, with all of its verdicts in a run."""

    artifact: ArtifactRecord
    verdicts: tuple[VerdictRecord, ...]

    @property
    def label(self) -> str:
        """Its target and its recipe, or the name of a third-party file."""
        return f"{self.verdicts[0].target}: {artifact_of(self.verdicts[0])}"

    @property
    def about(self) -> tuple[str, ...]:
        """What a runtime made of the file."""
        return tuple(dict.fromkeys(text for each in self.verdicts for text in each.about_file))


def seen(verdicts: Iterable[VerdictRecord]) -> list[Seen]:
    """The artifacts of a run, each once for each of its targets."""
    found: dict[tuple[str, str, str], list[VerdictRecord]] = {}
    for verdict in verdicts:
        if verdict.artifact is not None:
            key = (verdict.target, verdict.artifact.sha256, artifact_of(verdict))
            found.setdefault(key, []).append(verdict)
    return [
        Seen(own[0].artifact, tuple(own)) for own in found.values() if own[0].artifact is not None
    ]


def lines_of(artifacts: Sequence[Seen]) -> Iterator[tuple[str, str, Seen]]:
    """(name, figures, artifact) of each; those of one label are told apart by their test."""
    labels = Counter(each.label for each in artifacts)
    for each in artifacts:
        test = each.verdicts[0].test.rpartition("::")[2]
        named = f"{each.label} ({test})" if labels[each.label] > 1 else each.label
        yield named, ", ".join(_figures(each)), each


def _figures(of: Seen) -> Iterator[str]:
    ratio = next((f" ({each:.1f}x)" for each in _ratios(of)), "")
    yield spell_bytes(of.artifact.size_bytes) + ratio
    accuracies = [
        each.measured for each in of.verdicts if each.measured and each.measured.scored_by
    ]
    accuracies.sort(key=lambda each: each.reference_value is None)
    for found in accuracies[:1]:
        values = [
            each for each in (found.reference_value, found.artifact_value) if each is not None
        ]
        about = "about " if found.decided_early else ""
        if values:
            yield f"{found.scored_by} {about}{' -> '.join(map(spell_score, values))}"
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


def _agreement(verdict: VerdictRecord) -> float | None:
    if verdict.budget.metric == "parity_agreement" and verdict.measured:
        return verdict.measured.value
    return verdict.agreement
