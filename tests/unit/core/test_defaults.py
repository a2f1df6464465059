"""What a backend says that says only what is its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from pytest_edgegate.core.defaults import FileModel, FileRuntime, TransformDefaults
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.core.ports import Runner, SourceModel
from pytest_edgegate.core.recipe import PTQ
from pytest_edgegate.core.target import Target

ANY: Target = cast("Target", None)  # what is asked looks at none


class Silent(TransformDefaults):
    pass


class Choosy(TransformDefaults):
    version = 3

    def constraints(self, target: Target) -> Mapping[str, object]:
        return {"io": "int8"}


@dataclass(frozen=True)
class Pair(FileModel):
    runtime: str = "r"

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path, self.path.with_suffix(".bin"))


class Opener(FileRuntime):
    title = "The runtime"
    takes = "a .net file"

    def open_file(self, path: Path) -> Runner:
        return cast("Runner", path)


@dataclass(frozen=True)
class Found:
    """As much of a model as a runtime of files looks at."""

    path: Path | None


def test_a_transform_without_a_word_of_its_own_refuses_nothing() -> None:
    made = Silent()
    assert made.refuse(PTQ(), ANY) is None
    assert made.constraints(ANY) == {}
    assert (made.version, tuple(made.programs)) == (1, ())


def test_what_a_transform_says_itself_counts() -> None:
    assert (Choosy().version, Choosy().constraints(ANY)) == (3, {"io": "int8"})


def test_a_model_of_one_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "digits.net"
    path.write_bytes(b"weights")
    model = FileModel(path, "r")
    assert (model.name, model.files, model.note) == ("digits", (path,), "")
    assert model.digest() == hashlib.sha256(b"weights").hexdigest()


def test_every_file_of_a_model_counts(tmp_path: Path) -> None:
    path = tmp_path / "digits.net"
    path.write_bytes(b"graph")
    digests = []
    for weights in (b"1", b"2"):
        path.with_suffix(".bin").write_bytes(weights)
        digests.append(Pair(path).digest())
    assert digests[0] != digests[1]


@pytest.mark.parametrize("wrapped", [lambda path: path, Found], ids=["path", "model"])
def test_a_runtime_of_files_opens_the_path(tmp_path: Path, wrapped: Any) -> None:
    assert Opener().open(wrapped(tmp_path / "a.net")) == tmp_path / "a.net"


def test_a_runtime_of_files_refuses_a_live_model() -> None:
    with pytest.raises(InferenceError, match="The runtime runs files only") as raised:
        Opener().open(cast("SourceModel", Found(None)))
    assert raised.value.remedy == "save the model as a .net file"


def test_a_runtime_of_files_has_no_options_and_shows_no_operators(tmp_path: Path) -> None:
    assert Opener().opens_files
    assert Opener().options == {}
    assert Opener().executed(tmp_path, ()) is None
