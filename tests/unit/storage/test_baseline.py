"""The folder of accepted entries: places, whole files, links."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_edgegate.core.accepted import AcceptedArtifact, AcceptedFigure, Entry
from pytest_edgegate.core.errors import ConfigurationError, StorageError
from pytest_edgegate.storage import placing
from pytest_edgegate.storage.baseline import Baseline

TEST = "tests/test_edge.py::test_ptq[coral]"


def entry(test: str = TEST, value: float = 0.9) -> Entry:
    figures = {"top1": AcceptedFigure(value, "host:litert-xnnpack", 1000)}
    made = AcceptedArtifact(("PTQ(samples=200)",), "", "m", "d", "litert", "s", 9, {}, figures)
    return Entry(test, "coral", (made,))


@pytest.fixture
def kept(tmp_path: Path) -> Baseline:
    return Baseline(tmp_path / "edge-baseline")


def files(kept: Baseline) -> list[str]:
    return sorted(
        each.relative_to(kept.folder).as_posix()
        for each in kept.folder.rglob("*")
        if each.is_file()
    )


def test_an_entry_lies_under_the_name_of_its_test(kept: Baseline) -> None:
    assert kept.find(TEST, "coral") is None
    kept.put(entry())
    assert files(kept) == ["tests/test_edge/test_ptq[coral].json"]
    assert kept.find(TEST, "coral") == entry()


@pytest.mark.parametrize(
    ("test", "name"),
    [
        ("test_a.py::TestIt::test_b[coral]", "test_a/TestIt.test_b[coral].json"),
        ("a/b/test_a.py::test_b[coral-x1]", "a/b/test_a/test_b[coral-x1].json"),
        ("edgegate::m.keras[coral]", "edgegate/m.keras[coral].json"),
    ],
)
def test_names_that_every_file_system_takes_are_kept(kept: Baseline, test: str, name: str) -> None:
    assert kept.path_of(test).relative_to(kept.folder).as_posix() == name


@pytest.mark.parametrize(
    "test",
    [
        "test_a.py::test_b[coral-a/b]",
        "test_a.py::test_b[coral-<x>]",
        "test_a.py::test_b[coral-\u00fc]",
        "test_a.py::test_b[coral-\ud800]",
        f"test_a.py::test_b[coral-{'x' * 300}]",
        "con.py::test_b[coral]",
        "test_a.py::-rf[coral]",
        "test_a.py::test_b[coral-a\nb]",
    ],
)
def test_other_names_are_replaced_and_stay_apart(kept: Baseline, test: str) -> None:
    kept.put(entry(test))
    kept.put(entry(f"{test}2"))
    assert kept.find(test, "coral") == entry(test)
    assert kept.find(f"{test}2", "coral") == entry(f"{test}2")
    for name in files(kept):
        assert "+" in name
        assert name.isascii()
        assert max(map(len, name.split("/"))) < 200
        assert not set(name) & set('<>:"|?*\\\n')


@pytest.mark.parametrize(
    "test", ["../test_a.py::test_b[coral]", "/etc/x.py::t[coral]", "a\0.py::t"]
)
def test_nothing_leads_out_of_the_folder(kept: Baseline, test: str) -> None:
    with pytest.raises(ConfigurationError, match="has no place in"):
        kept.put(entry(test))


def test_scores_lie_beside(kept: Baseline) -> None:
    kept.put(entry(), b"scores")
    found = kept.find(TEST, "coral")
    assert found is not None
    assert kept.scores(found) == b"scores"
    assert len(files(kept)) == 2
    kept.put(entry(value=0.8), b"others")
    later = kept.find(TEST, "coral")
    assert later is not None
    assert kept.scores(later) == b"others"
    assert len(files(kept)) == 2
    kept.put(entry())
    assert files(kept) == ["tests/test_edge/test_ptq[coral].json"]


def test_a_checkout_without_side_files_has_none(kept: Baseline) -> None:
    kept.put(entry(), b"scores")
    (side,) = kept.folder.rglob("*.npz")
    side.unlink()
    found = kept.find(TEST, "coral")
    assert found is not None
    assert kept.scores(found) is None
    side.write_bytes(b"others")
    with pytest.raises(ConfigurationError, match="does not hold the scores"):
        kept.scores(found)


def test_the_same_again_changes_no_byte(kept: Baseline) -> None:
    kept.put(entry(), b"scores")
    before = {each: each.stat().st_mtime_ns for each in kept.folder.rglob("*") if each.is_file()}
    kept.put(entry(), b"scores")
    assert {each: each.stat().st_mtime_ns for each in before} == before


@pytest.mark.parametrize("step", range(3))
def test_a_killed_writer_leaves_whole_entries(
    kept: Baseline, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    kept.put(entry(), b"scores")
    replacing, calls = placing.os.replace, []

    def killed(source: object, to: object) -> None:
        calls.append(to)
        if len(calls) > step:
            raise KeyboardInterrupt
        replacing(source, to)

    monkeypatch.setattr(placing.os, "replace", killed)
    if step < 2:
        with pytest.raises(KeyboardInterrupt):
            kept.put(entry(value=0.8), b"others")
    else:
        kept.put(entry(value=0.8), b"others")
    monkeypatch.undo()
    found = kept.find(TEST, "coral")
    assert found is not None
    assert kept.scores(found) == (b"scores" if step < 2 else b"others")
    kept.put(entry(value=0.7), b"last")
    assert len(files(kept)) == 2


def test_links_are_refused(kept: Baseline, tmp_path: Path) -> None:
    kept.put(entry())
    at = kept.path_of(TEST)
    at.rename(tmp_path / "elsewhere.json")
    at.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(ConfigurationError, match="is a link"):
        kept.find(TEST, "coral")
    with pytest.raises(ConfigurationError, match="is a link"):
        kept.put(entry())


def test_a_folder_that_is_a_link_is_refused(kept: Baseline, tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    kept.folder.mkdir()
    (kept.folder / "tests").symlink_to(tmp_path / "away")
    with pytest.raises(ConfigurationError, match="is a link"):
        kept.put(entry())
    assert not any((tmp_path / "away").rglob("*.json"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_is_read_only_is_told(kept: Baseline) -> None:
    kept.folder.mkdir()
    kept.folder.chmod(0o500)
    with pytest.raises(StorageError, match="can't be accepted to"):
        kept.put(entry())


def test_a_file_in_the_place_of_a_folder_is_told(kept: Baseline) -> None:
    kept.folder.mkdir()
    (kept.folder / "tests").write_text("")
    with pytest.raises(StorageError, match="can't be accepted to"):
        kept.put(entry())


def test_an_entry_and_its_scores_are_removed_together(kept: Baseline) -> None:
    kept.put(entry(), b"scores")
    kept.put(entry("tests/test_edge.py::test_ptq[host]"))
    kept.remove(TEST)
    assert files(kept) == ["tests/test_edge/test_ptq[host].json"]


def test_what_is_no_text_is_told(kept: Baseline) -> None:
    kept.put(entry())
    kept.path_of(TEST).write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="is no text"):
        kept.find(TEST, "coral")


class TestMerges:
    """By git itself."""

    @pytest.fixture
    def branches(self, kept: Baseline, tmp_path: Path) -> Baseline:
        self.git(tmp_path, "init", "-q", "-b", "main")
        kept.put(entry(), b"scores")
        kept.put(entry("tests/test_edge.py::test_qat[coral]"), b"scores")
        self.commit(tmp_path)
        return kept

    def git(self, folder: Path, *arguments: str) -> str:
        own = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "core.autocrlf=false")
        ran = subprocess.run(
            ["git", *own, *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
        return f"{ran.returncode} {ran.stdout}{ran.stderr}"

    def commit(self, folder: Path) -> None:
        self.git(folder, "add", "-A")
        self.git(folder, "commit", "-qm", "accepted")

    def branch(self, kept: Baseline, name: str, accepted: Entry, scores: bytes) -> None:
        folder = kept.folder.parent
        self.git(folder, "checkout", "-q", "main")
        self.git(folder, "checkout", "-q", "-b", name)
        kept.put(accepted, scores)
        self.commit(folder)

    def test_two_branches_accept_different_tests(self, branches: Baseline) -> None:
        other = "tests/test_edge.py::test_qat[coral]"
        self.branch(branches, "one", entry(value=0.91), b"one")
        self.branch(branches, "two", entry(other, 0.92), b"two")
        assert self.git(branches.folder.parent, "merge", "-q", "one").startswith("0")
        for test, value, scores in ((TEST, 0.91, b"one"), (other, 0.92, b"two")):
            found = branches.find(test, "coral")
            assert found is not None
            assert found.artifacts == entry(test, value).artifacts
            assert branches.scores(found) == scores

    def test_two_branches_accept_the_same_test(self, branches: Baseline) -> None:
        self.branch(branches, "one", entry(value=0.91), b"one")
        self.branch(branches, "two", entry(value=0.92), b"two")
        assert "CONFLICT" in self.git(branches.folder.parent, "merge", "-q", "one")
        with pytest.raises(ConfigurationError, match="has conflict markers"):
            branches.find(TEST, "coral")
        at = branches.path_of(TEST)
        mended = [line for line in at.read_text().splitlines() if line[:7] not in MARKS]
        lines = [each for each in mended if '"value": 0.91' not in each]
        at.write_text("\n".join(lines))
        with pytest.raises(ConfigurationError):
            branches.find(TEST, "coral")
        self.git(branches.folder.parent, "checkout", "--theirs", str(at))
        found = branches.find(TEST, "coral")
        assert found is not None
        assert replace(found, side="") == entry(value=0.91)


MARKS = ("<<<<<<<", "=======", ">>>>>>>")
