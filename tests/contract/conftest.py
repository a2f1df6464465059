"""Small projects, run by pytest with ``-n 0`` and ``-n 2``, and what was seen of each test in them.

Several cases share one project and one run: a run is remembered by its files and arguments, also
between the workers of the outer run.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

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
    def everything(self) -> str:
        return f"{self.result.stdout}\n{self.result.stderr}"

    @property
    def tests(self) -> dict[str, str]:
        """Letters by the name of the test without its file."""
        return {
            node.split("::", 1)[-1]: seen["letters"] for node, seen in self.seen["tests"].items()
        }

    @property
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


SHARED = {
    "allowed", "bad", "checked", "counted", "judged", "looks", "mistaken", "referred", "selected",
}  # fmt: skip
"""Fixtures of the test modules that give one run to many tests."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test of each run comes first: the workers of the outer run then start different
    runs, where they would wait for each other's."""
    first: dict[tuple[str, ...], pytest.Item] = {}
    for item in items:
        callspec = getattr(item, "callspec", None)
        if item.path.parent == Path(__file__).parent and callspec is not None:
            used = SHARED.intersection(getattr(item, "fixturenames", ()))
            of = ",".join(used) or getattr(item, "originalname", "")
            given = (str(callspec.params.get(name, "")) for name in ("mode", "policy", *used))
            first.setdefault((item.path.stem, of, *given), item)
    chosen = set(first.values())
    items.sort(key=lambda item: item not in chosen)


@pytest.fixture(params=["n0", "n2"])
def mode(request: pytest.FixtureRequest) -> str:
    """Without workers and with two of them."""
    return str(request.param)


@pytest.fixture
def inner_conftest() -> str:
    """The conftest.py of every project, to add to."""
    return CONFTEST


@pytest.fixture
def play(
    mode: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Play:  # fmt: skip
    """Runs a project: ``play({"test_a.py": ...}, "--edge-target=fake-board", ini="...")``."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def run(files: Mapping[str, str], *arguments: str, ini: str = "") -> Ran:
        written = {"conftest.py": CONFTEST, **files}
        told = json.dumps([mode, sorted(written.items()), arguments, ini])
        kept = shared / f"ran-{hashlib.sha256(told.encode()).hexdigest()}.json"
        with FileLock(f"{kept}.lock"):
            if not kept.exists():
                write(pytester.path, written, ini)
                keep(kept, start(pytester, monkeypatch, mode, *arguments))
            return kept_run(kept)

    return run


def keep(path: Path, ran: Ran) -> None:
    result = ran.result
    lines = (result.outlines, result.errlines)
    path.write_text(json.dumps([ran.mode, str(ran.folder), int(result.ret), *lines, ran.seen]))


@cache
def kept_run(path: Path) -> Ran:
    mode, folder, status, out, err, seen = json.loads(path.read_text())
    return Ran(mode, Path(folder), pytest.RunResult(status, out, err, 0.0), seen)


@pytest.fixture
def again(mode: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Runs pytest in this test's own folder, which keeps its files and its cache between runs."""

    def run(files: Mapping[str, str], *arguments: str, ini: str = "") -> Ran:
        write(pytester.path, {"conftest.py": CONFTEST, **files}, ini)
        return start(pytester, monkeypatch, mode, *arguments)

    return run


def write(folder: Path, files: Mapping[str, str], ini: str) -> None:
    for name, content in {
        **files, "recorder.py": RECORDER, "pytest.ini": f"[pytest]\n{ini}\n"
    }.items():  # fmt: skip
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")


def start(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, mode: str, *arguments: str
) -> Ran:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    seen = pytester.path / "seen.json"
    seen.unlink(missing_ok=True)
    result = pytester.runpytest_subprocess(
        "-p", "edgegate", "-p", "xdist", "-p", "recorder", "-p", "no:cacheprovider",
        "-n", mode[1:], "--edge-report-json=report.json", *arguments,
    )  # fmt: skip
    found = json.loads(seen.read_text("utf-8")) if seen.exists() else {}
    return Ran(mode, pytester.path, result, found)
