"""The recipes of docs/ci.md and action.yml: valid by their schemas, safe, and run step by step."""

from __future__ import annotations

import functools
import json
import re
import shutil
import string
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hosted import NOT_IN_NAMES, Hosted, Job, git, parsed

from pytest_edgegate.testing.example import Example

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ci.md").read_text("utf-8")
ACTION = (ROOT / "action.yml").read_text("utf-8")
MARKER = "<!-- edgegate-report -->"
SCHEMAS = {
    ".github/workflows/": "vendor.github-workflows",
    ".gitlab-ci.yml": "vendor.gitlab-ci",
    ".github/dependabot.yml": "vendor.dependabot",
    ".pre-commit-config.yaml": None,  # there is none among the vendored ones
}


def recipes() -> Iterator[tuple[str, str]]:
    """(path, content) of each YAML block; the path is its first line."""
    for content in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S):
        path = re.match(r"# (\S+)\n", content)
        assert path, content
        yield path[1], content


def recipe(path: str, containing: str = "") -> Any:
    """A recipe for the target that the fakes have."""
    found = [text for name, text in recipes() if name == path and containing in text]
    assert len(found) == 1
    text = re.sub(r"\[coral, raspberry-pi, onnx-cpu\]", "[fake-board, fake-host]", found[0])
    return parsed(re.sub(r"(target[=:] ?)coral", r"\1fake-board", text))


def steps(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        if "run" in tree or "uses" in tree:
            yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for each in tree:
            yield from steps(each)


def schema_of(path: str) -> str | None:
    return next(schema for start, schema in SCHEMAS.items() if path.startswith(start))


def check(schema: str, *files: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, files)],
        text=True,
        capture_output=True,
        check=False,
    )


def test_every_recipe_has_the_schema_of_its_service(tmp_path: Path) -> None:
    files: dict[str, list[Path]] = {}
    for number, (name, content) in enumerate(recipes()):
        schema = schema_of(name)
        if schema is not None:
            files.setdefault(schema, []).append(tmp_path / f"{number}.yml")
            files[schema][-1].write_text(content, "utf-8")
    assert set(files) == set(filter(None, SCHEMAS.values()))
    files["custom.github-workflows-require-timeout"] = files["vendor.github-workflows"]
    files["vendor.github-actions"] = [ROOT / "action.yml"]
    for schema, paths in files.items():
        ran = check(schema, *paths)
        assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ("vendor.github-workflows", "on: push\njobs: {a: {steps: []}}\n"),
        ("vendor.github-actions", "name: a\nruns: {using: composite}\n"),
        ("vendor.gitlab-ci", "a: {script: {}}\n"),
        ("vendor.dependabot", "version: 3\nupdates: []\n"),
    ],
)
def test_the_schemas_refuse_what_is_wrong(schema: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.yml").write_text(text)
    assert check(schema, tmp_path / "wrong.yml").returncode == 1


EVERYTHING = [*recipes(), ("action.yml", ACTION)]
GITHUB = [each for each in EVERYTHING if not each[0].startswith((".gitlab", ".pre-commit"))]


def test_no_expression_is_pasted_into_a_script() -> None:
    scripts = [step["run"] for _, text in GITHUB for step in steps(parsed(text)) if "run" in step]
    assert len(scripts) > 10
    for script in scripts:
        assert "${{" not in script


def test_every_action_is_named_by_its_commit_and_tells_its_version() -> None:
    told: dict[str, set[str]] = {}
    for _, text in GITHUB:
        for line in re.findall(r"uses: (.*)", text):
            if line == "OWNER/pytest-edgegate@SHA":
                continue
            found = re.fullmatch(r"([\w/-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)", line)
            assert found, line
            told.setdefault("/".join(found[1].split("/")[:2]), set()).add(found[2])
    assert {name: len(each) for name, each in told.items()} == dict.fromkeys(told, 1)


def test_rights_are_no_wider_than_needed() -> None:
    for name, text in recipes():
        if not name.startswith(".github/workflows/"):
            continue
        workflow = parsed(text)
        assert "pull_request_target" not in workflow["on"]
        assert workflow["permissions"] in ({}, {"contents": "read"})
        for job in workflow["jobs"].values():
            used = [step.get("uses", "").partition("@")[0] for step in steps(job)]
            rights = {name for name, each in job.get("permissions", {}).items() if each == "write"}
            if "workflow_run" in workflow["on"] or "gh api" in str(job):
                assert "actions/checkout" not in used  # it can write, so it runs no code of others
                assert rights == {"pull-requests"}
            elif rights and "OWNER/pytest-edgegate" not in used:
                assert {*used} == {"actions/checkout", "actions/download-artifact", ""}
                assert rights == {"actions", "contents"}
                assert not re.search("python|pip|pytest", str([*steps(job)]))
            for step in steps(job):
                if step.get("uses", "").startswith("actions/checkout@"):
                    assert step["with"]["persist-credentials"] is False


def test_the_inputs_and_outputs_of_the_action_are_described() -> None:
    action = parsed(ACTION)
    for name in (*action["inputs"], *action["outputs"]):
        assert f"`{name}`" in PAGE
    for each in action["inputs"].values():
        assert isinstance(each["default"], str)


@functools.cache
def here() -> frozenset[str]:
    """The options of pytest, and the commands beside it."""
    helps = (
        ("pytest", r"^ +(--edge-[a-z-]+)"),
        ("pytest_edgegate", r"^    ([a-z]+) "),
    )
    found: set[str] = set()
    for module, names in helps:
        command = [sys.executable, "-m", module, "--help"]
        ran = subprocess.run(command, text=True, capture_output=True, check=True)
        found.update(re.findall(names, ran.stdout, re.M))
    return frozenset(found)


def needs(*names: str) -> None:
    """Fails for options and commands that do not exist; skips without the programs of a recipe."""
    assert not set(names) - here()
    for program in ("git", "jq", "bash"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: apt-get install {program}")


REPORTS = ("--edge-report-html", "--edge-report-md")
ACCEPTING = (*REPORTS, "--edge-accept", "--edge-candidates")

CONFTEST = """
import pytest
from pytest_edgegate.testing.fakes import fake_data, fake_model

pytest_plugins = ["pytest_edgegate.testing.fakes"]

@pytest.fixture(scope="session")
def edge_model(tmp_path_factory):
    return fake_model(tmp_path_factory.mktemp("model") / "m.fake", bytes=40_000)

@pytest.fixture(scope="session")
def edge_data():
    return fake_data(500)
"""
GREEN = """
import pytest

@pytest.mark.edge_budget(size="20 kB")
def test_ptq(edge_ptq): ...
"""
RED = GREEN.replace("20 kB", "1 kB")
REGRESSION = GREEN.replace('size="20 kB"', "size_regression=1.02")
PROJECT = {
    "conftest.py": CONFTEST,
    "test_edge.py": GREEN,
    "constraints.txt": "",
    "pytest.ini": "[pytest]\naddopts = -p edgegate\n",
    ".gitignore": ".edgegate_cache/\n__pycache__/\n.pytest_cache/\nedge-report/\ncandidates/\n",
}
WRITTEN_OUT, ACCEPT = ".github/workflows/edge.yml", ".github/workflows/edge-accept.yml"


def pull_request(fork: bool = False) -> dict[str, Any]:
    head = {"repo": {"full_name": "stranger/project" if fork else "owner/project"}}
    return {"event_name": "pull_request", "event": {"pull_request": {"number": 5, "head": head}}}


def dispatched(**inputs: str) -> dict[str, Any]:
    event = {"inputs": inputs, "repository": {"default_branch": "main"}}
    return {"event_name": "workflow_dispatch", "event": event}


@pytest.fixture
def hosted(tmp_path: Path, warm_python_m: str) -> Hosted:
    return Hosted(tmp_path / "hosted", parsed(ACTION), warm_python_m)


def comments(hosted: Hosted) -> list[str]:
    return [each["body"] for each in hosted.read("comments.json")]


def uploaded(hosted: Hosted) -> set[str]:
    stored = hosted.folder / "artifacts"
    return {each.relative_to(stored).as_posix() for each in stored.rglob("*") if each.is_file()}


def change(hosted: Hosted, branch: str = "change", **files: str) -> str:
    work = hosted.clone(branch)
    for name, text in files.items():
        (work / f"{name}.py").write_text(text)
    return hosted.pushed(work, branch)


def test_the_workflow_that_is_written_out(hosted: Hosted) -> None:
    """Green, then red: the reports are uploaded both times, and one comment is kept."""
    needs(*REPORTS)
    hosted.found(PROJECT)
    theirs = {"id": 1, "user": {"type": "User"}, "body": f"{MARKER} quoted by somebody"}
    hosted.write("comments.json", [theirs])
    workflow = recipe(WRITTEN_OUT, "concurrency")
    done = hosted.run_workflow(workflow, pull_request())
    assert {name: each.status for name, each in done.items()} == {
        "gate": "success",
        "comment": "success",
    }, done
    reports = {f"edgegate-report/{name}" for name in ("report.json", "report.html", "report.md")}
    assert {*reports, "edgegate-report/junit.xml"} <= uploaded(hosted)
    assert hosted.lines("pip") == [
        "install --constraint constraints.txt pytest-edgegate[keras,coral]"
    ]
    [kept] = hosted.folder.glob("caches/*")
    assert not (kept / "candidates").exists()
    first = comments(hosted)
    assert first[0] == theirs["body"]
    assert first[1].startswith(MARKER)

    change(hosted, test_edge=RED)
    done = hosted.run_workflow(workflow, pull_request())
    assert [done["gate"].status, done["comment"].status] == ["failure", "success"]
    assert reports <= uploaded(hosted)
    second = comments(hosted)
    assert len(second) == 2
    assert second[0] == theirs["body"]
    assert second[1] != first[1]
    assert MARKER in second[1]


def test_a_fork_gets_no_comment(hosted: Hosted) -> None:
    needs(*REPORTS)
    hosted.found(PROJECT)
    done = hosted.run_workflow(recipe(WRITTEN_OUT, "concurrency"), pull_request(fork=True))
    assert [done["gate"].status, done["comment"].status] == ["success", "skipped"]
    assert not hosted.lines("gh")


def entries(hosted: Hosted, branch: str = "change") -> list[str]:
    """The entries that are committed on the branch."""
    listed = git(hosted.repository, "ls-tree", "-r", "--name-only", f"refs/heads/{branch}")
    return [
        each
        for each in listed.splitlines()
        if each.startswith("edge-baseline/") and each.endswith(".json")
    ]


def finish(hosted: Hosted, commit: str) -> None:
    (hosted.folder / "finished").write_text(commit)


def measured(hosted: Hosted, files: Mapping[str, str]) -> str:
    """Makes the repository, and runs the gate on it; the commit."""
    commit = hosted.found({**PROJECT, **files})
    hosted.run_workflow(recipe(WRITTEN_OUT, "concurrency"), pull_request())
    finish(hosted, commit)
    return commit


def accepted(hosted: Hosted, tests: str = "") -> dict[str, str]:
    """Runs the workflow that accepts; what has become of its jobs."""
    done = hosted.run_workflow(recipe(ACCEPT), dispatched(tests=tests))
    return {name: each.status for name, each in done.items()}


ENTRY = "edge-baseline/test_edge/test_ptq[fake-board].json"


def test_what_a_run_has_measured_is_accepted_and_committed(hosted: Hosted) -> None:
    needs(*ACCEPTING)
    commit = hosted.found({**PROJECT, "test_edge.py": REGRESSION})
    gate = recipe(WRITTEN_OUT, "concurrency")
    assert hosted.run_workflow(gate, pull_request())["gate"].status == "failure"
    assert any(each.startswith("edgegate-candidates/") for each in uploaded(hosted))
    finish(hosted, commit)
    assert accepted(hosted) == {"accept": "success", "commit": "success"}
    assert entries(hosted) == [ENTRY]
    told = git(hosted.repository, "log", "-1", "--format=%s %an", "refs/heads/change")
    assert told == f"Accept what the edge gate measured at {commit} github-actions[bot]"
    last = json.loads(hosted.lines("gh")[-1])
    assert last == ["workflow", "run", "edge.yml", "--repo", "owner/project", "--ref", "change"]
    # the run that the last line starts
    assert hosted.run_workflow(gate, dispatched())["gate"].status == "success"


def test_nothing_is_accepted_of_another_commit_or_by_another_pattern(hosted: Hosted) -> None:
    needs(*ACCEPTING)
    commit = measured(hosted, {"test_edge.py": REGRESSION})
    finish(hosted, "0" * 40)
    done = hosted.run_workflow(recipe(ACCEPT), dispatched(tests=""))
    assert [done["accept"].status, done["commit"].status] == ["failure", "skipped"]
    assert f"no finished run of edge.yml at {commit}" in done["accept"].output
    finish(hosted, commit)
    pattern = "$(touch pwned) other"
    assert accepted(hosted, tests=pattern) == {"accept": "failure", "commit": "success"}
    assert not entries(hosted)
    assert hosted.head("change") == commit  # no commit where nothing is accepted
    assert not list(hosted.folder.rglob("pwned"))


OTHER_RED = RED.replace("test_ptq", "test_red").replace("import pytest", "")


def test_what_is_refused_stays_red_and_the_rest_is_committed(hosted: Hosted) -> None:
    needs(*ACCEPTING)
    measured(hosted, {"test_edge.py": REGRESSION + OTHER_RED})
    done = hosted.run_workflow(recipe(ACCEPT), dispatched(tests=""))
    assert [done["accept"].status, done["commit"].status] == ["failure", "success"]
    assert "test_red" in done["accept"].output
    assert entries(hosted) == [ENTRY]


GONE = "edge-baseline/test_edge/test_gone[fake-board].json"
REMOVES = f"""
from pathlib import Path

def pytest_unconfigure():
    Path("{GONE}").unlink()
"""


def test_an_entry_that_accepting_removes_is_removed_by_the_commit(hosted: Hosted) -> None:
    needs(*ACCEPTING)
    measured(hosted, {"test_edge.py": REGRESSION, GONE: "{}\n", "conftest.py": CONFTEST + REMOVES})
    assert entries(hosted) == [GONE]
    assert accepted(hosted) == {"accept": "success", "commit": "success"}
    assert entries(hosted) == [ENTRY]


def test_a_side_file_that_is_ignored_is_committed_with_its_entry(hosted: Hosted) -> None:
    needs("--edge-accept")
    hosted.found({**PROJECT, ".gitignore": "*.npz\n"})
    side = ENTRY.replace(".json", ".67d769b0.npz")
    assert committed(hosted, {ENTRY: "{}", side: "scores"}).status == "success"
    listed = git(hosted.repository, "ls-tree", "-r", "--name-only", "refs/heads/change")
    assert {ENTRY, side} <= set(listed.splitlines())


def committed(
    hosted: Hosted, files: Mapping[str, str], meddle: Callable[[Path], None] | None = None
) -> Job:
    """The job that commits, after one that has stored these files instead of accepting."""
    workflow = recipe(ACCEPT)
    *_, upload = workflow["jobs"]["accept"]["steps"]
    script = 'mkdir "$RUNNER_TEMP/accepted"; echo 0 > "$RUNNER_TEMP/accepted/status"'
    for name, text in files.items():
        at = f'"$RUNNER_TEMP/accepted/{name}"'
        script += f"\nmkdir -p \"$(dirname {at})\"; echo '{text}' > {at}"
    workflow["jobs"]["accept"]["steps"] = [{"run": script}, upload]
    artifact, met = hosted.folder / "artifacts" / "edgegate-accepted", False

    def once() -> None:
        nonlocal met
        if meddle is not None and not met:
            met = True
            meddle(artifact)

    hosted.meddling = once
    done = hosted.run_workflow(workflow, dispatched(tests=""))
    assert done["accept"].status == "success", done["accept"].output
    return done["commit"]


def test_where_no_entry_is_left_the_last_one_is_removed(hosted: Hosted) -> None:
    needs()
    hosted.found({**PROJECT, GONE: "{}\n"})
    assert committed(hosted, {}).status == "success"
    assert not entries(hosted)


def test_where_nothing_changes_nothing_is_committed(hosted: Hosted) -> None:
    needs()
    for files in ({}, {ENTRY: "{}\n"}):
        again = Hosted(hosted.folder / f"{len(files)}", parsed(ACTION))
        commit = again.found({**PROJECT, **files})
        done = committed(again, {name: text.strip() for name, text in files.items()})
        assert done.status == "success", done.output
        assert again.head("change") == commit
        assert not again.lines("gh")


def a_link(folder: Path) -> None:
    (folder / "edge-baseline" / "other.json").symlink_to("/etc/passwd")


def a_linked_folder(folder: Path) -> None:
    (folder / "edge-baseline").rename(folder / "moved")
    (folder / "edge-baseline").symlink_to("moved")


def the_status_a_link(folder: Path) -> None:
    (folder / "status").unlink()
    (folder / "status").symlink_to("/etc/passwd")


def a_repository(folder: Path) -> None:
    """In which git would run a program for ``git add``."""
    nested = folder / "edge-baseline" / "nested"
    git(nested, "init", "--quiet")
    git(nested, "commit", "--quiet", "--allow-empty", "--message", "nested")
    git(nested, "config", "core.fsmonitor", f"touch {folder.parents[1]}/pwned; false")


def attributes(folder: Path) -> None:
    (folder / "edge-baseline" / ".gitattributes").write_text("*.json filter=lfs -diff\n")


def a_program(folder: Path) -> None:
    (folder / "edge-baseline" / "conftest.py").write_text("")


MEDDLING = [
    a_link,
    a_linked_folder,
    the_status_a_link,
    a_repository,
    attributes,
    a_program,
]


@pytest.mark.parametrize("meddle", MEDDLING, ids=lambda each: each.__name__)
def test_only_plain_files_of_entries_are_committed(
    meddle: Callable[[Path], None], hosted: Hosted
) -> None:
    """The job that accepts runs code of the branch: it could store any artifact."""
    needs()
    commit = hosted.found(PROJECT)
    done = committed(hosted, {ENTRY: "{}"}, meddle)
    assert done.status == "failure"
    assert "no files of entries: " in done.output
    assert hosted.head("change") == commit
    assert not list(hosted.folder.rglob("pwned"))


def test_files_of_an_artifact_beside_the_entries_are_not_committed(hosted: Hosted) -> None:
    needs()
    hosted.found(PROJECT)
    assert committed(hosted, {ENTRY: "{}", "other.json": "{}"}).status == "success"
    listed = git(hosted.repository, "ls-tree", "-r", "--name-only", "refs/heads/change")
    assert "other.json" not in listed
    assert entries(hosted) == [ENTRY]


def test_a_link_in_the_branch_leads_no_file_elsewhere(hosted: Hosted) -> None:
    """Neither one in place of the entries, nor one where an artifact could be unpacked."""
    needs()
    hosted.found(PROJECT)
    work = hosted.clone("change")
    for name in ("accepted", "edge-baseline"):
        (work / name).symlink_to(".git")
    hosted.pushed(work, "change")
    hook = "edge-baseline/hooks/pre-commit.json"
    assert committed(hosted, {ENTRY: "{}", hook: "{}"}).status == "success"
    assert entries(hosted) == [hook, ENTRY]
    kind = git(hosted.repository, "ls-tree", "refs/heads/change", "edge-baseline").split()
    assert kind[1] == "tree"


def test_the_default_branch_is_not_accepted_on(hosted: Hosted) -> None:
    hosted.found(PROJECT, branch="main")
    done = hosted.run_workflow(recipe(ACCEPT), dispatched(tests=""), branch="main")
    assert {each.status for each in done.values()} == {"skipped"}


def of_a_run(branch: str, commit: str, login: str = "stranger") -> dict[str, Any]:
    run = {
        "id": 7,
        "event": "pull_request",
        "conclusion": "failure",
        "head_branch": branch,
        "head_sha": commit,
        "head_repository": {"owner": {"login": login}},
    }
    return {"event_name": "workflow_run", "event": {"workflow_run": run}}


def test_a_fork_gets_its_comment_from_a_second_workflow(hosted: Hosted) -> None:
    commit = hosted.found(PROJECT)
    needs()
    workflow, branch = recipe(".github/workflows/edge-comment.yml"), "$(touch pwned)"
    pull = {"number": 5, "head": {"label": f"stranger:{branch}", "sha": commit}}
    hosted.write("pulls.json", [pull])
    # one that has another commit by now gets none
    for sha, expected in (("0" * 40, []), (commit, ["ran"]), (commit, ["ran"])):
        report = hosted.folder / "artifacts" / "edgegate-report" / "report.md"
        report.parent.mkdir(exist_ok=True)
        report.write_text(f"{MARKER}\n" + "ä" * 70_000, "utf-8")
        done = hosted.run_workflow(workflow, of_a_run(branch, sha))["comment"]
        assert done.status == "success", done.output
        assert ["ran" for _ in comments(hosted)] == expected
    assert len(comments(hosted)[0]) <= 65_536
    assert not list(hosted.folder.rglob("pwned"))


IN_ONE_STEP = "constraints: constraints.txt"


def by_action(hosted: Hosted, **inputs: str) -> Any:
    workflow = recipe(WRITTEN_OUT, IN_ONE_STEP)
    workflow["jobs"]["gate"]["steps"][1]["with"].update(inputs)
    return hosted.run_workflow(workflow, pull_request())["gate"]


def test_the_action_in_one_step(hosted: Hosted) -> None:
    needs(*REPORTS)
    hosted.found(PROJECT)
    done = by_action(hosted)
    assert done.status == "success", done.output
    report = "./edge-report/report.json"
    assert done.outputs == {"outcome": "passed", "status": "0", "report": report}
    assert hosted.lines("pip") == [f"install {ROOT}[keras,coral] --constraint=constraints.txt"]
    assert "edgegate-report/report.html" in uploaded(hosted)
    assert len(comments(hosted)) == 1
    change(hosted, test_edge=RED)
    done = by_action(hosted)
    assert done.status == "failure"
    assert done.outputs == {"outcome": "failed", "status": "1", "report": report}
    assert "edgegate-report/report.html" in uploaded(hosted)
    assert len(comments(hosted)) == 1


def test_the_action_tells_an_error_from_a_red_gate(hosted: Hosted) -> None:
    needs(*REPORTS)
    hosted.found(PROJECT)
    done = by_action(hosted, target="fake-bord")
    assert done.status == "failure"
    assert done.outputs["outcome"] == "error"
    assert done.outputs["status"] == "4"


HOSTILE = "$(touch pwned) `touch pwned`; touch pwned\noutcome=passed"


@pytest.mark.parametrize(
    "inputs",
    [
        {"target": HOSTILE},
        {"args": HOSTILE},
        {"args": "$(touch pwned) `touch pwned`"},
        {"args": "an unclosed 'quote"},
        {"extra": "litert]; touch pwned"},
        {"package": HOSTILE, "requirements": HOSTILE, "constraints": HOSTILE},
    ],
    ids=lambda inputs: next(iter(inputs)),
)
def test_inputs_of_the_action_are_data(inputs: dict[str, str], hosted: Hosted) -> None:
    needs(*REPORTS)
    hosted.found(PROJECT)
    done = by_action(hosted, **inputs)
    assert not list(hosted.folder.rglob("pwned"))
    if "package" not in inputs:
        assert done.status == "failure"
        assert done.outputs["outcome"] != "passed"


def test_words_of_args_reach_pytest_as_a_shell_splits_them(hosted: Hosted) -> None:
    needs(*REPORTS)
    hosted.found({**PROJECT, "test_other.py": "def test_plain(): ...\n"})
    done = by_action(hosted, args="-k 'ptq or nothing' -v", comment="false")
    assert done.status == "success", done.output
    assert "1 passed, 1 deselected" in done.output
    assert not hosted.lines("gh")


CRASHES = """
import os

def pytest_runtest_teardown(item):
    os._exit(3)
"""


def with_crash(hosted: Hosted) -> None:
    hosted.found({**PROJECT, "conftest.py": CONFTEST + CRASHES})


def with_cancelling(hosted: Hosted) -> None:
    hosted.found(PROJECT)
    hosted.cancelled_in = "Gate"


@pytest.mark.parametrize("containing", ["concurrency", "constraints: constraints.txt"])
@pytest.mark.parametrize("unfinished", [with_crash, with_cancelling])
def test_no_cache_is_stored_of_a_run_that_did_not_finish(
    unfinished: Callable[[Hosted], None], containing: str, hosted: Hosted
) -> None:
    """A stored cache never changes, so the unfinished one would stay."""
    needs(*REPORTS)
    unfinished(hosted)
    gate = recipe(WRITTEN_OUT, containing)
    assert hosted.run_workflow(gate, pull_request())["gate"].status != "success"
    assert not list(hosted.folder.glob("caches/*"))
    hosted.cancelled_in = ""
    if unfinished is with_crash:
        work = hosted.clone("change")
        (work / "conftest.py").write_text(CONFTEST)
        hosted.pushed(work, "change")
    assert hosted.run_workflow(gate, pull_request())["gate"].status == "success"
    assert len(list(hosted.folder.glob("caches/*"))) == 1


@pytest.mark.parametrize(
    "target", ["fake-board,fake-host", "fake-board, fake-host", "a,b/c:d\n" * 300]
)
def test_any_target_names_a_cache_and_uploads(target: str, hosted: Hosted) -> None:
    needs(*REPORTS)
    hosted.found(PROJECT)
    done = by_action(hosted, target=target)
    assert "Key Validation Error" not in done.output
    assert "The artifact name is not valid" not in done.output
    if "/" not in target:
        assert done.status == "success", done.output
        [kept] = hosted.folder.glob("caches/*")
        assert "fake-board+" in kept.name


def test_the_names_of_a_matrix_are_names_of_uploads() -> None:
    """A target has letters, digits, dots, dashes and underscores in its name."""
    gate = recipe(WRITTEN_OUT, "matrix")["jobs"]["gate"]["steps"][-1]["with"]
    for name in ("report-name", "candidates-name"):
        fixed, _, rest = gate[name].partition("${{ matrix.target }}")
        assert not set(fixed + rest) & NOT_IN_NAMES
    assert not set(string.ascii_letters + string.digits + ".-_") & NOT_IN_NAMES


def test_several_targets_become_one_report(hosted: Hosted) -> None:
    needs(*REPORTS, "report")
    hosted.found(PROJECT)
    done = hosted.run_workflow(recipe(WRITTEN_OUT, "matrix"), pull_request())
    assert {name: each.status for name, each in done.items()} == {
        "gate-fake-board": "success",
        "gate-fake-host": "success",
        "report": "success",
    }, done
    merged = (hosted.folder / "artifacts/edgegate-report/report.md").read_text("utf-8")
    assert "fake-board" in merged
    assert "fake-host" in merged
    assert (hosted.folder / "artifacts/edgegate-report/report.html").exists()
    assert MARKER in (hosted.folder / "summary").read_text("utf-8")


class GitLab:
    """Jobs of a pipeline, each in a folder of its own with the artifacts of those that it needs."""

    def __init__(self, hosted: Hosted) -> None:
        self.hosted = hosted
        self.pipeline = recipe(".gitlab-ci.yml")
        self.folders: dict[str, Path] = {}

    def run(self, name: str, **variables: str) -> subprocess.CompletedProcess[str]:
        job, host = self.pipeline[name], "gitlab.example.org/group/project.git"
        mine = job.get("variables", {})
        if mine.get("GIT_STRATEGY") == "empty":
            work = self.hosted.folder / name
            work.mkdir()
        else:
            work = self.hosted.clone("change")
        for each in job.get("needs", ()):
            self._hand_on(each, work)
        self.folders[name] = work
        for_pushing = "https://edge-gate:secret@" + host
        if job.get("environment", {}).get("name") == "edge-accept":
            variables["EDGE_PUSH_TOKEN"] = "secret"
        environment = self.hosted.environment(
            CI_COMMIT_SHA=self.hosted.head("change"),
            CI_MERGE_REQUEST_SOURCE_BRANCH_NAME="change",
            CI_SERVER_HOST="gitlab.example.org",
            CI_PROJECT_DIR=str(work),
            CI_PROJECT_PATH="group/project",
            CI_REPOSITORY_URL=f"file://{self.hosted.repository}",
            GIT_CONFIG_COUNT="1",
            GIT_CONFIG_KEY_0=f"url.{self.hosted.repository}.insteadOf",
            GIT_CONFIG_VALUE_0=for_pushing,
            **{**mine, **variables},
        )
        return subprocess.run(
            ["bash", "-eo", "pipefail", "-c", "\n".join(job["script"])],
            cwd=work,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )

    def _hand_on(self, name: str, into: Path) -> None:
        for path in self.pipeline[name]["artifacts"]["paths"]:
            source, at = self.folders[name] / path.rstrip("/"), into / path.rstrip("/")
            if source.is_symlink():
                at.symlink_to(source.readlink())
            elif source.exists():
                shutil.copytree(source, at, symlinks=True)

    def store(self, files: Mapping[str, str]) -> Path:
        """In place of the job that accepts, the folder that it hands on."""
        work = self.folders["accept edge gate"] = self.hosted.folder / "stored"
        for name, text in {"status": "0\n", **files}.items():
            at = work / "accepted" / name
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_text(text)
        return work / "accepted"


COMMIT = "commit accepted entries"


def test_gitlab_measures_is_red_and_accepts(hosted: Hosted) -> None:
    needs(*ACCEPTING)
    commit = hosted.found({**PROJECT, "test_edge.py": REGRESSION + OTHER_RED})
    gitlab = GitLab(hosted)
    measuring = gitlab.run("edge gate")
    assert measuring.returncode == 0, measuring.stdout
    artifacts = gitlab.pipeline["edge gate"]["artifacts"]
    assert (gitlab.folders["edge gate"] / artifacts["reports"]["junit"]).exists()
    assert gitlab.run("edge verdict").returncode == 1
    for tests, status in (("test_red", 1), ("", 1)):
        accepting = gitlab.run("accept edge gate", TESTS=tests)
        assert accepting.returncode == 0, accepting.stdout  # or the next one would not start
        assert "test_red" in accepting.stdout
        shutil.rmtree(hosted.folder / COMMIT, ignore_errors=True)
        committing = gitlab.run(COMMIT)
        assert committing.returncode == status, committing.stdout
        assert entries(hosted) == ([] if tests else [ENTRY])
    told = git(hosted.repository, "log", "-1", "--format=%s", "refs/heads/change")
    assert told == f"Accept what the edge gate measured at {commit}"

    change(hosted, test_edge=REGRESSION)
    again = GitLab(hosted)
    assert again.run("edge gate").returncode == 0
    assert again.run("edge verdict").returncode == 0


def test_gitlab_accepts_nothing_of_an_older_commit(hosted: Hosted) -> None:
    needs(*ACCEPTING)
    old = hosted.found(PROJECT)
    gitlab = GitLab(hosted)
    gitlab.folders["edge gate"] = hosted.clone("change")
    gitlab.store({ENTRY: "{}"})
    change(hosted, test_other="def test_other(): ...\n")
    for name in (COMMIT, "accept edge gate"):
        ran = gitlab.run(name, CI_MERGE_REQUEST_SOURCE_BRANCH_SHA=old)
        assert ran.returncode == 1, ran.stdout
        assert not entries(hosted)


def test_gitlab_commits_what_was_removed(hosted: Hosted) -> None:
    needs()
    hosted.found({**PROJECT, GONE: "{}"})
    gitlab = GitLab(hosted)
    gitlab.store({ENTRY: "{}"})
    assert gitlab.run(COMMIT).returncode == 0
    assert entries(hosted) == [ENTRY]


def a_linked_root(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))
    folder.symlink_to("moved")


@pytest.mark.parametrize("meddle", [*MEDDLING, a_linked_root], ids=lambda each: each.__name__)
def test_gitlab_commits_only_plain_files_of_entries(
    meddle: Callable[[Path], None], hosted: Hosted
) -> None:
    needs()
    commit = hosted.found(PROJECT)
    gitlab = GitLab(hosted)
    meddle(gitlab.store({ENTRY: "{}"}))
    done = gitlab.run(COMMIT)
    assert done.returncode == 1
    assert "no files of entries: " in done.stdout
    assert hosted.head("change") == commit
    assert not list(hosted.folder.rglob("pwned"))


def test_gitlab_gives_the_token_to_the_job_that_pushes_only() -> None:
    pipeline = recipe(".gitlab-ci.yml")
    having = [name for name, job in pipeline.items() if "EDGE_PUSH_TOKEN" in str(job)]
    assert having == [COMMIT]
    [job] = [pipeline[name] for name in having]
    assert job["environment"]["name"] == "edge-accept"
    assert job["variables"] == {"GIT_STRATEGY": "empty"}
    assert not re.search("python|pip|pytest", str(job["script"]))
    others = [name for name, job in pipeline.items() if "environment" in job]
    assert others == [COMMIT]


def test_gitlab_keeps_no_cache_of_a_run_that_crashed(hosted: Hosted) -> None:
    """A cache is stored where its job succeeds."""
    needs(*REPORTS)
    hosted.found({**PROJECT, "conftest.py": CONFTEST + CRASHES})
    gitlab = GitLab(hosted)
    assert "when" not in gitlab.pipeline["edge gate"]["cache"]
    assert gitlab.run("edge gate").returncode == 3


def test_the_script_of_jenkins_writes_the_reports(hosted: Hosted) -> None:
    needs("--edge-report-html")
    hosted.found(PROJECT)
    [pipeline] = re.findall(r"^```groovy\n(.*?)^```", PAGE, re.M | re.S)
    pipeline = pipeline.replace("=coral", "=fake-board")
    set_up, gate = re.findall(r"sh '''\n(.*?)'''", pipeline, re.S)
    assert "python3 -m venv .venv" in set_up
    work = hosted.clone("change")
    (work / ".venv").mkdir()  # in place of a real one
    (work / ".venv" / "bin").symlink_to(hosted.folder / "bin")
    candidates = work / ".edgegate_cache" / "candidates"
    stale = candidates / "of-another-build.json"
    for script in (set_up.replace("python3 -m venv .venv", ""), gate, gate):
        if candidates.exists():
            stale.write_text("{}")
        ran = subprocess.run(
            ["sh", "-xe", "-c", script],
            cwd=work,
            env=hosted.environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout
    assert not stale.exists()
    assert list(candidates.rglob("*.json"))
    [junit] = re.findall(r"junit testResults: '(.*?)'", pipeline)
    for name in (junit, "edge-report/report.json", "edge-report/report.html"):
        assert (work / name).exists()


def test_the_hook_runs_the_gates_and_nothing_else(tmp_path: Path) -> None:
    [repository] = recipe(".pre-commit-config.yaml")["repos"]
    [hook] = repository["hooks"]
    assert repository["repo"] == "local"
    assert {"id", "name", "entry", "language"} <= set(hook)
    assert hook["pass_filenames"] is False
    tests = ("conftest.py", "tests/test_edge.py", "tests/conftest.py")
    for name in (*tests, "models/digits.keras", ENTRY, f"tests/{ENTRY}", "pyproject.toml"):
        assert re.search(hook["files"], name)
    assert not re.search(hook["files"], "docs/index.md")
    python, dash, module, *options = hook["entry"].split()
    assert (python, dash, module) == ("python", "-m", "pytest")
    files = {**PROJECT, "test_other.py": "def test_plain(): ...\n"}
    ran = Example(files).run_pytest(tmp_path, *options)
    assert ran.status == 0, ran.output
    assert "1 passed, 1 deselected" in ran.output
