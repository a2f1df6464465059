"""What must not be accepted, or compared, as what it is not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Played = Callable[..., Any]
BOARD = "--edge-target=fake-board"
TEST = """
import pytest

{before}

@pytest.mark.model({model})
@pytest.mark.edge_budget(accuracy_regression=0.01)
def test_it({uses}):
    {body}
"""
OWN = """
import pytest
from pytest_edgegate import Metric


def acc(outputs, labels):
    {body}


@pytest.fixture
def edge_metric():
    return Metric(acc)
"""


def project(
    model: str = "ptq_wrong=[1, 2]", before: str = "", uses: str = "edge_ptq", body: str = "pass"
) -> dict[str, str]:
    return {"test_it.py": TEST.format(model=model, before=before, uses=uses, body=body)}


def figures(folder: Path) -> dict[str, Any]:
    [at] = (folder / "edge-baseline").rglob("*.json")
    found = json.loads(at.read_text("utf-8"))["artifacts"]
    return {each.get("path") or each["recipe"][0]: each["figures"] for each in found}


def test_another_function_of_the_same_name_is_another_metric(again: Played) -> None:
    first = OWN.format(body="return outputs.argmax(1) == labels")
    assert again(project(before=first), BOARD, "--edge-update-baseline").status == 0
    again(project(before=first), BOARD)
    spaced = OWN.format(body="return outputs.argmax(1) == labels  # the same")
    assert again(project(before=spaced), BOARD).letter("test_it") == "."
    kinder = OWN.format(body="return (outputs.argmax(1) - labels) % 10 < 2")
    changed = project(model="ptq_wrong=range(60)", before=kinder)
    ran = again(changed, BOARD, "--edge-cache=empty")
    verdict = ran.verdicts("test_it")["accuracy_regression"]
    assert verdict["outcome"] == "not_measured"
    assert "another metric than the accepted one" in verdict["reason"]


BROKEN = {
    "a fixture": "@pytest.fixture\ndef first():\n    raise RuntimeError",
    "a skip": "pytestmark = pytest.mark.skip\n\n@pytest.fixture\ndef first(): ...",
    "a teardown": "@pytest.fixture\ndef first():\n    yield\n    raise RuntimeError",
}


@pytest.mark.parametrize("how", BROKEN)
def test_nothing_of_an_earlier_run_is_accepted(again: Played, tmp_path: Path, how: str) -> None:
    again(project(), BOARD)
    again(project(before=BROKEN[how], uses="first, edge_ptq"), BOARD)
    ran = again(project(), "--edge-accept")
    assert ran.status == (4 if how == "a skip" else 1)
    said = {"a skip": "nothing to accept", "a teardown": "its teardown failed"}
    assert said.get(how, "did not run to its end") in ran.output
    assert not (tmp_path / "edge-baseline").exists()


def test_projects_that_share_a_cache_have_candidates_of_their_own(
    again: Played, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shared = tmp_path_factory.mktemp("shared")
    again(project(), BOARD, f"--edge-cache={shared}")
    [at] = (shared / "candidates").rglob("*.json")
    root = hashlib.sha256(str(tmp_path).encode()).hexdigest()[:16]
    assert at.is_relative_to(shared / "candidates" / root)
    assert again(project(), "--edge-accept", f"--edge-cache={shared}").status == 0


def test_two_files_of_one_name_are_not_accepted_as_one(
    again: Played, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    body = f"""
    from pathlib import Path

    for at, name in enumerate("xy"):
        copy = Path({str(elsewhere)!r}) / name / "m.fake"
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(edge_ptq.path.read_bytes() + b" " * (at + 1))
        edge_gate.check(copy)
"""
    again(project(uses="edge_ptq, edge_gate", body=body.strip()), BOARD)
    ran = again(project(), "--edge-accept")
    assert ran.status == 1
    assert "two artifacts have the name m.fake" in ran.output


def test_labels_that_are_gone_do_not_turn_the_ini_off(again: Played) -> None:
    ini = "edge_regressions = accuracy = 0.01"
    plain = {"test_it.py": "def test_it(edge_ptq): ..."}
    assert again(plain, BOARD, "--edge-update-baseline", ini=ini).status == 0
    assert "accuracy_regression" in again(plain, BOARD, ini=ini).verdicts("test_it")
    unlabelled = """
import pytest


@pytest.fixture
def edge_data():
    from pytest_edgegate import EdgeData
    from pytest_edgegate.testing.fakes import fake_samples

    return EdgeData(calibration=fake_samples(20)[0], evaluation=fake_samples(200)[0])


@pytest.mark.model(ptq_wrong=range(60))
def test_it(edge_ptq): ...
"""
    assert again({"test_it.py": unlabelled}, BOARD, ini=ini).letter("test_it") != "."


BY_HAND = """
import pytest
from pytest_edgegate import PTQ, Prune


@pytest.mark.model(ptq_wrong={wrong})
def test_it(edge_compress, edge_gate):
    one, two = edge_compress(PTQ(10)), edge_compress(Prune(0.5))
    edge_gate.regression(one, accuracy=0.01)
    edge_gate.regression(two, accuracy=0.01)
"""


def test_what_a_stopped_body_did_not_come_to_keeps_its_entry(again: Played, tmp_path: Path) -> None:
    healthy = {"test_it.py": BY_HAND.format(wrong="[1, 2]")}
    assert again(healthy, BOARD, "--edge-update-baseline").status == 0
    assert len(figures(tmp_path)) == 2
    worse = {"test_it.py": BY_HAND.format(wrong="range(30)")}
    assert again(worse, BOARD).letter("test_it") == "F"
    ran = again(worse, "--edge-accept")
    assert ran.status == 0
    assert "gone" not in ran.output
    found = figures(tmp_path)
    assert found["PTQ(samples=10)"]["top1"]["value"] == 0.85
    [other] = (each for name, each in found.items() if name.startswith("Prune"))
    assert other["top1"]["value"] == 0.99


def test_an_update_that_accepts_nothing_is_no_success(again: Played, tmp_path: Path) -> None:
    (tmp_path / "edge-baseline").write_text("a file")
    ran = again(project(), BOARD, "--edge-update-baseline")
    assert ran.status == 1
    assert "1 refused" in ran.output


def test_candidates_that_can_not_be_written_are_told(again: Played, tmp_path: Path) -> None:
    again(project(), BOARD)
    folder = tmp_path / ".edgegate_cache" / "candidates"
    folder.rename(tmp_path / "away")
    folder.write_text("a file")
    ran = again(project(), BOARD, "--edge-update-baseline")
    assert ran.status == 1
    assert "left nothing to accept" in ran.output


def test_the_candidates_of_others_copy_no_files(again: Played, tmp_path: Path) -> None:
    ini = "edge_accepted = kept"
    again(project(), BOARD, ini=ini)
    given = tmp_path / "given"
    (tmp_path / ".edgegate_cache" / "candidates").rename(given)
    [at] = given.rglob("*.json")
    evil = tmp_path / "deep" / "m.fake"
    evil.parent.mkdir()
    evil.write_text("x")
    content = json.loads(at.read_text("utf-8"))
    [digest] = content["files"]
    content["files"][digest] = [str(evil), str(evil), str(evil.parent / ".." / "pwned.py")]
    at.write_text(json.dumps(content))
    ran = again(project(), "--edge-accept", "--edge-candidates=given", ini=ini)
    assert ran.status == 0
    assert not list((tmp_path / "kept").rglob("*"))
    assert not list(tmp_path.rglob("pwned*"))


def test_a_file_is_known_by_its_path_whatever_made_it(again: Played, tmp_path: Path) -> None:
    two = """
import shutil
from pathlib import Path

import pytest


def test_a(edge_ptq):
    Path("build").mkdir(exist_ok=True)
    shutil.copy(edge_ptq.path, "build/m.fake")


@pytest.mark.edge_budget(size_regression=1.01)
def test_b(edge_gate):
    edge_gate.check("build/m.fake")
"""
    again({"test_it.py": two}, BOARD)
    assert again({"test_it.py": two}, "--edge-accept=test_b").status == 0
    assert list(figures(tmp_path)) == ["build/m.fake"]
    assert again({"test_it.py": two}, BOARD, "-k", "test_b").letter("test_b") == "."


def test_parameters_that_look_like_names(again: Played, tmp_path: Path) -> None:
    twins = {
        "test_it.py": """
import pytest

@pytest.mark.parametrize("n", ["a::b", "a.b"])
@pytest.mark.edge_budget(size="2 kB")
def test_it(edge_ptq, n): ...
"""
    }
    again(twins, BOARD)
    assert "2 accepted" in again(twins, "--edge-accept").output
    assert len(list((tmp_path / "edge-baseline").rglob("*.json"))) == 2


def test_the_file_of_a_user_is_kept_too(again: Played, tmp_path: Path) -> None:
    ini = "edge_accepted = kept"
    body = 'edge_gate.check("m.fake")'
    (tmp_path / "m.fake").write_text(
        json.dumps({"format": "edgegate-fake", "dtype": "int8", "bytes": 900})
    )
    test = {"test_it.py": f"def test_it(edge_gate):\n    {body}\n"}
    again(test, BOARD, ini=ini)
    assert again(test, "--edge-accept", ini=ini).status == 0
    [kept] = (each for each in (tmp_path / "kept").rglob("*") if each.is_file())
    assert kept.read_bytes() == (tmp_path / "m.fake").read_bytes()


@pytest.mark.parametrize("content", ["damaged", "version https://git-lfs.github.com/spec/v1\n"])
def test_a_bad_side_file_is_replaced_by_accepting(
    again: Played, tmp_path: Path, content: str
) -> None:
    again(project(), BOARD, "--edge-update-baseline")
    [side] = (tmp_path / "edge-baseline").rglob("*.npz")
    side.write_text(content)
    ran = again(project(model="ptq_wrong=[1]"), BOARD)
    ran.assert_fault(ran.text("test_it"), side.name)
    assert ("Git LFS" in ran.text("test_it")) is content.startswith("version")
    assert again(project(), "--edge-accept").status == 0
    last = again(project(model="ptq_wrong=[1]"), BOARD)
    assert last.letter("test_it") == ".", last.everything


def test_hostile_text_of_entries_and_candidates(again: Played, tmp_path: Path) -> None:
    again(project(), BOARD, "--edge-update-baseline")
    hostile = "gone.py::x\n::add-mask::abc\x1b[31m"
    from pytest_edgegate.core.accepted import Entry
    from pytest_edgegate.storage.baseline import Baseline

    Baseline(tmp_path / "edge-baseline").put(Entry(hostile, "fake-board", ()))
    ran = again(project(), BOARD)
    assert "of no test any more" in ran.output
    removed = again(project(), "--edge-accept", "--edge-remove-unused")
    for each in (ran, removed):
        assert "\x1b" not in each.everything
        assert not any(line.startswith("::") for line in each.everything.splitlines())


def test_a_pattern_is_of_removal_too(again: Played, tmp_path: Path) -> None:
    again(project(), BOARD, "--edge-update-baseline")
    renamed = {"test_it.py": project()["test_it.py"].replace("test_it(", "test_new(")}
    again(renamed, BOARD)
    assert again(renamed, "--edge-accept=nonsense", "--edge-remove-unused").status == 4
    assert len(list((tmp_path / "edge-baseline").rglob("*.json"))) == 1


def test_models_of_one_name_are_told_apart(again: Played, tmp_path: Path) -> None:
    from pytest_edgegate.testing.fakes import fake_model

    ini = "edge_regressions =\n  accuracy = 0.01\n  size = 1.02"
    for name, wrong in (("a", 1), ("b", 60)):
        (tmp_path / name).mkdir()
        fake_model(tmp_path / name / "m.fake", ptq_wrong=list(range(wrong)))
    conftest = {
        "test_it.py": "",
        "conftest.py": """
import pytest

pytest_plugins = ["pytest_edgegate.testing.fakes"]

@pytest.fixture
def edge_data():
    from pytest_edgegate.testing.fakes import fake_data

    return fake_data(200)
""",
    }

    def run(model: str, *more: str) -> Any:
        return again(conftest, BOARD, f"--edge-model={model}/m.fake", *more, ini=ini)

    assert run("a", "--edge-update-baseline").status == 0
    assert run("a").status == 0
    ran = run("b")
    assert ran.status == 1
    assert "nothing is accepted for b/m.fake: PTQ(samples=200)" in ran.unwrapped
