"""``measures.providers.Accepted``: what was accepted of an artifact, beside that of this run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pytest_edgegate.core.accepted import AcceptedArtifact
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.digests import text_digest
from pytest_edgegate.core.environment import MeasuredWith
from pytest_edgegate.core.measurement import NotMeasured
from pytest_edgegate.measures.accepted_scores import unpacked
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import Scoring
from pytest_edgegate.session.case import Case
from pytest_edgegate.session.measuring.file import CaseFile
from pytest_edgegate.session.measuring.observing import Observer
from pytest_edgegate.session.measuring.passes import CasePasses
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.storage.baseline import side_of

FileOf = Callable[[Artifact], CaseFile]
"""Another artifact of the same case, as it is measured."""


@dataclass(frozen=True)
class FoundFiles:
    """Where accepted files are looked for."""

    find: Callable[[AcceptedArtifact, Case], Artifact | None]
    places: str
    """In words, for messages."""


class CaseAccepted:
    """*file_of*: how an accepted file is measured in the case."""

    def __init__(
        self,
        case: Case,
        file: CaseFile,
        passes: CasePasses,
        observer: Observer,
        files: FoundFiles,
        file_of: FileOf,
    ) -> None:
        self._case = case
        self._file = file
        self._passes = passes
        self._observer = observer
        self._files = files
        self._file_of = file_of

    def artifact(self) -> AcceptedArtifact | NotMeasured:
        return self._artifact

    @cached_property
    def _artifact(self) -> AcceptedArtifact | NotMeasured:
        before = self._case.before
        if before.fault is not None:
            raise before.fault
        found = before.artifact(self._file.artifact)
        if found is not None:
            return found
        name = before.name_of(self._file.artifact)
        what = f"{name} on {self._case.target.name}" if name else self._case.target.name
        kept = [each.key for each in before.entry.artifacts] if before.entry is not None else []
        others = f" (the entry has {', '.join(kept[:3])})" if kept else ""
        return NotMeasured(
            f"nothing is accepted for {what}{others}",
            "pytest --edge-accept accepts what this run has found",
        )

    @property
    def _known(self) -> AcceptedArtifact:
        found = self._artifact
        assert isinstance(found, AcceptedArtifact)  # else nothing more is asked
        return found

    def is_same_file(self) -> bool:
        return self._known.sha256 == self._file.artifact.digest

    def has_same_samples(self) -> bool:
        return not self.other_samples()

    def other_samples(self) -> str:
        return self._other_samples

    @cached_property
    def _other_samples(self) -> str:
        scoring, known = self._passes.scoring, self._known
        figure = known.figures.get(scoring.name)
        if figure is not None and figure.scoring != scoring_digest(scoring):
            return f"another metric than the accepted one, under the name {scoring.name}"
        if known.data == self._case.subject.dataset.evaluation.digest():
            return ""
        before = "" if figure is None or figure.n is None else f"{figure.n:,} then, "
        size = self._passes.samples
        now = "a stream of another version now" if size is None else f"{size:,} now"
        return f"other evaluation samples or labels than those accepted: {before}{now}"

    def changed(self, metric: str) -> str:
        figure = self._known.figures.get(metric)
        if figure is None or not figure.packages:
            return ""
        now = self._observer.opener.measured_with(self._file.specimen.runtime)
        before = MeasuredWith(dict(figure.packages), figure.isa)
        return "" if now == before else f"measured with {now}, accepted with {before}"

    def scores(self, metric: str) -> Evidence | None:
        known, before, scoring = self._known, self._case.before, self._passes.scoring
        owner, figure = known.scores.get(metric), known.figures.get(metric)
        content = before.scores if owner is not None else None
        if content is None or owner is None or figure is None or figure.n is None:
            return None
        kept = unpacked(content, owner, before.place)
        if not kept or any(len(each) != figure.n for each in kept.values()):
            return None
        return Evidence(scoring.restored(kept), figure.n, "", figure.source)

    def why_no_scores(self, metric: str) -> str:
        before = self._case.before
        side = "" if before.entry is None else before.entry.side
        if side and before.scores is None and metric in self._known.scores:
            at = side_of(Path(before.place), side)
            return f"the scores of the samples are missing (git checkout '{at}')"
        return "there are no scores of the samples to pair"

    def rerun(self) -> Evidence | None:
        return self._rerun

    @cached_property
    def _rerun(self) -> Evidence | None:
        found = self._found
        if found is None:
            return None
        split = self._case.subject.dataset.evaluation
        return self._observer.predictions(found, split, self._passes.scoring)

    def file(self) -> Specimen | NotMeasured:
        """The accepted file, to be timed beside this one."""
        found = self._found
        if found is not None:
            return found
        return NotMeasured(
            f"the accepted file {self._known.sha256[:12]} is not found: looked for in "
            f"{self.searched()}",
            "keep accepted files in a folder, which accepting fills (ini edge_accepted), or run "
            "once with the cache that has built it",
        )

    @cached_property
    def _found(self) -> Specimen | None:
        found = self._files.find(self._known, self._case)
        return None if found is None else self._file_of(found).specimen

    def searched(self) -> str:
        return self._files.places


def scoring_digest(scoring: Scoring) -> str:
    """What tells a metric from another of its name."""
    told = f"{scoring.output} {scoring.higher_is_better} {scoring.identity}"
    return text_digest(told)[:16]
