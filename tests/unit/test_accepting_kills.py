"""Accepting that is killed, or done twice at once, leaves whole entries only."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.accepting import Accepting
from pytest_edgegate.core.accepted import AcceptedArtifact, AcceptedFigure, Entry
from pytest_edgegate.core.candidate import Candidate, Origin
from pytest_edgegate.measures.accepted_scores import packed, unpacked
from pytest_edgegate.settings.options import Settings
from pytest_edgegate.storage.baseline import Baseline
from pytest_edgegate.storage.candidates import Candidates

TESTS = [f"test_it.py::test_{at}[board]" for at in range(8)]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="it kills a fork of this process")


def candidate(test: str, seed: int) -> tuple[Candidate, bytes]:
    right = np.random.default_rng(seed).random(100) < 0.9
    name = f"bits-{seed}"
    figures = {"top1": AcceptedFigure(float(right.mean()), "host:fake", 100)}
    artifact = AcceptedArtifact(
        ("PTQ()",), "", "m", "d", "fake", "ab" * 32, 1000 + seed, {}, figures, {"top1": name}
    )
    entry = Entry(test, "board", (artifact,))
    return Candidate(entry, Origin("run")), packed({name: {"correct": right}})


def left(folder: Path, seed: int) -> Candidates:
    """What a run has found of all tests."""
    found = Candidates(folder)
    for test in TESTS:
        found.put(*candidate(test, seed))
    return found


def whole(baseline: Baseline) -> dict[str, int]:
    """The sizes in the entries; fails for one that is not whole."""
    found = {}
    for test in TESTS:
        entry = baseline.find(test, "board")
        if entry is None:
            continue
        [artifact] = entry.artifacts
        content = baseline.scores(entry)
        assert content is not None, "its side file is there"
        kept = unpacked(content, artifact.scores["top1"], "here")["correct"]
        assert kept.mean() == artifact.figures["top1"].value
        found[test] = artifact.size_bytes
    return found


def accept(settings: Settings, candidates: Candidates) -> None:
    accepting = Accepting(settings, candidates, here=False)
    with accepting.alone():
        accepting.accept()


def forked(work: Callable[[], None]) -> int:
    """Does the work in another process; returns its number."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(0)
    return child


class Killer:
    """Kills this process before or after one of its file operations."""

    def __init__(self, at: int) -> None:
        self._left = at

    def __call__(self, frame: Any, event: str, called: Any) -> None:
        name = getattr(called, "__name__", "")
        if event in ("c_call", "c_return") and name in ("replace", "unlink", "write", "open"):
            self._left -= 1
            if self._left < 0:
                os.kill(os.getpid(), signal.SIGKILL)


def kills(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path, cache=tmp_path / "cache", baseline=tmp_path / "base")
    baseline, chance = Baseline(settings.baseline), random.Random(0)
    accept(settings, left(tmp_path / "old", 1))
    assert len(whole(baseline)) == len(TESTS)
    new, killed, mixed = left(tmp_path / "new", 2), 0, 0
    for _ in range(30):
        accept(settings, left(tmp_path / "old", 1))
        at = chance.randrange(120)

        def work(at: int = at) -> None:
            sys.setprofile(Killer(at))
            accept(settings, new)

        _, status = os.waitpid(forked(work), 0)
        killed += os.WIFSIGNALED(status)
        sizes = whole(baseline)
        assert set(sizes.values()) <= {1001, 1002}
        assert len(sizes) == len(TESTS), "none was lost"
        mixed += len(set(sizes.values())) == 2
    assert killed > 20
    assert mixed > 5, "kills came in between"


def two_at_once(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path, cache=tmp_path / "cache", baseline=tmp_path / "base")
    sides = [left(tmp_path / str(seed), seed) for seed in (1, 2)]
    for _ in range(5):
        both = [forked(lambda one=each: accept(settings, one)) for each in sides]  # type: ignore[misc]
        for child in both:
            assert os.waitpid(child, 0)[1] == 0
        assert len(whole(Baseline(settings.baseline))) == len(TESTS)


@pytest.mark.parametrize("what", [kills, two_at_once])
def test_whole_entries_are_left(what: Callable[[Path], None], tmp_path: Path) -> None:
    """In a process of its own, since one in which frameworks were imported can't be forked."""
    ran = subprocess.run(
        [sys.executable, __file__, what.__name__, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


if __name__ == "__main__":
    {"kills": kills, "two_at_once": two_at_once}[sys.argv[1]](Path(sys.argv[2]))
