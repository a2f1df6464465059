"""Answers to the same samples: once more, in other batches, and alone."""

from __future__ import annotations

from typing import Any

import pytest

MORE = """

import pytest

from pytest_edgegate import EdgeData


def _stream(x, y, size=32):
    return [(x[at : at + size], y[at : at + size]) for at in range(0, len(x), size)]


@pytest.fixture
def edge_data(request):
    from pytest_edgegate.testing.fakes import fake_samples

    mark = request.node.get_closest_marker("samples")
    x, y = fake_samples(200 if mark is None else mark.args[0])
    calibration = fake_samples(20, start=10_000)[0]
    if request.node.get_closest_marker("stream"):
        size = request.node.get_closest_marker("stream").args[0]
        return EdgeData(calibration=calibration, evaluation=_stream(x, y, size), version=f"{size}")
    return EdgeData(calibration=calibration, evaluation=(x, y))


@pytest.fixture
def file(tmp_path):
    def write(name="own.fake", **what):
        from pytest_edgegate.testing.fakes import fake_model

        return fake_model(tmp_path / name, **{"dtype": "int8", "io": "uint8", **what})

    return write
"""
TESTS = """
import pytest

budget, model, stream = pytest.mark.edge_budget, pytest.mark.model, pytest.mark.stream
samples = pytest.mark.samples
pytestmark = pytest.mark.edge_targets("fake-board")


@model(leaks=0.3)
@budget(accuracy_drop=0.4)
def test_reference_by_batch(edge_ptq): ...


@model(leaks=0.3)
@budget(accuracy_drop=0.4)
@samples(4)
def test_reference_by_batch_of_four(edge_ptq): ...


@model(leaks=0.3)
@budget(accuracy_drop=0.4)
@stream(32)
def test_reference_by_batch_in_a_stream(edge_ptq): ...


@model(leaks=0.3)
@budget(accuracy_drop=0.4)
@stream(1)
def test_stream_of_single_samples(edge_ptq): ...


@model(leaks=0.3)
@budget(accuracy_drop=0.4)
@samples(1)
def test_a_single_sample(edge_ptq): ...


@model(leaks=0.3)
@budget(sqnr_db=-100)
def test_reference_by_batch_for_a_comparison(edge_ptq): ...


@model(leaks=0.3)
@budget(size="4 kB")
def test_reference_that_is_not_run(edge_ptq): ...


@model(ptq_leaks=1.5)
@budget(accuracy_drop=0.4)
def test_artifact_by_batch(edge_ptq): ...


def test_file_by_batch(edge_gate, file):
    edge_gate.check(file(leaks=1.5))


def test_file_is_measured_alone(edge_gate, file):
    # one by one, each sample is its own mean: below 67, the first class does not win
    edge_gate.accuracy(file(leaks=1.5), min=0.3)


@model(random=0.01)
@budget(accuracy_drop=0.4)
def test_reference_at_random(edge_ptq): ...


@model(random=0.01, leaks=0.3)
@budget(accuracy_drop=0.4)
@stream(1)
def test_reference_at_random_in_single_samples(edge_ptq): ...


@model(ptq_random=0.5)
@budget(accuracy_drop=0.4)
def test_artifact_at_random(edge_ptq): ...


@model(together=0.01)
@budget(accuracy_drop=0.4)
def test_reference_by_kernels(edge_ptq): ...


@model(together=0.0005)
@budget(accuracy_drop=0.4)
def test_noise_of_kernels(edge_ptq): ...


def test_file_by_kernels(edge_gate, file):
    edge_gate.check(file(together=1.5), accuracy_min=1)


def test_file_by_range(edge_gate, file):
    edge_gate.check(file(by_range=0.6), accuracy_min=0.8)


def test_file_by_range_and_by_batch(edge_gate, file):
    edge_gate.check(file(by_range=0.4, leaks=0.3))


@budget(accuracy_drop=0.01)
def test_healthy(edge_ptq): ...
"""
IN_TWO_RUNTIMES = """
import pytest


@pytest.mark.edge_targets("fake-host")
@pytest.mark.model(ptq_leaks=1.5)
@pytest.mark.edge_budget(parity_agreement=1)
def test_parity_of_an_artifact_by_batch(edge_ptq): ...
"""


@pytest.fixture
def conftest(inner_conftest: str) -> str:
    mark = '    config.addinivalue_line("markers", "stream(size): samples come in such batches")\n'
    at = inner_conftest.index('    config.addinivalue_line("markers", "samples(')
    return inner_conftest[:at] + mark + inner_conftest[at:] + MORE


@pytest.fixture
def fed(play: Any, conftest: str) -> Any:
    files = {"test_fed.py": TESTS, "test_parity.py": IN_TWO_RUNTIMES, "conftest.py": conftest}
    return play(files, "--edge-target=fake-board,fake-host", "-v")


@pytest.mark.parametrize(
    "name",
    [
        "test_reference_by_batch",
        "test_reference_by_batch_of_four",
        "test_reference_by_batch_in_a_stream",
        "test_reference_by_batch_for_a_comparison",
    ],
)
def test_a_reference_whose_answers_depend_on_the_batch_is_an_error(fed: Any, name: str) -> None:
    assert fed.letter(name) == ("F" if "comparison" in name else "E")  # E: before the build
    text = fed.text(name)
    fed.assert_fault(text, "the answers of the model under test depend on the batch", "axis 0")
    assert "a device runs one sample at a time" in text
    assert not any(each["test"].endswith(f"{name}[fake-board]") for each in fed.report["verdicts"])


@pytest.mark.parametrize(
    "name",
    [
        "test_stream_of_single_samples",
        "test_a_single_sample",
        "test_reference_that_is_not_run",
        "test_noise_of_kernels",
        "test_healthy",
    ],
)
def test_what_has_no_batch_or_gives_the_same_in_one_is_green(fed: Any, name: str) -> None:
    assert fed.letter(name) == "."
    said = [each["reason"] for each in fed.verdicts(name).values()]
    assert not any("one sample at a time" in each for each in said)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("test_artifact_by_batch", "fake-board"),
        ("test_file_by_batch", "fake-board"),
        ("test_file_by_range_and_by_batch", "fake-board"),
        ("test_parity_of_an_artifact_by_batch", "fake-host"),
    ],
)
def test_a_file_whose_answers_depend_on_the_batch_is_red(fed: Any, name: str, target: str) -> None:
    assert fed.letter(name, target) == "F"
    found = fed.verdicts(name, target)["contract"]
    assert (found["outcome"], found["measured"]["value"]) == ("fail", 1)
    text = fed.text(name, target)
    assert "answers depend on the batch: of the same samples" in text
    assert "a layer computes over the batch" in found["cause"]
    assert "model.eval()" in found["remedy"]


def test_a_file_whose_answers_depend_on_the_batch_is_measured_alone(fed: Any) -> None:
    assert fed.letter("test_file_is_measured_alone") == "F"  # by its contract
    value = fed.verdicts("test_file_is_measured_alone")["accuracy_min"]["measured"]["value"]
    assert value == pytest.approx(0.4, abs=0.02)  # in batches, 0.1
    parity = fed.verdicts("test_parity_of_an_artifact_by_batch", "fake-host")["parity_agreement"]
    assert parity["measured"]["value"] == 1


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("test_reference_at_random", "the model under test"),
        ("test_reference_at_random_in_single_samples", "the model under test"),
        ("test_artifact_at_random", "m.fake"),
    ],
)
def test_answers_at_random_are_an_error(fed: Any, name: str, who: str) -> None:
    assert fed.letter(name) == ("E" if "reference" in name else "F")
    fed.assert_fault(fed.text(name), f"{who} answers at random", "training=True")


def test_kernels_that_answer_otherwise_in_a_batch_are_told(fed: Any) -> None:
    assert fed.letter("test_file_by_kernels") == "."
    contract = fed.verdicts("test_file_by_kernels")["contract"]["reason"]
    assert "own.fake is measured one sample at a time" in contract
    assert fed.letter("test_reference_by_kernels") == "."
    drop = fed.verdicts("test_reference_by_kernels")["accuracy_drop"]["reason"]
    assert "caution: the model under test is measured one sample at a time" in drop


def test_dynamic_quantisation_is_measured_alone_and_told(fed: Any) -> None:
    assert fed.letter("test_file_by_range") == "."
    found = fed.verdicts("test_file_by_range")
    assert "its dynamic quantisation takes the range" in found["contract"]["reason"]
    assert found["accuracy_min"]["measured"]["value"] > 0.8  # in batches, 0.1


WARM = """
import pytest

budget, model = pytest.mark.edge_budget, pytest.mark.model


@model(together=0.01)
@budget(accuracy_drop=0.4)
def test_by_kernels(edge_ptq): ...


@model(leaks=0.3)
@budget(accuracy_drop=0.4)
def test_by_batch(edge_ptq): ...
"""
NO_REFERENCE = """

def pytest_edgegate_register(registry):
    from pytest_edgegate.testing.fakes import FakeRuntime

    opening = FakeRuntime.open

    def open_artifacts_only(self, model):
        assert "edgegate_cache" in str(model), f"{model} was loaded again"
        return opening(self, model)

    FakeRuntime.open = open_artifacts_only
"""


def test_a_second_run_loads_no_model_for_it(again: Any, inner_conftest: str) -> None:
    files = {"test_warm.py": WARM, "conftest.py": inner_conftest}
    first = again(files, "--edge-target=fake-board")
    second = again(
        {**files, "conftest.py": inner_conftest + NO_REFERENCE}, "--edge-target=fake-board"
    )
    for run in (first, second):
        assert run.letter("test_by_kernels") == "."
        drop = run.verdicts("test_by_kernels")["accuracy_drop"]["reason"]
        assert "the model under test is measured one sample at a time" in drop
        assert run.letter("test_by_batch") == "E"
        run.assert_fault(run.text("test_by_batch"), "depend on the batch", "axis 0")
