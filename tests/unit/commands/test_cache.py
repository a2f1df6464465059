"""``python -m pytest_edgegate cache``: words and errors, and that no code of a project runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_edgegate.__main__ import main
from pytest_edgegate.storage.cache import Cache, key_of
from pytest_edgegate.storage.layout import entry_folder

DAY = 86_400


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with entries used 2 and 40 days ago, in the working folder."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".edgegate_cache"
    for days in (2, 40):

        def build(into: Path, days: int = days) -> dict[str, str]:
            (into / "weights").write_bytes(bytes(days * 1_000_000))
            return {}

        key = key_of(days=days)
        Cache(folder).fetch(key, build, lambda entry: None)
        used = time.time() - days * DAY
        os.utime(entry_folder(folder, key), (used, used))
    return folder


def test_stats(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = Cache(folder)
    (folder / "scratch" / key_of()).mkdir()
    session._lease.take()
    assert main(["cache", "stats"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        ".edgegate_cache: 2 entries (42.0 MB)",
        "  last used        entries       size",
        "  within a day           0        0 B",
        "  within a week          1 2,000.3 kB",
        "  within 30 days         0        0 B",
        "  longer ago             1    40.0 MB",
        "  1 unfinished (0 B): being built, or left by a killed run",
        "  1 running session: what it has used is not pruned",
    ]


def test_prune(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for last, done in (("--dry-run", "would remove"), ("--keep=5GB", "removed")):
        assert main(["cache", "prune", "--older-than=30d", last]) == 0
        told = capsys.readouterr().out
        assert told == f".edgegate_cache: {done} 1 entry (40.0 MB); 1 entry (2,000.3 kB) stay\n"
    session = Cache(folder)
    session.find(key_of(days=2), lambda entry: None)
    assert main(["cache", "prune", "--keep", "500 kB", f"--edge-cache={folder}"]) == 0
    told = capsys.readouterr().out
    assert told.endswith("  of these, running sessions use 1 entry (2,000.3 kB)\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prune"], "cache prune does not know what may go\nadd --older-than=30d, --keep=5GB or"),
        (["prune", "--older-than=30"], "--older-than: '30' has no unit\nwrite for example \"30d\""),
        (["prune", "--older-than=3 m"], "--older-than: '3 m' has the unknown unit 'm'"),
        (["prune", "--older-than=-3d"], "--older-than: '-3d' is negative"),
        (["prune", "--keep=5 apples"], "--keep: '5 apples' has the unknown unit 'apples'"),
        (["prune", "--keep=-5GB"], "--keep: '-5GB' is negative"),
        (["prune", "--keep=much"], "--keep: 'much' has no number that can be read"),
        (["stats", "--edge-cache=nowhere"], "nowhere does not exist\nname the folder of the cache"),
        (["prune", "--keep=0", "--edge-cache=."], ". is not a cache that pytest-edgegate made\n"),
    ],
)
def test_errors_name_what_to_type(
    folder: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.rglob("*"))
    assert main(["cache", *arguments]) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"edgegate error: {message}")
    assert not told.out
    assert sorted(folder.rglob("*")) == before


def test_what_can_not_be_removed_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_edgegate.storage.upkeep.remove", lambda path: None)
    assert main(["cache", "prune", "--older-than=30d"]) == 1
    told = capsys.readouterr()
    assert "removed 0 entries (0 B); 2 entries (42.0 MB) stay" in told.out
    assert "edgegate error: 1 entry (40.0 MB) can't be removed, for example " in told.err


def test_it_runs_nothing_of_the_project_and_imports_nothing_heavy(folder: Path) -> None:
    for name in ("conftest.py", "sitecustomize.py", "numpy.py", "pytest.py"):
        (folder.parent / name).write_text("raise SystemExit('ran')")
    # what `python -m` does, but for the line that tells what was imported
    program = (
        "import runpy, sys\n"
        "sys.argv[1:] = ['cache', 'stats']\n"
        "try:\n    runpy.run_module('pytest_edgegate', run_name='__main__')\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "print({name.split('.')[0] for name in sys.modules} & {'numpy', 'scipy', 'pytest',"
        " '_pytest', 'tomllib'}, [name for name in sys.modules if 'edgegate.backends' in name])"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=folder.parent,
        text=True,
        capture_output=True,
        check=False,
    )
    assert ran.stdout.splitlines()[-1] == "set() []", ran.stderr
