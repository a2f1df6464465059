"""A conversion whose native code crashes: its test has an error, and the run goes on.

With live models of frameworks: ``tests/formats/test_framework_process.py``.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

FILES = {
    "native.py": """
import os

from pytest_edgegate.core.plan import Move
from pytest_edgegate.core.recipe import Cast
from pytest_edgegate.testing.fakes import FORMAT, FakeReader, FakeTransform, read_fake


class Transform(FakeTransform):
    moves = (Move((FORMAT, "float32"), Cast, (FORMAT, "float32")),)

    def apply(self, model, step, target, data, out):
        content = read_fake(model.path)
        if content.get("title") == "crash":
            os.abort()
        return super().apply(model, step, target, data, out)


READER, TRANSFORM = FakeReader(), Transform()
""",
    "native-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: native\nVersion: 1.0\n",
    "native-1.0.dist-info/entry_points.txt": (
        "[pytest_edgegate.readers]\na-native = native:READER\n"
        "[pytest_edgegate.transforms]\nnative = native:TRANSFORM\n"
    ),
    "test_native.py": """
import pytest
from pytest_edgegate import Cast
from pytest_edgegate.testing.fakes import fake_model


@pytest.fixture
def edge_model(request, tmp_path):
    return fake_model(tmp_path / "m.fake", title=request.param)


@pytest.mark.parametrize("edge_model", ["fine", "crash", "also-fine"], indirect=True)
def test_it(edge_compress, edge_gate):
    edge_gate.accuracy(edge_compress(Cast()), min=0.9)


@pytest.mark.parametrize("edge_model", ["crash"], indirect=True)
@pytest.mark.edge_recipe(Cast())
@pytest.mark.edge_budget(accuracy_drop=0.1)
def test_fixture(edge_artifact): ...
""",
}


@pytest.fixture
def ran(play: Any) -> Any:
    return play(FILES, "--edge-target=fake-host", "--junit-xml=junit.xml")


def of(ran: Any, name: str) -> Any:
    """What is known of the test of that name."""
    (found,) = (seen for node, seen in ran.seen["tests"].items() if name in node)
    return found


@pytest.mark.workers
@pytest.mark.parametrize("title", ["-fine", "also-fine"])
def test_other_models_are_converted(ran: Any, title: str) -> None:
    seen = of(ran, f"test_it[fake-host{title}" if title[0] == "-" else title)
    assert seen["letters"] == ".", seen["text"]


@pytest.mark.workers
@pytest.mark.parametrize(
    ("name", "letter"), [("test_it[fake-host-crash", "F"), ("test_fixture", "E")]
)
def test_a_conversion_that_crashes_is_told(ran: Any, name: str, letter: str) -> None:
    seen = of(ran, name)
    assert seen["letters"] == letter
    ran.assert_fault(
        ran_text(seen),
        "Cast(dtype='float16') on m ended the process that ran it (SIGABRT)",
        "another version",
    )


def ran_text(seen: Any) -> str:
    """The failure without xdist's line about its worker."""
    lines = str(seen["text"]).splitlines()
    return "\n".join(lines[1:] if lines[0].startswith("[gw") else lines)


@pytest.mark.workers
def test_report_and_junit_are_whole(ran: Any) -> None:
    """Two of the models can be converted."""
    assert ran.status == 1
    assert len({each["test"] for each in ran.report["verdicts"]}) == 2
    root = ElementTree.parse(ran.folder / "junit.xml").getroot()
    suite = root if root.tag == "testsuite" else root[0]
    counted = (suite.get("tests"), suite.get("failures"), suite.get("errors"))
    assert counted == ("4", "1", "1")
