"""Pruning: by age and size, never what a session uses, never what is not a cache."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.storage.cache import Cache, Entry, key_of
from pytest_edgegate.storage.layout import entry_folder, going_mark, lock_file
from pytest_edgegate.storage.upkeep import Upkeep

DAY = 86_400
SIZES = {"old": 3_000, "middle": 2_000, "new": 1_000}
AGES = {"old": 40, "middle": 10, "new": 0.5}


def key(name: str) -> str:
    return key_of(name=name)


def built(cache: Cache, name: str, size: int = 100) -> None:
    def build(folder: Path) -> dict[str, str]:
        (folder / "inner").mkdir()
        (folder / "inner" / "weights").write_bytes(bytes(size))
        return {"name": name}

    cache.fetch(key(name), build, lambda entry: None)


def aged(folder: Path, name: str, days: float) -> None:
    used = time.time() - days * DAY
    os.utime(entry_folder(folder, key(name)), (used, used))


def name_of(entry: Entry) -> str:
    return str(entry.info["name"])


def names(folder: Path) -> set[str]:
    return {each for each in (*SIZES, "fresh") if entry_folder(folder, key(each)).exists()}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A cache of three entries that no session uses."""
    folder = tmp_path / "cache"
    cache = Cache(folder)
    for name, size in SIZES.items():
        built(cache, name, size)
        aged(folder, name, AGES[name])
    del cache
    assert not list(folder.glob("locks/session-*"))
    yield folder
    assert not list(folder.rglob("*.going"))
    assert not list(folder.rglob("*.pruned"))


def before(days: float) -> float:
    return time.time() - days * DAY


def test_entries_are_listed_by_their_last_use(folder: Path) -> None:
    entries = Upkeep(folder).entries()
    assert [each.key for each in entries] == [key(each) for each in ("new", "middle", "old")]
    for each, size in zip(entries, (1_000, 2_000, 3_000), strict=True):
        assert each.size == size + (each.path / "entry.json").stat().st_size


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({"used_before": before(30)}, {"middle", "new"}),
        ({"used_before": before(5)}, {"new"}),
        ({"used_before": before(365)}, {"old", "middle", "new"}),
        ({"most_bytes": 100_000}, {"old", "middle", "new"}),
        ({"most_bytes": 5_000}, {"middle", "new"}),
        ({"most_bytes": 1_500}, {"new"}),
        ({"most_bytes": 0}, set()),
        ({"used_before": before(30), "most_bytes": 1_500}, {"new"}),
        ({"used_before": before(5), "most_bytes": 100_000}, {"new"}),
    ],
)
def test_what_goes_by_age_and_by_size(
    folder: Path, given: dict[str, float], left: set[str]
) -> None:
    told = Upkeep(folder).prune(dry_run=True, **given)  # type: ignore[arg-type]
    assert names(folder) == set(SIZES)
    pruned = Upkeep(folder).prune(**given)  # type: ignore[arg-type]
    assert names(folder) == left
    assert (told.removed, told.stay) == (pruned.removed, pruned.stay)
    assert not pruned.failed
    again = Cache(folder)
    assert {each for each in SIZES if again.find(key(each), name_of) == each} == left


def test_what_a_session_used_stays_until_it_ends(folder: Path) -> None:
    session = Cache(folder)
    assert session.find(key("old"), name_of) == "old"
    pruned = Upkeep(folder).prune(most_bytes=0)
    assert names(folder) == {"old"}
    assert [each.key for each in pruned.in_use] == [key("old")]
    built(session, "fresh")
    Upkeep(folder).prune(most_bytes=0)
    assert names(folder) == {"old", "fresh"}
    assert len(Upkeep(folder).sessions()) == 1
    del session
    assert not Upkeep(folder).sessions()
    Upkeep(folder).prune(most_bytes=0)
    assert not names(folder)


def test_a_session_that_was_killed_holds_nothing(folder: Path) -> None:
    left = folder / "locks" / "session-1-abcd.lock"
    left.touch()
    assert not Upkeep(folder).sessions()
    Upkeep(folder).prune(most_bytes=0, dry_run=True)
    assert left.exists()
    Upkeep(folder).prune(most_bytes=0)
    assert not names(folder)
    assert not left.exists()


def test_what_is_used_between_listing_and_removing_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Cache(folder)
    upkeep = Upkeep(folder)
    listed = upkeep.unfinished

    def used_meanwhile() -> object:
        session.find(key("old"), name_of)
        monkeypatch.setattr("pytest_edgegate.storage.upkeep.living", lambda *_, **__: iter(()))
        return listed()

    monkeypatch.setattr(upkeep, "unfinished", used_meanwhile)
    pruned = upkeep.prune(most_bytes=0)
    assert names(folder) == {"old"}
    assert [each.key for each in pruned.in_use] == [key("old")]


def test_a_session_waits_for_a_prune_that_is_removing_its_entry(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = []
    acquire = filelock.FileLock.acquire

    def goes_now(lock: filelock.FileLock, *given: object, **named: object) -> object:
        waited.append(Path(lock.lock_file).name)
        shutil.rmtree(entry_folder(folder, key("old")), ignore_errors=True)
        return acquire(lock, *given, **named)  # type: ignore[arg-type]

    going_mark(folder, key("old")).touch()
    session = Cache(folder)
    session.find(key("new"), name_of)
    monkeypatch.setattr(filelock.FileLock, "acquire", goes_now)
    assert session.find(key("old"), name_of) is None  # and no warning of damage
    assert waited == [lock_file(folder, key("old")).name]
    going_mark(folder, key("old")).unlink()


def test_a_mark_that_a_killed_prune_left_does_no_harm(folder: Path) -> None:
    going_mark(folder, key("old")).touch()
    assert Cache(folder).find(key("old"), name_of) == "old"
    Upkeep(folder).prune(most_bytes=0)
    assert not names(folder)


def test_an_entry_that_is_built_again_now_stays(folder: Path) -> None:
    with filelock.FileLock(lock_file(folder, key("old"))):
        pruned = Upkeep(folder).prune(most_bytes=0)
    assert names(folder) == {"old"}
    assert [each.key for each in pruned.in_use] == [key("old")]


def test_what_killed_runs_left_goes_and_what_is_being_built_stays(folder: Path) -> None:
    left, building = folder / "scratch" / key("a"), folder / "scratch" / key("b")
    damaged = entry_folder(folder, key("new")).with_name(f"{key('new')}.damaged")
    pruned_before = folder / "scratch" / f"{key('c')}.pruned"
    for each in (left, building, damaged, pruned_before):
        each.mkdir()
        (each / "part").write_bytes(b"1234")
    assert {each.size for each in Upkeep(folder).unfinished()} == {4}
    with filelock.FileLock(lock_file(folder, key("b"))):
        Upkeep(folder).prune(used_before=before(365))
    assert [each.exists() for each in (left, building, damaged, pruned_before)] == [
        False,
        True,
        False,
        False,
    ]
    assert names(folder) == set(SIZES)


def test_only_entries_are_touched(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine"
    target.mkdir()
    (target / "file").write_text("mine")
    strangers = [
        folder / "notes.txt",
        folder / "entries" / "readme",
        folder / "entries" / "zz" / "deep" / "file",
        folder / "entries" / "ab" / ("a" * 63) / "file",
        folder / "scratch" / "something",
    ]
    for each in strangers:
        each.parent.mkdir(parents=True, exist_ok=True)
        each.write_text("mine")
    link = entry_folder(folder, "ab" + "c" * 62)
    link.symlink_to(target)
    (folder / "entries" / "ff").symlink_to(target)
    Upkeep(folder).prune(most_bytes=0)
    assert all(each.read_text() == "mine" for each in (*strangers, target / "file"))
    assert not os.path.lexists(link)
    assert not names(folder)


def test_a_cache_in_a_folder_with_a_gitignore_of_its_own(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("build\n")
    built(Cache(tmp_path), "new")
    assert len(Upkeep(tmp_path).entries()) == 1


def file(path: Path) -> None:
    path.write_text("")


def project(path: Path) -> None:
    (path / "entries" / "ab" / ("ab" + "c" * 62)).mkdir(parents=True)
    (path / "locks").mkdir()
    (path / ".gitignore").write_text("*.pyc\n")


def linked(path: Path) -> None:
    elsewhere = path.with_name("elsewhere")
    (elsewhere / "ab" / ("ab" + "c" * 62)).mkdir(parents=True)
    path.mkdir()
    (path / ".gitignore").write_text("# made by pytest-edgegate\n*\n")
    (path / "entries").symlink_to(elsewhere)


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir, file, project, linked])
def test_a_folder_that_is_no_cache_is_refused(tmp_path: Path, make: object) -> None:
    make(tmp_path / "cache")  # type: ignore[operator]
    found = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigurationError, match=r"cache .*\n.*--edge-cache=FOLDER"):
        Upkeep(tmp_path / "cache")
    assert sorted(tmp_path.rglob("*")) == found
