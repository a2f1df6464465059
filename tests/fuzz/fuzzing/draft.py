"""A file, or the files that belong together, on their way from healthy to broken."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Link:
    """A symbolic link in a file's place."""

    to: str


Content = bytes | Link


@dataclass(frozen=True)
class Seed:
    """Healthy files of one format; ``main`` is the path that is given to the gate."""

    name: str
    main: str
    files: Mapping[str, bytes]


@dataclass
class Draft:
    """What a seed has become; a path that ends in ``/`` is an empty folder."""

    main: str
    files: dict[str, Content]

    @classmethod
    def of(cls, seed: Seed) -> Draft:
        return cls(seed.main, dict(seed.files))

    @property
    def plain(self) -> list[str]:
        """The paths of the files that have bytes, in a fixed order."""
        return sorted(name for name, content in self.files.items() if isinstance(content, bytes))

    def read(self, name: str) -> bytes:
        content = self.files[name]
        if not isinstance(content, bytes):
            raise ValueError(f"{name} is a link")
        return content

    def write(self, folder: Path) -> Path:
        """Writes all of it below *folder*; the path to give to the gate."""
        for name, content in self.files.items():
            path = folder / name
            if name.endswith("/"):
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Link):
                path.symlink_to(content.to)
            else:
                path.write_bytes(content)
        return folder / self.main


Fault = Callable[[Draft, random.Random], None]
"""Breaks a draft in place. What it raises means that it could do nothing with this draft."""
BytesFault = Callable[[bytes, random.Random], bytes]


def to_main(fault: BytesFault) -> Fault:
    """A fault of the main file."""

    def apply(draft: Draft, draw: random.Random) -> None:
        draft.files[draft.main] = fault(draft.read(draft.main), draw)

    apply.__name__ = fault.__name__
    return apply


def to_any(fault: BytesFault) -> Fault:
    """A fault of one of the files."""

    def apply(draft: Draft, draw: random.Random) -> None:
        name = draw.choice(draft.plain)
        draft.files[name] = fault(draft.read(name), draw)

    apply.__name__ = fault.__name__
    return apply
