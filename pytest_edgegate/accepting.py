"""``--edge-accept`` and ``--edge-update-baseline``: takes over what was found, or says why not.

Only this module writes accepted entries, in the process that the user started.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import groupby
from pathlib import Path
from tempfile import gettempdir

import pytest

from pytest_edgegate.core.accepted import Entry
from pytest_edgegate.core.budget import BUDGETS
from pytest_edgegate.core.candidate import Candidate
from pytest_edgegate.core.digests import text_digest
from pytest_edgegate.core.entry_changes import Change, changes
from pytest_edgegate.core.errors import (
    ConfigurationError,
    EdgeGateError,
    StorageError,
    presentable,
)
from pytest_edgegate.core.printable import printable_line
from pytest_edgegate.settings.options import Settings
from pytest_edgegate.spelling import spell_value
from pytest_edgegate.storage.accepted_files import AcceptedFiles
from pytest_edgegate.storage.baseline import Baseline
from pytest_edgegate.storage.candidates import Candidates
from pytest_edgegate.storage.history import History
from pytest_edgegate.storage.unused import Unused
from pytest_edgegate.systems.files import user_name

NOTHING_THERE = 4
"""The exit status where there is nothing to accept: that of pytest for a usage error."""


@dataclass
class Accepted:
    """What accepting came to."""

    lines: list[str] = field(default_factory=list)
    written: int = 0
    unchanged: int = 0
    refused: int = 0
    removed: int = 0

    @property
    def looked_at(self) -> int:
        """How many tests were accepted or refused."""
        return self.written + self.unchanged + self.refused

    @property
    def title(self) -> str:
        """In one line."""
        counts = {
            "accepted": self.written,
            "unchanged": self.unchanged,
            "removed": self.removed,
            "refused": self.refused,
        }
        return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def accept_asked(config: pytest.Config, settings: Settings) -> int:
    """Performs --edge-accept, prints what it came to, and returns the exit status."""
    named = config.getoption("edge_candidates")
    folder = settings.candidates
    if named is not None:
        folder = config.invocation_params.dir / str(named)
        if not folder.is_dir():
            raise ConfigurationError(
                f"--edge-candidates: {folder} is no folder",
                "give the folder candidates/ of the cache of the run",
            )
    pattern = str(config.getoption("edge_accept"))
    accepting = Accepting(settings, Candidates(folder), here=named is None)
    with accepting.alone():
        accepting.accept(pattern)
        if config.getoption("edge_remove_unused"):
            accepting.remove_unused(pattern)
    found = accepting.found
    for line in found.lines:
        print(printable_line(line))
    if not found.title:
        of = f" whose names hold {presentable(pattern)!r}" if pattern else ""
        print(
            f"edge gate: nothing to accept: {presentable(str(folder))} has no tests{of}\n"
            "run pytest first: each run leaves there what its tests have found, if the folder can "
            "be written"
        )
        return NOTHING_THERE
    print(f"edge gate: {found.title}; entries: {_named(settings)}")
    if found.written or found.removed:
        print("commit them with the change that they belong to")
    return 1 if found.refused else 0


def _named(settings: Settings) -> Path:
    """The folder of the entries, as it is named from the root."""
    folder = settings.baseline
    return folder.relative_to(settings.root) if folder.is_relative_to(settings.root) else folder


def accept_run(settings: Settings, tests: Iterable[str]) -> Accepted:
    """Accepts what a run has found of its tests, for --edge-update-baseline."""
    accepting = Accepting(settings, Candidates(settings.candidates), here=True)
    with accepting.alone():
        accepting.accept_tests(tests, settings.run)
    return accepting.found


class Accepting:
    """Accepts the candidates of one folder."""

    def __init__(self, settings: Settings, candidates: Candidates, *, here: bool) -> None:
        """*here*: they are of this machine, so that they have to be of the commit checked out."""
        self._baseline = Baseline(settings.baseline)
        self._files = None if settings.accepted is None else AcceptedFiles(settings.accepted)
        self._candidates = candidates
        self._history = History(settings.root)
        self._head = self._history.head() if here else ""
        self._root = settings.root
        self._here = here
        self.found = Accepted()

    @cached_property
    def _is_dirty(self) -> bool:
        return self._history.is_dirty()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Holds what keeps two of them from writing at once."""
        from filelock import FileLock

        place = text_digest(str(self._baseline.folder.resolve()))[:16]
        name = f"edgegate-accept-{user_name()}-{place}.lock"
        with FileLock(Path(gettempdir()) / name):
            yield

    def accept(self, pattern: str = "") -> None:
        """The candidates of the tests whose names hold *pattern*; its * stands for anything."""
        for at in self._candidates.files():
            try:
                candidate = self._candidates.read(at)
            except EdgeGateError as error:
                if not pattern:
                    self._refuse(str(at), f"{error.message}: {error.remedy}")
                continue
            if matches(candidate.entry.test, pattern):
                self._accept(candidate)

    def accept_tests(self, tests: Iterable[str], run: str) -> None:
        """The candidates that a run has left of these tests."""
        for candidate in candidates_of(self._candidates, tests, run):
            self._accept(candidate)

    def remove_unused(self, pattern: str = "") -> None:
        """Removes the entries that the last run has named as unused, of tests with *pattern*."""
        unused = Unused(self._candidates.folder)
        try:
            named = unused.read(self._head)
            for test in (each for each in named if matches(each, pattern)):
                self._baseline.remove(test)
                self.found.lines.append(f"removed: {presentable(test)}")
                self.found.removed += 1
            unused.keep([each for each in named if not matches(each, pattern)], self._head)
        except EdgeGateError as error:
            self._refuse("unused entries", f"{error.message}: {error.remedy}")

    def _accept(self, candidate: Candidate) -> None:
        entry = candidate.entry
        why = "; ".join(self._against(candidate))
        if why:
            self._refuse(entry.test, why)
            return
        try:
            self._take_over(candidate)
        except EdgeGateError as error:
            self._refuse(entry.test, f"{error.message}: {error.remedy}")

    def _take_over(self, candidate: Candidate) -> None:
        entry, scores = candidate.entry, self._candidates.scores(candidate)
        before, fault = known_entry(self._baseline, entry)
        found = changes(before, entry)
        is_new = self._baseline.put(entry, scores)
        copied = list(self._copy_files(candidate))
        if is_new:
            self.found.written += 1
            gone = " that are gone now" if self._here and not self._is_dirty else ""
            dirty = f", with uncommitted changes{gone}" if candidate.origin.dirty else ""
            self.found.lines.append(f"{presentable(entry.test)}{dirty}")
            replaced = [f"  in place of one that could not be read: {fault}"] if fault else []
            others = [] if found or fault else ["  another file, or runtime, with the same figures"]
            self.found.lines += replaced + [f"  {each}" for each in told(found)] + others
            self.found.lines += [
                f"  since the first: {each}" for each in self._ratchet(entry, found)
            ]
        else:
            self.found.unchanged += 1
        self.found.lines += [f"  {each}" for each in copied]

    def _against(self, candidate: Candidate) -> Iterator[str]:
        yield from map(presentable, candidate.refusals)
        if candidate.early:
            yield (
                f"{', '.join(candidate.early)} was decided early, from a part of the samples, so "
                "that it holds no accuracy: pytest --edge-update-baseline"
            )
        if not candidate.refusals and not candidate.entry.artifacts:
            yield "it has gated no artifact"
        head = candidate.origin.head
        if self._here and head != self._head:
            yield (
                f"its run was on commit {head[:10] or 'none'}, and {self._head[:10] or 'none'} is "
                "checked out: run it again, or name its folder by --edge-candidates=DIR"
            )
        file = candidate.entry.test.partition("::")[0]
        if self._here and file.endswith(".py") and not (self._root / file).exists():
            yield f"{presentable(file)} is gone"

    def _refuse(self, test: str, why: str) -> None:
        self.found.refused += 1
        self.found.lines += [f"{presentable(test)}", f"  refused: {why}"]

    def _ratchet(self, entry: Entry, step: list[Change]) -> Iterator[str]:
        """What has changed since the first acceptance that git knows, where this *step* is not
        the first one: small steps add up."""
        at = self._baseline.path_of(entry.test)
        text = self._history.first(at.absolute()) if at.is_file() else ""
        if not text:
            return
        try:
            first = Entry.parsed(text, str(at))
        except ConfigurationError:
            return
        for each in changes(first, entry):
            is_known = each.before is not None and each.after is not None
            if is_known and each not in step:
                yield spelt(each)

    def _copy_files(self, candidate: Candidate) -> Iterator[str]:
        """Copies accepted files into the folder of edge_accepted; says which could not be."""
        if self._files is None:
            return
        for artifact in candidate.entry.artifacts:
            named = candidate.files.get(artifact.sha256, ("",)) if self._here else ("",)
            main, *content = map(Path, named)
            is_here = self._files.find(artifact.sha256) is not None
            if not is_here and not (content and self._files.put(artifact.sha256, main, content)):
                yield (
                    f"{artifact.key}: the file {artifact.sha256[:12]} itself is not here, so that "
                    f"{self._files.folder} has no copy of it"
                )


def matches(test: str, pattern: str) -> bool:
    """Whether a name holds a pattern, in which * stands for anything, and [ for itself."""
    literal = "".join(f"[{each}]" if each in "[?" else each for each in pattern)
    return fnmatchcase(test, f"*{literal}*")


def candidates_of(candidates: Candidates, tests: Iterable[str], run: str) -> Iterator[Candidate]:
    """What a run has left of its tests; files that can't be read are left to --edge-accept."""
    for test in tests:
        try:
            found = candidates.find(test)
        except EdgeGateError:
            continue
        if found is not None and found.origin.run == run:
            yield found


def known_entry(baseline: Baseline, entry: Entry) -> tuple[Entry | None, str]:
    """The accepted entry of the same test, or what is wrong with its file."""
    try:
        return baseline.find(entry.test, entry.target), ""
    except (ConfigurationError, StorageError) as error:
        return None, error.message


def would_change(settings: Settings, tests: Iterable[str]) -> list[str]:
    """The tests whose entries accepting this run would change, of those that have one."""
    baseline = Baseline(settings.baseline)
    if not settings.baseline.is_dir():
        return []
    found = candidates_of(Candidates(settings.candidates), tests, settings.run)
    return [each.entry.test for each in found if _would_change(baseline, each)]


def _would_change(baseline: Baseline, candidate: Candidate) -> bool:
    if candidate.refusals or candidate.early or not candidate.entry.artifacts:
        return False
    before, fault = known_entry(baseline, candidate.entry)
    return bool(fault or (before is not None and changes(before, candidate.entry)))


def told(found: Iterable[Change]) -> Iterator[str]:
    """A line for each change, and one for each artifact that is new as a whole."""
    for artifact, group in groupby(found, key=lambda each: each.artifact):
        own = list(group)
        if all(each.before is None for each in own):
            figures = (f"{each.metric} {_value(each.metric, each.after)}" for each in own)
            yield f"new: {presentable(artifact)}: {presentable(', '.join(figures))}"
        else:
            yield from map(spelt, own)


def spelt(change: Change) -> str:
    """``PTQ(): size 13,832 B -> 13,900 B (+0.5 %)``."""
    before, after = change.before, change.after
    name = f"{presentable(change.artifact)}: {presentable(change.metric)}"
    if before is None:
        return f"{name} {_value(change.metric, after)}, new"
    if after is None:
        return f"{name} {_value(change.metric, before)}, gone"
    texts = _value(change.metric, before), _value(change.metric, after)
    if texts[0] == texts[1]:
        texts = repr(before), repr(after)
    if before == after:
        return f"{name} {texts[0]}: other samples than before are right and wrong"
    return f"{name} {texts[0]} -> {texts[1]} ({_difference(change.metric, before, after)})"


def _value(metric: str, value: float | int | None) -> str:
    if value is None:
        return "-"
    return spell_value(metric, value) if metric in BUDGETS else f"{value:.4f}"


def _difference(metric: str, before: float, after: float) -> str:
    if metric in BUDGETS and BUDGETS[metric].unit in ("bytes", "s", "count") and before:
        return f"{(after - before) / before:+.1%}".replace("%", " %")
    return f"{after - before:+.4g}"
