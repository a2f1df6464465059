"""Every mistake in the marks of a file is told once, all together, with its reason and its line."""

from __future__ import annotations

from typing import Any

import pytest

MARKED = """
import pytest

import shared

budget, recipe = pytest.mark.edge_budget, pytest.mark.edge_recipe
SMALL = pytest.mark.edge_budget(sizze=3)  # tell: unknown budget 'sizze'
CASES = [1, pytest.param(2, marks=pytest.mark.edge_budget(sizd=2))]  # tell: unknown budget 'sizd'
pytestmark = [
    pytest.mark.edge_budget(size=9000),
    pytest.mark.edge_bugdet(size=1),  # tell: unknown mark 'edge_bugdet'
]


@pytest.mark.edge_budget(size="1 kB")
@pytest.mark.edge_budgts(size="1 kB")  # tell: unknown mark 'edge_budgts'
@pytest.mark.edge_target("coral")  # tell: unknown mark 'edge_target'
@pytest.mark.edge_budgets(size=1)  # tell: unknown mark 'edge_budgets'
@pytest.mark.edge_gate  # tell: edge_gate is a fixture
@pytest.mark.memory(1)  # tell: memory is a budget
def test_many(edge_model): ...


class TestInside:
    pytestmark = [
        pytest.mark.edge_budgte(size=1),  # tell: unknown mark 'edge_budgte'
        budget(paramters=1),  # tell: unknown budget 'paramters'
    ]

    def test_one(self): ...

    def test_two(self, edge_ptq): ...


@recipe("fake-board")
class TestFirst:  # a decorator of a class is where it is written, too
    def test_first(self, edge_artifact): ...


@pytest.mark.edge_recipe(
    "fake-board",
    "fake-bord",  # tell: unknown target 'fake-bord'
    __import__("pytest_edgegate").PTQ(),
)
@pytest.mark.edge_recipe()  # tell: edge_recipe has no step
def test_recipes(edge_artifact): ...


@SMALL
def test_small(edge_ptq): ...


@SMALL
def test_small_again(edge_ptq): ...


@pytest.mark.parametrize("x", CASES)
def test_cases(x, edge_ptq): ...


@pytest.mark.parametrize(
    "x",
    [
        pytest.param(1, marks=pytest.mark.edge_budget(sise=1)),  # tell: unknown budget 'sise'
        pytest.param(2, marks=[pytest.mark.slow, pytest.mark.edge_ptq]),  # tell: edge_ptq is a fix
        pytest.param(3, marks=pytest.mark.edge_targets("fake-bort")),  # tell: target 'fake-bort'
        4,
    ],
)
def test_parameters(x, edge_gate): ...


@pytest.fixture(params=[1, pytest.param(2, marks=pytest.mark.edge_reciqe)])  # tell: 'edge_reciqe'
def fixed(request):
    return request.param


def test_fixed(fixed): ...


class TestHeir(shared.Base):
    def test_own(self, edge_ptq): ...


class TestSecondHeir(shared.Base):
    @budget(size=1)
    @budget(**{"sixe": 2})  # tell: unknown budget 'sixe'
    def test_own(self, edge_ptq): ...


@pytest.mark.edge_budget(sizee=1)  # tell: unknown budget 'sizee'
def test_last(edge_gate): ...
""".replace(
    'recipe("fake-board")\nclass', 'recipe("fake-board")  # tell: edge_recipe has no step\nclass'
)
SHARED = """
import pytest


@pytest.mark.edge_budget(sizy=1)  # tell: unknown budget 'sizy'
class Base:
    @pytest.mark.edge_polic  # no mistake of the gate's
    @pytest.mark.edge_policy  # tell: edge_policy is an ini key
    def test_inherited(self, edge_ptq): ...
"""
UNITTEST = """
import unittest

import pytest


class TestPlain(unittest.TestCase):
    @pytest.mark.edge_budgets(size=1)  # tell: unknown mark 'edge_budgets'
    def test_unittest(self): ...
"""
FILES = {"test_marked.py": MARKED, "shared.py": SHARED, "test_plain.py": UNITTEST}


def expected() -> list[tuple[str, str]]:
    """The reason of each mistake, and its ``file:line``."""
    return [
        (line.partition("# tell: ")[2], f"{name}:{number}")
        for name, text in FILES.items()
        for number, line in enumerate(text.splitlines(), 1)
        if "# tell: " in line
    ]


@pytest.fixture
def told(play: Any) -> Any:
    return play(FILES, "--edge-target=fake-board", "--continue-on-collection-errors", "-vv")


@pytest.mark.parametrize(("reason", "place"), expected(), ids=[each[1] for each in expected()])
def test_a_mistake_is_told_where_it_is(told: Any, reason: str, place: str) -> None:
    (text,) = (each for each in told.faults if f" ({place})" in each and reason in each)
    told.assert_fault(text)
    assert text.splitlines()[0].startswith("edgegate error: ")
    assert text.splitlines()[0].endswith(f" ({place})")


def test_all_mistakes_are_told_and_each_once(told: Any) -> None:
    places = sorted(each.splitlines()[0].rpartition(" (")[2].rstrip(")") for each in told.faults)
    assert places == sorted(place for _, place in expected())
    assert told.tests == {}


def test_the_short_summary_begins_with_the_reason(play: Any) -> None:
    text = "import pytest\n\n@pytest.mark.edge_budgets(size=1)\ndef test_it(): ...\n"
    ran = play({"test_it.py": text}, "--edge-target=fake-board")
    summary = ran.output.partition("short test summary info")[2]
    assert "ERROR test_it.py - edgegate error: unknown mark 'edge_budgets'" in summary


DYNAMIC = """
import pytest


def pytest_collection_modifyitems(items):
    for each in items:
        each.add_marker(MARKS[each.name.partition("[")[0]])


MARKS = {
    "test_budget": pytest.mark.edge_budget(sise=1),
    "test_near": pytest.mark.edge_budgets(size=1),
    "test_own": pytest.mark.edge_case,
}
"""


def test_what_a_conftest_adds_later_is_an_error_of_its_test(play: Any, inner_conftest: str) -> None:
    names = ("budget", "near", "own")
    files = {
        "conftest.py": inner_conftest + DYNAMIC,
        "test_it.py": "".join(f"def test_{each}(edge_ptq): ...\n" for each in names),
    }
    ran = play(files, "--edge-target=fake-board")
    assert [ran.letter(f"test_{each}") for each in names] == ["E", "E", "."]
    ran.assert_fault(ran.text("test_budget"), "unknown budget 'sise'")
