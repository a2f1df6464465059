"""Small projects, run by pytest with ``-n 0`` and ``-n 2``, and what was seen of each test in them.

Several cases share one project and one run: a run is remembered by its files and arguments, also
between the workers of the outer run.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import warm_python
from report_schema import check_report

RECORDER = """
import json
from pathlib import Path

SEEN = {"tests": {}, "collection": [], "deselected": 0}
LETTERS = {("setup", "failed"): "E", ("call", "failed"): "F", ("teardown", "failed"): "e"}


def pytest_runtest_logreport(report):
    seen = SEEN["tests"].setdefault(report.nodeid, {"letters": "", "text": ""})
    letter = LETTERS.get((report.when, report.outcome), "")
    if hasattr(report, "wasxfail"):
        letter = "x" if report.skipped else "X"
    elif report.skipped:
        letter = "s"
    elif report.when == "call" and report.passed:
        letter = "."
    seen["letters"] += letter
    seen["text"] += report.longreprtext if report.failed else ""


def pytest_collectreport(report):
    if report.failed:
        SEEN["collection"].append([report.nodeid, report.longreprtext])


def pytest_deselected(items):
    SEEN["deselected"] += len(items)


def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        Path("seen.json").write_text(json.dumps(SEEN))
"""

CONFTEST = """
import pytest

pytest_plugins = ["pytest_edgegate.testing.fakes"]


def pytest_configure(config):
    config.addinivalue_line("markers", "model(**what): what the fake model of the test answers")
    config.addinivalue_line("markers", "samples(count): how many evaluation samples there are")
    config.addinivalue_line("markers", "labels(more): what is added to every label")


@pytest.fixture
def edge_model(request, tmp_path):
    from pytest_edgegate.testing.fakes import fake_model

    mark = request.node.get_closest_marker("model")
    what = {} if mark is None else mark.kwargs
    lists = {key: list(value) for key, value in what.items() if isinstance(value, range)}
    path = fake_model(tmp_path / "m.fake", **what | lists)
    path.write_text(path.read_text().ljust(4000))
    return path


@pytest.fixture
def edge_data(request):
    from pytest_edgegate.testing.fakes import fake_data

    mark = request.node.get_closest_marker("samples")
    return fake_data(200 if mark is None else mark.args[0])
"""


@dataclass(frozen=True)
class Ran:
    """A run of pytest on a project, and what each of its tests came to."""

    mode: str
    folder: Path
    result: pytest.RunResult
    seen: Mapping[str, Any]

    @property
    def status(self) -> int:
        return int(self.result.ret)

    @property
    def output(self) -> str:
        return str(self.result.stdout)

    @property
    def unwrapped(self) -> str:
        """The output in one line, whatever the width of the terminal."""
        return " ".join(self.output.split())

    @property
    def everything(self) -> str:
        return f"{self.result.stdout}\n{self.result.stderr}"

    @property
    def tests(self) -> dict[str, str]:
        """Letters by the name of the test without its file."""
        return {
            node.split("::", 1)[-1]: seen["letters"] for node, seen in self.seen["tests"].items()
        }

    @property
    def judged(self) -> list[tuple[str, str, str, object]]:
        """Test, budget, outcome and value of every verdict, in an order of their own."""
        return sorted(
            (
                each["test"],
                each["budget"]["metric"],
                each["outcome"],
                str(each["measured"] and each["measured"]["value"]),
            )
            for each in self.report["verdicts"]
        )

    @cached_property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "report.json").read_text("utf-8"))
        return found

    @property
    def in_parallel(self) -> bool:
        return self.mode == "n2"

    @property
    def collection(self) -> dict[str, str]:
        """Texts of collection errors by file."""
        return dict(self.seen["collection"])

    @property
    def faults(self) -> list[str]:
        """Texts of all collection errors."""
        return [text for _, text in self.seen["collection"]]

    def _test(self, name: str, target: str = "fake-board") -> dict[str, str]:
        wanted = (f"::{name}[{target}]", f"::{name}")
        found = [s for node, s in self.seen["tests"].items() if node.endswith(wanted)]
        assert len(found) == 1, f"{name}: {sorted(self.seen['tests'])}\n{self.everything}"
        seen: dict[str, str] = found[0]
        return seen

    def letter(self, name: str, target: str = "fake-board") -> str:
        """``.`` passed, ``F`` failed, ``E`` error in setup, ``x`` xfailed, ``X`` xpassed."""
        return self._test(name, target)["letters"]

    def text(self, name: str, target: str = "fake-board") -> str:
        """The failure as it is shown, without xdist's line about the worker."""
        text = self._test(name, target)["text"]
        lines = text.splitlines()
        return "\n".join(lines[1:] if lines and lines[0].startswith("[gw") else lines)

    def verdicts(self, name: str, target: str = "fake-board") -> dict[str, dict[str, Any]]:
        """The verdicts of a test in the JSON report, by metric, in their order."""
        ends = f"::{name}[{target}]"
        return {
            each["budget"]["metric"]: each
            for each in self.report["verdicts"]
            if each["test"].endswith(ends)
        }

    @staticmethod
    def assert_fault(text: str, *words: str) -> None:
        """Our own message: its first line, its remedy at the end, and nothing of ours or others."""
        lines = [line for line in text.splitlines() if line.strip()]
        assert lines, "no text"
        assert lines[0].startswith("edgegate error: "), text
        assert len(lines) > 1, text
        assert "Traceback" not in text
        assert "pytest_edgegate/" not in text
        for each in words:
            assert each in text, f"{each!r} is not in:\n{text}"


Play = Callable[..., Ran]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "workers: also with two workers of pytest-xdist")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "mode" in metafunc.fixturenames:
        with_workers = metafunc.definition.get_closest_marker("workers") is not None
        metafunc.parametrize("mode", ["n0", "n2"] if with_workers else ["n0"], indirect=True)


@pytest.fixture
def mode(request: pytest.FixtureRequest) -> str:
    """``n0``, and in tests that are marked so, ``n2``: without and with two workers."""
    return str(request.param)


COUNTING = """

from pathlib import Path

from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.testing.fakes import FakeRuntime, FakeTransform


def note(text):
    with open(Path(__file__).with_name("done.txt"), "a") as opened:
        opened.write(f"{text}\\n")


class Counting(FakeTransform):
    def apply(self, model, step, target, data, out):
        note(f"built {model.content.get('marked')}")
        return super().apply(model, step, target, data, out)


class CountingRuntime(FakeRuntime):
    def open(self, model):
        opened = super().open(model)
        note(f"opened {opened._content.get('marked')} {opened._content['dtype']}")
        if opened._content.get("broken"):
            raise InferenceError("the fake does not open", "mend it")
        return opened


def pytest_edgegate_register(registry):
    registry.add("transform", "fake", Counting())
    registry.add("runtime", "fake", CountingRuntime(""))
"""


@pytest.fixture
def counting() -> str:
    """For a project's conftest.py: what is built and opened is noted in done.txt."""
    return COUNTING


@pytest.fixture
def inner_conftest() -> str:
    """The conftest.py of every project, to add to."""
    return CONFTEST


class WarmPytest:
    """``warm_pytest.py`` with the runs that it is asked for, one after the other."""

    def __init__(self) -> None:
        self._path = os.pathsep.join(filter(None, sys.path))
        script = str(Path(__file__).with_name("warm_pytest.py"))
        self._process = subprocess.Popen(
            [sys.executable, script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": self._path},
        )
        imported = "from warm_python.gate import imported; imported()"
        self._forks = warm_python.Server(imported) if warm_python.possible() else None

    def forking(self, workers: int) -> tuple[list[str], dict[str, str]]:
        """Arguments of pytest and variables by which a run forks the processes that it starts."""
        if self._forks is None:
            return ["-p", "xdist", "-n", str(workers)] if workers else [], {}
        python = f"{workers}*popen//python={' '.join(warm_python.CLIENT)}"
        spread = ["-p", "xdist", "--dist=load", f"--tx={python}"] if workers else []
        environment = {
            warm_python.ADDRESS: self._forks.address,
            "PYTHONPATH": self._path,
        }
        return ["-p", "warm_python.forking", *spread], environment

    def run(
        self, folder: Path, arguments: list[str], environment: Mapping[str, str]
    ) -> pytest.RunResult:
        asked = {
            "folder": str(folder),
            "arguments": arguments,
            "environment": dict(environment),
            "out": str(folder / "stdout"),
            "err": str(folder / "stderr"),
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "warm_pytest.py has ended"
        status = int(answer)
        out, err = (
            (folder / each).read_text("utf-8", "replace").splitlines()
            for each in ("stdout", "stderr")
        )
        return pytest.RunResult(status, out, err, 0.0)

    def close(self) -> None:
        self._process.communicate()
        if self._forks is not None:
            self._forks.close()


@pytest.fixture(scope="session")
def warm_pytest() -> Iterator[WarmPytest]:
    process = WarmPytest()
    yield process
    process.close()


@pytest.fixture(scope="session")
def kept_runs() -> dict[str, Ran]:
    """Runs by what was run."""
    return {}


@pytest.fixture
def play(
    mode: str,
    request: pytest.FixtureRequest,
    warm_pytest: WarmPytest,
    kept_runs: dict[str, Ran],
    tmp_path_factory: pytest.TempPathFactory,
) -> Play:
    """Runs a project: ``play({"test_a.py": ...}, "--edge-target=fake-board", ini="...")``.

    Tests that ask for the same run share it.
    """

    def run(files: Mapping[str, str], *arguments: str, ini: str = "", mode: str = mode) -> Ran:
        written = {"conftest.py": CONFTEST, **files}
        told = json.dumps([mode, sorted(written.items()), arguments, ini])
        name = f"run-{hashlib.sha256(told.encode()).hexdigest()[:16]}"
        request.node.user_properties.append(("run", name))
        if name not in kept_runs:
            folder = tmp_path_factory.mktemp("played")
            write(folder, written, ini)
            kept_runs[name] = start(warm_pytest, folder, mode, *arguments, context=name)
        return kept_runs[name]

    return run


@pytest.fixture
def same_with_workers(play: Play) -> Play:
    """As ``play``, and with two workers too: each test ends as without, and so the report."""

    def run(files: Mapping[str, str], *arguments: str, ini: str = "") -> Ran:
        alone, spread = (play(files, *arguments, ini=ini, mode=mode) for mode in ("n0", "n2"))
        assert spread.tests == alone.tests
        assert spread.judged == alone.judged
        assert spread.status == alone.status
        return spread

    return run


@pytest.fixture
def again(mode: str, warm_pytest: WarmPytest, tmp_path: Path) -> Play:
    """Runs pytest in this test's own folder, which keeps its files and its cache between runs."""

    def run(files: Mapping[str, str], *arguments: str, ini: str = "") -> Ran:
        write(tmp_path, {"conftest.py": CONFTEST, **files}, ini)
        return start(warm_pytest, tmp_path, mode, *arguments)

    return run


def write(folder: Path, files: Mapping[str, str], ini: str) -> None:
    for name, content in {
        **files,
        "recorder.py": RECORDER,
        "pytest.ini": f"[pytest]\n{ini}\n",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")


def start(
    warm_pytest: WarmPytest, folder: Path, mode: str, *arguments: str, context: str = ""
) -> Ran:
    """*context*: under which ``tests/mutants`` knows the run."""
    environment = {
        **os.environ,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PY_COLORS": "0",
        "HOME": str(folder),
    }
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_CURRENT_TEST", "PYTEST_ADDOPTS", "GITHUB_ACTIONS"):
        environment.pop(name, None)
    # The bytecode of a file is told from that of another one by its size and the second that it
    # was written in, both of which two runs in one folder may share
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    if context and "EDGEGATE_CONTEXT" in environment:
        environment["EDGEGATE_CONTEXT"] = context
    seen = folder / "seen.json"
    seen.unlink(missing_ok=True)
    forking, variables = warm_pytest.forking(int(mode[1:]))
    environment |= variables
    result = warm_pytest.run(
        folder,
        [
            f"--basetemp={folder / 'base'}",
            "-p",
            "edgegate",
            "-p",
            "recorder",
            "-p",
            "no:cacheprovider",
            *forking,
            "--edge-report-json=report.json",
            *arguments,
        ],
        environment,
    )
    found = json.loads(seen.read_text("utf-8")) if seen.exists() else {}
    report = folder / "report.json"
    if report.is_file():
        check_report(json.loads(report.read_text("utf-8")))
    return Ran(mode, folder, result, found)
