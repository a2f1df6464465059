"""``--edge-export``: every artifact of a run in one folder, under the name of its test."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = {"out/keep.txt": "mine", "out/test_it.py--test_taken-fake-board.fake": "mine, too"}
TESTS = """
import json
from pathlib import Path

import pytest
from pytest_edgegate import PTQ, Distill, Prune


@pytest.mark.edge_budget(size="500 B")
def test_red(edge_ptq): ...


def test_twin(edge_ptq): ...


@pytest.mark.edge_targets("fake-board")
def test_several(edge_compress, edge_gate):
    for artifact in (edge_compress(PTQ(9)), edge_compress(Prune(0.5)), edge_compress(PTQ(9))):
        edge_gate.check(artifact)
        assert artifact.exported.read_bytes() == artifact.path.read_bytes()


@pytest.mark.edge_targets("fake-board")
@pytest.mark.parametrize("how", ["a b", "ä/ö", "x.y"])
def test_named(edge_ptq, how): ...


@pytest.mark.edge_targets("fake-board")
class TestClass:
    def test_taken(self, edge_ptq): ...


@pytest.mark.edge_targets("fake-board")
def test_taken(edge_ptq): ...


@pytest.mark.edge_targets("fake-board")
def test_given(edge_gate, edge_ptq, tmp_path):
    own = tmp_path / "own.fake"
    own.write_bytes(edge_ptq.path.read_bytes() + b" ")
    edge_gate.check(own)


@pytest.mark.edge_targets("fake-board")
def test_fails(edge_ptq):
    assert not edge_ptq.exported.is_file()


@pytest.mark.edge_targets("fake-board")
def test_plain(): ...
"""
ARGUMENTS = ("--edge-target=fake-board,host", "--edge-export=out")


@pytest.fixture
def ran(play: Any) -> Any:
    return play({"test_it.py": TESTS, **FOLDER}, *ARGUMENTS)


def _told(out: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / f"{name}.json").read_text("utf-8"))
    for each, digest in found["files"].items():
        assert hashlib.sha256((out / each).read_bytes()).hexdigest() == digest
    return found


@pytest.mark.workers
def test_each_artifact_lies_under_the_name_of_its_test(ran: Any) -> None:
    out = ran.folder / "out"
    red, twin = (_told(out, f"test_it.py--{name}-fake-board") for name in ("test_red", "test_twin"))
    assert red["test"] == "test_it.py::test_red[fake-board]"
    assert (red["target"], red["recipe"]) == ("fake-board", ["PTQ(samples=200)"])
    assert red["recipe_in_full"] == ["PTQ(samples=200, method='minmax', per_channel=True)"]
    assert red["file"] == "test_it.py--test_red-fake-board.fake"
    assert red["sha256"] == red["files"][red["file"]] == twin["sha256"]
    assert red["model"] == "m"
    assert (out / twin["file"]).stat().st_nlink == 1, "a copy: who writes to it leaves the cache"


@pytest.mark.workers
def test_the_report_knows_where_an_artifact_was_put(ran: Any) -> None:
    size = ran.verdicts("test_red")["size"]
    assert size["outcome"] == "fail"
    path = ran.folder / "out" / "test_it.py--test_red-fake-board.fake"
    assert size["artifact"]["exported"] == str(path)
    assert Path(size["artifact"]["path"]).read_bytes() == path.read_bytes()


@pytest.mark.workers
def test_several_artifacts_of_a_test_are_numbered(ran: Any) -> None:
    names = [f"test_it.py--test_several-fake-board{more}" for more in ("", "+2")]
    assert ran.letter("test_several") == ".", ran.everything
    found = [_told(ran.folder / "out", name)["recipe"] for name in names]
    assert found == [["PTQ(samples=9)"], ["Prune(amount=0.5)", "PTQ(samples=200)"]]
    models = {_told(ran.folder / "out", name)["model_digest"] for name in names}
    assert len(models) == 1, "the model under test, not what a step made of it"
    assert not (ran.folder / "out" / f"{names[0]}+3.json").exists()


@pytest.mark.workers
def test_a_file_of_the_user_lies_beside_what_was_made(ran: Any) -> None:
    given = _told(ran.folder / "out", "test_it.py--test_given-fake-board+2")
    assert (given["recipe"], given["model"]) == ([], None)
    assert given["path"].endswith("own.fake")


@pytest.mark.workers
def test_nothing_else_in_the_folder_is_touched(ran: Any) -> None:
    out = ran.folder / "out"
    for name, text in FOLDER.items():
        assert (ran.folder / name).read_text() == text
    assert ran.letter("test_fails") == "F"
    named = {_told(out, each.stem)["test"] for each in out.glob("*.json")}
    assert "test_it.py::test_taken[fake-board]" in named, "beside the user's file of that name"
    assert len(named) == len(list(out.glob("*.json"))) - 2
    files = [each for each in out.iterdir() if each.suffix == ".fake"]
    assert len(files) == len(list(out.glob("*.json"))) + 1
    assert not [each for each in out.iterdir() if each.name.startswith(".")]
    assert all(each.name.isascii() and " " not in each.name for each in out.iterdir())
    assert not any("test_plain" in each.name for each in out.iterdir())


@pytest.mark.parametrize(
    ("export", "said"),
    [
        ("a_file", "a_file is no folder"),
        ("a_file/below", "a_file is no folder"),
        ("/proc/out", "/proc can't be written to"),
        ("", "--edge-export names no folder"),
    ],
)
def test_a_folder_that_can_not_be_written_to_is_told_before_any_work(
    play: Any, export: str, said: str
) -> None:
    ran = play(
        {"a_file": "", "test_it.py": "def test_it(edge_ptq): ...\n"}, f"--edge-export={export}"
    )
    assert ran.status == 4
    assert said in ran.everything
    assert not (ran.folder / ".edgegate_cache").exists()


def test_the_folder_may_be_a_line_of_the_ini_and_a_plan_exports_nothing(play: Any) -> None:
    ini = "edge_export = deep/out\nedge_target = fake-board"
    files = {"test_it.py": "def test_it(edge_ptq): ...\n"}
    made = play(files, ini=ini).folder
    assert (made / "deep/out/test_it.py--test_it-fake-board.fake").is_file()
    assert not (play(files, "--edge-explain", ini=ini).folder / "deep").exists()
