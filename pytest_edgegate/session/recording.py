"""What a run has found of an artifact, as an entry holds it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np

from pytest_edgegate.core.accepted import AcceptedArtifact, AcceptedFigure
from pytest_edgegate.core.budget import CONTRACT
from pytest_edgegate.core.digests import text_digest
from pytest_edgegate.core.entry_changes import BITS, carried_over
from pytest_edgegate.core.environment import measured_with
from pytest_edgegate.core.errors import BackendUnavailableError, EdgeGateError
from pytest_edgegate.core.ports import RunsElsewhere
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.accepted_scores import Scores, packed, unpacked
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import Scoring
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.before import Before
from pytest_edgegate.session.case import Case
from pytest_edgegate.session.measuring.accepted import scoring_digest
from pytest_edgegate.session.measuring.file import CaseFile
from pytest_edgegate.session.measuring.observing import Observer
from pytest_edgegate.storage.baseline import MOST_SCORES

_HOST, _EMULATOR = "host:", "emulator:"


@dataclass
class Recorded:
    """The artifacts of a test, and the scores of their samples by a name in the side file."""

    artifacts: dict[str, AcceptedArtifact] = field(default_factory=dict)
    scores: dict[str, Scores] = field(default_factory=dict)
    early: list[str] = field(default_factory=list)
    twins: list[str] = field(default_factory=list)
    """Names that two artifacts have, of which an entry can hold one."""

    def keep(self, before: Before) -> None:
        """Adds the accepted artifacts that the run has not come to."""
        for each in () if before.entry is None else before.entry.artifacts:
            if each.key in self.artifacts:
                continue
            self.artifacts[each.key] = each
            for name in each.scores.values():
                if before.scores is not None and name not in self.scores:
                    self.scores[name] = unpacked(before.scores, name, before.place)

    def side(self) -> bytes | None:
        """The content of the side file: without the scores that it has no room for."""
        named = {name for each in self.artifacts.values() for name in each.scores.values()}
        kept = {name: found for name, found in self.scores.items() if name in named}
        content = packed(kept) if kept else None
        if content is None or len(content) <= MOST_SCORES:
            return content
        for key, each in self.artifacts.items():
            self.artifacts[key] = replace(each, scores={})
        return None


@dataclass(frozen=True)
class Recorder:
    """Of one session."""

    registry: Registry
    observer: Observer

    def add(
        self, to: Recorded, case: Case, file: CaseFile, verdicts: Sequence[Verdict], model: str
    ) -> None:
        """Adds an artifact; *verdicts*: on it. *model*: the digest of the model under test."""
        artifact, before = file.artifact, case.before
        figures, scores = dict(self._figures(verdicts)), dict[str, str]()
        to.early += [
            each.budget.metric for each in verdicts if each.measured and each.measured.decided_early
        ]
        data = ""
        if case.subject.has_evaluation:
            data = case.subject.dataset.evaluation.digest()
            scoring, evidence = self._evidence(case, file)
            if scoring is not None and evidence is not None:
                value = scoring.value(evidence)
                if math.isfinite(value):
                    figures[scoring.name] = self._figure(
                        value, evidence.source, evidence.n, scoring_digest(scoring)
                    )
                    kept = scoring.kept(evidence)
                    if kept is not None:
                        name = _name_of(kept)
                        to.scores[name], scores[scoring.name] = kept, name
        known = before.artifact(artifact)
        found = AcceptedArtifact(
            recipe=() if artifact.given else tuple(map(str, artifact.recipe)),
            path=before.key(artifact) if artifact.given or not artifact.recipe else before.model,
            model=model,
            data=data,
            format=artifact.format,
            sha256=artifact.digest,
            size_bytes=artifact.size_bytes,
            operators=dict(sorted(Counter(_kinds(file)).items())),
            figures=figures,
            scores=scores,
        )
        whole = carried_over(known, found)
        content = before.scores if set(whole.scores.values()) - to.scores.keys() else None
        if content is not None:
            for name in set(whole.scores.values()) - to.scores.keys():
                to.scores[name] = unpacked(content, name, before.place)
        kept_scores = {key: each for key, each in whole.scores.items() if each in to.scores}
        if whole.key in to.artifacts and to.artifacts[whole.key].sha256 != whole.sha256:
            to.twins.append(whole.key)
        to.artifacts[whole.key] = replace(whole, scores=kept_scores)

    def _evidence(self, case: Case, file: CaseFile) -> tuple[Scoring | None, Evidence | None]:
        """The metric, and what an earlier pass of this run, or of one before, has kept."""
        if file.description().compiled is not None:
            return None, None
        try:
            scoring = case.subject.scoring
            split = case.subject.dataset.evaluation
            found = self.observer.known_of_all(file.specimen, split, scoring)
        except EdgeGateError:  # no labels, no such metric: no budget asks for an accuracy
            return None, None
        if found is None or found.nonfinite or found.positions is not None:
            return None, None
        return scoring, found

    def _figures(self, verdicts: Iterable[Verdict]) -> Iterable[tuple[str, AcceptedFigure]]:
        for each in verdicts:
            kind, measured = each.budget.kind, each.measured
            if kind is CONTRACT or kind.of_accepted or measured is None or measured.decided_early:
                continue
            if math.isfinite(measured.value):
                figure = self._figure(measured.value, measured.source, measured.n)
                form = "" if each.artifact is None else each.artifact.format
                yield kind.name, self._with_emulator(figure, form)

    def _figure(
        self, value: float, source: str, n: int | None, scoring: str = ""
    ) -> AcceptedFigure:
        runtimes = source.removeprefix(_HOST).split(",") if source.startswith(_HOST) else []
        known = set(self.registry.names("runtime"))
        of_all = [
            package
            for name in runtimes
            if name in known
            for package in self.registry.get("runtime", name).packages
        ]
        if not runtimes:
            return AcceptedFigure(value, source, n, scoring=scoring)
        with_ = measured_with(*of_all)
        return AcceptedFigure(value, source, n, with_.packages, with_.isa, scoring)

    def _with_emulator(self, figure: AcceptedFigure, form: str) -> AcceptedFigure:
        """The figure with the versions of the emulated runtime that it is from, if it is."""
        if not figure.source.startswith(_EMULATOR):
            return figure
        for name in self.registry.names("runtime"):
            with suppress(BackendUnavailableError):  # that of another format
                runtime = self.registry.get("runtime", name)
                is_emulated = isinstance(runtime, RunsElsewhere) and form in runtime.formats
                if is_emulated and runtime.source == figure.source:
                    return replace(figure, packages=runtime.versions())
        return figure


def _kinds(file: CaseFile) -> list[str]:
    return [each.kind for each in file.description().operators]


def _name_of(scores: Scores) -> str:
    """A name by the content, so that the same scores have one, and others another."""
    arrays: list[tuple[str, Array]] = sorted(scores.items())
    bits = all(each.dtype == bool for _, each in arrays)
    text = "".join(f"{name} {np.ascontiguousarray(each).tobytes().hex()}" for name, each in arrays)
    return f"{BITS if bits else 'scores-'}{text_digest(text)[:16]}"
