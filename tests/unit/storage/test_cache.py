"""The cache: whole entries or none, damage told and mended, one build for many workers."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import filelock
import pytest

from pytest_edgegate.core.digests import file_digest
from pytest_edgegate.core.errors import EdgeGateWarning, StorageError
from pytest_edgegate.storage.cache import Cache, Entry, key_of

KEY = key_of(name="an entry")
Build = Callable[[Path], Mapping[str, Any]]


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def write(folder: Path) -> dict[str, Any]:
    (folder / "model.bin").write_bytes(b"weights")
    (folder / "more").mkdir()
    (folder / "more" / "labels.txt").write_text("cat\n")
    return {"main": "model.bin", "range": [0.1, None]}


def itself(entry: Entry) -> Entry:
    return entry


def never(folder: Path) -> dict[str, Any]:
    raise AssertionError("this entry is in the cache")


def files_of(cache: Cache) -> list[str]:
    return sorted(
        each.relative_to(cache.folder).as_posix()
        for each in cache.folder.rglob("*")
        if each.is_file() and "locks" not in each.parts
    )


def test_built_once_and_found_again(cache: Cache) -> None:
    assert cache.find(KEY, itself) is None
    built = cache.fetch(KEY, write, itself)
    found = cache.fetch(KEY, never, itself)
    assert (built.cached, found.cached) == (False, True)
    assert built.folder == found.folder
    assert dict(found.info) == {"main": "model.bin", "range": [0.1, None]}
    assert found.file("model.bin").read_bytes() == b"weights"
    assert found.file("more/labels.txt").read_text() == "cat\n"
    assert Cache(cache.folder).find(KEY, itself) == found


def test_looking_writes_nothing(cache: Cache) -> None:
    cache.find(KEY, itself)
    assert not cache.folder.exists()


def test_git_is_told_to_leave_it_alone(cache: Cache) -> None:
    cache.fetch(KEY, write, itself)
    assert (cache.folder / ".gitignore").read_text().splitlines()[-1] == "*"


def test_a_builder_that_raises_leaves_nothing(cache: Cache) -> None:
    def fail(folder: Path) -> dict[str, Any]:
        write(folder)
        raise ValueError("converter")

    with pytest.raises(ValueError, match="converter"):
        cache.fetch(KEY, fail, itself)
    assert files_of(cache) == [".gitignore"]
    assert cache.find(KEY, itself) is None
    assert not cache.fetch(KEY, write, itself).cached


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def scalar(path: Path) -> None:
    path.write_text("[]")


def other_info(path: Path) -> None:
    manifest = json.loads(path.read_text())
    manifest["info"]["main"] = "other.bin"
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("model.bin", flip),
        ("model.bin", truncate),
        ("model.bin", Path.unlink),
        ("more/labels.txt", flip),
        ("entry.json", flip),
        ("entry.json", truncate),
        ("entry.json", scalar),
        ("entry.json", other_info),
        ("entry.json", Path.unlink),
    ],
)
def test_damage_is_told_and_mended(cache: Cache, name: str, damage: Callable[[Path], None]) -> None:
    damage(cache.fetch(KEY, write, itself).folder / name)
    with pytest.warns(EdgeGateWarning, match=r"is damaged \(.*\); it is built again"):
        rebuilt = cache.fetch(KEY, write, itself)
    assert not rebuilt.cached
    assert rebuilt.file("model.bin").read_bytes() == b"weights"
    assert cache.fetch(KEY, never, itself).cached


def rewritten(cache: Cache, **changes: Any) -> None:
    """Another manifest in place of an entry's, with the digest that belongs to it."""
    path = cache.fetch(KEY, write, itself).folder / "entry.json"
    manifest = {**json.loads(path.read_text()), **changes}
    kept = {name: manifest.get(name) for name in ("key", "info", "files")}
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps({**manifest, "digest": digest}))


@pytest.mark.parametrize(
    "changes",
    [
        {"files": ["model.bin"]},
        {"files": None},
        {"files": {}},
        {"files": {"model.bin": 7}},
        {"files": {"../../../outside": "0" * 64}},
        {"files": {"/etc/passwd": "0" * 64}},
        {"info": []},
        {"info": None},
        {"info": float("nan")},
        {"info": 10**400},
        {"key": key_of(name="another")},
        {"key": None},
    ],
)
def test_a_manifest_of_another_shape_is_a_miss(cache: Cache, changes: dict[str, Any]) -> None:
    rewritten(cache, **changes)
    with pytest.warns(EdgeGateWarning, match="is damaged") as told:
        assert not cache.fetch(KEY, write, itself).cached
    assert len(told) == 1
    assert cache.fetch(KEY, never, itself).cached


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 5_000 + "1" + "}" * 5_000,
        '{"digest": NaN}',
        "9" * 10_000,
        '"\\ud800"',
        "\0",
        "\xff",
        "null",
        "",
    ],
    ids=["open", "deep", "nan", "giant", "surrogate", "zero", "high", "null", "empty"],
)
def test_a_manifest_that_is_no_document_is_a_miss(cache: Cache, text: str) -> None:
    (cache.fetch(KEY, write, itself).folder / "entry.json").write_bytes(text.encode("latin-1"))
    with pytest.warns(EdgeGateWarning, match="is damaged"):
        assert not cache.fetch(KEY, write, itself).cached
    assert cache.fetch(KEY, never, itself).cached


def linked(path: Path) -> None:
    target = path.parent.parent / "target"
    path.rename(target)
    path.symlink_to(target)


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("name", ["model.bin", "more/labels.txt", "entry.json"])
@pytest.mark.parametrize("damage", [linked, dangling, circle, pipe, folder])
def test_only_regular_files_are_an_entry(
    cache: Cache, name: str, damage: Callable[[Path], None]
) -> None:
    damage(cache.fetch(KEY, write, itself).folder / name)
    with pytest.warns(EdgeGateWarning, match="is damaged"):
        assert not cache.fetch(KEY, write, itself).cached
    assert cache.fetch(KEY, never, itself).cached


@pytest.mark.parametrize("name", ["model.bin", "more", "extra/deep/link"])
def test_what_lies_beside_the_files_of_an_entry_is_damage(cache: Cache, name: str) -> None:
    beside = cache.fetch(KEY, write, itself).folder / f"{name}.extra"
    beside.parent.mkdir(parents=True, exist_ok=True)
    beside.symlink_to("/") if "link" in name else beside.write_text("more")
    with pytest.warns(EdgeGateWarning, match="is damaged"):
        assert not cache.fetch(KEY, write, itself).cached
    assert not os.path.lexists(beside)


def instead_a_file(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.write_text("a file")


def instead_a_pipe(entry: Path) -> None:
    shutil.rmtree(entry)
    os.mkfifo(entry)


def instead_a_link(entry: Path) -> None:
    entry.rename(entry.with_name("moved"))
    entry.symlink_to("moved")


def instead_a_dangling_link(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.symlink_to("nowhere")


def instead_a_circle(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.symlink_to(entry.name)


def instead_other_things(entry: Path) -> None:
    shutil.rmtree(entry)
    (entry / "deep" / "deeper").mkdir(parents=True)
    (entry / "deep" / "notes.txt").write_text("mine")


@pytest.mark.parametrize(
    "damage",
    [
        instead_a_file,
        instead_a_pipe,
        instead_a_link,
        instead_a_dangling_link,
        instead_a_circle,
        instead_other_things,
    ],
)
def test_what_has_the_name_of_an_entry_is_replaced(
    cache: Cache, damage: Callable[[Path], None]
) -> None:
    entry = cache.fetch(KEY, write, itself).folder
    damage(entry)
    with pytest.warns(EdgeGateWarning, match="is damaged") as told:
        assert not cache.fetch(KEY, write, itself).cached
    assert len(told) == 1
    assert cache.fetch(KEY, never, itself).cached
    assert {each.name for each in entry.parent.iterdir()} <= {entry.name, "moved"}


def test_a_link_that_is_replaced_leaves_its_target(cache: Cache, tmp_path: Path) -> None:
    entry = cache.fetch(KEY, write, itself).folder
    shutil.rmtree(entry)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").write_text("dear")
    entry.symlink_to(tmp_path / "mine")
    with pytest.warns(EdgeGateWarning, match="it is not a folder"):
        cache.fetch(KEY, write, itself)
    assert (tmp_path / "mine" / "photo.jpg").read_text() == "dear"


def test_an_entry_that_was_moved_is_none(cache: Cache) -> None:
    other = key_of(name="another")
    folder = cache.fetch(KEY, write, itself).folder
    place = cache.folder / "entries" / other[:2] / other
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(folder, place)
    with pytest.warns(EdgeGateWarning, match="not that of this entry"):
        assert cache.find(other, itself) is None


def test_what_a_reader_can_not_use_is_damage_and_told_once(cache: Cache) -> None:
    def picky(entry: Entry) -> str:
        return str(entry.info["precision"])

    def better(folder: Path) -> dict[str, Any]:
        return {**write(folder), "precision": "int8"}

    cache.fetch(KEY, write, itself)
    with pytest.warns(EdgeGateWarning, match=r"is damaged \(KeyError: 'precision'\)") as told:
        found = cache.find(KEY, picky), cache.fetch(KEY, better, picky)
    assert found == (None, "int8")
    assert len(told) == 1
    assert cache.fetch(KEY, never, picky) == "int8"


def test_a_fault_of_a_reader_is_not_taken_for_damage(cache: Cache) -> None:
    def wrong(entry: Entry) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cache.fetch(KEY, write, wrong)


def test_a_builder_can_not_leave_links(cache: Cache) -> None:
    def link(folder: Path) -> dict[str, Any]:
        (folder / "model.bin").symlink_to("/etc/hostname")
        return {}

    with pytest.raises(StorageError, match=r"can't be kept: model\.bin is not a regular file"):
        cache.fetch(KEY, link, itself)
    assert cache.find(KEY, itself) is None


def test_info_names_files_of_its_entry_only(cache: Cache) -> None:
    entry = cache.fetch(KEY, write, itself)
    assert entry.file("more/labels.txt").is_file()
    for name in ("../x", "/etc/passwd", "entry.json", "more"):
        with pytest.raises(KeyError, match="it has no file"):
            entry.file(name)


def test_damage_is_never_returned(cache: Cache) -> None:
    flip(cache.fetch(KEY, write, itself).file("model.bin"))
    with pytest.warns(EdgeGateWarning, match=r"model\.bin is not what was written"):
        assert cache.find(KEY, itself) is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_is_full_while_it_builds(cache: Cache, number: int) -> None:
    def fill(folder: Path) -> dict[str, Any]:
        write(folder)
        raise OSError(number, os.strerror(number))

    with pytest.raises(StorageError) as raised:
        cache.fetch(KEY, fill, itself)
    assert str(raised.value).startswith(
        f"edgegate error: the cache {cache.folder} can't be written"
    )
    assert "--edge-cache=FOLDER" in str(raised.value).splitlines()[-1]
    assert files_of(cache) == [".gitignore"]


def test_a_fault_of_the_builder_stays_its_own(cache: Cache) -> None:
    def fail(folder: Path) -> dict[str, Any]:
        raise FileNotFoundError(errno.ENOENT, "labels.txt")

    with pytest.raises(FileNotFoundError):
        cache.fetch(KEY, fail, itself)


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StorageError, match="can't be written"):
        Cache(tmp_path / "taken").fetch(KEY, never, itself)


@pytest.mark.parametrize("path", ["x" * 300, "/".join(["x" * 200] * 30), "nul\0l"])
def test_a_path_that_can_not_be(tmp_path: Path, path: str) -> None:
    with pytest.raises(StorageError, match="can't be read"):
        Cache(tmp_path / path).fetch(KEY, never, itself)


def test_a_cache_that_is_deleted_while_it_is_built(cache: Cache) -> None:
    def build(folder: Path) -> dict[str, Any]:
        shutil.rmtree(cache.folder)
        return write(folder)

    with pytest.raises(StorageError, match="its folder is gone"):
        cache.fetch(KEY, build, itself)
    assert not cache.fetch(KEY, write, itself).cached
    assert cache.fetch(KEY, never, itself).cached


def test_what_is_in_the_way_of_a_build_is_removed(cache: Cache) -> None:
    (cache.folder / "scratch").mkdir(parents=True)
    (cache.folder / "scratch" / KEY).symlink_to("nowhere")
    (cache.folder / ".gitignore").symlink_to(cache.folder / "other")
    with pytest.warns(EdgeGateWarning, match="an earlier run was interrupted"):
        assert not cache.fetch(KEY, write, itself).cached
    assert cache.fetch(KEY, never, itself).cached
    assert not (cache.folder / "other").exists()


def test_a_lock_that_is_none(cache: Cache) -> None:
    (cache.folder / "locks" / f"{KEY}.lock").mkdir(parents=True)
    with pytest.raises(StorageError, match="can't be written"):
        cache.fetch(KEY, never, itself)


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From now on nothing can be written, whoever runs the tests."""

    def refuse(*given: Any, **named: Any) -> Any:
        raise PermissionError(errno.EACCES, "read-only")

    def start() -> None:
        for name in ("mkdir", "write_text", "write_bytes"):
            monkeypatch.setattr(Path, name, refuse)
        for name in ("mkdir", "rename", "replace", "remove", "rmdir"):
            monkeypatch.setattr(os, name, refuse)

    return start


def test_a_read_only_cache_gives_what_it_has(cache: Cache, read_only: Callable[[], None]) -> None:
    cache.fetch(KEY, write, itself)
    read_only()
    assert cache.fetch(KEY, never, itself).cached
    with pytest.raises(StorageError, match="read-only"):
        cache.fetch(key_of(name="another"), never, itself)


WORKER = """
import sys
from pathlib import Path
from pytest_edgegate.storage.cache import Cache

class Telling(Cache):
    def find(self, key, read):
        found = super().find(key, read)
        print("looked", flush=True)
        return found

def build(folder):
    with (Path(sys.argv[1]) / "built.log").open("a") as log:
        log.write("built\\n")
    (folder / "model.bin").write_bytes(b"weights")
    return {}

entry = Telling(Path(sys.argv[1]) / "cache").fetch(sys.argv[2], build, lambda entry: entry)
print("cached" if entry.cached else "built", entry.file("model.bin").read_bytes().decode())
"""


def test_two_processes_build_once(tmp_path: Path, cache: Cache) -> None:
    locks = cache.folder / "locks"
    locks.mkdir(parents=True)
    with filelock.FileLock(locks / f"{KEY}.lock"):
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", WORKER, str(tmp_path), KEY],
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        for each in workers:  # both have found nothing, and wait for the lock
            assert each.stdout is not None
            assert each.stdout.readline() == "looked\n"
    said = sorted(each.communicate()[0].splitlines()[-1] for each in workers)
    assert said == ["built weights", "cached weights"]
    assert (tmp_path / "built.log").read_text() == "built\n"


KILLED = """
import os, sys
from pathlib import Path
from pytest_edgegate.storage.cache import Cache

def build(folder):
    (folder / "half.bin").write_bytes(b"half")
    os._exit(9)

Cache(Path(sys.argv[1])).fetch(sys.argv[2], build, lambda entry: entry)
"""


def test_what_a_killed_build_leaves_does_no_harm(cache: Cache) -> None:
    command = [sys.executable, "-c", KILLED, str(cache.folder), KEY]
    assert subprocess.run(command, check=False).returncode == 9
    assert any(name.endswith("half.bin") for name in files_of(cache))
    assert cache.find(KEY, itself) is None
    with pytest.warns(
        EdgeGateWarning, match="an earlier run was interrupted while it built a cache entry"
    ):
        entry = cache.fetch(KEY, write, itself)
    assert not entry.cached
    assert not any(name.endswith("half.bin") for name in files_of(cache))
    assert cache.fetch(KEY, never, itself).cached


def test_entries_do_not_meet(cache: Cache) -> None:
    other = key_of(name="another")
    one: Entry = cache.fetch(KEY, write, itself)
    assert cache.find(other, itself) is None
    assert cache.fetch(other, write, itself).folder != one.folder


def test_a_file_digest_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert file_digest(tmp_path / "empty").startswith("e3b0c44298fc1c149afbf4c8996fb924")


def test_keys() -> None:
    assert len(key_of()) == 64
    assert key_of(a=1, b={"c": 2, "d": 3}) == key_of(b={"d": 3, "c": 2}, a=1)
    assert len({key_of(a=1), key_of(a="1"), key_of(b=1), key_of(a=None), key_of(a=1.5)}) == 5
