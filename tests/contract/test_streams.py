"""What a user's stream may do, and what is said of it before anything of ours breaks."""

from __future__ import annotations

from typing import Any

import pytest

MORE = """

import numpy as np

from pytest_edgegate import EdgeData
from pytest_edgegate.testing.fakes import fake_samples

x, y = fake_samples(200)
calibration = fake_samples(20, start=10_000)[0]
holed = x.copy()
holed[130, 0] = np.nan


def batches(x, y, size=60):
    return [(x[at:at + size], y[at:at + size]) for at in range(0, len(x), size)]


class Broken:
    def __iter__(self):
        yield x[:60], y[:60]
        raise RuntimeError("the disk of the team is gone")


class Spent:
    def __init__(self):
        self.passes = 0

    def __iter__(self):
        self.passes += 1
        return iter(batches(x, y) if self.passes == 1 else [])


class Once:
    def __init__(self):
        self.elements = iter(batches(x, y))

    def __iter__(self):
        return self.elements


class Endless:
    def __iter__(self):
        while True:
            yield from batches(x, y)


class Infinite(Endless):
    def cardinality(self):
        return np.int64(-1)


DATA = {
    "last_is_shorter": lambda: batches(x, y),
    "lists": lambda: [list(each) for each in batches(x, y)],
    "empty_ones": lambda: [(x[:0], y[:0]), *batches(x, y), (x[:0], y[:0])],
    "float64": lambda: batches(x.astype(">f8"), y.astype(">i2")),
    "other_dtypes": lambda: [(x[:60], y[:60]), (x[60:].astype("f8"), y[60:].astype("u1"))],
    "reversed_views": lambda: batches(x[::-1], y[::-1]),
    "masked_nowhere": lambda: (np.ma.masked_array(x), np.ma.masked_array(y)),
    "one_key": lambda: [({"x": a}, b) for a, b in batches(x, y)],
    "ragged": lambda: [(x[:60], y[:60]), (x[60:, :1], y[60:])],
    "another_rank": lambda: [(x[:60], y[:60]), (x[60:, :, None], y[60:])],
    "two_inputs": lambda: [(x[:60], y[:60]), ((x[60:], x[60:]), y[60:])],
    "other_keys": lambda: [({"x": x[:60]}, y[:60]), ({"z": x[60:]}, y[60:])],
    "labels_end": lambda: [(x[:60], y[:60]), x[60:]],
    "fewer_labels": lambda: [(x[:60], y[:60]), (x[60:], y[61:])],
    "holed": lambda: batches(holed, y),
    "raises": Broken,
    "spent": Spent,
    "once": Once,
    "single_samples": lambda: list(zip(x, y)),
    "masked": lambda: (np.ma.masked_array(x, mask=x == x[7, 1]), y),
    "endless": Endless,
    "infinite": Infinite,
}


@pytest.fixture
def edge_data(request):
    kind = request.node.get_closest_marker("evaluation").args[0]
    return EdgeData(calibration=calibration, evaluation=DATA[kind](), version=kind)


@pytest.fixture
def edge_model(tmp_path):
    from pytest_edgegate.testing.fakes import fake_model

    return fake_model(tmp_path / "m.fake")


"""
SOUND = (
    "last_is_shorter",
    "lists",
    "empty_ones",
    "float64",
    "other_dtypes",
    "reversed_views",
    "masked_nowhere",
    "one_key",
)
FAULTS = {
    "ragged": ["samples of shape (1,) (from #60 on) do not fit the input 'x'"],
    "another_rank": ["samples of shape (2, 1) (from #60 on) do not fit"],
    "two_inputs": ["batch #1 differs from the first one: it has 2 arrays without keys"],
    "other_keys": ["batch #1 differs from the first one: it has the keys z, not the keys x"],
    "labels_end": ["batch #1 differs from the first one: it has no labels"],
    "fewer_labels": ["batch #1: a batch of 140 samples has 139 labels"],
    "holed": ["holds NaN or Inf for the input 'x', first in sample #130", "fix or drop"],
    "raises": ["failed at its batch #1: RuntimeError: the disk of the team is gone", "--tb=long"],
    "spent": ["gave no samples on another pass", "iterated again"],
    "once": ["gave no samples on another pass", "iterated again"],
    "single_samples": ["batch #0 has a single number", "np.stack(x)"],
    "masked": ["values missing in", "x.filled(0)"],
    "endless": ["does not end: it gives the same 4 batches (200 samples) again", "while True"],
    "infinite": ["never ends", ".repeat()"],
}


def _tests(names: Any) -> str:
    return "import pytest\n\n\n" + "".join(
        f"@pytest.mark.evaluation({name!r})\n@pytest.mark.edge_budget(accuracy_drop=0.01)\n"
        f"def test_{name}(edge_ptq): ...\n\n\n"
        for name in names
    )


@pytest.fixture
def ran(play: Any, inner_conftest: str) -> Any:
    conftest = inner_conftest.replace(
        "def pytest_configure(config):",
        'def pytest_configure(config):\n    config.addinivalue_line("markers", "evaluation(kind)")',
    )
    files = {"conftest.py": conftest + MORE, "test_it.py": _tests((*SOUND, *FAULTS))}
    return lambda *arguments: play(files, "--edge-target=fake-board", *arguments)


@pytest.mark.parametrize("name", SOUND)
def test_what_only_looks_different_is_taken(ran: Any, name: str) -> None:
    found = ran()
    assert found.letter(f"test_{name}") == ".", found.everything
    assert found.verdicts(f"test_{name}")["accuracy_drop"]["measured"]["n"] == 200


@pytest.mark.parametrize("name", FAULTS)
def test_what_differs_is_told_with_its_place(ran: Any, name: str) -> None:
    found = ran()
    assert found.letter(f"test_{name}") in ("E", "F"), found.everything
    found.assert_fault(found.text(f"test_{name}"), "edge_data.evaluation", *FAULTS[name])


def test_what_is_known_never_to_end_is_told_by_explain_and_before_the_body(ran: Any) -> None:
    found = ran("--edge-explain", "-k", "infinite or lists")
    assert found.letter("test_infinite") == "E", found.everything
    assert "edge_data.evaluation never ends" in found.text("test_infinite")
    assert found.letter("test_lists") != "E"


def test_the_users_own_traceback_is_at_tb_long(ran: Any) -> None:
    found = ran("--tb=long", "-k", "raises")
    text = found.text("test_raises")
    assert "RuntimeError: the disk of the team is gone" in text
    assert 'raise RuntimeError("the disk of the team is gone")' in text
    assert "edgegate error: edge_data.evaluation failed at its batch #1" in text


STAGES = """
import pytest
from pytest_edgegate import PTQ, QAT, Prune
from pytest_edgegate.testing.fakes import fake_data


@pytest.fixture
def edge_data():
    return fake_data(200)


@pytest.mark.edge_recipe(Prune(0.5, epochs=1), QAT(1))
@pytest.mark.edge_budget(accuracy_drop=0.01)
class TestLost:
    @pytest.mark.model(prune_wrong=range(40), qat_wrong=range(44))
    def test_by_pruning(self, edge_artifact): ...

    @pytest.mark.model(prune_wrong=range(4), qat_wrong=range(44))
    def test_by_training(self, edge_artifact): ...


@pytest.mark.model(ptq_wrong=range(44))
def test_own_file(edge_ptq, edge_gate):
    edge_gate.check(edge_ptq.path, accuracy_drop=0.01)


@pytest.mark.model(ptq_wrong=range(44))
def test_file_of_others(edge_ptq, edge_gate, tmp_path):
    other = tmp_path / "other.fake"
    other.write_text(edge_ptq.path.read_text() + " ")
    edge_gate.check(other, accuracy_drop=0.01)
"""
UNPROVEN = """
import pytest


@pytest.mark.edge_budget(accuracy_drop=0.01)
class TestFew:
    @pytest.mark.model(ptq_wrong=[3])
    def test_within(self, edge_ptq): ...

    @pytest.mark.model(ptq_wrong=range(40))
    def test_over(self, edge_ptq): ...
"""


def test_a_file_of_the_session_has_the_remedies_of_its_recipe(play: Any) -> None:
    ran = play({"test_it.py": STAGES}, "--edge-target=fake-board")
    own, other = (
        ran.verdicts(name)["accuracy_drop"] for name in ("test_own_file", "test_file_of_others")
    )
    assert (own["outcome"], other["outcome"]) == ("fail", "fail")
    assert "let edge_ptq make it" not in own["remedy"]
    assert own["artifact"]["recipe"] == ["PTQ(samples=200)"]
    assert other["artifact"]["recipe"] == []


def test_what_only_more_samples_would_prove_says_so(play: Any) -> None:
    ran = play({"test_it.py": UNPROVEN}, "--edge-target=fake-board", "--edge-policy=strict")
    within, over = (
        ran.verdicts(f"TestFew::test_{name}")["accuracy_drop"] for name in ("within", "over")
    )
    assert (within["outcome"], over["outcome"]) == ("fail", "fail")
    assert within["remedy"].startswith("give more evaluation samples")
    assert "evaluation samples (the note" not in over["remedy"]


def test_pruning_that_lost_the_points_is_blamed_and_not_the_training_after_it(play: Any) -> None:
    ran = play({"test_it.py": STAGES}, "--edge-target=fake-board")
    pruned, trained = (
        ran.verdicts(f"TestLost::test_by_{which}")["accuracy_drop"]
        for which in ("pruning", "training")
    )
    assert (pruned["outcome"], trained["outcome"]) == ("fail", "fail")
    assert pruned["cause"].endswith("lost most of it, in float: 0.2 of 0.22")
    assert pruned["remedy"].startswith("prune less, or train longer in that step: Prune(")
    assert trained["remedy"].startswith("train longer")
    assert "0.98 after Prune(" in " ".join(trained["details"])
