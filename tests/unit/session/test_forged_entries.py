"""Entries of the cache that hold together and are of another shape: who can write can digest."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import EdgeGateWarning
from pytest_edgegate.measures.evidence import check_figures
from pytest_edgegate.session.building.kept_leg import KeptLeg
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.measuring.kept_evidence import read as read_evidence
from pytest_edgegate.session.measuring.kept_steadiness import read as read_steadiness
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.storage.cache import Entry

Starter = Callable[..., EdgeSession]
Maker = Callable[..., Given]
Manifest = dict[str, Any]

BUDGETS = ("accuracy_drop", "parity_agreement", "parity_within_lsb", "export_error", "sqnr_db")
ODD = {
    "none": None,
    "number": -7,
    "text": "\ud800../x",
    "list": ["x", 1],
    "object": {"inputs": [[0, 0]], "outputs": []},
    "nan": float("nan"),
    "nan inside": {"inputs": [[0, 0]], "outputs": [], "loss": float("nan")},
}
MEANT = {
    ("calibration_ranges", "none"),
    ("model", "text"),
    ("model_digest", "text"),
    ("source", "text"),
    ("fingerprint", "text"),
    ("facts", "object"),
    ("first_nonfinite", "number"),
}
"""What a pass or a leg could have left."""


@pytest.fixture
def warm(start: Starter, subject: Maker, tmp_path: Path) -> Iterator[Given]:
    """A subject whose every entry is in the cache."""
    given = subject(ptq_wrong=[3])
    judged(start(), given)
    yield given
    shutil.rmtree(tmp_path / "cache")


def judged(session: EdgeSession, subject: Given) -> dict[str, Any]:
    board = session.target("fake-board")
    artifact = session.compress(session.case(subject, board), None)
    budgets = tuple(Budget(name, 0.5) for name in BUDGETS)
    found = session.judge(session.case(subject, board), artifact, budgets, contract=True)
    session.close()
    for each in found:
        json.dumps(each.as_dict(), allow_nan=False)
    return {
        each.budget.metric: (str(each.outcome), each.measured and each.measured.value)
        for each in found
    }


def forge(cache: Path, change: Callable[[Path, Manifest], None]) -> int:
    """Changes entries, and gives each the digests that belong to it. Returns how many changed."""
    changed = 0
    for path in sorted(cache.rglob("entry.json")):
        before = json.loads(path.read_text())
        manifest = json.loads(path.read_text())
        change(path.parent, manifest)
        manifest["files"] = {
            name: hashlib.sha256((path.parent / name).read_bytes()).hexdigest()
            for name in manifest["files"]
        }
        changed += manifest != before
        kept = {name: manifest[name] for name in ("key", "info", "files")}
        digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
        path.write_text(json.dumps({**manifest, "digest": digest}))
    return changed


def retold(start: Starter, subject: Given) -> tuple[dict[str, Any], int]:
    """What a new run says, and how many entries it called damaged."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", EdgeGateWarning)
        found = judged(start(), subject)
    return found, sum("is damaged" in str(each.message) for each in told)


def forged(info: dict[str, Any], name: str, kind: str) -> dict[str, Any]:
    kept = {key: value for key, value in info.items() if key != name}
    return kept if kind == "missing" else {**kept, name: ODD[kind]}


@pytest.mark.parametrize("kind", ["missing", *ODD])
def test_info_of_another_shape_is_a_miss(
    start: Starter, warm: Given, tmp_path: Path, kind: str
) -> None:
    """Of every entry one part, another for each kind."""
    expected = judged(start(), warm)
    at = ["missing", *ODD].index(kind)

    def change(folder: Path, manifest: Manifest) -> None:
        info = manifest["info"]
        names = [each for each in sorted(info) if (each, kind) not in MEANT]
        if names:  # digests of samples are all in a file
            manifest["info"] = forged(info, names[at % 4], kind)

    changed = forge(tmp_path / "cache", change)
    assert changed > 3
    assert retold(start, warm) == (expected, changed)


def test_each_part_of_info_is_checked(warm: Given, tmp_path: Path) -> None:
    fits = partial(check_figures, figures={})
    readers: dict[str, Callable[[Entry], Any]] = {
        "main": KeptLeg.read,
        "conduct": read_steadiness,
        "fingerprint": partial(read_evidence, fits=fits),
    }
    refused = 0
    for path in sorted((tmp_path / "cache").rglob("entry.json")):
        manifest = json.loads(path.read_text())
        if not manifest["info"]:
            continue
        read = next(each for part, each in readers.items() if part in manifest["info"])
        entry = Entry(path.parent, manifest["info"], frozenset(manifest["files"]), True)
        read(entry)
        for name, kind in product(entry.info, ["missing", *ODD]):
            if (name, kind) not in MEANT:
                with pytest.raises((ValueError, KeyError, TypeError)):
                    read(replace(entry, info=forged(dict(entry.info), name, kind)))
                refused += 1
    assert refused > 200


class Canary:
    def __reduce__(self) -> tuple[Any, ...]:
        return (open, ("canary", "w"))


def pickled(array: Any) -> Any:
    return np.array([Canary()] * len(array), object)


ARRAYS: dict[str, Callable[[Any], Any]] = {
    "shorter": lambda array: array[:-1],
    "empty": lambda array: array[:0],
    "no dimension": lambda array: array.sum(),
    "deeper": lambda array: np.stack([array, array], -1),
    "complex": lambda array: array.astype(np.complex64),
    "text": lambda array: array.astype("U8"),
    "negative": lambda array: (array * 0 - 9).astype(array.dtype),
    "pickled": pickled,
}


@pytest.mark.parametrize("kind", [*ARRAYS, "none", "no archive", "a pickle"])
def test_arrays_of_another_shape_are_a_miss(
    start: Starter, warm: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = judged(start(), warm)

    def change(folder: Path, manifest: Manifest) -> None:
        path = folder / "evidence.npz"
        if not path.exists():
            return
        if kind in ("no archive", "a pickle"):
            path.write_bytes(b"PK" if kind == "no archive" else pickle.dumps(Canary()))
            return
        with np.load(path) as opened:
            arrays = {name: opened[name] for name in opened.files}
        made = {name: ARRAYS[kind](each) for name, each in arrays.items() if kind in ARRAYS}
        if kind == "negative":  # of counts and ranks only: an error may be any number
            made |= {name: each for name, each in arrays.items() if each.dtype.kind != "i"}
        np.savez(path, **made)

    changed = forge(tmp_path / "cache", change)
    assert changed > 2
    assert retold(start, warm) == (expected, changed)
    assert not (tmp_path / "canary").exists()
