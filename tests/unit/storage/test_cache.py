"""The cache: whole entries or none, damage told and mended, one build for many workers."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import filelock
import pytest

from pytest_edgegate.core.errors import EdgeGateWarning, StorageError
from pytest_edgegate.storage.cache import Cache, Entry, file_digest, key_of

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


def never(folder: Path) -> dict[str, Any]:
    raise AssertionError("this entry is in the cache")


def files_of(cache: Cache) -> list[str]:
    return sorted(
        each.relative_to(cache.folder).as_posix()
        for each in cache.folder.rglob("*")
        if each.is_file() and "locks" not in each.parts
    )


def test_built_once_and_found_again(cache: Cache) -> None:
    assert cache.find(KEY) is None
    built = cache.fetch(KEY, write)
    found = cache.fetch(KEY, never)
    assert (built.cached, found.cached) == (False, True)
    assert built.folder == found.folder
    assert dict(found.info) == {"main": "model.bin", "range": [0.1, None]}
    assert found.file("model.bin").read_bytes() == b"weights"
    assert found.file("more/labels.txt").read_text() == "cat\n"
    assert Cache(cache.folder).find(KEY) == found


def test_looking_writes_nothing(cache: Cache) -> None:
    cache.find(KEY)
    assert not cache.folder.exists()


def test_git_is_told_to_leave_it_alone(cache: Cache) -> None:
    cache.fetch(KEY, write)
    assert (cache.folder / ".gitignore").read_text().splitlines()[-1] == "*"


def test_a_builder_that_raises_leaves_nothing(cache: Cache) -> None:
    def fail(folder: Path) -> dict[str, Any]:
        write(folder)
        raise ValueError("converter")

    with pytest.raises(ValueError, match="converter"):
        cache.fetch(KEY, fail)
    assert files_of(cache) == [".gitignore"]
    assert cache.find(KEY) is None
    assert not cache.fetch(KEY, write).cached


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
    damage(cache.fetch(KEY, write).file(name))
    with pytest.warns(EdgeGateWarning, match=r"is damaged \(.*\); it is made anew"):
        rebuilt = cache.fetch(KEY, write)
    assert not rebuilt.cached
    assert rebuilt.file("model.bin").read_bytes() == b"weights"
    assert cache.fetch(KEY, never).cached


def test_damage_is_never_returned(cache: Cache) -> None:
    flip(cache.fetch(KEY, write).file("model.bin"))
    with pytest.warns(EdgeGateWarning, match=r"model\.bin is not what was written"):
        assert cache.find(KEY) is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_disk_that_is_full_while_it_builds(cache: Cache, number: int) -> None:
    def fill(folder: Path) -> dict[str, Any]:
        write(folder)
        raise OSError(number, os.strerror(number))

    with pytest.raises(StorageError) as raised:
        cache.fetch(KEY, fill)
    assert str(raised.value).startswith(
        f"edgegate error: the cache {cache.folder} can't be written"
    )
    assert "--edge-cache=FOLDER" in str(raised.value).splitlines()[-1]
    assert files_of(cache) == [".gitignore"]


def test_a_fault_of_the_builder_stays_its_own(cache: Cache) -> None:
    def fail(folder: Path) -> dict[str, Any]:
        raise FileNotFoundError(errno.ENOENT, "labels.txt")

    with pytest.raises(FileNotFoundError):
        cache.fetch(KEY, fail)


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StorageError, match="can't be written"):
        Cache(tmp_path / "taken").fetch(KEY, never)


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
    cache.fetch(KEY, write)
    read_only()
    assert cache.fetch(KEY, never).cached
    with pytest.raises(StorageError, match="read-only"):
        cache.fetch(key_of(name="another"), never)


WORKER = """
import sys
from pathlib import Path
from pytest_edgegate.storage.cache import Cache

class Telling(Cache):
    def find(self, key):
        found = super().find(key)
        print("looked", flush=True)
        return found

def build(folder):
    with (Path(sys.argv[1]) / "built.log").open("a") as log:
        log.write("built\\n")
    (folder / "model.bin").write_bytes(b"weights")
    return {}

entry = Telling(Path(sys.argv[1]) / "cache").fetch(sys.argv[2], build)
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

Cache(Path(sys.argv[1])).fetch(sys.argv[2], build)
"""


def test_what_a_killed_build_leaves_does_no_harm(cache: Cache) -> None:
    command = [sys.executable, "-c", KILLED, str(cache.folder), KEY]
    assert subprocess.run(command, check=False).returncode == 9
    assert any(name.endswith("half.bin") for name in files_of(cache))
    assert cache.find(KEY) is None
    with pytest.warns(EdgeGateWarning, match="an earlier run was ended while it made an entry"):
        entry = cache.fetch(KEY, write)
    assert not entry.cached
    assert not any(name.endswith("half.bin") for name in files_of(cache))
    assert cache.fetch(KEY, never).cached


def test_entries_do_not_meet(cache: Cache) -> None:
    other = key_of(name="another")
    one: Entry = cache.fetch(KEY, write)
    assert cache.find(other) is None
    assert cache.fetch(other, write).folder != one.folder


def test_a_file_digest_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert file_digest(tmp_path / "empty").startswith("e3b0c44298fc1c149afbf4c8996fb924")


def test_keys() -> None:
    assert len(key_of()) == 64
    assert key_of(a=1, b={"c": 2, "d": 3}) == key_of(b={"d": 3, "c": 2}, a=1)
    assert len({key_of(a=1), key_of(a="1"), key_of(b=1), key_of(a=None), key_of(a=1.5)}) == 5
