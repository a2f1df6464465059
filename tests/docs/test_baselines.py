"""The page about baselines, typed as it is written, against fakes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pytest_edgegate.testing.example import Example

pytestmark = pytest.mark.usefixtures("no_other_plugins")

PAGE = (Path(__file__).parents[2] / "docs" / "baselines.md").read_text("utf-8")
FAKES = """
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
OFF_LINE = ("-q", "-p", "no:randomly", "-p", "no:cov")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


@pytest.fixture
def project(tmp_path: Path, warm_python_m: str) -> tuple[Example, Path]:
    [test] = blocks("python")
    [ini] = blocks("ini")
    ini = ini.replace("host:", "fake-host:")
    files = {"conftest.py": FAKES, "test_edge.py": test, "pytest.ini": ini}
    example = Example(files, warm_python_m)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return example, tmp_path


def test_the_page_is_typed(project: tuple[Example, Path]) -> None:
    example, folder = project
    statuses = []
    for line in [line for block in blocks("console") for line in block.splitlines()]:
        command = line.removeprefix("$ ").replace("coral", "fake-board")
        if command.startswith("pytest "):
            if "candidates" in command:
                (folder / ".edgegate_cache" / "candidates").rename(folder / "candidates")
            arguments = [each.strip('"') for each in command.split()[1:]]
            ran = example.run_pytest(folder, *arguments, *OFF_LINE)
            assert "Traceback" not in ran.output
            statuses.append((command, ran.status))
        else:
            subprocess.run(command, shell=True, cwd=folder, check=True)
    assert statuses == [
        ("pytest --edge-target=fake-board", 1),
        ("pytest --edge-accept", 0),
        ("pytest --edge-accept --edge-candidates=candidates", 0),
        ("pytest --edge-accept --edge-remove-unused", 4),
    ]
    ran = example.run_pytest(folder, "--edge-target=fake-board", *OFF_LINE)
    assert ran.status == 0, ran.output
    assert "edge-accepted/**" in (folder / ".gitattributes").read_text("utf-8")
    found = sorted(each.name for each in (folder / "edge-baseline").rglob("*.json"))
    assert found == ["test_by_hand[fake-board].json", "test_ptq[fake-board].json"]
