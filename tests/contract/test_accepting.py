"""``--edge-accept`` and its companions: what is taken over, what is refused, what is unused."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Played = Callable[..., Any]
BOARD = "--edge-target=fake-board"
TWO = """
import pytest


@pytest.mark.model(ptq_wrong=[1, 2])
@pytest.mark.edge_budget(accuracy_regression=0.01, size="{size}")
def test_one(edge_ptq):
    {body}


@pytest.mark.model(ptq_wrong=[3])
@pytest.mark.edge_budget(accuracy_regression=0.01)
def test_two(edge_ptq): ...
"""


def two(size: str = "2 kB", body: str = "pass") -> dict[str, str]:
    return {"test_it.py": TWO.format(size=size, body=body)}


def entries(folder: Path) -> dict[str, str]:
    """The accepted entries by their names, with their texts."""
    found = (folder / "edge-baseline").rglob("*.json")
    return {each.name: each.read_text("utf-8") for each in sorted(found)}


@pytest.mark.workers
def test_what_is_accepted_is_printed_and_written(again: Played, tmp_path: Path) -> None:
    again(two(), BOARD)
    ran = again(two(), "--edge-accept")
    assert ran.status == 0
    assert "test_it.py::test_one[fake-board]" in ran.output
    assert "new: PTQ(samples=200): size 1,000 B, size" not in ran.output
    assert "  new: PTQ(samples=200): size 1,000 B, top1 0.9900" in ran.output
    assert "2 accepted" in ran.output
    found = entries(tmp_path)
    assert list(found) == ["test_one[fake-board].json", "test_two[fake-board].json"]
    assert json.loads(found["test_one[fake-board].json"])["test"] == (
        "test_it.py::test_one[fake-board]"
    )
    assert again(two(), "--edge-accept").status == 0
    assert entries(tmp_path) == found, "accepting the same thing again changes no byte"
    again(two(), BOARD)
    ran = again(two(), "--edge-accept")
    assert "2 unchanged" in ran.output
    assert entries(tmp_path) == found


@pytest.mark.parametrize(
    ("pattern", "chosen"), [("one", 1), ("test_it.py", 2), ("t*o", 2), ("[fake-board]", 2)]
)
def test_a_pattern_chooses(again: Played, tmp_path: Path, pattern: str, chosen: int) -> None:
    again(two(), BOARD)
    assert again(two(), f"--edge-accept={pattern}").status == 0
    assert len(entries(tmp_path)) == chosen


@pytest.mark.parametrize("pattern", ["", "=elsewhere", "=[a]"])
def test_nothing_there(again: Played, pattern: str) -> None:
    if pattern:
        again(two(), BOARD)
    ran = again(two(), f"--edge-accept{pattern}")
    assert ran.status == 4
    assert "nothing to accept" in ran.output


REFUSED = {
    "red by a budget": ({"size": "900 B"}, "size is red"),
    "failed in its body": ({"body": "assert not edge_ptq"}, "its body failed: AssertionError"),
    "interrupted": ({"body": "raise KeyboardInterrupt"}, "it did not run to its end"),
    "error": (
        {"body": "from pytest_edgegate import PTQ; PTQ(samples='x')"},
        "it ended in an error",
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_refused_by_name(again: Played, tmp_path: Path, why: str) -> None:
    what, said = REFUSED[why]
    again(two(), BOARD)
    again(two(**what), BOARD)
    ran = again(two(), "--edge-accept")
    assert ran.status == 1
    assert said in ran.output
    assert "test_it.py::test_one[fake-board]" in ran.output
    assert "test_one[fake-board].json" not in entries(tmp_path)


@pytest.mark.parametrize(
    "body", ["pytest.skip('no')", "import unittest; raise unittest.SkipTest('no')"]
)
def test_a_skipped_test_has_nothing_to_accept(again: Played, tmp_path: Path, body: str) -> None:
    again(two(), BOARD)
    again(two(body=body), BOARD)
    ran = again(two(), "--edge-accept")
    assert ran.status == 0
    assert list(entries(tmp_path)) == ["test_two[fake-board].json"]


def test_a_fixture_that_fails_is_named(again: Played) -> None:
    fixture = (
        "\n\n@pytest.fixture\ndef edge_data():\n    raise EdgeGateError('no disk', 'mount it')\n"
    )
    text = two()["test_it.py"].replace("import pytest\n", f"import pytest{fixture}", 1)
    text = f"from pytest_edgegate.core.errors import EdgeGateError\n{text}"
    again({"test_it.py": text}, BOARD)
    ran = again(two(), "--edge-accept")
    assert ran.output.count("refused: it ended in an error: no disk") == 2


def test_worse_within_the_limit_is_said(again: Played) -> None:
    again(two(), BOARD, "--edge-update-baseline")
    worse = {"test_it.py": two()["test_it.py"].replace("ptq_wrong=[1, 2]", "ptq_wrong=[1, 2, 4]")}
    ran = again(worse, BOARD)
    assert ran.letter("test_one") == "."
    assert "1 entry would change, 1 for the worse: pytest --edge-accept" in ran.output
    better = {"test_it.py": two()["test_it.py"].replace("ptq_wrong=[1, 2]", "ptq_wrong=[1]")}
    assert "1 entry would change: pytest --edge-accept" in again(better, BOARD).output


def test_a_regression_is_no_reason_to_refuse(again: Played, tmp_path: Path) -> None:
    again(two(), BOARD)
    again(two(), "--edge-accept")
    worse = {"test_it.py": two()["test_it.py"].replace("ptq_wrong=[1, 2]", "ptq_wrong=range(30)")}
    assert again(worse, BOARD).letter("test_one") == "F"
    ran = again(worse, "--edge-accept=one")
    assert ran.status == 0
    assert "top1 0.9900 -> 0.8500 (-0.14)" in ran.output
    assert again(worse, BOARD).letter("test_one") == "."


def test_a_contract_that_is_broken_is_refused(again: Played, tmp_path: Path) -> None:
    broken = {
        "test_it.py": two()["test_it.py"].replace("ptq_wrong=[1, 2]", "float_fallback=['CONV']")
    }
    again(broken, BOARD)
    ran = again(broken, "--edge-accept=one")
    assert (ran.status, "contract is red" in ran.output) == (1, True)


def test_what_was_decided_early_is_refused(again: Played) -> None:
    early = {
        "test_it.py": two()["test_it.py"]
        .replace("accuracy_regression=0.01, size", "accuracy_drop=0.3, size")
        .replace("@pytest.mark.edge_budget(accuracy_regression=0.01)", "@pytest.mark.samples(9)")
        .replace("@pytest.mark.model(ptq", "@pytest.mark.samples(30_000)\n@pytest.mark.model(ptq")
        .replace("@pytest.mark.samples(30_000)\n@pytest.mark.model(ptq_wrong=[3])", "")
    }
    ini = "edge_early_after = 0 s\nedge_reference_check = false"
    ran = again(early, BOARD, ini=ini)
    assert ran.verdicts("test_one")["accuracy_drop"]["measured"]["decided_early"]
    refused = again(early, "--edge-accept=one", ini=ini)
    assert refused.status == 1
    assert "accuracy_drop was decided early" in refused.output
    assert "--edge-update-baseline" in refused.output
    again(early, BOARD, "--edge-update-baseline", ini=ini)
    assert again(early, "--edge-accept=one", ini=ini).status == 0


def git(folder: Path, *arguments: str) -> str:
    asked = ["git", "-c", "user.name=x", "-c", "user.email=x@y", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        [*asked, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.fixture
def repository(again: Played, tmp_path: Path) -> Path:
    """A project in git, after a run."""
    again(two(), BOARD)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "test_it.py", "conftest.py")
    git(tmp_path, "commit", "-qm", "tests")
    return tmp_path


def test_a_run_on_another_commit_is_refused(again: Played, repository: Path) -> None:
    again(two(), BOARD)
    git(repository, "commit", "-q", "--allow-empty", "-m", "later")
    ran = again(two(), "--edge-accept")
    assert ran.status == 1
    assert "is checked out: run it again" in ran.output
    assert entries(repository) == {}
    named = again(two(), "--edge-accept", "--edge-candidates=.edgegate_cache/candidates")
    assert named.status == 0, "what a machine of CI has measured is accepted by its folder's name"
    assert len(entries(repository)) == 2


def test_what_was_changed_and_put_back_is_told(again: Played, repository: Path) -> None:
    text = two()["test_it.py"]
    again({"test_it.py": text.replace("ptq_wrong=[1, 2]", "ptq_wrong=[]")}, BOARD)
    ran = again(two(), "--edge-accept")
    assert "test_one[fake-board], with uncommitted changes that are gone now" in ran.output


def test_small_steps_add_up(again: Played, repository: Path) -> None:
    first = ""
    for worse in (2, 4, 6):
        project = {
            "test_it.py": two()["test_it.py"].replace(
                "ptq_wrong=[1, 2]", f"ptq_wrong=list(range({worse}))"
            )
        }
        again(project, BOARD)
        ran = again(project, "--edge-accept=one")
        assert ran.status == 0
        git(repository, "add", "edge-baseline")
        git(repository, "commit", "-qm", "accepted")
        first = first or ran.output
    assert "top1 0.9800 -> 0.9700 (-0.01)" in ran.output
    assert "since the first" not in first
    assert "since the first: PTQ(samples=200): top1 0.9900 -> 0.9700 (-0.02)" in ran.output


def test_two_branches_merge(again: Played, repository: Path) -> None:
    """Each accepts another test: no conflict, and both are whole. Then both accept the same one."""

    def accepted(branch: str, wrong: int, name: str) -> None:
        git(repository, "checkout", "-q", branch)
        project = {"test_it.py": two()["test_it.py"].replace("[1, 2]", f"list(range({wrong}))")}
        again(project, BOARD)
        git(repository, "checkout", "-q", "--", "test_it.py")
        assert again(two(), f"--edge-accept={name}").status == 0
        git(repository, "add", "edge-baseline")
        git(repository, "commit", "-qm", f"{branch} accepts {name}")

    git(repository, "branch", "-M", "trunk")
    git(repository, "branch", "other")
    accepted("trunk", 2, "one")
    accepted("other", 2, "two")
    git(repository, "merge", "-q", "-m", "both", "trunk")
    assert all(again(two(), BOARD).letter(each) == "." for each in ("test_one", "test_two"))
    git(repository, "branch", "-f", "third")
    accepted("third", 4, "one")
    accepted("other", 6, "one")
    with pytest.raises(subprocess.CalledProcessError):
        git(repository, "merge", "-q", "third")
    [at] = (repository / "edge-baseline").rglob("test_one*.json")
    lines = at.read_text("utf-8").splitlines()
    assert any(each.startswith("<<<<<<<") for each in lines)
    wrong = [each for each in lines if each[:7] not in ("<<<<<<<", "=======", ">>>>>>>")]
    at.write_text("\n".join(wrong))
    ran = again(two(), BOARD)
    assert ran.letter("test_one") == "F"
    assert ran.letter("test_two") == "."
    ran.assert_fault(ran.text("test_one"), "test_one[fake-board].json")


def test_a_renamed_test(again: Played, repository: Path) -> None:
    """Its moved entry still names the old test."""
    again(two(), BOARD, "--edge-update-baseline")
    renamed = {"test_it.py": two()["test_it.py"].replace("test_one", "test_new")}
    [at] = (repository / "edge-baseline").rglob("test_one*.json")
    at.rename(at.with_name("test_new[fake-board].json"))
    ran = again(renamed, BOARD)
    ran.assert_fault(ran.text("test_new"), "test renamed", "pytest --edge-accept")
    assert again(renamed, "--edge-accept=new").status == 0
    assert again(renamed, BOARD).letter("test_new") == "."


@pytest.mark.workers
def test_update_baseline_runs_and_accepts(again: Played, tmp_path: Path) -> None:
    ran = again(two(), BOARD, "--edge-update-baseline")
    assert ran.status == 0
    assert ran.letter("test_one") == "."
    first = ran.verdicts("test_one")["accuracy_regression"]
    assert (first["outcome"], first["reason"]) == ("pass", "accepted: nothing was accepted before")
    assert len(entries(tmp_path)) == 2
    worse = {"test_it.py": two("900 B")["test_it.py"].replace("[3]", "list(range(30))")}
    ran = again(worse, BOARD, "--edge-update-baseline")
    assert ran.status == 1
    assert ran.letter("test_one") == "F", "other budgets judge as ever"
    second = ran.verdicts("test_two")["accuracy_regression"]
    assert (second["outcome"], second["reason"]) == ("pass", "accepted: was 0.995")
    assert "size is red" in ran.output
    found = entries(tmp_path)["test_two[fake-board].json"]
    assert json.loads(found)["artifacts"][0]["figures"]["top1"]["value"] == 0.85


@pytest.mark.workers
def test_unused_entries_are_named_and_removed(again: Played, tmp_path: Path) -> None:
    again(two(), BOARD, "--edge-update-baseline")
    one = {"test_it.py": two()["test_it.py"].replace("def test_two", "def helper")}
    ran = again(one, BOARD)
    assert "1 entry is of no test any more" in ran.output
    assert "test_it.py::test_two[fake-board]" in ran.output
    assert again(one, "--edge-accept", "--edge-remove-unused").status == 0
    assert list(entries(tmp_path)) == ["test_one[fake-board].json"]
    assert "removed" not in again(one, "--edge-accept", "--edge-remove-unused").output
    assert "of no test any more" not in again(one, BOARD).output


def test_what_was_left_of_tests_that_are_gone_is_not_accepted(
    again: Played, tmp_path: Path
) -> None:
    again(two(), BOARD, "--edge-update-baseline")
    renamed = {"test_it.py": two()["test_it.py"].replace("test_two", "test_new")}
    again(renamed, BOARD)
    again(renamed, "--edge-accept", "--edge-remove-unused")
    assert list(entries(tmp_path)) == ["test_new[fake-board].json", "test_one[fake-board].json"]


def test_what_was_left_of_a_file_that_is_gone_is_not_accepted(
    again: Played, tmp_path: Path
) -> None:
    again({**two(), "test_more.py": two()["test_it.py"]}, BOARD)
    (tmp_path / "test_more.py").unlink()
    ran = again(two(), "--edge-accept")
    assert ran.status == 1
    assert ran.output.count("refused: test_more.py is gone") == 2
    assert len(entries(tmp_path)) == 2


def test_a_run_of_one_file_forgets_what_is_gone_from_it(again: Played, tmp_path: Path) -> None:
    again(two(), BOARD)
    one = {"test_it.py": two()["test_it.py"].replace("def test_two", "def helper")}
    again(one, BOARD, "test_it.py::test_one")
    assert len(list((tmp_path / ".edgegate_cache/candidates").rglob("*.json"))) == 2
    again(one, BOARD, "test_it.py")
    assert again(one, "--edge-accept").status == 0
    assert list(entries(tmp_path)) == ["test_one[fake-board].json"]


def test_without_values_in_this_run_parameters_keep_their_entries(again: Played) -> None:
    text = two()["test_it.py"].replace(
        "@pytest.mark.model(ptq_wrong=[3])", "@pytest.mark.parametrize('p', {})"
    )
    text = text.replace("def test_two(edge_ptq)", "def test_two(edge_ptq, p)")
    again({"test_it.py": text.format("['a', 'b']")}, BOARD, "--edge-update-baseline")
    assert "of no test any more" not in again({"test_it.py": text.format([])}, BOARD).output
    assert "1 entry is of no test" in again({"test_it.py": text.format("['a']")}, BOARD).output


NOT_ASKED = (
    ("-k", "one"),
    ("-m", "edge"),
    ("--deselect=test_it.py::test_one",),
    ("-x",),
    ("test_it.py",),
    ("--lf",),
    ("--collect-only",),
)


@pytest.mark.parametrize("arguments", NOT_ASKED)
def test_a_part_of_a_run_names_nothing_as_unused(again: Played, arguments: tuple[str, ...]) -> None:
    again(two(), BOARD, "--edge-update-baseline")
    one = {"test_it.py": two()["test_it.py"].replace("def test_two", "def helper")}
    assert "of no test any more" not in again(one, BOARD, *arguments).output


@pytest.mark.parametrize(
    "text",
    [
        "import pytest\npytest.skip('not here', allow_module_level=True)",
        "import nothing_of_this_name",
        "",
    ],
)
def test_files_that_were_not_collected_name_nothing(again: Played, text: str) -> None:
    again(two(), BOARD, "--edge-update-baseline")
    ran = again({"test_it.py": text, "test_more.py": "def test_plain(): ..."}, BOARD)
    assert ("of no test any more" in ran.output) is (text == "")


def test_skipped_tests_and_other_targets_are_not_unused(again: Played) -> None:
    again(two(), BOARD, "--edge-update-baseline")
    skipped = {"test_it.py": two(body="pytest.skip('no')")["test_it.py"]}
    assert "of no test any more" not in again(skipped, BOARD).output
    assert "of no test any more" not in again(two(), "--edge-target=fake-host").output


def test_a_shard_names_nothing(again: Played) -> None:
    again(two(), BOARD, "--edge-update-baseline")
    shard = """
import pytest

@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    del items[1:]
"""
    ran = again({**two(), "sub/conftest.py": "", "shard.py": shard}, BOARD, "-p", "shard")
    assert "test_two" not in str(ran.tests)
    assert "of no test any more" not in ran.output


def test_the_tests_of_a_file_that_is_gone(again: Played, tmp_path: Path) -> None:
    again(two(), BOARD, "--edge-update-baseline")
    (tmp_path / "test_it.py").unlink()
    ran = again({"test_more.py": two()["test_it.py"].replace("two", "three")}, BOARD)
    assert "2 entries are of no test any more" in ran.output


@pytest.mark.parametrize("option", ["--edge-remove-unused", "--edge-candidates=x"])
def test_options_that_serve_accepting_only(again: Played, option: str) -> None:
    ran = again(two(), BOARD, option)
    assert ran.status == 4
    assert "add --edge-accept" in ran.everything


def test_a_baseline_that_is_no_folder(again: Played, tmp_path: Path) -> None:
    again(two(), BOARD)
    (tmp_path / "taken").write_text("a file")
    ran = again(two(), "--edge-accept", "--edge-baseline=taken")
    assert ran.status == 1
    assert "can't be accepted to" in ran.output
    assert "Traceback" not in ran.everything


def test_a_superseded_attempt_is_not_accepted(again: Played, tmp_path: Path) -> None:
    """The second attempt fails in its body: what the first one has found does not count."""
    again(two(), BOARD)
    [at] = (tmp_path / ".edgegate_cache" / "candidates").rglob("test_one*.json")
    assert json.loads(at.read_text())["refusals"] == []
    again(two(body="assert False"), BOARD)
    assert json.loads(at.read_text())["refusals"] != []


def test_a_damaged_candidate_is_refused_alone(again: Played, tmp_path: Path) -> None:
    again(two(), BOARD)
    [at] = (tmp_path / ".edgegate_cache" / "candidates").rglob("test_one*.json")
    at.write_text(at.read_text()[:100])
    ran = again(two(), "--edge-accept")
    assert ran.status == 1
    assert list(entries(tmp_path)) == ["test_two[fake-board].json"]
    assert "Traceback" not in ran.everything


def test_hostile_names_of_tests(again: Played, tmp_path: Path) -> None:
    names = ["../../x", "a\\x1b[31m", "::add-mask::s", "</script>", "a\\nb", "con", "x" * 300]
    listed = ", ".join(f'"{each}"' for each in names)
    test = f"""
import pytest

@pytest.mark.parametrize("name", [{listed}], ids=[{listed}])
@pytest.mark.edge_budget(size="2 kB")
def test_it(edge_ptq, name): ...
"""
    again({"test_it.py": test}, BOARD)
    ran = again({"test_it.py": test}, "--edge-accept")
    assert ran.status == 0
    assert "\x1b" not in ran.output
    assert not any(line.startswith("::") for line in ran.output.splitlines())
    assert len(entries(tmp_path)) == len(names)
    assert all(each.is_relative_to(tmp_path) for each in tmp_path.rglob("*.json"))
    assert shutil.which("git")
