"""Answers that can't be trusted: class ids in place of scores, teachers that answer at random,
runtimes that agree on one answer for everything, and channels that no accuracy budget looks at."""

from __future__ import annotations

from typing import Any

import pytest

HOST = "fake-host"
"""It takes outputs of any dtype."""
MORE = """

import numpy as np

from pytest_edgegate import EdgeData, Metric
from pytest_edgegate.testing.fakes import fake_model, fake_samples


@pytest.fixture
def edge_model(request, tmp_path):
    mark = request.node.get_closest_marker("model")
    what = {} if mark is None else mark.kwargs
    return fake_model(tmp_path / "m.fake", marked=request.node.originalname, **what)


@pytest.fixture
def edge_student(tmp_path_factory):
    return fake_model(tmp_path_factory.mktemp("student") / "s.fake", bytes=2000)


@pytest.fixture
def edge_data(request):
    binary = request.node.get_closest_marker("binary")
    x, y = fake_samples(200)
    y = y % 2 if binary else y
    evaluation = (x, y)
    if request.node.get_closest_marker("stream"):
        evaluation = [(x[at : at + 20], y[at : at + 20]) for at in range(0, 200, 20)]
    return EdgeData(
        version="1",
        train=fake_samples(100, start=20_000),
        calibration=fake_samples(20, start=10_000)[0],
        evaluation=evaluation,
    )


@pytest.fixture
def edge_metric(request):
    if request.node.get_closest_marker("own"):
        return Metric(lambda ids, labels: ids.reshape(-1) == labels)
    groups = request.node.get_closest_marker("groups")
    if groups is not None:
        return Metric("top1", groups=np.arange(200) % groups.args[0])
    return "top1"


@pytest.fixture
def file(request, tmp_path):
    def write(**what):
        given = {"dtype": "int8", "io": "uint8", **what}
        return fake_model(tmp_path / "own.fake", marked=request.node.originalname, **given)

    return write
"""
TESTS = """
import pytest

from pytest_edgegate import PTQ, Distill

budget, model = pytest.mark.edge_budget, pytest.mark.model


@pytest.mark.binary
@model(argmax=True, classes=2)
@budget(accuracy_drop=0.01)
def test_ids_of_the_model(edge_ptq): ...


@pytest.mark.binary
@model(classes=2)
def test_ids_of_a_file(edge_gate, file):
    edge_gate.check(file(argmax=True, classes=2), accuracy_drop=0.01)


@model()
def test_ids_of_a_file_by_its_floor(edge_gate, file):
    edge_gate.check(file(argmax=True), accuracy_min=0.5)


@model(argmax=True)
@pytest.mark.own
def test_ids_that_are_compared(edge_gate, file):
    edge_gate.check(file(argmax=True), accuracy_drop=0.05, accuracy_min=0.9)


@model(argmax=True)
def test_ids_that_nobody_scores(edge_gate, file):
    edge_gate.check(file(argmax=True), size="120 kB", parity_abs=0)


@model(random=0.5)
@pytest.mark.edge_recipe(Distill(epochs=1), PTQ())
@budget(size="120 kB")
def test_teacher_at_random(edge_artifact): ...


@model(leaks=0.5)
@pytest.mark.edge_recipe(Distill(epochs=1), PTQ())
@budget(size="120 kB")
def test_teacher_by_batch(edge_artifact): ...


@pytest.mark.groups(40)
@model()
@budget(parity_agreement=0.9)
def test_groups_that_all_agree(edge_ptq): ...


@model()
@budget(parity_agreement=0.9)
def test_samples_that_all_agree(edge_ptq): ...


@model(constant=True)
@budget(parity_agreement=0.9)
def test_one_answer(edge_ptq): ...


@model(crowded=0.3)
@budget(accuracy_min=0.5, accuracy_drop=0.1)
def test_model_by_a_large_batch(edge_ptq): ...


@model(ptq_crowded=0.3)
@budget(accuracy_min=0.9)
def test_artifact_by_a_large_batch(edge_ptq): ...


@model(ptq_far=3)
@budget(accuracy_min=0.9)
def test_artifact_by_its_place(edge_ptq): ...


@model(ptq_drifts=2e-6)
@pytest.mark.stream
@budget(accuracy_min=0.9)
def test_artifact_that_drifts(edge_ptq): ...


@model(drifts=2e-6)
@pytest.mark.stream
@budget(accuracy_drop=0.1)
def test_model_that_drifts(edge_ptq): ...


@model()
@pytest.mark.edge_recipe(Distill(epochs=1), PTQ())
@budget(size="120 kB")
def test_teacher(edge_artifact): ...
"""
MARKS = ("binary", "groups(count)", "own", "stream")


@pytest.fixture
def conftest(inner_conftest: str, counting: str) -> str:
    at = inner_conftest.index('    config.addinivalue_line("markers", "samples(')
    marks = "".join(f'    config.addinivalue_line("markers", "{each}")\n' for each in MARKS)
    return inner_conftest[:at] + marks + inner_conftest[at:] + counting + MORE


@pytest.fixture
def ran(play: Any, conftest: str) -> Any:
    files = {"conftest.py": conftest, "test_trust.py": TESTS}
    return play(
        files, "--edge-policy=strict", f"--edge-target={HOST}", "--edge-report-json=report.json"
    )


def done(ran: Any) -> list[str]:
    return (ran.folder / "done.txt").read_text().splitlines()


@pytest.mark.parametrize(
    ("name", "letter"),
    [("ids_of_the_model", "E"), ("ids_of_a_file", "F"), ("ids_of_a_file_by_its_floor", "F")],
)
def test_class_ids_are_no_scores(ran: Any, name: str, letter: str) -> None:
    assert ran.letter(f"test_{name}", HOST) == letter
    text = ran.text(f"test_{name}", HOST)
    ran.assert_fault(
        text, "int64 integers", "class ids, as an argmax gives them", "top-N needs scores"
    )
    assert "edge_metric returns Metric(lambda ids, labels: ids.reshape(-1) == labels)" in text
    assert f"built test_{name}" not in done(ran)
    assert f"opened test_{name} float32" not in done(ran) or name == "ids_of_the_model"
    assert "accuracy_drop" not in ran.verdicts(f"test_{name}", HOST)


@pytest.mark.parametrize("name", ["ids_that_are_compared", "ids_that_nobody_scores"])
def test_class_ids_that_no_scores_are_asked_of(ran: Any, name: str) -> None:
    assert ran.letter(f"test_{name}", HOST) == ".", ran.text(f"test_{name}", HOST)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("teacher_at_random", "the model under test answers at random"),
        ("teacher_by_batch", "the answers of the model under test depend on the batch"),
    ],
)
def test_a_teacher_has_to_answer_alike(ran: Any, name: str, words: str) -> None:
    assert ran.letter(f"test_{name}", HOST) == "E"
    ran.assert_fault(ran.text(f"test_{name}", HOST), words)
    assert ran.verdicts(f"test_{name}", HOST) == {}


def test_a_sound_teacher(ran: Any) -> None:
    assert ran.letter("test_teacher", HOST) == ".", ran.text("test_teacher", HOST)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("groups_that_all_agree", "the 40 groups score alike"),
        ("one_answer", "the file gives every sample the same answer"),
    ],
)
def test_agreement_that_proves_nothing_is_red_under_strict(ran: Any, name: str, words: str) -> None:
    assert ran.letter(f"test_{name}", HOST) == "F"
    found = ran.verdicts(f"test_{name}", HOST)["parity_agreement"]
    assert (found["outcome"], found["proven"], found["measured"]["value"]) == ("fail", False, 1.0)
    assert words in found["note"]


def test_agreement_of_samples_is_proven(ran: Any) -> None:
    found = ran.verdicts("test_samples_that_all_agree", HOST)["parity_agreement"]
    assert (found["outcome"], found["proven"]) == ("pass", True)


def test_a_model_that_a_large_batch_changes_is_an_error(ran: Any) -> None:
    assert ran.letter("test_model_by_a_large_batch", HOST) == "E"
    text = ran.text("test_model_by_a_large_batch", HOST)
    ran.assert_fault(text, "depend on the batch: of the same samples in two batches of 200")


def test_an_artifact_that_a_large_batch_changes_breaks_its_contract(ran: Any) -> None:
    found = ran.verdicts("test_artifact_by_a_large_batch", HOST)
    assert found["contract"]["outcome"] == "fail"
    assert "contract broken: answers depend on the batch" in ran.text(
        "test_artifact_by_a_large_batch", HOST
    )
    assert found["accuracy_min"]["measured"]["value"] == 1.0


def test_what_only_a_place_in_a_large_batch_changes_is_measured_alone(ran: Any) -> None:
    assert ran.letter("test_artifact_by_its_place", HOST) == "."
    found = ran.verdicts("test_artifact_by_its_place", HOST)
    assert found["accuracy_min"]["measured"]["value"] == 1.0
    assert "is measured one sample at a time" in found["contract"]["note"]


@pytest.mark.parametrize(
    ("name", "letter"), [("artifact_that_drifts", "F"), ("model_that_drifts", "E")]
)
def test_what_changes_while_it_is_evaluated(ran: Any, name: str, letter: str) -> None:
    assert ran.letter(f"test_{name}", HOST) == letter
    ran.assert_fault(ran.text(f"test_{name}", HOST), "answers at random, or keeps state")
