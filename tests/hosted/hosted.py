"""Stand-ins for hosted CI services: jobs run here, step by step, in clones of a real repository.

Scripts are run by bash as the services run them. What only the services have is mocked: their
actions for checkouts, caches and artifacts, the program ``gh`` with its comments and runs, and
pip, which is told what it should have installed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from expressions import evaluated, filled_in
from ruamel.yaml import YAML

MOCKS = Path(__file__).parent
PYTHON = """\
#!/bin/bash
if [ "$1 $2" = "-m pip" ]; then echo "${{*:3}}" >> "$HOSTED/pip"; exit 0; fi
exec "{python}" "$@"
"""
GITHUB_SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
"""Of steps that say ``shell: bash``; the others lack pipefail."""
WORKFLOW_SHELL = ("bash", "-e")


def parsed(text: str) -> Any:
    """YAML 1.2, in which ``on`` is no truth value."""
    return YAML(typ="safe", pure=True).load(text)


@dataclass
class Job:
    """What has become of a job."""

    status: str = "success"
    output: str = ""
    steps: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    """Of the one composite action that a job may use."""
    handed_on: dict[str, str] = field(default_factory=dict)
    """The outputs of the job itself, for those that need it."""


@dataclass
class Hosted:
    """A service with one repository; what it keeps lies in ``folder``."""

    folder: Path
    action: Mapping[str, Any] = field(default_factory=dict)
    python: str = sys.executable
    """The action that ``OWNER/pytest-edgegate`` names."""
    runs: int = 0
    cancelled_in: str = ""
    """The name of the step in which somebody cancels the job; its process ends as it would have."""
    meddling: Callable[[], None] = lambda: None
    """What is done to the artifacts after each job: an untrusted one can store what it likes."""

    def __post_init__(self) -> None:
        for name in ("bin", "artifacts", "caches"):
            (self.folder / name).mkdir(parents=True)
        self.write("comments.json", [])
        for name in ("python", "python3"):
            self._program(name, PYTHON.format(python=self.python))
        self._program("gh", f'#!/bin/bash\nexec "{sys.executable}" -IS "{MOCKS}/gh.py" "$@"\n')

    def _program(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def write(self, name: str, content: Any) -> None:
        (self.folder / name).write_text(json.dumps(content))

    def read(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text())

    def lines(self, name: str) -> list[str]:
        """What a mock was told."""
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    @property
    def repository(self) -> Path:
        return self.folder / "repository.git"

    def found(self, files: Mapping[str, str], branch: str = "change") -> str:
        """Makes the repository of these files, and returns the commit."""
        work = self.folder / "first"
        for name, text in files.items():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_text(text)
        git(self.folder, "init", "--quiet", "--bare", str(self.repository))
        git(work, "init", "--quiet", "--initial-branch", branch)
        git(work, "remote", "add", "origin", str(self.repository))
        return self.pushed(work, branch)

    def pushed(self, work: Path, branch: str) -> str:
        git(work, "add", "--all")
        git(work, "commit", "--quiet", "--message", "a change")
        git(work, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
        return self.head(branch)

    def head(self, branch: str) -> str:
        return git(self.repository, "rev-parse", f"refs/heads/{branch}")

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB")}
        path = f"{self.folder / 'bin'}{os.pathsep}{kept['PATH']}"
        python = os.pathsep.join(filter(None, sys.path))
        return {
            **kept,
            **IDENTITY,
            "PATH": path,
            "PYTHONPATH": python,
            "HOSTED": str(self.folder),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # those of this suite take long to import
            **more,
        }

    def clone(self, branch: str) -> Path:
        """A workspace of its own for the next job."""
        self.runs += 1
        work = self.folder / f"work-{self.runs}"
        git(self.folder, "clone", "--quiet", "--branch", branch, str(self.repository), str(work))
        return work

    def run_workflow(
        self, workflow: Mapping[str, Any], event: Mapping[str, Any], *, branch: str = "change"
    ) -> dict[str, Job]:
        """Runs the jobs in their order. *event*: ``github.event``, and ``event_name`` beside it.

        What the run before it has uploaded can be had by its id, and by ``gh run download``.
        """
        stored, previous = self.folder / "artifacts", self.folder / "previous"
        if any(stored.iterdir()):
            shutil.rmtree(previous, ignore_errors=True)
            stored.rename(previous)
            stored.mkdir()
        done: dict[str, Job] = {}
        for name, job in workflow["jobs"].items():
            for matrix in _matrix(job):
                runner = _Runner(self, workflow, job, event, branch, matrix, dict(done))
                done["-".join([name, *matrix.values()])] = runner.run()
                self.meddling()
        return done


IDENTITY = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


def git(folder: Path, *arguments: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    who = ("-c", "user.name=someone", "-c", "user.email=someone@example.org")
    ran = subprocess.run(
        ["git", *who, *arguments],
        cwd=folder,
        env={**os.environ, **IDENTITY},
        text=True,
        stdout=subprocess.PIPE,
        check=True,
    )
    return ran.stdout.strip()


def _matrix(job: Mapping[str, Any]) -> list[dict[str, str]]:
    found = job.get("strategy", {}).get("matrix", {})
    assert len(found) <= 1, "one axis is enough for the recipes"
    return [{name: each} for name, values in found.items() for each in values] or [{}]


@dataclass
class _Runner:
    """One job."""

    hosted: Hosted
    workflow: Mapping[str, Any]
    job: Mapping[str, Any]
    event: Mapping[str, Any]
    branch: str
    matrix: Mapping[str, str]
    before: dict[str, Job]

    def run(self) -> Job:
        done, outputs = Job(), self.job.get("outputs", {})
        before = {each.status for each in self.before.values()} if "needs" in self.job else set()
        status = next((each for each in ("cancelled", "failure") if each in before), "success")
        if not self._is_wanted(self.job.get("if", ""), self._contexts(done), status):
            done.status = "skipped"
            done.handed_on = dict.fromkeys(outputs, "")
            return done
        assert "timeout-minutes" in self.job
        self._run_steps(self.job["steps"], done, done, {})
        contexts = self._contexts(done)
        done.handed_on = {name: self._filled(each, contexts) for name, each in outputs.items()}
        return done

    @cached_property
    def work(self) -> Path:
        self.hosted.runs += 1
        work = self.hosted.folder / f"work-{self.hosted.runs}"
        work.mkdir()
        return work

    @cached_property
    def temp(self) -> Path:
        """A folder outside of the workspace, of this job only."""
        temp = self.work.with_name(f"{self.work.name}-temp")
        temp.mkdir()
        return temp

    def _contexts(self, done: Job, **more: Any) -> dict[str, Any]:
        github = {
            "event": self.event["event"],
            "event_name": self.event["event_name"],
            "ref": f"refs/heads/{self.branch}",
            "ref_name": self.branch,
            "ref_type": "branch",
            "repository": "owner/project",
            "sha": self.hosted.head(self.branch),
            "token": "a-token",
        }
        return {
            "github": github,
            "inputs": self.event["event"].get("inputs", {}),
            "matrix": self.matrix,
            "needs": {name: {"outputs": each.handed_on} for name, each in self.before.items()},
            "runner": {"os": "Linux", "arch": "X64", "temp": str(self.temp)},
            "steps": done.steps,
            **more,
        }

    def _is_wanted(self, condition: object, contexts: Mapping[str, Any], status: str) -> bool:
        text = str(condition).strip().removeprefix("${{").removesuffix("}}")
        if not any(name in text for name in ("always()", "cancelled()", "failure()")):
            text = f"success() && ({text})" if text else "success()"
        return bool(evaluated(text, contexts, _functions(status)))

    def _run_steps(
        self, steps: list[Mapping[str, Any]], done: Job, log: Job, more: Mapping[str, Any]
    ) -> None:
        """*done* has the outcome and the steps of a job or of an action, *log* the job's output."""
        for step in steps:
            contexts = self._contexts(done, **more)
            if not self._is_wanted(step.get("if", ""), contexts, done.status):
                continue
            outputs: dict[str, str] = {}
            try:
                if "run" in step:
                    self._script(step, contexts, outputs, log, more)
                else:
                    self._action(step, contexts, outputs, log)
            except StepError as error:
                log.output += f"{error}\n"
                if done.status == "success":
                    done.status = "failure"
            if step.get("name") == self.hosted.cancelled_in:
                done.status = "cancelled"
            if "id" in step:
                done.steps[step["id"]] = {"outputs": outputs}

    def _script(
        self,
        step: Mapping[str, Any],
        contexts: Mapping[str, Any],
        outputs: dict[str, str],
        log: Job,
        more: Mapping[str, Any],
    ) -> None:
        given = {**self.workflow.get("env", {}), **self.job.get("env", {}), **step.get("env", {})}
        mine = {name: self._filled(value, contexts) for name, value in given.items()}
        told, summary = self.hosted.folder / "told", self.hosted.folder / "summary"
        told.write_text("")
        github = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_REPOSITORY": "owner/project",
            "GITHUB_REF": f"refs/heads/{self.branch}",
            "GITHUB_REF_NAME": self.branch,
            "GITHUB_SHA": self.hosted.head(self.branch),
            "GITHUB_OUTPUT": str(told),
            "GITHUB_STEP_SUMMARY": str(summary),
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_ACTION_PATH": str(MOCKS.parents[1]),
        }
        folder = self.work / self._filled(step.get("working-directory", "."), contexts)
        script = self.hosted.folder / "script"
        script.write_text(step["run"])
        shell = GITHUB_SHELL if step.get("shell") == "bash" else WORKFLOW_SHELL
        assert not more or step.get("shell") == "bash"  # actions have to name it
        ran = subprocess.run(
            [*shell, str(script)],
            cwd=folder,
            env=self.hosted.environment(**github, **mine),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        log.output += f"$ {step.get('name', step['run'])}\n{ran.stdout}"
        for line in told.read_text().splitlines():
            name, _, value = line.partition("=")
            outputs[name] = value
        if ran.returncode:
            raise StepError(f"exit status {ran.returncode}")

    def _filled(self, value: object, contexts: Mapping[str, Any]) -> str:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return filled_in(text, contexts, _functions("success"))

    def _action(
        self,
        step: Mapping[str, Any],
        contexts: Mapping[str, Any],
        outputs: dict[str, str],
        log: Job,
    ) -> None:
        name, _, _ = step["uses"].partition("@")
        given = {key: self._filled(value, contexts) for key, value in step.get("with", {}).items()}
        if name == "OWNER/pytest-edgegate":
            self._composite(given, outputs, log)
            return
        ACTIONS[name](self, given, outputs)

    def _composite(self, given: Mapping[str, str], outputs: dict[str, str], log: Job) -> None:
        action = self.hosted.action
        assert set(given) <= set(action["inputs"])
        inputs = {name: each["default"] for name, each in action["inputs"].items()} | dict(given)
        done = Job()
        self._run_steps(action["runs"]["steps"], done, log, {"inputs": inputs})
        contexts = self._contexts(done, inputs=inputs)
        for name, each in action["outputs"].items():
            outputs[name] = self._filled(each["value"], contexts)
        log.outputs = dict(outputs)
        if done.status == "cancelled":
            log.status = "cancelled"
        if done.status == "failure":
            raise StepError(f"{self.hosted.action['name']} has failed")

    def checkout(self, given: Mapping[str, str], outputs: dict[str, str]) -> None:
        assert given["persist-credentials"] == "false"
        depth = () if given.get("fetch-depth") == "0" else ("--depth", "1")
        source = f"file://{self.hosted.repository}"
        git(self.work, "clone", "--quiet", *depth, "--branch", self.branch, source, ".")

    def set_up_python(self, given: Mapping[str, str], outputs: dict[str, str]) -> None:
        assert given["python-version"] == "3.12"

    def restore_cache(self, given: Mapping[str, str], outputs: dict[str, str]) -> None:
        for key in (given["key"], *given.get("restore-keys", "").splitlines()):
            if "," in key or len(key) > 512:
                raise StepError(f"Key Validation Error: {key}")
        outputs["cache-primary-key"] = given["key"]
        stored = self.hosted.folder / "caches" / given["key"]
        outputs["cache-hit"] = str(stored.exists()).lower()
        if stored.exists():
            shutil.copytree(stored, self.work / given["path"])

    def save_cache(self, given: Mapping[str, str], outputs: dict[str, str]) -> None:
        shutil.copytree(self.work / given["path"], self.hosted.folder / "caches" / given["key"])

    def upload(self, given: Mapping[str, str], outputs: dict[str, str]) -> None:
        source, stored = self.work / given["path"], self.hosted.folder / "artifacts" / given["name"]
        hidden = given.get("include-hidden-files") == "true"
        parts = Path(given["path"]).parts
        if not source.is_dir() or (not hidden and any(_is_hidden(each) for each in parts)):
            assert given.get("if-no-files-found") == "ignore", f"there is no {given['path']}"
            return
        if set(given["name"]) & NOT_IN_NAMES:
            raise StepError(f"The artifact name is not valid: {given['name']}")
        assert not stored.exists(), f"two uploads are called {given['name']}"
        shutil.copytree(source, stored, ignore=None if hidden else _hidden_ones)
        if any(each.is_file() for each in stored.rglob("*")):
            outputs["artifact-id"] = str(len(list(stored.parent.iterdir())))
        else:
            assert given.get("if-no-files-found") == "ignore", f"{given['path']} is empty"
            shutil.rmtree(stored)

    def download(self, given: Mapping[str, str], outputs: dict[str, str]) -> None:
        whose = "previous" if "run-id" in given else "artifacts"
        stored, into = self.hosted.folder / whose, self.work / given["path"]
        if "name" in given:
            if not (stored / given["name"]).is_dir():
                raise StepError(f"there is no artifact {given['name']}")
            shutil.copytree(stored / given["name"], into, symlinks=True)
            return
        for each in stored.glob(given["pattern"]):
            shutil.copytree(each, into / each.name)


class StepError(Exception):
    """A step that failed, with the reason."""


NOT_IN_NAMES = frozenset('":<>|*?\r\n\\/')
"""What the names of artifacts must not hold."""


ACTIONS: Mapping[str, Callable[[_Runner, Mapping[str, str], dict[str, str]], None]] = {
    "actions/checkout": _Runner.checkout,
    "actions/setup-python": _Runner.set_up_python,
    "actions/cache/restore": _Runner.restore_cache,
    "actions/cache/save": _Runner.save_cache,
    "actions/upload-artifact": _Runner.upload,
    "actions/download-artifact": _Runner.download,
}


def _is_hidden(name: str) -> bool:
    return name.startswith(".") and name != "."


def _hidden_ones(folder: str, names: list[str]) -> list[str]:
    return [each for each in names if _is_hidden(each)]


def _functions(status: str) -> dict[str, Callable[..., Any]]:
    return {
        "always": lambda: True,
        "cancelled": lambda: status == "cancelled",
        "success": lambda: status == "success",
        "hashFiles": lambda *patterns: "digest",
    }
