"""What is imported when: nothing heavy at the start, frameworks in backends only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_edgegate

PACKAGE = Path(pytest_edgegate.__file__).parent
FRAMEWORKS = (
    "tensorflow",
    "keras",
    "tf_keras",
    "torch",
    "onnx",
    "onnxruntime",
    "ai_edge_litert",
    "h5py",
    "flatbuffers",
)
NUMERIC = ("numpy", "scipy")
LIGHT = (
    "core",
    "settings",
    "registry",
    "targets",
    "spelling",
    "judge",
    "planner",
    "plugin",
    "state",
    "gating",
    "collection",
    "fixtures",
    "gate",
    "hookspecs",
    "reporting",
    "progress",
    "model_item",
    "listing",
)

BLOCK = """
import sys

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ImportError(f"{{name}} is not for this process", name=name.split(".")[0])
        return None

sys.meta_path.insert(0, Wall())
"""


def modules() -> list[str]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


def light_modules() -> list[str]:
    return [each for each in modules() if each.split(".")[1:2] in [[part] for part in LIGHT]]


def run(
    program: str, folder: Path, blocked: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Runs a program in a Python of its own, where pytest loads no plugin but ours."""
    return subprocess.run(
        [sys.executable, "-c", BLOCK.format(blocked=set(blocked)) + program],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )


def importing(names: list[str]) -> str:
    """A program that imports every one of the modules and tells all that can't be."""
    return f"""
from importlib import import_module
faults = []
for name in {names!r}:
    try:
        import_module(name)
    except Exception as error:
        faults.append(f"{{name}}: {{error!r}}")
print("\\n".join(faults))
sys.exit(len(faults))
"""


def test_the_lists_are_not_empty() -> None:
    assert len(modules()) > 60
    named = {each.split(".")[1] for each in light_modules()}
    assert named == set(LIGHT)


def test_light_modules_need_neither_numpy_nor_a_framework(tmp_path: Path) -> None:
    ran = run(importing(light_modules()), tmp_path, (*NUMERIC, *FRAMEWORKS))
    assert ran.returncode == 0, ran.stdout


def test_every_module_imports_without_a_framework(tmp_path: Path) -> None:
    ran = run(importing(modules()), tmp_path, FRAMEWORKS)
    assert ran.returncode == 0, ran.stdout


def test_the_wall_holds(tmp_path: Path) -> None:
    for name in ("numpy", "tensorflow.keras"):
        ran = run(f"import {name}", tmp_path, (*NUMERIC, *FRAMEWORKS))
        assert "is not for this process" in ran.stdout


TEST_FILE = """
import pytest

def test_plain(): ...

@pytest.mark.skip
@pytest.mark.edge_budget(accuracy_drop=0.01)
def test_gated(edge_ptq): ...
"""


def test_pytest_starts_and_collects_without_numpy_and_frameworks(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TEST_FILE)
    program = 'import pytest\nsys.exit(pytest.main(["-p", "edgegate", "-q", "-W", "error"]))'
    ran = run(program, tmp_path, (*NUMERIC, *FRAMEWORKS))
    assert ran.returncode == 0, ran.stdout
    assert "1 passed, 1 skipped" in ran.stdout


def test_the_public_names_without_a_framework(tmp_path: Path) -> None:
    program = "import pytest_edgegate\nfor each in pytest_edgegate.__all__:\n"
    ran = run(program + "    getattr(pytest_edgegate, each)", tmp_path, FRAMEWORKS)
    assert ran.returncode == 0, ran.stdout
    with pytest.raises(AttributeError, match="unknown name 'PQT'"):
        _ = pytest_edgegate.PQT


START = """
before = set(sys.modules)
import pytest
from pytest_edgegate.registry import Registry

def never(self, kind):
    raise AssertionError("an entry point was read")

Registry._installed = never
status = pytest.main({arguments!r})
new = {{name.split(".")[0] for name in set(sys.modules) - before}}
ours = sorted(name for name in sys.modules if name.startswith("pytest_edgegate"))
print("status", int(status))
print("heavy", sorted(new & {heavy!r}))
print("ours", ours)
"""


@pytest.mark.parametrize("arguments", [[], ["--edge-policy=strict"], ["--edge-target=host"]])
def test_starting_pytest_loads_nothing_heavy_and_reads_no_entry_points(
    tmp_path: Path, arguments: list[str]
) -> None:
    heavy = {*NUMERIC, *FRAMEWORKS, "tomllib", "filelock"}
    given = ["-p", "edgegate", *arguments]
    ran = run(START.format(arguments=given, heavy=heavy), tmp_path)
    lines = dict(
        line.split(" ", 1)
        for line in ran.stdout.splitlines()
        if line[:4] in ("stat", "heav", "ours")
    )
    assert lines["status"] == "5", ran.stdout  # no tests collected
    assert lines["heavy"] == "[]"
    loaded = lines["ours"]
    for part in ("session", "measures", "data", "stats", "backends", "planner", "judge", "storage"):
        assert f"pytest_edgegate.{part}" not in loaded
    for module in ("core.budget", "core.record", "collection", "collection_faults", "reading"):
        assert f"pytest_edgegate.{module}'" not in loaded


SPY = """
import importlib.metadata

asked = []
entry_points = importlib.metadata.entry_points

def spied(**given):
    group = given.get("group", "every group")
    if group.startswith(("pytest_edgegate", "every")):
        asked.append(group)
    return entry_points(**given)

importlib.metadata.entry_points = spied
import pytest
status = pytest.main({arguments!r})
print("status", int(status))
print("asked", len(asked))
"""
REPORTER = """
class Reporter:
    def write(self, path, run): ...

def pytest_addoption(parser):
    parser.addoption("--own-report")

def pytest_edgegate_register(registry, config):
    registry.reporter("own", Reporter(), config.getoption("--own-report"))
"""


@pytest.mark.parametrize(
    ("arguments", "reads"), [([], False), (["--edge-target=coral"], True)], ids=["plain", "target"]
)
def test_a_run_without_edge_tests_reads_no_entry_point_even_with_a_reporter_of_others(
    tmp_path: Path, arguments: list[str], reads: bool
) -> None:
    (tmp_path / "own_report.py").write_text(REPORTER)
    (tmp_path / "test_it.py").write_text("def test_plain(): ...\n")
    given = ["-p", "edgegate", "-p", "own_report", *arguments]
    ran = run(SPY.format(arguments=given), tmp_path)
    assert "1 passed" in ran.stdout, ran.stdout
    assert "status 0" in ran.stdout
    (asked,) = (line for line in ran.stdout.splitlines() if line.startswith("asked "))
    assert (asked != "asked 0") is reads
