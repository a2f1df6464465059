"""A test that is run again is judged again: what an earlier run judged does not make it green."""

from __future__ import annotations

import pytest

CONFTEST = """
import pytest

pytest_plugins = ["pytest_edgegate.testing.fakes"]
EARLIER = []


@pytest.fixture
def edge_model(tmp_path_factory):
    from pytest_edgegate.testing.fakes import fake_model

    return fake_model(tmp_path_factory.mktemp("m") / "model.fake", ptq_wrong=list(range(50)))


@pytest.fixture
def edge_data():
    from pytest_edgegate.testing.fakes import fake_data

    return fake_data(200)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    from pytest_edgegate.gate import GATE_KEY

    if EARLIER:  # a rerun finds in the item what its first run left there
        item.stash[GATE_KEY] = EARLIER[0]


def pytest_runtest_teardown(item):
    from pytest_edgegate.gate import GATE_KEY

    EARLIER.append(item.stash[GATE_KEY])
"""
TEST = """
import pytest

@pytest.mark.parametrize("run", [1, 2])
@pytest.mark.edge_budget(accuracy_drop=0.01)
def test_it(edge_ptq, run): ...
"""


def test_a_rerun_is_judged_again(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TEST)
    result = pytester.runpytest_subprocess("--edge-target=fake-board", "-p", "no:cacheprovider")
    result.assert_outcomes(failed=2)
