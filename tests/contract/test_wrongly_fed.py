"""A file, or a model under test, that is fed wrongly: what a red test says of it."""

from __future__ import annotations

from typing import Any

import pytest

MORE = """

from pytest_edgegate import EdgeData


@pytest.fixture
def edge_data(request):
    from pytest_edgegate.testing.fakes import fake_images

    mark = request.node.get_closest_marker("samples")
    x, y = fake_images(200 if mark is None else mark.args[0])
    marked = request.node.get_closest_marker("labels")
    return EdgeData(
        calibration=fake_images(20, start=500)[0],
        evaluation=(x, y if marked is None else (y + marked.args[0]) % 10),
    )


@pytest.fixture
def file(tmp_path):
    def write(**what):
        from pytest_edgegate.testing.fakes import fake_model

        return fake_model(tmp_path / "own.fake", dtype="int8", io="uint8", **what)

    return write
"""
TESTS = """
import pytest

budget, model = pytest.mark.edge_budget, pytest.mark.model
samples, labels = pytest.mark.samples, pytest.mark.labels


@model(colours="rgb", wrong=range(20))
def test_bgr_file(edge_gate, file):
    edge_gate.check(file(colours="bgr", wrong=[*range(24)]), accuracy_drop=0.01)


@model(colours="rgb")
def test_bgr_file_below_its_floor(edge_gate, file):
    edge_gate.check(file(colours="bgr"), accuracy_min=0.9)


@model(colours="rgb")
def test_healthy_file(edge_gate, file):
    edge_gate.check(file(colours="rgb"), accuracy_drop=0.01, accuracy_min=0.9)


@model(colours="rgb")
def test_lossy_file(edge_gate, file):
    edge_gate.check(file(colours="rgb", wrong=[*range(0, 200, 9)]), accuracy_drop=0.01)


@model(colours="rgb")
@samples(9)
def test_few_samples(edge_gate, file):
    edge_gate.check(file(colours="bgr"), accuracy_drop=0.01)


@model(colours="bgr")
@budget(accuracy_drop=0.01)
def test_bgr_model(edge_ptq): ...


@model(colours="rgb")
@labels(1)
@budget(accuracy_drop=0.01)
def test_labels_of_other_classes(edge_ptq): ...
"""


@pytest.fixture
def ran(play: Any, inner_conftest: str) -> Any:
    files = {"conftest.py": inner_conftest + MORE, "test_fed.py": TESTS}
    return play(files, "--edge-target=fake-board", "--edge-report-json=report.json")


def test_the_text_names_the_way_that_gives_the_accuracy_back(ran: Any) -> None:
    text = ran.text("test_bgr_file")
    assert ran.letter("test_bgr_file") == "F"
    assert "  probably: with channels reversed the file reaches 0." in text
    assert "the model 0." in text
    assert " on 134 random samples\n" in text
    assert (
        "\n  next: the file was made for x[..., ::-1]: feed it so, here and on the device" in text
    )
    verdict = ran.verdicts("test_bgr_file")["accuracy_drop"]
    assert verdict["cause"].startswith("with channels reversed the file reaches")


def test_a_floor_is_explained_without_a_reference(ran: Any) -> None:
    verdict = ran.verdicts("test_bgr_file_below_its_floor")["accuracy_min"]
    assert verdict["cause"].startswith("with channels reversed the file reaches 1 (it has 0.")
    assert "the model" not in verdict["cause"]


def test_a_green_file_and_a_lossy_one(ran: Any) -> None:
    assert ran.letter("test_healthy_file") == "."
    for each in ran.verdicts("test_healthy_file").values():
        assert not each.get("cause")
        assert not each.get("details")
    verdict = ran.verdicts("test_lossy_file")["accuracy_drop"]
    assert verdict["outcome"] == "fail"
    assert not verdict["cause"]
    assert "excluded on 66 random samples, since none of them" in verdict["details"][-1]
    assert ": x[..., ::-1], " in verdict["details"][-1]


def test_a_few_samples_prove_nothing_or_what_their_interval_holds(ran: Any) -> None:
    verdict = ran.verdicts("test_few_samples")["accuracy_drop"]
    assert verdict["outcome"] == "fail"
    told = f"{verdict['cause']} {verdict['details']}"
    assert "channels reversed" in told or "x[..., ::-1]" in told


@pytest.mark.parametrize(
    ("name", "cause", "remedy"),
    [
        (
            "bgr_model",
            "with channels reversed it reaches 1 (it has 0.",
            "give edge_data samples as x[..., ::-1]; or check its preprocessing",
        ),
        (
            "labels_of_other_classes",
            "its classes are in another order than the labels (0 -> 9, 1 -> 0",
            "give the labels in the order of the outputs; or check its preprocessing",
        ),
    ],
)
def test_a_reference_at_chance_says_what_lifts_it(
    ran: Any, name: str, cause: str, remedy: str
) -> None:
    text = ran.text(f"test_{name}")
    ran.assert_fault(text, "which is not proven better than always answering class", cause)
    assert text.splitlines()[-1].startswith(remedy)
