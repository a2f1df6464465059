"""Figures of outputs against the model under test: what is compared, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest

MORE = """

@pytest.fixture
def file(tmp_path):
    def write(name="own.fake", **what):
        from pytest_edgegate.testing.fakes import fake_model

        return fake_model(tmp_path / name, **what)

    return write


def pytest_edgegate_register(registry):
    from pytest_edgegate.core.errors import InferenceError
    from pytest_edgegate.testing.fakes import FakeRuntime

    class Breaking(FakeRuntime):
        def open(self, model):
            opened = super().open(model)
            if opened._content.get("broken"):
                raise InferenceError("the fake does not open", "mend it")
            return opened

    registry.add("runtime", "fake", Breaking(""))
"""
TESTS = """
import pytest



budget, model, only = pytest.mark.edge_budget, pytest.mark.model, pytest.mark.edge_targets


@only("fake-host")
def test_export_of_another_network(edge_gate, file):
    edge_gate.check(file(wrong=list(range(100))), export_error=0)


@only("fake-host")
def test_export_of_this_network(edge_gate, file):
    edge_gate.check(file("again.fake", note="made again"), export_error=0, max_error=0)


@only("fake-board")
@model(ptq_wrong=range(100))
@budget(export_error=0)
def test_export_of_an_int8_artifact(edge_ptq): ...


@only("fake-board")
def test_export_of_an_int8_file(edge_gate, file):
    edge_gate.check(file(dtype="int8", io="uint8"), export_error=0)


@only("fake-board")
@model(ptq_wrong=range(100))
@budget(max_error=0.99)
def test_max_of_an_int8_artifact(edge_ptq): ...


@only("fake-board")
def test_max_of_an_int8_file(edge_gate, file):
    edge_gate.check(file(dtype="int8", io="uint8", wrong=[7]), max_error=1)


@only("fake-board")
@model(ptq_wrong=range(9, 200, 10))
@budget(accuracy_drop=0.2, size=1500)
def test_dead_channel(edge_ptq): ...


@only("fake-board")
@model(ptq_wrong=range(9, 200, 10))
@budget(sqnr_db=0)
def test_dead_channel_in_a_comparison(edge_ptq): ...


@only("fake-board")
@model(ptq_wrong=range(9, 200, 10))
@budget(sqnr_db=30)
def test_dead_channel_in_a_red_figure(edge_ptq): ...


@only("fake-board")
@model(ptq_wrong=range(9, 150, 10))
@budget(accuracy_drop=0.2)
def test_rare_channel(edge_ptq): ...


@only("fake-board")
@model(ptq_wrong=range(9, 200, 10), marked="size")
@budget(size=1500)
def test_dead_channel_by_size(edge_ptq): ...


@only("fake-board")
@model(ptq_wrong=range(9, 200, 10), marked="parity")
@budget(parity_agreement=0.9)
def test_dead_channel_by_parity(edge_ptq): ...


@only("fake-board")
@model(ptq_wrong=range(9, 200, 10), marked="a_floor")
@budget(accuracy_min=0.5)
def test_dead_channel_by_a_floor(edge_ptq): ...


@only("fake-board")
@model(ptq_wrong=range(9, 200, 10))
@budget(size=1500)
def test_dead_channel_that_another_test_has_seen(edge_ptq): ...


@only("fake-board")
def test_dead_channel_without_budgets(edge_gate, file):
    edge_gate.check(file(dtype="int8", io="uint8", wrong=list(range(9, 200, 10))))


@only("fake-board")
@budget(size=1500)
def test_healthy_by_size(edge_ptq): ...


@only("fake-board")
@model(broken=True)
def test_model_that_does_not_run(edge_gate, file):
    edge_gate.check(file(dtype="int8", io="uint8"))


@only("fake-host")
@budget(export_error=0, max_error=0)
def test_itself(edge_gate, edge_model):
    edge_gate.check(edge_model)
"""


@pytest.fixture
def judged(play: Any, inner_conftest: str) -> Any:
    files = {"conftest.py": inner_conftest + MORE, "test_outputs.py": TESTS}
    return play(files, "--edge-target=fake-board,fake-host")


def test_a_float_file_is_compared_itself(judged: Any) -> None:
    wrong = judged.verdicts("test_export_of_another_network", "fake-host")["export_error"]
    assert (wrong["outcome"], wrong["measured"]["value"]) == ("fail", 1)
    assert wrong["artifact"]["path"].endswith("own.fake")
    assert "float export of the model" not in wrong["reason"]
    text = judged.text("test_export_of_another_network", "fake-host")
    assert "next: make own.fake again, of the model under test" in text
    right = judged.verdicts("test_export_of_this_network", "fake-host")
    assert {right[each]["outcome"] for each in ("export_error", "max_error")} == {"pass"}


def test_of_an_int8_artifact_its_float_export_is_compared_and_named(judged: Any) -> None:
    verdict = judged.verdicts("test_export_of_an_int8_artifact")["export_error"]
    assert (verdict["outcome"], verdict["measured"]["value"]) == ("pass", 0)
    assert verdict["note"] == "float export of the model"
    assert "float export of the model" in judged.output


def test_an_int8_file_of_a_third_party_has_no_float_export(judged: Any) -> None:
    verdict = judged.verdicts("test_export_of_an_int8_file")["export_error"]
    assert verdict["outcome"] == "not_measured"
    assert "own.fake is not a float file" in verdict["reason"]
    assert "use max_error" in verdict["remedy"]


def test_the_artifact_itself_is_compared_whatever_its_dtype(judged: Any) -> None:
    made = judged.verdicts("test_max_of_an_int8_artifact")["max_error"]
    assert (made["outcome"], made["measured"]["value"]) == ("fail", 1)
    text = judged.text("test_max_of_an_int8_artifact")
    assert "largest difference: sample #0" in text
    assert "calibrate on more samples" in text
    given = judged.verdicts("test_max_of_an_int8_file")["max_error"]
    assert (given["outcome"], given["measured"]["value"]) == ("pass", 1)


def test_a_file_does_not_differ_from_itself(judged: Any) -> None:
    found = judged.verdicts("test_itself", "fake-host")
    for metric in ("export_error", "max_error"):
        assert found[metric]["outcome"] == "not_measured"


DEAD = "channel 9 of output y varies in the model under test (0 to 1) and is constant in the file"


@pytest.mark.parametrize("name", ["dead_channel", "dead_channel_in_a_comparison"])
def test_a_dead_channel_is_a_caution_on_green(judged: Any, name: str) -> None:
    contract = judged.verdicts(f"test_{name}")["contract"]
    assert contract["outcome"] == "pass"
    assert f"caution: {DEAD}" in contract["note"]
    assert judged.letter(f"test_{name}") == "."
    assert f"caution: {DEAD}" in judged.unwrapped


def test_a_dead_channel_is_the_cause_of_a_red_figure(judged: Any) -> None:
    assert f"probably: {DEAD}" in judged.text("test_dead_channel_in_a_red_figure")


@pytest.mark.parametrize("name", ["rare_channel", "healthy_by_size", "model_that_does_not_run"])
def test_no_channel_is_called_dead_that_varies_or_was_not_seen(judged: Any, name: str) -> None:
    assert judged.letter(f"test_{name}") == "."
    assert "constant in the file" not in judged.verdicts(f"test_{name}")["contract"]["note"]


@pytest.mark.parametrize("name", ["by_size", "by_parity", "by_a_floor", "without_budgets"])
def test_a_dead_channel_is_told_where_no_budget_looks_at_both_models(
    judged: Any, name: str
) -> None:
    note = judged.verdicts(f"test_dead_channel_{name}")["contract"]["note"]
    assert f"caution: {DEAD}, on 32 random samples" in note


def test_what_another_test_has_run_over_all_samples_is_not_run_again(judged: Any) -> None:
    name = "test_dead_channel_that_another_test_has_seen"
    assert judged.verdicts(name)["contract"]["note"].endswith(f"caution: {DEAD}")
