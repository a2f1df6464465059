"""The folder of ``--edge-export``: the artifacts of a run under the names of their tests.

Each artifact has a JSON file beside it that says how it was made. A file appears whole, by one
rename, the JSON file last. Whatever else lies in the folder is left as it is.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.digests import file_digest
from pytest_edgegate.core.errors import EdgeGateError, StorageError, presentable
from pytest_edgegate.core.json_values import plain
from pytest_edgegate.reading.documents import parse_json
from pytest_edgegate.reading.regular import read_bytes
from pytest_edgegate.storage.placing import place

SCHEMA = 1
_LONGEST_NAME = 150
"""Characters; file systems take 255 bytes."""
_MOST_BYTES = 16_000_000
"""The largest provenance that is read again."""
_OPTION = "--edge-export=DIR (ini: edge_export)"
_SIMPLE = re.compile(r"(?:\w[\w.]*/)*\w[\w.]*(?:::\w[\w.]*)*(?:\[[\w.-]+\])?", re.ASCII)
"""Names of tests that remain different as names of files."""


class Exports:
    """The exported artifacts in one folder, which is created for the first of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, artifact: Artifact, test: str, number: int) -> Path:
        """Copies the artifact, and returns the file that a runtime opens.

        *number*: which artifact of the test it is, from 1. Raises StorageError.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return self._put(artifact, test, number)
        except OSError as error:
            raise StorageError(
                f"the artifact of {presentable(test)} can't be exported to {self.folder}: {error}",
                f"free some space, or choose another folder: {_OPTION}",
            ) from error

    def _put(self, artifact: Artifact, test: str, number: int) -> Path:
        base = self._free(artifact, test, number)
        files = _names(base, artifact)
        for name, content in files.items():
            at = self.folder / name
            at.parent.mkdir(parents=True, exist_ok=True)
            place(at, partial(shutil.copyfile, content))
        told = _provenance(
            artifact, test, {name: file_digest(each) for name, each in files.items()}
        )
        text = json.dumps(told, indent=2, allow_nan=False) + "\n"
        place(self.folder / f"{base}.json", lambda scratch: scratch.write_text(text, "utf-8"))
        return self.folder / next(iter(files))

    def _free(self, artifact: Artifact, test: str, number: int) -> str:
        """The name for an artifact: that of its test, with its number if it is not the first.

        Of another test, or of the user, may be what has that name: names of tests that differ
        only in their letters' case are one name to some file systems.
        """
        more = f"+{number}" if number > 1 else ""
        names = [f"{each}{more}" for each in (file_name(test), _distinct(test))]
        for base in names:
            if self._is_free(base, artifact, test):
                return base
        raise StorageError(
            f"the artifact of {presentable(test)} is not exported: {self.folder / names[0]} and "
            f"{names[1]} are other files",
            f"remove them, or choose another folder: {_OPTION}",
        )

    def _is_free(self, base: str, artifact: Artifact, test: str) -> bool:
        beside = self.folder / f"{base}.json"
        if os.path.lexists(beside):
            return _test_of(beside) == presentable(test)
        # a run that was killed may have left the file without its provenance
        places = {self.folder / name: content for name, content in _names(base, artifact).items()}
        return all(not os.path.lexists(at) or _are_same(at, each) for at, each in places.items())


def file_name(test: str) -> str:
    """The name of a test without what shells and file systems can't have in a name."""
    if _SIMPLE.fullmatch(test) and len(test) <= _LONGEST_NAME:
        return _spelt(test)
    return _distinct(test)


def _distinct(test: str) -> str:
    """The name with a digest, which no other test has."""
    digest = hashlib.sha256(test.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    kept = re.sub(r"[^\w.-]+", "_", _spelt(test), flags=re.ASCII).strip(".-_")
    return f"{kept[:_LONGEST_NAME]}+{digest}"


def _spelt(test: str) -> str:
    return test.replace("::", "--").replace("/", "-").replace("[", "-").removesuffix("]")


def _names(base: str, artifact: Artifact) -> dict[str, Path]:
    """The content by its names in the folder, what a runtime opens first.

    Several files refer to each other by their names: they keep them, in a folder of their own.
    """
    content = dict(zip(artifact.files, artifact.content, strict=True))
    if len(content) == 1:
        found = {f"{base}{artifact.path.suffix}": artifact.main}
    else:
        others = [each for each in content if each != artifact.path]
        inside = {_within(artifact, each): content[each] for each in (artifact.path, *others)}
        found = {f"{base}/{name}": each for name, each in inside.items()}
    if artifact.compiled is not None:
        name = artifact.compiled.name
        tail = name.removeprefix(artifact.path.stem)
        found[f"{base}{'' if tail != name else '-'}{tail}"] = artifact.compiled
    return found


def _within(artifact: Artifact, file: Path) -> str:
    """The name of a file relative to the one that a runtime opens."""
    folder = artifact.path.parent
    inside = file.relative_to(folder) if file.is_relative_to(folder) else Path(file.name)
    return file.name if ".." in inside.parts else inside.as_posix()


def _provenance(artifact: Artifact, test: str, files: Mapping[str, str]) -> dict[str, Any]:
    """How an artifact was made, as JSON values; *files*: the digests of its copies."""
    made = artifact.provenance
    told = {
        "schema": SCHEMA,
        "test": test,
        "target": artifact.target,
        "file": next(iter(files)),
        "files": files,
        "format": artifact.format,
        "dtype": artifact.dtype,
        "size_bytes": artifact.size_bytes,
        "sha256": artifact.sha256,
        "recipe": [str(step) for step in artifact.recipe],
        "recipe_in_full": [step.in_full for step in artifact.recipe],
        "steps": made.get("facts") or {},
        "notes": [*made.get("notes", ()), *filter(None, [made.get("plan")])],
        "model": made.get("model"),
        "model_digest": made.get("model_digest"),
        "tools": made.get("tools") or {},
        "calibration_ranges": made.get("calibration_ranges"),
        "layout": made.get("layout"),
        "compiled": None if artifact.compiled is None else artifact.compiled.name,
        "signature": artifact.signature,
        "path": artifact.path,
    }
    found: dict[str, Any] = plain(told)
    return found


def _test_of(beside: Path) -> str | None:
    """The test that a provenance in the folder is about; None for any other file."""
    try:
        found = parse_json(read_bytes(beside, _MOST_BYTES))
    except (EdgeGateError, OSError, ValueError):  # the user's own
        return None
    return str(found["test"]) if isinstance(found, dict) and "test" in found else None


def _are_same(at: Path, content: Path) -> bool:
    return at.is_file() and file_digest(at) == file_digest(content)
