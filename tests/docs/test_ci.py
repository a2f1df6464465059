"""The recipes of docs/ci.md and action.yml: valid by their schemas, safe, and run step by step."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hosted import Hosted, git, parsed

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
def hosted(tmp_path: Path) -> Hosted:
    return Hosted(tmp_path / "hosted", parsed(ACTION))


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


def test_what_a_run_has_measured_is_accepted_and_committed(hosted: Hosted) -> None:
    needs(*ACCEPTING)
    commit = hosted.found({**PROJECT, "test_edge.py": REGRESSION})
    gate, accept = recipe(WRITTEN_OUT, "concurrency"), recipe(ACCEPT)
    assert hosted.run_workflow(gate, pull_request())["gate"].status == "failure"
    assert any(each.startswith("edgegate-candidates/") for each in uploaded(hosted))
    finish(hosted, commit)
    done = hosted.run_workflow(accept, dispatched(tests=""))["accept"]
    assert done.status == "success", done.output
    assert entries(hosted) == ["edge-baseline/test_edge/test_ptq[fake-board].json"]
    told = git(hosted.repository, "log", "-1", "--format=%s %an", "refs/heads/change")
    assert told == f"Accept what the edge gate measured at {commit} github-actions[bot]"
    last = json.loads(hosted.lines("gh")[-1])
    assert last == ["workflow", "run", "edge.yml", "--repo", "owner/project", "--ref", "change"]
    # the run that the last line starts
    assert hosted.run_workflow(gate, dispatched())["gate"].status == "success"


def test_nothing_is_accepted_of_another_commit_or_by_another_pattern(hosted: Hosted) -> None:
    needs(*ACCEPTING)
    commit = hosted.found({**PROJECT, "test_edge.py": REGRESSION})
    hosted.run_workflow(recipe(WRITTEN_OUT, "concurrency"), pull_request())
    finish(hosted, "0" * 40)
    done = hosted.run_workflow(recipe(ACCEPT), dispatched(tests=""))["accept"]
    assert done.status == "failure"
    assert f"no finished run of edge.yml at {commit}" in done.output
    finish(hosted, commit)
    done = hosted.run_workflow(recipe(ACCEPT), dispatched(tests="$(touch pwned) other"))["accept"]
    assert done.status == "failure"
    assert not entries(hosted)
    assert hosted.head("change") == commit
    assert not list(hosted.folder.rglob("pwned"))


def test_what_is_refused_stays_red_and_the_rest_is_committed(hosted: Hosted) -> None:
    needs(*ACCEPTING)
    red = RED.replace("test_ptq", "test_red").replace("import pytest", "")
    commit = hosted.found({**PROJECT, "test_edge.py": REGRESSION + red})
    hosted.run_workflow(recipe(WRITTEN_OUT, "concurrency"), pull_request())
    finish(hosted, commit)
    done = hosted.run_workflow(recipe(ACCEPT), dispatched(tests=""))["accept"]
    assert done.status == "failure"
    assert "test_red" in done.output
    assert entries(hosted) == ["edge-baseline/test_edge/test_ptq[fake-board].json"]


def test_the_default_branch_is_not_accepted_on(hosted: Hosted) -> None:
    hosted.found(PROJECT, branch="main")
    done = hosted.run_workflow(recipe(ACCEPT), dispatched(tests=""), branch="main")
    assert done["accept"].status == "skipped"


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
    """Jobs of a pipeline, in clones; the artifacts of a job are those of the jobs that need it."""

    def __init__(self, hosted: Hosted) -> None:
        self.hosted = hosted
        self.pipeline = recipe(".gitlab-ci.yml")

    def run(self, name: str, work: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        remote = "https://edge-gate:secret@gitlab.example.org/group/project.git"
        environment = self.hosted.environment(
            CI_COMMIT_SHA=self.hosted.head("change"),
            CI_MERGE_REQUEST_SOURCE_BRANCH_NAME="change",
            CI_SERVER_HOST="gitlab.example.org",
            CI_PROJECT_PATH="group/project",
            EDGE_PUSH_TOKEN="secret",
            GIT_CONFIG_COUNT="1",
            GIT_CONFIG_KEY_0=f"url.{self.hosted.repository}.insteadOf",
            GIT_CONFIG_VALUE_0=remote,
            **variables,
        )
        return subprocess.run(
            ["bash", "-eo", "pipefail", "-c", "\n".join(self.pipeline[name]["script"])],
            cwd=work,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )

    def hand_on(self, name: str, source: Path, into: Path) -> None:
        for path in self.pipeline[name]["artifacts"]["paths"]:
            if (source / path).exists():
                shutil.copytree(source / path, into / path)


def test_gitlab_measures_is_red_and_accepts(hosted: Hosted) -> None:
    needs(*ACCEPTING)
    hosted.found({**PROJECT, "test_edge.py": REGRESSION})
    gitlab, work = GitLab(hosted), hosted.clone("change")
    measured = gitlab.run("edge gate", work)
    assert measured.returncode == 0, measured.stdout
    artifacts = gitlab.pipeline["edge gate"]["artifacts"]
    assert (work / artifacts["reports"]["junit"]).exists()
    verdict, accepting = hosted.clone("change"), hosted.clone("change")
    for each in (verdict, accepting):
        gitlab.hand_on("edge gate", work, each)
    assert gitlab.run("edge verdict", verdict).returncode == 1
    accepted = gitlab.run("accept edge gate", accepting)
    assert accepted.returncode == 0, accepted.stdout
    assert entries(hosted) == ["edge-baseline/test_edge/test_ptq[fake-board].json"]

    again = hosted.clone("change")
    assert gitlab.run("edge gate", again).returncode == 0
    assert gitlab.run("edge verdict", again).returncode == 0


def test_gitlab_accepts_nothing_of_an_older_commit(hosted: Hosted) -> None:
    needs(*ACCEPTING)
    old = hosted.found({**PROJECT, "test_edge.py": REGRESSION})
    gitlab, work = GitLab(hosted), hosted.clone("change")
    gitlab.run("edge gate", work)
    change(hosted, test_other="def test_other(): ...\n")
    assert gitlab.run("accept edge gate", work, CI_MERGE_REQUEST_SOURCE_BRANCH_SHA=old).returncode
    assert not entries(hosted)


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
    for script in (set_up.replace("python3 -m venv .venv", ""), gate.replace("\\\\", "\\")):
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
    [junit] = re.findall(r"junit '(.*?)'", pipeline)
    for name in (junit, "edge-report/report.json", "edge-report/report.html"):
        assert (work / name).exists()


def test_the_hook_runs_the_gates_and_nothing_else(tmp_path: Path) -> None:
    [repository] = recipe(".pre-commit-config.yaml")["repos"]
    [hook] = repository["hooks"]
    assert repository["repo"] == "local"
    assert {"id", "name", "entry", "language"} <= set(hook)
    assert hook["pass_filenames"] is False
    for name in ("models/digits.keras", "conftest.py", "tests/test_edge.py", "tests/conftest.py"):
        assert re.search(hook["files"], name)
    assert not re.search(hook["files"], "docs/index.md")
    python, dash, module, *options = hook["entry"].split()
    assert (python, dash, module) == ("python", "-m", "pytest")
    files = {**PROJECT, "test_other.py": "def test_plain(): ...\n"}
    ran = Example(files).run_pytest(tmp_path, *options)
    assert ran.status == 0, ran.output
    assert "1 passed, 1 deselected" in ran.output
