"""Folders of the machine of a run stay out of what a report shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_edgegate.core.artifact_record import ArtifactRecord, SeenRecord
from pytest_edgegate.core.record import ErrorRecord
from pytest_edgegate.core.shown_record import MakingRecord
from pytest_edgegate.reports.places import Folders

ANNA = Folders(Path("/home/anna/project"), Path("/home/anna"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "m.onnx does not exist (looked in /home/anna/project)",
            "m.onnx does not exist (looked in .)",
        ),
        ("/home/anna/project/a/b.onnx: bad", "a/b.onnx: bad"),
        ("'/home/anna/project/a', /home/anna/project/b", "'a', b"),
        ("/home/anna/projects/c and /home/anna/.cache/d", "~/projects/c and ~/.cache/d"),
        ("/mnt/home/anna/project/e", "/mnt/home/anna/project/e"),
        ("/home/annabel/project/f", "/home/annabel/project/f"),
        ("/tmp/g", "/tmp/g"),
        ("cache=/home/anna/project/", "cache="),
    ],
)
def test_paths_in_texts(text: str, shown: str) -> None:
    assert ANNA.text(text) == shown


def test_a_root_that_is_the_whole_disk_changes_nothing() -> None:
    assert Folders(Path("/"), None).text("a/b /c/d") == "a/b /c/d"


def test_every_text_of_an_error_and_an_artifact() -> None:
    path = "/home/anna/project/a.onnx"
    error = ANNA.error(ErrorRecord("test_a", None, path, f"mend {path}"))
    assert (error.message, error.remedy) == ("a.onnx", "mend a.onnx")
    making = MakingRecord("m", "int8", (), plan=path, notes=(path, "b"))
    artifact = ArtifactRecord("onnx", "ab", 5, (), cached=False, path=path)
    found = ANNA.seen(SeenRecord("test_a", "coral", artifact, making=making))
    assert found.making is not None
    assert (found.making.plan, found.making.notes) == ("a.onnx", ("a.onnx", "b"))
    assert found.artifact.path == path, "programs find the file there"
    bare = SeenRecord("test_a", "coral", artifact)
    assert ANNA.seen(bare) == bare
