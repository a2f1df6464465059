"""Looks at the entries of a cache and removes old ones, beside sessions that use it.

An entry's age is the time since a session used it: every use sets the time of its folder. Nothing
is removed that a running session has used, or that is being built: see ``Upkeep.prune``.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from pytest_edgegate.core.errors import ConfigurationError, StorageError
from pytest_edgegate.storage.layout import (
    ENTRIES,
    KEY,
    LOCKS,
    MADE_BY,
    SCRATCH,
    going_mark,
    lock_file,
)
from pytest_edgegate.storage.lease import living
from pytest_edgegate.storage.removal import remove

_PRUNED = ".pruned"
_UNFINISHED = re.compile(rf"({KEY.pattern})(?:{re.escape(_PRUNED)})?")
_REPLACED = re.compile(rf"({KEY.pattern})\.damaged")
_LONGEST_MARK = 200
"""Bytes that are read of a ``.gitignore``."""


@dataclass(frozen=True)
class Kept:
    """One entry, or what an interrupted run left of one."""

    key: str
    path: Path
    size: int
    """Bytes of all its files."""
    used: int
    """When a session used it last, in nanoseconds since 1970."""


@dataclass
class Pruned:
    """What a prune removed, or would remove."""

    removed: list[Kept] = field(default_factory=list)
    in_use: list[Kept] = field(default_factory=list)
    """Would have gone, but a running session uses them."""
    failed: list[Kept] = field(default_factory=list)
    """Could not be removed."""
    stay: list[Kept] = field(default_factory=list)


class Upkeep:
    """The cache in one folder."""

    def __init__(self, folder: Path) -> None:
        """Raises ConfigurationError for a folder that is not a cache of pytest-edgegate."""
        self.folder = folder
        reason = _not_a_cache(folder)
        if reason:
            raise ConfigurationError(
                f"{folder} {reason}",
                "name the folder of the cache: --edge-cache=FOLDER, as in pytest's options and ini "
                "(edge_cache); nothing was removed",
            )

    def entries(self) -> list[Kept]:
        """The entries, those first that were used last. Raises StorageError."""
        with self._reading():
            found = [
                _kept(each.name, Path(each.path))
                for inside in _folders(self.folder / ENTRIES)
                for each in _listed(Path(inside.path))
                if KEY.fullmatch(each.name) and each.name[:2] == inside.name
            ]
        return sorted(filter(None, found), key=lambda each: (-each.used, each.key))

    def unfinished(self) -> list[Kept]:
        """What is built now, and what interrupted runs left. Raises StorageError."""
        with self._reading():
            places = [(self.folder / SCRATCH, _UNFINISHED)]
            inside = _folders(self.folder / ENTRIES)
            places += [(Path(each.path), _REPLACED) for each in inside]
            found = [
                _kept(matched[1], Path(each.path))
                for place, names in places
                for each in _listed(place)
                if (matched := names.fullmatch(each.name))
            ]
        return list(filter(None, found))

    def sessions(self) -> list[int]:
        """When each session that uses the cache now began, in nanoseconds since 1970."""
        with self._reading():
            return list(living(self.folder, remove_ended=False))

    def prune(
        self,
        *,
        used_before: float | None = None,
        most_bytes: int | None = None,
        dry_run: bool = False,
    ) -> Pruned:
        """Removes entries that were last used before a time (seconds since 1970), then those used
        longest ago until at most *most_bytes* stay, and what interrupted runs left.

        An entry stays if a session that runs now has used it, or if its lock is held. The entries
        are listed before the sessions, and the time of each is compared again behind its mark, so
        that a session that begins meanwhile loses nothing either.

        Raises StorageError.
        """
        entries, unfinished = self.entries(), self.unfinished()
        with self._reading():
            began = min(living(self.folder, remove_ended=not dry_run), default=None)
        going = _going(entries, used_before, most_bytes)
        pruned = Pruned(stay=[each for each in entries if each not in going])
        for each in going:
            if began is not None and each.used >= began:
                pruned.in_use.append(each)
            elif dry_run:
                pruned.removed.append(each)
            else:
                self._remove(each, self._remove_entry, pruned)
        for each in unfinished:
            self._remove(each, _looked_at if dry_run else _remove_unfinished, pruned)
        return pruned

    def _remove(self, each: Kept, removes: Callable[[Kept], bool], pruned: Pruned) -> None:
        try:
            with self._locked(each.key) as locked:
                gone = locked and removes(each)
        except OSError:
            pruned.failed.append(each)
        else:
            (pruned.removed if gone else pruned.in_use).append(each)

    def _remove_entry(self, entry: Kept) -> bool:
        """Removes an entry whose lock is held; False if it has been used since it was listed."""
        mark = going_mark(self.folder, entry.key)
        mark.touch()
        try:
            if entry.path.lstat().st_mtime_ns != entry.used:
                return False
            (self.folder / SCRATCH).mkdir(exist_ok=True)
            away = self.folder / SCRATCH / f"{entry.key}{_PRUNED}"
            remove(away)
            os.rename(entry.path, away)
            _gone(away)
        finally:
            mark.unlink(missing_ok=True)
        with suppress(OSError):  # other entries are in it
            entry.path.parent.rmdir()
        return True

    @contextmanager
    def _locked(self, key: str) -> Iterator[bool]:
        """Yields whether the lock of a key was free; it is held meanwhile."""
        from filelock import FileLock, Timeout

        (self.folder / LOCKS).mkdir(exist_ok=True)
        lock = FileLock(lock_file(self.folder, key))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"the cache {self.folder} can't be read: {error}",
                "run it as the user who owns the cache",
            ) from error


def _going(
    entries: Sequence[Kept], used_before: float | None, most_bytes: int | None
) -> list[Kept]:
    """Those of *entries* (used last first) that are too old or too many, oldest first."""
    oldest_first = entries[::-1]
    total = sum(each.size for each in entries)
    going = []
    for each in oldest_first:
        old = used_before is not None and each.used < used_before * 1e9
        if not old and (most_bytes is None or total <= most_bytes):
            break
        going.append(each)
        total -= each.size
    return going


def _not_a_cache(folder: Path) -> str:
    """Why a folder is not a cache; an empty string if it is one."""
    try:
        if not stat.S_ISDIR(os.stat(folder).st_mode):
            return "is not a folder"
        for name in (ENTRIES, LOCKS, SCRATCH):
            inside = folder / name
            if os.path.lexists(inside) and not stat.S_ISDIR(inside.lstat().st_mode):
                return f"is not a cache that pytest-edgegate made: {name} in it is not a folder"
        if _is_marked(folder) or _has_locks(folder):
            return ""
    except FileNotFoundError:
        return "does not exist"
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        return f"can't be read: {error}"
    return "is not a cache that pytest-edgegate made"


def _is_marked(folder: Path) -> bool:
    mark = folder / ".gitignore"
    try:
        if not stat.S_ISREG(mark.lstat().st_mode):
            return False
        with mark.open("rb") as opened:
            return opened.read(_LONGEST_MARK).splitlines()[:1] == [MADE_BY.encode()]
    except FileNotFoundError:
        return False


def _has_locks(folder: Path) -> bool:
    """Whether it has locks of entries: a cache in a folder with a ``.gitignore`` of its own."""
    names = (each.name for each in _listed(folder / LOCKS))
    return any(KEY.fullmatch(name.removesuffix(".lock")) for name in names)


def _kept(key: str, path: Path) -> Kept | None:
    """None for what has gone meanwhile."""
    try:
        used = path.lstat().st_mtime_ns
        return Kept(key, path, sum(_sizes(path)), used)
    except FileNotFoundError:
        return None


def _sizes(path: Path) -> Iterator[int]:
    """The sizes of everything in a folder but folders; links are not followed."""
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        yield found.st_size
        return
    for each in _listed(path):
        yield from _sizes(Path(each.path))


def _folders(path: Path) -> Iterable[os.DirEntry[str]]:
    return (each for each in _listed(path) if each.is_dir(follow_symlinks=False))


def _listed(path: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as members:
            return sorted(members, key=lambda each: each.name)
    except FileNotFoundError:
        return []


def _looked_at(left: Kept) -> bool:
    return True


def _remove_unfinished(left: Kept) -> bool:
    _gone(left.path)
    return True


def _gone(path: Path) -> None:
    """Removes it. Raises OSError where something is left."""
    remove(path)
    if os.path.lexists(path):
        raise OSError(f"{path} can't be removed")
